//! When what a contact has not seen in the chat goes out by mail, and why then or not at all. Pure; the one place where
//! this is decided. Everything that changes a fact asks again, and so does the moment at which a mail is due: no timer
//! means anything beyond "look again then", so a restart, a sleep or a clock that jumps costs at most time.

use super::delivery::{MailChoice, Posting};
use super::id::Id;
use super::model::{Channel, Via};
use super::presence::{Presence, TYPING_LIFE, TYPING_POSTPONES_MAX};
use super::quiet_hours::QuietHours;
use crate::clock::UnixMs;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// What is known of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub channel: Channel,
    /// Messages of agents that the contact has not seen, that no mail brought, and that may go by mail.
    pub unseen: Vec<Unseen>,
    pub presence: Presence,
    /// Since when it is so; `None`: always.
    pub presence_since: Option<UnixMs>,
    /// When the contact last had the page in view.
    pub present_at: Option<UnixMs>,
    /// How and when the contact wrote last.
    pub last_word: Option<LastWord>,
    pub contact_typing_until: Option<UnixMs>,
    pub agent_typing_until: Option<UnixMs>,
    pub address: AddressState,
    /// Whether the contact wants this conversation by mail at all.
    pub mail: MailWish,
    /// Of the contact.
    pub time_zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    pub id: Id,
    pub at: UnixMs,
    pub mail: MailChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastWord {
    pub via: Via,
    pub at: UnixMs,
}

/// Whether the contact can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressState {
    None,
    /// It bounced for good, or its owner wants no mail: in words.
    Unusable(String),
    Usable,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailWish {
    #[default]
    On,
    Off,
}

/// What the config says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long the chat has a message alone once its contact is gone; `None`: for ever, nothing goes by mail.
    pub offline_delay: Option<Duration>,
    /// And while it is open without anybody looking.
    pub unseen_delay: Duration,
    pub quiet_hours: Option<QuietHours>,
}

impl Rules {
    /// As they were when a message was written.
    pub fn of(posting: &Posting) -> Rules {
        Rules {
            offline_delay: posting.to_contact,
            unseen_delay: posting.unseen_delay,
            quiet_hours: posting.quiet_hours.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No mail, whatever time passes.
    Nothing(Reason),
    /// Look again then, or when a fact changes.
    Wait { until: UnixMs, reason: Reason },
    /// One mail with these, oldest first.
    Mail { messages: Vec<Id>, reason: Reason },
}

/// Why; shown to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    NothingUnseen,
    ContinuityOff,
    NoAddress,
    Unusable(String),
    MailOff,
    NotByMail,
    AgentAsked,
    MailConversation,
    OnEmail,
    Gone,
    Unwatched,
    Unread,
    Reading,
    ContactTypes,
    AgentTypes,
    QuietHours,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Unusable(words) => words,
            Reason::NothingUnseen => "nothing is unseen",
            Reason::ContinuityOff => "continuity is off for this account",
            Reason::NoAddress => "the contact has no email address",
            Reason::MailOff => "the contact turned mail off for this conversation",
            Reason::NotByMail => "its author wants it in the chat alone",
            Reason::AgentAsked => "its author wants it to go by mail at once",
            Reason::MailConversation => "the conversation goes by mail",
            Reason::OnEmail => "the contact wrote by mail last and was not in the chat since",
            Reason::Gone => "the contact has left the chat: it goes out by mail then, unless it was seen",
            Reason::Unwatched => "the chat is open in the background: it goes out by mail then, unless it was seen",
            Reason::Unread => "the page is open and the chat is not: it goes out by mail then, unless it was seen",
            Reason::Reading => "the contact is reading the chat",
            Reason::ContactTypes => "the contact is typing",
            Reason::AgentTypes => "an agent is typing: what comes now goes along",
            Reason::QuietHours => "it is night for the contact",
        })
    }
}

