//! Who is in a chat: what each open tab says, what the tabs come to, and who is typing. Pure.
//!
//! Being connected, having the page in view and having the chat in view are three things: only the last one reads what
//! arrives, and only the second one counts as "back".

use super::id::Id;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one tab, or one device, says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TabState {
    /// Open somewhere, perhaps in the background.
    Connected,
    /// The page is in view.
    Visible,
    /// The chat is in view: what arrives is read.
    Reading,
}

/// What all tabs of a conversation's contact come to: the most attentive one counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    #[default]
    Absent,
    Connected,
    Visible,
    Reading,
}

impl Presence {
    /// Of all tabs together.
    pub fn of(tabs: impl IntoIterator<Item = TabState>) -> Presence {
        tabs.into_iter().map(Presence::from).max().unwrap_or_default()
    }

    /// Whether the page is in view, so that the contact counts as back.
    pub fn is_watching(self) -> bool {
        self >= Presence::Visible
    }

    /// The three words of the API.
    pub fn word(self) -> &'static str {
        match self {
            Presence::Absent => "absent",
            Presence::Connected => "away",
            Presence::Visible | Presence::Reading => "present",
        }
    }

    /// As a channel that has no tabs says it by the same words; `None` for any other.
    pub fn from_word(word: &str) -> Option<Presence> {
        match word {
            "absent" => Some(Presence::Absent),
            "away" => Some(Presence::Connected),
            "present" => Some(Presence::Visible),
            _ => None,
        }
    }

    /// As the one tab that another channel counts as.
    pub fn tab(self) -> Option<TabState> {
        match self {
            Presence::Absent => None,
            Presence::Connected => Some(TabState::Connected),
            Presence::Visible => Some(TabState::Visible),
            Presence::Reading => Some(TabState::Reading),
        }
    }
}

impl From<TabState> for Presence {
    fn from(tab: TabState) -> Presence {
        match tab {
            TabState::Connected => Presence::Connected,
            TabState::Visible => Presence::Visible,
            TabState::Reading => Presence::Reading,
        }
    }
}

/// What a contact has seen of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    All,
    /// A message and everything before it.
    UpTo(Id),
    /// These and no others: what was scrolled past was not read.
    These(Vec<Id>),
}

/// Who types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typist {
    Contact,
    Agent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypingState {
    On,
    Off,
}

/// How long "is typing" holds without being said again: whoever types says it more often than this.
pub const TYPING_LIFE: Duration = Duration::from_secs(15);
/// In a row, somebody who types postpones a mail by this at most: a key that hangs must not keep it for ever.
pub const TYPING_POSTPONES_MAX: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_attentive_tab_counts() {
        use TabState::{Connected, Reading, Visible};
        for (tabs, expected) in [
            (&[][..], Presence::Absent),
            (&[Connected], Presence::Connected),
            (&[Connected, Visible, Connected], Presence::Visible),
            (&[Visible, Reading], Presence::Reading),
        ] {
            assert_eq!(Presence::of(tabs.iter().copied()), expected, "{tabs:?}");
        }
    }

    #[test]
    fn the_words_of_the_api_lead_back() {
        for presence in [Presence::Absent, Presence::Connected, Presence::Visible] {
            assert_eq!(Presence::from_word(presence.word()), Some(presence));
            assert_eq!(Presence::of(presence.tab()), presence);
        }
        assert_eq!(Presence::Reading.word(), "present");
        assert!(["", "Present", "reading", "gone"].iter().all(|word| Presence::from_word(word).is_none()));
    }
}
