//! One MIME entity (RFC 2045): what its header says it is, and its decoded body.

use super::defects::Defects;
use super::headers::Field;
use super::parameters;
use super::transfer::TransferEncoding;

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A container; its children follow it with `parent` set to its index.
    Multipart,
    /// An enclosed mail; its root part follows it with `parent` set to its index.
    Message,
    /// Decoded text, LF line ends.
    Text(String),
    /// Decoded bytes; empty inside of an enclosed mail, whose octets hold them.
    Binary(Vec<u8>),
}

/// One MIME entity (RFC 2045), in document order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index of the enclosing part.
    pub parent: Option<usize>,
    /// Lower case `type/subtype`; `text/plain` if absent.
    pub media_type: String,
    /// Content-Type parameters, names in lower case.
    pub parameters: Vec<(String, String)>,
    /// Lower case `inline` or `attachment`, if the part says so.
    pub disposition: Option<String>,
    /// As the mail says it; clean it before showing it or writing it to a header.
    pub file_name: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub fields: Vec<Field>,
    pub body: Body,
    /// The decoded octets where `body` does not hold them as they are: an enclosed mail, a text file in another
    /// charset or with other line ends. Kept only where the part may become an attachment.
    pub octets: Option<Vec<u8>>,
    /// Decoded octets, also where they are not kept.
    pub size: usize,
}

impl Part {
    /// The decoded octets: what a download of the part gives.
    pub fn octets(&self) -> &[u8] {
        match (&self.octets, &self.body) {
            (Some(octets), _) => octets,
            (None, Body::Text(text)) => text.as_bytes(),
            (None, Body::Binary(octets)) => octets,
            (None, Body::Multipart | Body::Message) => &[],
        }
    }

    /// A Content-Type parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first field of this name in the part's own header.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_str())
    }

    /// Decoded text of a text part.
    pub fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Text(text) => Some(text),
            Body::Multipart | Body::Message | Body::Binary(_) => None,
        }
    }

    /// A part known by its header; its body is still to be read.
    pub fn new(parent: Option<usize>, fields: Vec<Field>, in_digest: bool, defects: &mut Defects) -> Part {
        let structured = |name: &str| {
            let mut same = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let first = same.next().map(Field::structured);
            (first, same.next().is_some())
        };
        let (content_type, twice) = structured("content-type");
        if twice {
            defects.add("multiple_content_type");
        }
        if structured("content-transfer-encoding").1 {
            defects.add("multiple_content_transfer_encoding");
        }
        let default_type = if in_digest { "message/rfc822" } else { "text/plain" };
        let (media_type, parameters) = content_type.map(parameters::parse).unwrap_or_default();
        let (disposition, disposition_parameters) =
            structured("content-disposition").0.map(parameters::parse).unwrap_or_default();
        let named = |list: &[(String, String)], name: &str| {
            list.iter().find(|(n, value)| n == name && !value.trim().is_empty()).map(|(_, value)| value.clone())
        };
        let file_name = named(&disposition_parameters, "filename").or_else(|| named(&parameters, "name"));
        let media_type = media_type_or(media_type, default_type, file_name.is_some());
        let content_id = structured("content-id").0.map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
        let body = match media_type.as_str() {
            kind if kind.starts_with("multipart/") => Body::Multipart,
            "message/rfc822" | "message/global" => Body::Message,
            _ => Body::Binary(Vec::new()),
        };
        Part {
            parent,
            media_type,
            parameters,
            disposition: Some(disposition).filter(|disposition| !disposition.is_empty()),
            file_name,
            content_id: content_id.filter(|id| !id.is_empty()),
            fields,
            body,
            octets: None,
            size: 0,
        }
    }

    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    pub fn is_message(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global")
    }

    /// `text/*`, and the reports in `message/*`, which are lines of fields (RFC 3464, 5965, 8098).
    pub fn is_textual(&self) -> bool {
        let is_report = self.media_type.starts_with("message/") && !self.is_message();
        is_report || self.media_type.starts_with("text/") || self.is_multipart()
    }

    pub fn transfer_encoding(&self) -> TransferEncoding {
        TransferEncoding::of(self.field("content-transfer-encoding"))
    }
}

/// RFC 2045 §5.2: what is no `type/subtype` is plain text, unless it comes as a file.
fn media_type_or(media_type: String, default: &str, named: bool) -> String {
    let token = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
    match media_type.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) => media_type,
        _ if media_type == "multipart" => "multipart/mixed".to_owned(),
        _ if media_type.is_empty() => default.to_owned(),
        _ if named && media_type != "text" => "application/octet-stream".to_owned(),
        _ => "text/plain".to_owned(),
    }
}