/// What is to happen now.
pub fn decide(facts: &Facts, rules: &Rules, now: UnixMs) -> Decision {
    if let Some(reason) = hindrance(facts, rules) {
        return Decision::Nothing(reason);
    }
    let wanted: Vec<&Unseen> = facts.unseen.iter().filter(|unseen| unseen.mail != MailChoice::Never).collect();
    let Some(oldest) = wanted.iter().map(|unseen| past(unseen.at, now).unwrap_or_default()).min() else {
        let reason = if facts.unseen.is_empty() { Reason::NothingUnseen } else { Reason::NotByMail };
        return Decision::Nothing(reason);
    };
    let asked = wanted.iter().any(|unseen| unseen.mail == MailChoice::Now);
    let (due, reason) = if asked { (now, Reason::AgentAsked) } else { due(facts, rules, oldest, now) };
    if due > now {
        return Decision::Wait { until: due, reason };
    }
    let mut messages: Vec<&Unseen> = wanted;
    messages.sort_by_key(|unseen| (unseen.at, unseen.id));
    Decision::Mail { messages: messages.into_iter().map(|unseen| unseen.id).collect(), reason }
}

/// What no time mends.
fn hindrance(facts: &Facts, rules: &Rules) -> Option<Reason> {
    match (&facts.address, facts.mail) {
        _ if rules.offline_delay.is_none() => Some(Reason::ContinuityOff),
        (AddressState::None, _) => Some(Reason::NoAddress),
        (_, MailWish::Off) => Some(Reason::MailOff),
        (AddressState::Unusable(words), _) => Some(Reason::Unusable(words.clone())),
        (AddressState::Usable, MailWish::On) => None,
    }
}

/// When, and what it waits for until then.
fn due(facts: &Facts, rules: &Rules, oldest: UnixMs, now: UnixMs) -> (UnixMs, Reason) {
    if facts.channel == Channel::Email {
        return (oldest, Reason::MailConversation);
    }
    if facts.presence == Presence::Reading {
        // What is in view is seen within the second. If it is not, this looks again.
        return (after(now, rules.unseen_delay.max(LOOK_AGAIN_MIN)), Reason::Reading);
    }
    if is_on_email(facts, now) {
        return postponed(facts, oldest, Reason::OnEmail, now);
    }
    let (due, reason) = by_presence(facts, rules, oldest, now);
    let woken = rules.quiet_hours.as_ref().and_then(|quiet| quiet.end(due.max(now), facts.time_zone.as_deref()));
    match woken {
        Some(woken) => (woken, Reason::QuietHours),
        None => postponed(facts, due, reason, now),
    }
}

/// Groove's two timers: one after the contact is gone, one while nobody looks.
fn by_presence(facts: &Facts, rules: &Rules, oldest: UnixMs, now: UnixMs) -> (UnixMs, Reason) {
    let from =
        |since: Option<UnixMs>| since.and_then(|since| past(since, now)).map_or(oldest, |since| oldest.max(since));
    match facts.presence {
        Presence::Absent => (after(from(facts.presence_since), rules.offline_delay.unwrap_or_default()), Reason::Gone),
        Presence::Connected => (after(from(facts.present_at), rules.unseen_delay), Reason::Unwatched),
        Presence::Visible | Presence::Reading => {
            (after(from(facts.presence_since), rules.unseen_delay), Reason::Unread)
        }
    }
}

/// After an answer by mail the conversation stays on mail until the contact is back at the page.
fn is_on_email(facts: &Facts, now: UnixMs) -> bool {
    let Some(LastWord { via: Via::Email, at }) = facts.last_word else { return false };
    let seen_at = facts.present_at.and_then(|present| past(present, now));
    let back = facts.presence.is_watching() || seen_at.is_some_and(|seen| seen > at);
    !back
}

/// Somebody types: what they write may go along, or make the mail needless.
fn postponed(facts: &Facts, due: UnixMs, reason: Reason, now: UnixMs) -> (UnixMs, Reason) {
    let most = after(now, TYPING_LIFE);
    let typing = [(facts.contact_typing_until, Reason::ContactTypes), (facts.agent_typing_until, Reason::AgentTypes)];
    let latest = typing.into_iter().filter_map(|(until, why)| Some((until?.min(most), why))).max_by_key(|it| it.0);
    let latest = latest.map(|(until, why)| (until.min(after(due, TYPING_POSTPONES_MAX)), why));
    latest.filter(|(until, _)| *until > now && *until > due).unwrap_or((due, reason))
}

/// What lies ahead was written before the clock was put back. It counts as long ago: a mail that comes early is better than
/// one that waits for as long as the clock was wrong.
fn past(at: UnixMs, now: UnixMs) -> Option<UnixMs> {
    Some(at).filter(|at| *at <= now)
}

fn after(at: UnixMs, delay: Duration) -> UnixMs {
    UnixMs(at.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
}

const LOOK_AGAIN_MIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
