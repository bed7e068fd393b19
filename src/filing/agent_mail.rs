//! What an agent's mail does: it is sent to the customer, or kept as a note, and its commands are orders. Pure.
//!
//! In doubt nothing is sent: a mail with a command that cannot be done becomes a note, and the agent is told by one mail.

use super::discretion::{self, Discreet};
use crate::clock::UnixMs;
use crate::conversation::commands::{self, Command, LIST};
use crate::conversation::model::Direction;
use crate::mail::content::{Attachment, Content};
use crate::store::outgoing::AgentOrder;

/// What is known of an agent's mail.
#[derive(Debug, Clone, Copy)]
pub struct AgentMail<'a> {
    pub content: &'a Content,
    pub subject: Option<&'a str>,
    pub received_at: UnixMs,
    /// Registered addresses of the account's agents.
    pub agents: &'a [String],
    /// What no customer is to see.
    pub hidden: &'a [String],
    /// A file that tells of it.
    pub telling: Option<&'a str>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The message; `None` for commands alone.
    pub message: Option<(Direction, String)>,
    /// Lines that are not to go out, as they came.
    pub folded: String,
    pub orders: Vec<AgentOrder>,
    /// Why nothing was sent, for the ledger, where the agent wanted something sent.
    pub refused: Option<String>,
}

/// A mail to the agent's own token.
pub fn effect(mail: &AgentMail<'_>) -> Effect {
    let content = mail.content;
    let commanded = match commands::read(&content.visible) {
        Ok(commanded) => commanded,
        Err(misunderstood) => return explained(mail, &misunderstood.to_string()),
    };
    let unknown = commanded.commands.iter().find_map(|command| match command {
        Command::Assign(agent) if !mail.agents.contains(agent) => Some(agent),
        Command::Assign(_) | Command::Note | Command::Resolve | Command::Snooze(_) => None,
    });
    if let Some(agent) = unknown {
        return explained(mail, &format!("{agent} is not an agent here"));
    }
    // A body without a word is shown by its subject elsewhere, and a mail that only quotes is shown whole; nobody meant to
    // send that.
    let direction = if commanded.commands.contains(&Command::Note) { Direction::Note } else { Direction::Outgoing };
    let (Discreet { text, folded }, files) = shown(mail, commanded.text, direction);
    let is_empty = content.text.trim().is_empty() || is_only_quotes(&text);
    let text = if is_empty { String::new() } else { text };
    let has_files = files.iter().any(|file| !file.inline);
    let is_message = !text.is_empty() || has_files || (commanded.commands.is_empty() && !files.is_empty());
    if !is_message && commanded.commands.is_empty() {
        return explained(mail, "it holds no text of yours, only what it quotes");
    }
    if let Some(name) = mail.telling.filter(|_| is_message && direction == Direction::Outgoing) {
        let why = "which no customer is to see; leave it out, or send it as another kind of file";
        return explained(mail, &format!("the file {name} holds an agent's address or reply address, {why}"));
    }
    let orders = commanded.commands.into_iter().filter_map(|command| order(command, mail.received_at)).collect();
    Effect { message: is_message.then_some((direction, text)), folded, orders, refused: None }
}

/// Colleagues see all of a note, customers not.
fn shown<'a>(mail: &AgentMail<'a>, text: &str, direction: Direction) -> (Discreet, Vec<&'a Attachment>) {
    let files = mail.content.attachments.iter();
    if direction == Direction::Note {
        return (Discreet { text: text.to_owned(), ..Discreet::default() }, files.collect());
    }
    (discretion::text(text, mail.hidden), files.filter(|file| !discretion::is_credential(file)).collect())
}

fn is_only_quotes(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('>'))
}

/// A mail that an agent sent to another address of the conversation: who reads there is no customer's mailbox.
pub fn elsewhere(mail: &AgentMail<'_>, recipient: &str) -> Effect {
    explained(
        mail,
        &format!("it came to {recipient}, and only what you send to the reply address of a mail of ours is sent on"),
    )
}

/// A machine's mail in an agent's name: kept, and answered to nobody.
pub fn kept(mail: &AgentMail<'_>) -> Effect {
    let message = Some((Direction::Note, mail.content.visible.clone()));
    Effect { message, folded: String::new(), orders: Vec::new(), refused: None }
}

fn order(command: Command, received_at: UnixMs) -> Option<AgentOrder> {
    match command {
        Command::Note => None,
        Command::Resolve => Some(AgentOrder::Resolve),
        Command::Assign(agent) => Some(AgentOrder::Assign(agent)),
        Command::Snooze(time) => {
            let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            Some(AgentOrder::SnoozeUntil(UnixMs(received_at.0.saturating_add(milliseconds))))
        }
    }
}

