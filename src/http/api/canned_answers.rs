//! `/api/v1/canned_answers`: answers that agents of an account keep for use again.

use super::shape::List;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, line, text};
use crate::http::surface::Surface;
use crate::store::desk::CannedAnswer;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenAnswer {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    /// One word, at most 60 characters, unique in the account.
    name: String,
    text: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CannedAnswerShape {
    #[schema(value_type = String)]
    id: Id,
    account: String,
    name: String,
    text: String,
    created_at: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
}

#[utoipa::path(get, path = "/api/v1/canned_answers", params(ListQuery),
    responses((status = 200, description = "of one account, by name", body = List<CannedAnswerShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<CannedAnswerShape>>, ApiError> {
    let answers = surface.store.canned_answers(caller.account(query.account, &surface)?).await?;
    Ok(Json(List { items: answers.into_iter().map(CannedAnswerShape::from).collect(), next: None }))
}

#[utoipa::path(post, path = "/api/v1/canned_answers", request_body = WrittenAnswer,
    responses((status = 201, description = "the answer", body = CannedAnswerShape),
        (status = 409, description = "there is one of this name", body = crate::http::error::ErrorBody)))]
pub async fn add(
    State(surface): State<Surface>,
    caller: Caller,
    Body(written): Body<WrittenAnswer>,
) -> Result<(StatusCode, Json<CannedAnswerShape>), ApiError> {
    let account = caller.account(written.account.clone(), &surface)?;
    surface.known_account(&account)?;
    let (name, text) = checked(written)?;
    Ok((StatusCode::CREATED, Json(surface.store.add_canned_answer(account, name, text).await?.into())))
}

#[utoipa::path(put, path = "/api/v1/canned_answers/{id}", params(("id" = String, Path)), request_body = WrittenAnswer,
    responses((status = 200, description = "the answer as it is then", body = CannedAnswerShape),
        (status = 409, description = "there is another of this name", body = crate::http::error::ErrorBody)))]
pub async fn change(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(written): Body<WrittenAnswer>,
) -> Result<Json<CannedAnswerShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    let (name, text) = checked(written)?;
    Ok(Json(surface.store.change_canned_answer(id, name, text).await?.into()))
}

#[utoipa::path(delete, path = "/api/v1/canned_answers/{id}", params(("id" = String, Path)),
    responses((status = 204, description = "gone; what was written with it stays")))]
pub async fn remove(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    visible(&surface, &caller, id).await?;
    surface.store.remove_canned_answer(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another account's looks like none.
async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<CannedAnswer, ApiError> {
    let answer = surface.store.canned_answer(id).await?;
    if caller.may_see(&answer.account) { Ok(answer) } else { Err(ApiError::not_found("canned answer")) }
}

fn checked(written: WrittenAnswer) -> Result<(String, String), ApiError> {
    let name = line("name", Some(written.name))?.ok_or_else(|| ApiError::invalid("name", "it is empty"))?;
    if name.chars().count() > NAME_CHARACTERS_MAX || name.contains(|c: char| c.is_whitespace() || c == '/') {
        let reason = format!("one word is expected, without / and of at most {NAME_CHARACTERS_MAX} characters");
        return Err(ApiError::invalid("name", &reason));
    }
    let text = text("text", &written.text)?;
    if text.trim().is_empty() {
        return Err(ApiError::invalid("text", "it is empty"));
    }
    if text.len() > ANSWER_OCTETS_MAX {
        return Err(ApiError::invalid("text", &format!("it is longer than {ANSWER_OCTETS_MAX} octets")));
    }
    Ok((name, text))
}

impl From<CannedAnswer> for CannedAnswerShape {
    fn from(answer: CannedAnswer) -> CannedAnswerShape {
        let CannedAnswer { id, account, name, text, created_at } = answer;
        CannedAnswerShape { id, account, name, text, created_at: created_at.rfc3339() }
    }
}

const NAME_CHARACTERS_MAX: usize = 60;
const ANSWER_OCTETS_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_a_text_is_not_empty() {
        let check = |name: &str, text: &str| {
            checked(WrittenAnswer { account: None, name: name.into(), text: text.into() })
                .map_err(|error| error.message)
        };
        assert_eq!(check("danke", "Gern\r\n!"), Ok(("danke".into(), "Gern\n!".into())));
        for (name, text, field) in [
            ("", "x", "name: it is empty"),
            ("two words", "x", "name: one word"),
            ("a/b", "x", "name: one word"),
            ("a\nb", "x", "name: line breaks"),
            ("a", " ", "text: it is empty"),
        ] {
            assert!(check(name, text).is_err_and(|error| error.starts_with(field)), "{name:?} {text:?}");
        }
    }
}
