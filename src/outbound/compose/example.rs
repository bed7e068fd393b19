//! Mails of nobody to nobody: what templates are tried on, and what `replyd preview` shows.

use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::{DeliveryState, MailKind, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::{
    Attachment, Author, AuthorKind, Channel, Contact, Conversation, Direction, Email, Message, Status, Via,
};
use crate::conversation::presence::Presence;
use crate::conversation::reply_token::ReplyToken;
use crate::mail::automatic::Class;
use crate::store::outgoing::{QueueEntry, ToCompose};
use serde_json::json;

/// A mail of this kind, of this account and inbox: several messages, one with a file that is too large to go along,
/// and something said before.
pub fn mail(kind: MailKind, account: &str, inbox: &str, channel: Channel) -> ToCompose {
    let agent = agent(account);
    let to_agent = kind != MailKind::Answer;
    let messages = match kind {
        MailKind::Answer => answers(),
        MailKind::Notification => vec![question()],
        MailKind::Notice => Vec::new(),
    };
    ToCompose {
        now: AT,
        entry: QueueEntry {
            id: Id(7_466_000_000_000_123),
            account: account.to_owned(),
            conversation_id: CONVERSATION,
            kind,
            recipient: if to_agent { agent.email.clone() } else { JANE.to_owned() },
            recipient_kind: if to_agent { RecipientKind::Agent } else { RecipientKind::Contact },
            agent_id: to_agent.then_some(agent.id),
            domain: "example.com".to_owned(),
            messages: messages.iter().map(|message| message.id).collect(),
            notice: (kind == MailKind::Notice).then(|| NOTICE.to_owned()),
            reply_token: ReplyToken([7; 16]),
            message_id: "example.00000000000000000000@mx.example.com".to_owned(),
            require_tls: false,
            state: DeliveryState::Queued,
            phase: None,
            held: false,
            uncertain: false,
            urgent: false,
            created_at: AT,
            due_at: None,
            give_up_at: AT,
            attempts: 0,
            last_attempt_at: None,
            remote: None,
            remote_reply: None,
            tls: None,
            reason: None,
            transcript: None,
            bounced_at: None,
            bounce_diagnostic: None,
            raw_id: None,
        },
        conversation: conversation(account, inbox, channel),
        messages,
        history: if kind == MailKind::Answer { vec![question()] } else { answers() },
        thread: Vec::new(),
        first_subject: None,
        agent: to_agent.then(|| agent.clone()),
        assignee: Some(agent),
        others: Vec::new(),
    }
}

fn conversation(account: &str, inbox: &str, channel: Channel) -> Conversation {
    Conversation {
        id: CONVERSATION,
        account: account.to_owned(),
        inbox: inbox.to_owned(),
        channel,
        status: Status::Open,
        subject: Some("Where is my order?".to_owned()),
        assignee: None,
        snoozed_until: None,
        contact: Contact {
            id: Id(2),
            name: Some("Jane Doe".to_owned()),
            email: Some(JANE.to_owned()),
            claimed_email: None,
            identifier: None,
            bounced: None,
        },
        participants: Vec::new(),
        reply_token: ReplyToken([7; 16]),
        reply_token_until: None,
        reply_token_is_revoked: false,
        created_at: AT,
        last_message_at: Some(AT),
        unseen_by_contact: 2,
        presence: Presence::Absent,
        presence_since: None,
        mail_off: false,
        page: None,
    }
}

fn agent(account: &str) -> Agent {
    Agent {
        id: Id(3),
        account: account.to_owned(),
        email: "sara@example.com".to_owned(),
        name: "Sara".to_owned(),
        inboxes: None,
        by_mail: true,
        created_at: AT,
    }
}

fn answers() -> Vec<Message> {
    let agent = || Author { kind: AuthorKind::Agent, name: Some("Sara".to_owned()), email: None };
    let second = "The label of the return is attached.\nAnything else? <Just ask> & we look.";
    let mut messages =
        vec![message(11, Direction::Outgoing, agent(), FIRST), message(12, Direction::Outgoing, agent(), second)];
    if let Some(last) = messages.last_mut() {
        last.attachments.push(Attachment {
            id: Id(21),
            name: "Retoure größer.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            size: 24_000_000,
            inline: false,
            content_id: None,
            sha256: String::new(),
            part: 0,
        });
    }
    messages
}

fn question() -> Message {
    let author = Author { kind: AuthorKind::Contact, name: Some("Jane Doe".to_owned()), email: Some(JANE.to_owned()) };
    let text = "Hello,\n\nmy order 4711 was to come on Monday. Where is it?\n\nJane";
    let auth = json!({ "verdict": "authentic", "basis": "DKIM signature of example.com" });
    Message { email: Some(email(auth)), via: Via::Email, ..message(10, Direction::Incoming, author, text) }
}

fn email(auth: serde_json::Value) -> Email {
    Email {
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        subject: None,
        envelope_from: JANE.to_owned(),
        envelope_to: String::new(),
        class: Class::Human,
        class_reason: String::new(),
        bounce: None,
        auth,
        ingress: None,
        raw_id: Id(0),
        defects: Vec::new(),
    }
}

fn message(id: i64, direction: Direction, author: Author, text: &str) -> Message {
    Message {
        id: Id(id),
        conversation_id: CONVERSATION,
        direction,
        author,
        via: Via::Api,
        text: text.to_owned(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        created_at: UnixMs(AT.0 + id * 60_000),
        seen_at: None,
        email: None,
        held_until: None,
        delivery: None,
    }
}

const CONVERSATION: Id = Id(1);
const JANE: &str = "jane@example.com";
/// 2026-11-20 10:00 UTC
const AT: UnixMs = UnixMs(1_795_168_800_000);
const FIRST: &str =
    "Hello Jane,\n\nit left our house this morning: https://parcel.example/4711?lang=en\n\nSorry for the delay.";
const NOTICE: &str =
    "There is no command #resolv. Nothing was sent to the customer.\n\n#note, #resolve, #assign and #snooze are known.";
