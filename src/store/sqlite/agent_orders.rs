//! What the commands in an agent's mail do to its conversation, in the commit of their message. What cannot be done is
//! explained to that agent by one mail, and changes nothing.

use super::super::StoreError;
use super::super::outgoing::AgentOrder;
use super::super::unit::FilingResult;
use super::begin::email_key;
use super::units::Writing;
use super::words::Stored;
use super::{agents, events, notices};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::Status;
use rusqlite::params;

/// Follows the orders of a filed mail.
pub fn follow(writing: &Writing<'_>, conversation: Id, result: &FilingResult) -> Result<(), StoreError> {
    for order in &result.orders {
        match order {
            AgentOrder::Resolve => change_status(writing, conversation, Status::Resolved, None)?,
            AgentOrder::SnoozeUntil(until) => change_status(writing, conversation, Status::Snoozed, Some(*until))?,
            AgentOrder::Assign(email) => assign(writing, conversation, result, email)?,
            AgentOrder::Explain(words) => explain(writing, conversation, result, words)?,
        }
    }
    Ok(())
}

fn change_status(
    writing: &Writing<'_>,
    conversation: Id,
    status: Status,
    snoozed_until: Option<UnixMs>,
) -> Result<(), StoreError> {
    writing.execute(
        "UPDATE conversations SET status = ?, snoozed_until = ?, active_at = ? WHERE id = ?",
        params![Stored(status), snoozed_until.map(|until| until.0), writing.now.0, conversation],
    )?;
    let until = snoozed_until.map(UnixMs::rfc3339);
    events::of_conversation(writing, conversation, serde_json::json!({"status": status, "snoozed_until": until}))
}

fn assign(writing: &Writing<'_>, conversation: Id, result: &FilingResult, email: &str) -> Result<(), StoreError> {
    let email = email_key(email);
    if agents::by_email(writing.connection, &result.account, &email)?.is_none() {
        let words =
            format!("#assign {email}: there is no agent with this address, so the conversation stays as it was.");
        return explain(writing, conversation, result, &words);
    }
    let assign = "UPDATE conversations SET assignee = ?, active_at = ? WHERE id = ?";
    writing.execute(assign, params![email, writing.now.0, conversation])?;
    events::of_conversation(writing, conversation, serde_json::json!({"assignee": email}))
}

/// Tells the agent who wrote.
fn explain(writing: &Writing<'_>, conversation: Id, result: &FilingResult, words: &str) -> Result<(), StoreError> {
    let author = result.message.as_ref().and_then(|message| message.author.email.as_deref());
    let Some(email) = result.agent.as_deref().or(author).map(email_key) else { return Ok(()) };
    let Some(agent) = agents::by_email(writing.connection, &result.account, &email)? else { return Ok(()) };
    notices::tell(writing, conversation, &agent, words)
}
