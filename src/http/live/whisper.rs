//! What is passed on and never stored: whoever listens later does not miss it.

use crate::conversation::id::Id;
use crate::conversation::model::AuthorKind;
use serde_json::{Value, json};

/// What somebody does just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whisper {
    /// Of an agent, `name` is what visitors see, and `agent` the registered address, which they never do.
    Typing { who: AuthorKind, name: Option<String>, agent: Option<String>, typing: bool },
    /// An agent has the conversation open. For desks only.
    Viewing { agent: String, name: Option<String>, viewing: bool },
    /// How the contact is in the chat: `present`, `away`, `absent`, `reading`. For desks only.
    Presence { state: &'static str },
    /// A message that was held was taken back: nobody is to read it any more. For desks only.
    TakenBack { message: Id },
}

/// A whisper and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whispered {
    pub account: String,
    pub conversation: Id,
    pub whisper: Whisper,
}

impl Whispered {
    /// Name and data of the event that a desk gets.
    pub fn event(&self) -> (&'static str, Value) {
        let (name, mut data) = match &self.whisper {
            Whisper::Typing { who, name, agent, typing } => {
                ("typing", json!({"who": who, "name": name, "agent": agent, "typing": typing}))
            }
            Whisper::Viewing { agent, name, viewing } => {
                ("viewing", json!({"agent": agent, "name": name, "viewing": viewing}))
            }
            Whisper::Presence { state } => ("presence", json!({"state": state})),
            Whisper::TakenBack { message } => ("taken_back", json!({"message_id": message})),
        };
        data["account"] = json!(self.account);
        data["conversation_id"] = json!(self.conversation);
        (name, data)
    }

    /// A frame without an id: a reader that comes back goes on after the last thing that is stored.
    pub fn frame(&self) -> String {
        let (name, data) = self.event();
        format!("event: {name}\ndata: {data}\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whisper_is_one_frame_without_an_id() {
        let whisper = Whisper::Viewing { agent: "a\n\nid: 1".into(), name: Some("Sara".into()), viewing: true };
        let frame = Whispered { account: "acme".into(), conversation: Id(5), whisper }.frame();
        let lines: Vec<&str> = frame.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (3, "event: viewing", ""), "{frame}");
        let data: Value = serde_json::from_str(&lines[1]["data: ".len()..]).expect("JSON");
        assert_eq!(data["conversation_id"], "aaaaaaaaaaaak");
        assert_eq!(data["account"], "acme");
    }
}
