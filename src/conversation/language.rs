//! The languages that replyd's own words in a contact's mail are written in. Pure.

use serde::Deserialize;

/// Named as BCP 47 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    De,
    Fr,
    Es,
    Nl,
    It,
    Pt,
}

impl Language {
    /// For `lang` in HTML and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
            Language::Fr => "fr",
            Language::Es => "es",
            Language::Nl => "nl",
            Language::It => "it",
            Language::Pt => "pt",
        }
    }
}