fn explained(mail: &AgentMail<'_>, why: &str) -> Effect {
    let Content { visible, .. } = mail.content;
    let subject = mail.subject.map(|subject| format!(" \"{}\"", shortened(subject, SUBJECT_SHOWN))).unwrap_or_default();
    let quoted: String = shortened(visible, TEXT_SHOWN).lines().map(|line| format!("> {line}\n")).collect();
    let words = format!(
        "Your mail{subject} was not sent to the customer: {why}.\nIt is kept as a note in the conversation.\n\n\
         To send it, answer this mail. These commands may stand at the top, one to a line:\n\n{LIST}\n\n\
         You wrote:\n\n{quoted}"
    );
    Effect {
        message: Some((Direction::Note, visible.clone())),
        folded: String::new(),
        orders: vec![AgentOrder::Explain(words)],
        refused: Some(why.to_owned()),
    }
}

fn shortened(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or(text)
}

const SUBJECT_SHOWN: usize = 200;
/// The note holds all of it.
const TEXT_SHOWN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::content;
    use crate::mail::parsed::ParsedMail;

    fn with(body: &str, attachments: Vec<Attachment>) -> Effect {
        let mail = ParsedMail::parse(format!("Subject: Re: order\r\n\r\n{body}").as_bytes());
        let mut content = content::read(&mail, &[]);
        content.attachments = attachments;
        let agents = ["sara@acme.example".to_owned()];
        effect(&AgentMail {
            content: &content,
            subject: Some("Re: order"),
            received_at: UnixMs(1000),
            agents: &agents,
            hidden: &agents,
            telling: None,
        })
    }

    fn file(inline: bool) -> Attachment {
        Attachment {
            name: "a.png".into(),
            media_type: "image/png".into(),
            size: 1,
            inline,
            content_id: None,
            sha256: String::new(),
            part_index: 1,
        }
    }

    fn check(body: &str, message: Option<(Direction, &str)>, orders: &[AgentOrder]) {
        let effect = with(body, Vec::new());
        assert_eq!(effect.message, message.map(|(direction, text)| (direction, text.to_owned())), "{body}");
        assert_eq!(effect.orders, orders, "{body}");
        assert_eq!(effect.refused, None, "{body}");
    }

    #[test]
    fn text_is_sent_and_commands_are_orders() {
        use AgentOrder::{Assign, Resolve, SnoozeUntil};
        use Direction::{Note, Outgoing};
        check("It ships today.", Some((Outgoing, "It ships today.")), &[]);
        check("#resolve\r\n\r\nIt ships today.", Some((Outgoing, "It ships today.")), &[Resolve]);
        check("#note\r\nangry", Some((Note, "angry")), &[]);
        check("#resolve", None, &[Resolve]);
        check("#note", None, &[]);
        let (later, sara) = (SnoozeUntil(UnixMs(3_601_000)), || Assign("sara@acme.example".into()));
        check("#assign sara@acme.example\r\n#snooze 1h", None, &[sara(), later]);
        check("#1234 ships today.", Some((Outgoing, "#1234 ships today.")), &[]);
        check("Done.\r\n\r\nOn Monday Ann <a@x.example> wrote:\r\n> hm?\r\n", Some((Outgoing, "Done.")), &[]);
    }

    #[test]
    fn what_cannot_be_done_is_a_note_and_is_explained() {
        for (body, why) in [
            ("#asign ben@acme.example\r\nPlease take it.", "\"#asign\" is not a command"),
            ("#assign ben@acme.example\r\nPlease take it.", "ben@acme.example is not an agent here"),
            ("#resolve\r\n#snooze never\r\nPlease take it.", "\"#snooze\" needs a time"),
        ] {
            let Effect { message, orders, refused, .. } = with(body, Vec::new());
            assert!(refused.is_some_and(|refused| refused.contains(why)), "{body}");
            assert!(message.is_some_and(|(kind, text)| kind == Direction::Note && text.contains("Please take it.")));
            let [AgentOrder::Explain(words)] = orders.as_slice() else { panic!("one explanation: {orders:?}") };
            for part in [why, "Re: order", "> Please take it.", "#snooze TIME", "not sent to the customer"] {
                assert!(words.contains(part), "{words}");
            }
        }
    }

    #[test]
    fn a_mail_without_a_word_sends_its_files_or_nothing() {
        assert_eq!(with("\r\n", vec![file(false)]).message, Some((Direction::Outgoing, String::new())));
        assert_eq!(with("\r\n", vec![file(true)]).message, Some((Direction::Outgoing, String::new())));
        // A signature's logo is no answer.
        assert_eq!(with("#resolve\r\n", vec![file(true)]).message, None);
        assert!(with("\r\n", Vec::new()).refused.is_some_and(|why| why.contains("no text of yours")));
        assert!(with("> all quoted\r\n> by us\r\n", Vec::new()).orders.len() == 1);
    }
}
