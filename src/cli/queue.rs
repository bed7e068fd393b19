//! `replyd queue list|show|retry|cancel|hold|release|fail`: where is the answer I sent? On the running daemon.

use super::client::{Client, escaped, with_query};
use super::conversation::more;
use super::failure::Done;
use super::print::{field, items, json, one_line, say, table, text};
use super::queue_orders::{Failing, Order, Verb};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List outgoing mails, newest first
    List(List),
    /// Show one mail, with what was said in its last attempt
    Show(One),
    /// Try now, whatever was planned; a failed or cancelled mail is tried again (by filter: if --state names it)
    Retry(Order),
    /// Make no attempt any more
    Cancel(Order),
    /// Make no attempt until it is released
    Hold(Order),
    /// Let attempts go on
    Release(Order),
    /// Make no attempt any more, and tell whoever wrote it that it failed
    Fail(Failing),
}

#[derive(Debug, Args)]
pub struct One {
    id: String,
    #[arg(long)]
    json: bool,
}

/// Which mails are meant.
#[derive(Debug, Args)]
pub struct Filters {
    #[arg(long)]
    account: Option<String>,
    #[arg(long, value_parser = ["waiting", "queued", "deferred", "delivered", "failed", "cancelled", "seen"])]
    state: Option<String>,
    /// The id of a conversation
    #[arg(long)]
    conversation: Option<String>,
    /// Part of the recipient's address
    #[arg(long)]
    recipient: Option<String>,
    /// The recipient's domain, whole
    #[arg(long)]
    domain: Option<String>,
    /// Part of the host of the last attempt: its name, address or port
    #[arg(long)]
    host: Option<String>,
    /// Queued so long ago, or longer: "2 h"
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
}

impl Filters {
    pub fn is_given(&self) -> bool {
        let all = [
            &self.account,
            &self.state,
            &self.conversation,
            &self.recipient,
            &self.domain,
            &self.host,
            &self.older_than,
        ];
        all.iter().any(|filter| filter.is_some())
    }

    pub fn query(self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("account", self.account),
            ("state", self.state),
            ("conversation", self.conversation),
            ("recipient", self.recipient),
            ("domain", self.domain),
            ("host", self.host),
            ("older_than", self.older_than),
        ]
    }
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    filters: Filters,
    #[arg(long)]
    limit: Option<u32>,
    /// The page after: `next` of the page before
    #[arg(long)]
    cursor: Option<String>,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, command: QueueCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        QueueCommand::List(query) => list(&client, query),
        QueueCommand::Show(One { id, json: as_json }) => {
            let entry = client.get(&path(&id, ""))?;
            if as_json {
                json(&entry)
            } else {
                show(&entry)
            }
            Ok(())
        }
        QueueCommand::Retry(order) => order.give(&client, Verb::Retry, None),
        QueueCommand::Cancel(order) => order.give(&client, Verb::Cancel, None),
        QueueCommand::Hold(order) => order.give(&client, Verb::Hold, None),
        QueueCommand::Release(order) => order.give(&client, Verb::Release, None),
        QueueCommand::Fail(failing) => failing.order.give(&client, Verb::Fail, Some(&failing.reason)),
    }
}

pub fn path(id: &str, what: &str) -> String {
    format!("/api/v1/queue/{}{what}", escaped(id))
}

/// `held` says more than the state it is held in.
pub fn state(entry: &Value) -> String {
    let state = field(entry, "/state");
    if field(entry, "/held") == "true" { format!("{state}, held") } else { state }
}

fn list(client: &Client, query: List) -> Done {
    let mut asked = query.filters.query();
    asked.extend([("limit", query.limit.map(|limit| limit.to_string())), ("cursor", query.cursor)]);
    let page = client.get(&with_query("/api/v1/queue", &asked))?;
    if query.json {
        json(&page);
        return Ok(());
    }
    let row = |item: &Value| {
        let said = [field(item, "/reason"), field(item, "/remote_reply")];
        let said = said.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
        let columns = ["/created_at", "/due_at", "/attempts", "/recipient"].iter().map(|column| field(item, column));
        let mut row = vec![field(item, "/id"), state(item)];
        row.extend(columns);
        row.push(said.chars().take(WORDS_SHOWN).collect());
        row
    };
    let rows: Vec<Vec<String>> = items(&page, "/items").iter().map(row).collect();
    table(&["ID", "STATE", "CREATED", "DUE", "TRIES", "RECIPIENT", "REASON"], &rows);
    more(&page);
    Ok(())
}

fn show(entry: &Value) {
    for name in SHOWN {
        let value = field(entry, &format!("/{name}"));
        if !value.is_empty() {
            say!("{:<18} {}", name.replace('_', " "), one_line(&value));
        }
    }
    let transcript = field(entry, "/transcript");
    if !transcript.is_empty() {
        say!("\nlast attempt:\n{}", text(transcript.trim_end()));
    }
}

/// A host may say up to 2 KiB; `queue show` has all of it.
const WORDS_SHOWN: usize = 120;

/// What an operator asks first stands first.
const SHOWN: [&str; 20] = [
    "id",
    "state",
    "held",
    "reason",
    "bounced_at",
    "bounce_diagnostic",
    "remote_reply",
    "remote",
    "tls",
    "recipient",
    "kind",
    "account",
    "conversation_id",
    "message_id",
    "attempts",
    "last_attempt_at",
    "due_at",
    "give_up_at",
    "created_at",
    "uncertain",
];
