//! Outgoing mail as everything above the store sees it: what a message causes, where each mail stands, and what an
//! agent is shown of it. Pure.

use super::quiet_hours::QuietHours;
use crate::clock::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where one mail to one recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// The chat has it first: it goes out by mail when due, unless it was seen.
    Waiting,
    /// To be sent as soon as there is room.
    Queued,
    /// An attempt did not succeed; the next one is due.
    Deferred,
    Delivered,
    Failed,
    Cancelled,
    /// Read in the chat before a mail was due.
    Seen,
}

impl DeliveryState {
    /// Whether an attempt may still come.
    pub fn is_open(self) -> bool {
        match self {
            DeliveryState::Waiting | DeliveryState::Queued | DeliveryState::Deferred => true,
            DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Cancelled | DeliveryState::Seen => false,
        }
    }
}

/// How far the attempt in hand has come; what a crash leaves of it is decided by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Connecting,
    /// All content is at the peer, the final dot may be: an end here without an answer is uncertain.
    DataSent,
}

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// What a person wrote, to the contact or a participant.
    Answer,
    /// A contact's message, to an agent.
    Notification,
    /// replyd's own words to an agent.
    Notice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    Contact,
    Participant,
    Agent,
}

/// What its author wants of an agent's message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailChoice {
    /// As the rule of continuity says.
    #[default]
    Auto,
    /// By mail at once, whoever is in the chat.
    Now,
    /// Never by mail.
    Never,
}

/// What mail a new message causes, as far as the config says; the store adds whom that concerns. Of an agent's message it is
/// kept, so that what was promised when it was written holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Posting {
    /// An agent's message: how long the chat has it before it goes to the contact by mail. `None`: no mail.
    pub to_contact: Option<Duration>,
    /// And while the chat is open without anybody looking.
    pub unseen_delay: Duration,
    /// In which nothing goes out that could wait.
    pub quiet_hours: Option<QuietHours>,
    /// What its author wants.
    pub mail: MailChoice,
    /// How long its author may still take it back; until then nobody else sees it.
    pub held: Option<Duration>,
    /// Participants that the agent chose to copy.
    pub cc: Vec<String>,
    /// A message of a contact or participant: the agents whom it concerns are told by mail.
    pub notify_agents: bool,
    /// REQUIRETLS (RFC 8689): of a mail that came in, that it came so, and its answers go so; of an agent's mail, that it
    /// goes on so.
    pub require_tls: bool,
}

impl Default for Posting {
    fn default() -> Posting {
        Posting {
            to_contact: None,
            unseen_delay: UNSEEN_DELAY,
            quiet_hours: None,
            mail: MailChoice::Auto,
            held: None,
            cc: Vec::new(),
            notify_agents: false,
            require_tls: false,
        }
    }
}

/// Where an inbox says nothing else.
pub const UNSEEN_DELAY: Duration = Duration::from_secs(600);

/// How a message fares on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    pub state: DeliveryState,
    /// A person or a bound holds it.
    pub held: bool,
    /// Of the next attempt; none is due while it is held.
    pub due_at: Option<UnixMs>,
    pub attempts: u32,
    /// Host, address and port of the last attempt.
    pub remote: Option<String>,
    /// As the host said it: at most 2 KiB, control characters escaped.
    pub remote_reply: Option<String>,
    /// Version and suite, and what it was checked against; `none` in words.
    pub tls: Option<String>,
    pub last_attempt_at: Option<UnixMs>,
    /// What it means, for a person.
    pub reason: Option<String>,
    /// The connection broke after the last octet: the mail may have arrived, and is sent again with the same Message-ID.
    pub uncertain: bool,
    /// When a report said that it did not arrive after all. What the host said to the mail stays in `remote_reply`.
    pub bounced_at: Option<UnixMs>,
    /// The report's words: `5.1.1 (no such user)`.
    pub bounce_diagnostic: Option<String>,
    /// Of the mail, without angle brackets; `None` where there is none.
    pub message_id: Option<String>,
}

