//! Files that come with a message through the API: base64 in JSON, bounded in number and octets, their names cleaned
//! as those of a mail are.

use crate::http::error::ApiError;
use crate::http::input::line;
use crate::mail::file_name;
use crate::store::unit::Upload;
use data_encoding::{BASE64, BASE64_MIME};
use serde::Deserialize;
use utoipa::ToSchema;

/// A file as a caller gives it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenFile {
    name: String,
    /// A media type such as `image/png`; without one `application/octet-stream`.
    #[serde(rename = "type")]
    media_type: Option<String>,
    /// Base64.
    content: String,
}

/// The files to store.
pub fn uploads(files: Vec<WrittenFile>) -> Result<Vec<Upload>, ApiError> {
    if files.len() > FILES_MAX {
        return Err(ApiError::invalid("attachments", &format!("at most {FILES_MAX} may come with a message")));
    }
    let (mut uploads, mut octets) = (Vec::with_capacity(files.len()), 0);
    for (index, file) in files.into_iter().enumerate() {
        let upload = upload(index, file)?;
        octets += upload.octets.len();
        uploads.push(upload);
    }
    bounded(octets)?;
    Ok(uploads)
}

fn bounded(octets: usize) -> Result<(), ApiError> {
    if octets > OCTETS_MAX {
        let reason = format!("together they are longer than {OCTETS_MAX} octets; share a link instead");
        return Err(ApiError::invalid("attachments", &reason));
    }
    Ok(())
}

fn upload(index: usize, file: WrittenFile) -> Result<Upload, ApiError> {
    let field = |name: &str| format!("attachments[{index}].{name}");
    let given = line(&field("name"), Some(file.name))?.unwrap_or_default();
    let name = file_name::clean(&given).ok_or_else(|| ApiError::invalid(&field("name"), "it is no file name"))?;
    let media_type = line(&field("type"), file.media_type)?.unwrap_or_else(|| "application/octet-stream".to_owned());
    if !is_media_type(&media_type) {
        return Err(ApiError::invalid(&field("type"), "a media type such as image/png is expected"));
    }
    let content = file.content.as_bytes();
    let octets = BASE64.decode(content).or_else(|_| BASE64_MIME.decode(content));
    let octets = octets.map_err(|_| ApiError::invalid(&field("content"), "base64 is expected"))?;
    Ok(Upload { name, media_type: media_type.to_ascii_lowercase(), octets })
}

/// RFC 2045 §5.1: two tokens, no parameters. A multipart or a message would be taken apart by mail clients.
fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        let fine = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet);
        !text.is_empty() && text.len() <= 127 && text.bytes().all(fine)
    };
    let composite = |main: &str| ["multipart", "message"].iter().any(|word| main.eq_ignore_ascii_case(word));
    text.split_once('/').is_some_and(|(main, sub)| token(main) && token(sub) && !composite(main))
}

const FILES_MAX: usize = 20;
/// Of all files of one message.
const OCTETS_MAX: usize = 20 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &str) -> Result<Vec<(String, String, usize)>, String> {
        let files: Vec<WrittenFile> = serde_json::from_str(files).map_err(|error| error.to_string())?;
        let uploads = uploads(files).map_err(|error| error.message)?;
        Ok(uploads.into_iter().map(|upload| (upload.name, upload.media_type, upload.octets.len())).collect())
    }

    #[test]
    fn a_file_has_a_clean_name_a_type_and_its_octets() {
        let good =
            check(r#"[{"name":"../Plan.PDF","type":"Application/PDF","content":"aGk="},{"name":"x","content":""}]"#);
        let expected = vec![
            ("Plan.PDF".to_owned(), "application/pdf".to_owned(), 2),
            ("x".to_owned(), "application/octet-stream".to_owned(), 0),
        ];
        assert_eq!(good, Ok(expected));
    }

    #[test]
    fn what_is_wrong_with_a_file_names_file_and_field() {
        for (files, expected) in [
            (r#"[{"name":"a","content":"a"}]"#, "attachments[0].content: base64"),
            (r#"[{"name":"a","content":""},{"name":"a\r\nX: y","content":""}]"#, "attachments[1].name: line breaks"),
            (r#"[{"name":"a\u0000","content":""}]"#, "attachments[0].name: line breaks"),
            (r#"[{"name":" ","content":""}]"#, "attachments[0].name: it is no file name"),
            (r#"[{"name":"a","type":"text","content":""}]"#, "attachments[0].type: a media type"),
            (r#"[{"name":"a","type":"text/plain; x=y","content":""}]"#, "attachments[0].type: a media type"),
            (r#"[{"name":"a","type":"a/b\r\nX: y","content":""}]"#, "attachments[0].type: line breaks"),
            (r#"[{"name":"a","type":"message/rfc822","content":""}]"#, "attachments[0].type: a media type"),
            (r#"[{"name":"a"}]"#, "missing field `content`"),
        ] {
            assert!(check(files).is_err_and(|error| error.starts_with(expected)), "{files}: {:?}", check(files));
        }
    }

    #[test]
    fn files_are_bounded_in_number_and_octets() {
        let many = |count: usize| {
            let file = || WrittenFile { name: "a".into(), media_type: None, content: "aGk=".into() };
            uploads((0..count).map(|_| file()).collect()).is_ok()
        };
        assert!(many(FILES_MAX) && !many(FILES_MAX + 1));
        assert!(bounded(OCTETS_MAX).is_ok() && bounded(OCTETS_MAX + 1).is_err());
    }
}
