//! What decoders of request bodies give: names and octets of parameters, in the order in which they come. Pure.

/// A piece of a decoded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A parameter begins.
    Name(Name),
    /// Octets of its value.
    Octets(Vec<u8>),
    /// It is complete.
    End,
}

/// The name of a parameter, as Rails reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub word: String,
    pub kind: Kind,
}

/// What a parameter's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A file, an array, an object: nothing that a text may be read from.
    Other,
}

impl Name {
    /// `a[]` and `a[b]` make `a` an array or an object.
    pub fn of(written: &str, kind: Kind) -> Name {
        match written.split_once('[') {
            Some((word, _)) if !word.is_empty() => Name { word: word.to_owned(), kind: Kind::Other },
            Some(_) | None => Name { word: written.to_owned(), kind },
        }
    }
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
