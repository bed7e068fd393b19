//! The form before a chat: which answers may be kept, and what is said of the others, by field. Pure.

use crate::config::checked::{PreChatField, PreChatKind};
use crate::mail::address::Address;
use serde_json::{Map, Value};

/// What is known of the visitor without the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub email: bool,
    pub name: bool,
}

/// Whether a conversation begins with it: only then is anything required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    Beginning(Known),
    Later,
}

/// Answers that were checked.
#[derive(Debug, Default, PartialEq)]
pub struct Answers {
    pub fields: Map<String, Value>,
    /// Of the first field of kind email that was filled in.
    pub email: Option<String>,
    /// Of the field `name`.
    pub name: Option<String>,
}

/// The answers, or what is wrong with which.
pub fn check(
    form: &[PreChatField],
    mut given: Map<String, Value>,
    occasion: Occasion,
) -> Result<Answers, Vec<(String, String)>> {
    let (mut answers, mut wrong) = (Answers::default(), Vec::new());
    for field in form {
        match answer(field, given.remove(&field.name)) {
            Ok(Some(value)) => answers.keep(field, value),
            Ok(None) if is_missed(field, occasion) => wrong.push((field.name.clone(), "it is required".to_owned())),
            Ok(None) => {}
            Err(words) => wrong.push((field.name.clone(), words)),
        }
    }
    wrong.extend(
        given
            .into_iter()
            .take(UNKNOWN_TOLD_MAX)
            .map(|(name, _)| (seen(&name), "the form has no such field".to_owned())),
    );
    if wrong.is_empty() { Ok(answers) } else { Err(wrong) }
}

impl Answers {
    fn keep(&mut self, field: &PreChatField, value: Value) {
        let text = || value.as_str().map(str::to_owned);
        match field.kind {
            PreChatKind::Email if self.email.is_none() => self.email = text(),
            PreChatKind::Text if field.name == NAME => self.name = text(),
            _ => {}
        }
        self.fields.insert(field.name.clone(), value);
    }
}

fn is_missed(field: &PreChatField, occasion: Occasion) -> bool {
    let Occasion::Beginning(known) = occasion else { return false };
    let is_known = match field.kind {
        PreChatKind::Email => known.email,
        PreChatKind::Text => known.name && field.name == NAME,
        PreChatKind::Phone | PreChatKind::Select | PreChatKind::Checkbox => false,
    };
    field.required && !is_known
}

/// The value to keep; `None` for an empty one.
fn answer(field: &PreChatField, given: Option<Value>) -> Result<Option<Value>, String> {
    let text = match (field.kind, given) {
        (_, None | Some(Value::Null)) => return Ok(None),
        (PreChatKind::Checkbox, Some(Value::Bool(ticked))) => return Ok(ticked.then_some(Value::Bool(true))),
        (PreChatKind::Checkbox, Some(_)) => return Err("true or false is expected".to_owned()),
        (_, Some(Value::String(text))) => text.trim().to_owned(),
        (_, Some(_)) => return Err("a text is expected".to_owned()),
    };
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > VALUE_OCTETS_MAX || text.chars().any(char::is_control) {
        return Err(format!("one line of at most {VALUE_OCTETS_MAX} octets is expected"));
    }
    let text = shaped(field, text)?;
    if field.pattern.as_ref().is_some_and(|pattern| !pattern.fits(&text)) {
        return Err("it does not have the form that is asked for".to_owned());
    }
    Ok(Some(Value::String(text)))
}

fn shaped(field: &PreChatField, text: String) -> Result<String, String> {
    match field.kind {
        PreChatKind::Email => {
            Address::parse(&text).map(|address| address.to_string()).map_err(|error| error.to_string())
        }
        PreChatKind::Phone if !is_phone(&text) => Err("a phone number is expected".to_owned()),
        PreChatKind::Select if !field.options.contains(&text) => Err("one of the options is expected".to_owned()),
        PreChatKind::Text | PreChatKind::Phone | PreChatKind::Select | PreChatKind::Checkbox => Ok(text),
    }
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (3..=20).contains(&digits) && text.chars().all(|c| c.is_ascii_digit() || " +-()/.".contains(c))
}

/// A name that nobody asked for is repeated in the answer.
fn seen(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The field whose value is the visitor's name.
const NAME: &str = "name";
const VALUE_OCTETS_MAX: usize = 500;
const UNKNOWN_TOLD_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked::Pattern;
    use serde_json::json;

    fn form() -> Vec<PreChatField> {
        let field = |name: &str, kind, required| PreChatField {
            name: name.into(),
            label: name.into(),
            kind,
            required,
            options: Vec::new(),
            pattern: None,
        };
        let topics = vec!["Sales".to_owned(), "Help".to_owned()];
        vec![
            field("name", PreChatKind::Text, true),
            field("mail", PreChatKind::Email, true),
            field("phone", PreChatKind::Phone, false),
            PreChatField { options: topics, ..field("topic", PreChatKind::Select, false) },
            PreChatField { pattern: Pattern::parse("[0-9]{6}"), ..field("order", PreChatKind::Text, false) },
            field("terms", PreChatKind::Checkbox, true),
        ]
    }

    fn wrong(given: Value, occasion: Occasion) -> Vec<(String, String)> {
        let given = given.as_object().cloned().unwrap_or_default();
        check(&form(), given, occasion).expect_err("something is wrong")
    }

    const NOBODY: Occasion = Occasion::Beginning(Known { email: false, name: false });

    #[test]
    fn good_answers_are_kept_and_say_who_it_is() {
        let given = json!({"name": " Ann ", "mail": "Ann@x.example", "phone": "+49 (0)30 1234", "topic": "Help",
            "order": "123456", "terms": true});
        let answers = check(&form(), given.as_object().cloned().unwrap_or_default(), NOBODY).expect("good answers");
        assert_eq!((answers.name.as_deref(), answers.email.as_deref()), (Some("Ann"), Some("Ann@x.example")));
        assert_eq!(Value::Object(answers.fields)["terms"], true);
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        let good = json!({"name": "Ann", "mail": "ann@x.example", "terms": true});
        for (field, value) in [
            ("name", json!("")),
            ("name", json!(5)),
            ("name", json!("a\r\nBcc: x")),
            ("name", json!("x".repeat(501))),
            ("mail", json!("ann")),
            ("phone", json!("call me")),
            ("topic", json!("sales")),
            ("order", json!("1234567")),
            ("terms", json!(false)),
            ("terms", json!("yes")),
            ("surprise", json!("x")),
        ] {
            let mut given = good.clone();
            given[field] = value.clone();
            let told = wrong(given, NOBODY);
            assert_eq!(told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [field], "{value}");
        }
    }

    #[test]
    fn what_is_known_and_what_comes_later_is_not_required() {
        let known = Occasion::Beginning(Known { email: true, name: true });
        assert_eq!(wrong(json!({}), known).len(), 1, "the terms");
        assert_eq!(wrong(json!({}), NOBODY).len(), 3);
        assert_eq!(check(&form(), Map::new(), Occasion::Later), Ok(Answers::default()));
        assert_eq!(wrong(json!({"order": "x"}), Occasion::Later).len(), 1);
    }
}