/// Several recipients' deliveries as the one of their message: what needs a person comes first, then what is open, then
/// what is done.
pub fn summary(deliveries: Vec<Delivery>) -> Option<Delivery> {
    let rank = |delivery: &Delivery| match delivery.state {
        DeliveryState::Failed => 0,
        DeliveryState::Deferred => 1,
        DeliveryState::Queued => 2,
        DeliveryState::Waiting => 3,
        DeliveryState::Delivered => 4,
        DeliveryState::Seen => 5,
        DeliveryState::Cancelled => 6,
    };
    deliveries.into_iter().min_by_key(rank)
}

/// Why an address gets no more mail from an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    BadAddress,
    MailboxFull,
    Complaint,
    Unsubscribed,
}

impl SuppressionReason {
    /// What happened, in words.
    pub fn words(self) -> &'static str {
        match self {
            SuppressionReason::BadAddress => "the address does not exist",
            SuppressionReason::MailboxFull => "the mailbox was full again and again",
            SuppressionReason::Complaint => "its owner reported mail of ours as unwanted",
            SuppressionReason::Unsubscribed => "its owner unsubscribed",
        }
    }
}

/// Why a mail to a suppressed address is not sent, and what to do about it.
pub fn suppressed_words(email: &str, reason: SuppressionReason, detail: Option<&str>) -> String {
    let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let words = reason.words();
    format!(
        "not sent: mail to {email} is stopped: {words}{detail}; if that has changed: replyd suppression clear {email}"
    )
}

/// Why a mail is held as part of a loop, and what to do about it.
pub fn too_many_words(kind: MailKind, recipient: &str, most: usize) -> String {
    let what = match kind {
        MailKind::Answer => "answers",
        MailKind::Notification => "notifications",
        MailKind::Notice => "notices",
    };
    format!(
        "held: {most} {what} of this conversation that mail caused went to {recipient} within an hour, which looks like two machines that \
         answer each other; a person has to look: release it, or cancel it"
    )
}

/// Why a mail is held by the bound of all chats together.
pub fn too_many_of_chats_words(kind: MailKind, recipient: &str, most: usize) -> String {
    let who = match kind {
        MailKind::Answer => "an address that visitors typed and nobody proved",
        MailKind::Notification | MailKind::Notice => "an agent",
    };
    format!(
        "held: {most} mails of this account's chats went to {recipient}, {who}, within an hour, which looks like somebody who \
         begins chats to fill a mailbox; it goes out by itself once there is room, or release it, or cancel it"
    )
}

/// Why an answer is held that a person wrote.
pub fn too_many_answers_words(recipient: &str, most: usize) -> String {
    format!(
        "held: {most} answers of this conversation went to {recipient} within an hour; it goes out by itself once there is \
         room, or release it, or cancel it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(state: DeliveryState) -> Delivery {
        Delivery {
            state,
            held: false,
            due_at: None,
            attempts: 0,
            remote: None,
            remote_reply: None,
            tls: None,
            last_attempt_at: None,
            reason: None,
            uncertain: false,
            bounced_at: None,
            bounce_diagnostic: None,
            message_id: None,
        }
    }

    #[test]
    fn of_several_recipients_the_one_in_need_is_shown() {
        use DeliveryState::{Cancelled, Deferred, Delivered, Failed, Queued, Seen, Waiting};
        for (states, expected) in [
            (vec![], None),
            (vec![Delivered, Failed], Some(Failed)),
            (vec![Delivered, Deferred, Queued], Some(Deferred)),
            (vec![Waiting, Queued], Some(Queued)),
            (vec![Delivered, Waiting], Some(Waiting)),
            (vec![Seen, Cancelled, Delivered], Some(Delivered)),
        ] {
            let shown = summary(states.iter().copied().map(delivery).collect()).map(|delivery| delivery.state);
            assert_eq!(shown, expected, "{states:?}");
        }
    }

    #[test]
    fn words_say_what_happened_and_what_to_do() {
        let words = suppressed_words("a@b.example", SuppressionReason::BadAddress, Some("550 5.1.1 no such user"));
        for part in ["a@b.example", "does not exist", "550 5.1.1", "suppression clear"] {
            assert!(words.contains(part), "{words}");
        }
        assert!(too_many_words(MailKind::Answer, "a@b.example", 30).contains("30 answers"));
    }
}
