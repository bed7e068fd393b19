//! Whether a person wrote a mail just now, or a machine did: the union of signals that the field uses, RFC 3834.

/// What kind of sender a mail had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person wrote it.
    Human,
    /// An automatic answer: vacation, out of office, ticket acknowledgement.
    AutoReply,
    /// News of a delivery failure, delay or success, or a complaint.
    Bounce,
    /// A mailing list's or bulk sender's mail.
    List,
}
