//! `replyd conversation new|list|show|reply|status|expire|revoke`, on the running daemon.

use super::client::{Client, escaped, with_query};
use super::failure::{Done, Failure};
use super::print::{field, items, json, one_line, say, table, text};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum ConversationCommand {
    /// Begin a conversation and print its reply address
    New(New),
    /// List conversations, newest activity first
    List(List),
    /// Show a conversation with its messages
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Answer as an agent; the contact gets it by mail unless the chat shows it first
    Reply(super::reply::Reply),
    /// Set a conversation open, resolved or snoozed
    Status {
        id: String,
        #[arg(value_parser = ["open", "resolved", "snoozed"])]
        status: String,
        #[arg(long)]
        json: bool,
    },
    /// Let its reply address take mail until a time, such as 2027-01-31T12:00:00Z, or "never" for no end
    Expire {
        id: String,
        time: String,
        #[arg(long)]
        json: bool,
    },
    /// End its reply address for good: mail to it is rejected
    Revoke {
        id: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct New {
    /// Needed if the config has several accounts
    #[arg(long)]
    account: Option<String>,
    #[arg(long)]
    inbox: String,
    /// The contact's email address
    #[arg(long)]
    email: Option<String>,
    /// The contact's name
    #[arg(long)]
    name: Option<String>,
    /// Your own name for the contact
    #[arg(long)]
    identifier: Option<String>,
    #[arg(long)]
    subject: Option<String>,
    /// A first message of the contact
    #[arg(long)]
    message: Vec<String>,
    /// A first message of an agent, after those of the contact
    #[arg(long)]
    answer: Vec<String>,
    /// The agent's name or email address
    #[arg(long, requires = "answer")]
    agent: Option<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[arg(long)]
    account: Option<String>,
    #[arg(long)]
    inbox: Option<String>,
    #[arg(long, value_parser = ["open", "resolved", "snoozed"])]
    status: Option<String>,
    /// The contact's email address or identifier
    #[arg(long)]
    contact: Option<String>,
    /// Words in subject or messages
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

pub fn run(config_file: &Path, command: ConversationCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        ConversationCommand::New(new) => begin(&client, new),
        ConversationCommand::List(query) => list(&client, query),
        ConversationCommand::Show { id, json: as_json } => {
            let conversation = client.get(&path(&id))?;
            if as_json {
                json(&conversation)
            } else {
                show(&conversation)
            }
            Ok(())
        }
        ConversationCommand::Reply(reply) => super::reply::run(&client, reply),
        ConversationCommand::Status { id, status, json: as_json } => {
            let changed = client.call(Method::PATCH, &path(&id), Some(&json!({ "status": status })))?;
            if as_json {
                json(&changed)
            } else {
                say!("{} {}", one_line(&id), field(&changed, "/status"))
            }
            Ok(())
        }
        ConversationCommand::Expire { id, time, json: as_json } => {
            let time = Some(time).filter(|time| time != "never");
            let changed = client.call(Method::PUT, &reply_address(&id), Some(&json!({ "expires_at": time })))?;
            if as_json {
                json(&changed)
            } else {
                say_until(&changed)
            }
            Ok(())
        }
        ConversationCommand::Revoke { id, json: as_json } => {
            let changed = client.call(Method::DELETE, &reply_address(&id), None)?;
            if as_json {
                json(&changed)
            } else {
                say_until(&changed)
            }
            Ok(())
        }
    }
}

/// Where the API has it.
pub fn path(id: &str) -> String {
    format!("/api/v1/conversations/{}", escaped(id))
}

fn reply_address(id: &str) -> String {
    format!("{}/reply_address", path(id))
}

fn say_until(conversation: &Value) {
    let address = one_line(&field(conversation, "/reply_address"));
    if is_revoked(conversation) {
        return say!("{address} is revoked: mail to it is refused for good");
    }
    match field(conversation, "/reply_address_until").as_str() {
        "" => say!("{address} takes mail without end"),
        until => say!("{address} takes mail until {until}"),
    }
}

pub fn is_revoked(conversation: &Value) -> bool {
    field(conversation, "/reply_address_revoked") == "true"
}

fn begin(client: &Client, new: New) -> Result<(), Failure> {
    let said = new.message.iter().map(|text| json!({ "author": "contact", "text": text }));
    let answered = new.answer.iter().map(|text| json!({ "author": "agent", "agent": new.agent, "text": text }));
    let body = json!({
        "account": new.account,
        "inbox": new.inbox,
        "contact": { "email": new.email, "name": new.name, "identifier": new.identifier },
        "subject": new.subject,
        "messages": said.chain(answered).collect::<Vec<Value>>(),
    });
    let conversation = client.call(Method::POST, "/api/v1/conversations", Some(&body))?;
    if new.json {
        json(&conversation);
    } else {
        say!("{}  {}", field(&conversation, "/id"), field(&conversation, "/reply_address"));
    }
    Ok(())
}

fn list(client: &Client, query: List) -> Result<(), Failure> {
    let path = with_query(
        "/api/v1/conversations",
        &[
            ("account", query.account),
            ("inbox", query.inbox),
            ("status", query.status),
            ("contact", query.contact),
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
        let contact = [field(item, "/contact/name"), field(item, "/contact/email")];
        let contact = contact.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        vec![
            field(item, "/id"),
            field(item, "/status"),
            field(item, "/account"),
            field(item, "/inbox"),
            contact,
            field(item, "/subject"),
            field(item, "/last_message_at"),
        ]
    };
    let rows: Vec<Vec<String>> = items(&page, "/items").iter().map(row).collect();
    table(&["ID", "STATUS", "ACCOUNT", "INBOX", "CONTACT", "SUBJECT", "LAST MESSAGE"], &rows);
    more(&page);
    Ok(())
}

/// How to go on, if there is more.
pub fn more(page: &Value) {
    let next = field(page, "/next");
    if !next.is_empty() {
        eprintln!("more: add --cursor {next}");
    }
}

fn show(conversation: &Value) {
    let line = |name: &str, pointer: &str| {
        let value = field(conversation, pointer);
        if !value.is_empty() {
            say!("{name:<14} {}", one_line(&value));
        }
    };
    line("conversation", "/id");
    line("subject", "/subject");
    line("status", "/status");
    line("account", "/account");
    line("inbox", "/inbox");
    line("contact", "/contact/name");
    line("email", "/contact/email");
    line("typed email", "/contact/claimed_email");
    line("reply address", "/reply_address");
    if is_revoked(conversation) {
        say!("{:<14} mail to it is refused for good, since {}", "revoked", field(conversation, "/reply_address_until"));
    } else {
        line("until", "/reply_address_until");
    }
    line("assignee", "/assignee");
    line("in the chat", "/presence/state");
    line("since", "/presence/since");
    line("by mail", "/continuity/due_at");
    line(if field(conversation, "/continuity/due_at").is_empty() { "no mail" } else { "why" }, "/continuity/reason");
    for message in items(conversation, "/messages") {
        say!("\n{}", heading(message));
        say!("{}", indented(&field(message, "/text")));
        folded("signature", &field(message, "/signature"));
        folded("quoted", &field(message, "/quoted"));
        for attachment in items(message, "/attachments") {
            let (name, size) = (field(attachment, "/name"), field(attachment, "/size"));
            say!("    [{} · {size} octets · {}]", one_line(&name), field(attachment, "/url"));
        }
        let held = field(message, "/held_until");
        if held.is_empty() {
            delivery(message);
        } else {
            say!("    (not sent yet: its author may take it back until {held})");
        }
    }
}

/// How an agent's message fares by mail.
fn delivery(message: &Value) {
    let part = |name: &str| one_line(&field(message, &format!("/delivery/{name}")));
    let words = [part("state"), part("reason"), part("remote"), part("remote_reply")];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    if !words.is_empty() {
        say!("    (by mail: {})", words.join(" · "));
    }
}

fn heading(message: &Value) -> String {
    let author = [field(message, "/author/name"), field(message, "/author/email")];
    let author = author.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    let mut parts = vec![field(message, "/created_at"), field(message, "/direction"), field(message, "/author/kind")];
    parts.extend([author, format!("via {}", field(message, "/via")), field(message, "/email/auth/verdict")]);
    parts.retain(|part| !part.is_empty());
    one_line(&parts.join(" · "))
}

fn folded(name: &str, folded: &str) {
    if !folded.trim().is_empty() {
        say!("    ({name}: {} lines folded, --json shows them)", folded.lines().count());
    }
}

fn indented(body: &str) -> String {
    text(body).lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
