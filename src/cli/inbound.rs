//! `replyd inbound list|show|raw|replay|retry-bridge`: where is my mail? The ledger of the running daemon.

use super::client::{Client, escaped, with_query};
use super::conversation::more;
use super::failure::Done;
use super::print::{field, items, json, one_line, say, table};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum InboundCommand {
    /// List mails that were offered, newest first
    List(List),
    /// Show one entry
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Write the raw mail to standard output
    Raw { id: String },
    /// File a failed mail again, or one that was kept because nobody took it
    Replay {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Bring a mail over its bridge now, whatever was planned; one that was given up as well
    RetryBridge {
        id: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct List {
    #[arg(long)]
    account: Option<String>,
    #[arg(long, value_parser = ["accepted", "filed", "rejected", "deferred", "duplicate", "failed"])]
    outcome: Option<String>,
    /// Part of the envelope's sender or recipient, or a whole Message-ID
    #[arg(long)]
    query: Option<String>,
    #[arg(long)]
    limit: Option<u32>,
    /// The page after: `next` of the page before
    #[arg(long)]
    cursor: Option<String>,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, command: InboundCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        InboundCommand::List(query) => list(&client, query),
        InboundCommand::Show { id, json: as_json } => {
            let entry = client.get(&path(&id, ""))?;
            if as_json {
                json(&entry)
            } else {
                show(&entry)
            }
            Ok(())
        }
        InboundCommand::Raw { id } => {
            let octets = client.octets(Method::GET, &path(&id, "/raw"), None)?;
            super::print::octets(&octets);
            Ok(())
        }
        InboundCommand::Replay { id, json: as_json } => {
            let entry = client.call(Method::POST, &path(&id, "/replay"), None)?;
            if as_json {
                json(&entry)
            } else {
                say!("{} {}", one_line(&id), field(&entry, "/outcome"))
            }
            Ok(())
        }
        InboundCommand::RetryBridge { id, json: as_json } => {
            let entry = client.call(Method::POST, &path(&id, "/bridge/retry"), None)?;
            if as_json {
                json(&entry)
            } else {
                say!("{} {}", one_line(&id), field(&entry, "/bridge/state"))
            }
            Ok(())
        }
    }
}

fn path(id: &str, what: &str) -> String {
    format!("/api/v1/inbound/{}{what}", escaped(id))
}

fn list(client: &Client, query: List) -> Done {
    let path = with_query(
        "/api/v1/inbound",
        &[
            ("account", query.account),
            ("outcome", query.outcome),
            ("query", query.query),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("cursor", query.cursor),
        ],
    );
    let page = client.get(&path)?;
    if query.json {
        json(&page);
        return Ok(());
    }
    let row = |item: &Value| {
        let columns = ["/id", "/received_at", "/outcome", "/envelope_from", "/envelope_to", "/reason"];
        columns.iter().map(|column| field(item, column)).collect()
    };
    let rows: Vec<Vec<String>> = items(&page, "/items").iter().map(row).collect();
    table(&["ID", "RECEIVED", "OUTCOME", "FROM", "TO", "REASON"], &rows);
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
    let state = field(entry, "/bridge/state");
    if !state.is_empty() {
        let (attempts, due) = (field(entry, "/bridge/attempts"), field(entry, "/bridge/due_at"));
        let due = if due.is_empty() { due } else { format!(", next at {due}") };
        say!("{:<18} {}, {attempts} attempts{due}", "bridge", one_line(&state));
        say!("{:<18} {}", "bridge reply", one_line(&field(entry, "/bridge/last_reply")));
    }
    let verdict = field(entry, "/auth/verdict");
    if !verdict.is_empty() {
        say!("{:<18} {}: {}", "author", one_line(&verdict), one_line(&field(entry, "/auth/basis")));
    }
}

/// What an operator asks first stands first.
const SHOWN: [&str; 19] = [
    "id",
    "received_at",
    "outcome",
    "reason",
    "reply",
    "kept_until",
    "envelope_from",
    "envelope_to",
    "account",
    "conversation_id",
    "message_id_stored",
    "message_id",
    "size",
    "sha256",
    "ingress",
    "remote_ip",
    "helo",
    "tls",
    "session",
];
