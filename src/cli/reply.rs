//! `replyd conversation reply`: an agent's answer from the command line, with files.

use super::client::{Client, with_query};
use super::conversation::{is_revoked, path};
use super::failure::{Done, Exit, Failure};
use super::print::{field, items, json, one_line, say};
use clap::Args;
use data_encoding::BASE64;
use hyper::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Reply {
    id: String,
    /// The answer; - reads standard input
    #[arg(long)]
    text: String,
    /// A registered agent's address, or any name
    #[arg(long)]
    agent: Option<String>,
    /// Files to attach
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// Participants of the conversation who get a copy
    #[arg(long, value_name = "EMAIL", num_args = 1..)]
    cc: Vec<String>,
    /// The same key again gives the message of the first call
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[arg(long)]
    json: bool,
}

pub fn run(client: &Client, reply: Reply) -> Done {
    let text = if reply.text == "-" { standard_input()? } else { reply.text };
    let files = reply.attach.iter().map(|file| attachment(file)).collect::<Result<Vec<Value>, Failure>>()?;
    let conversation = client.get(&path(&reply.id))?;
    reply.agent.as_deref().map_or(Ok(()), |agent| known(client, &conversation, agent))?;
    if is_revoked(&conversation) {
        eprintln!(
            "replyd: the conversation's reply address is revoked, so an answer to this mail will be refused; to go on by mail begin a \
             new one (replyd conversation new)"
        );
    }
    let body = json!({
        "author": "agent",
        "agent": reply.agent,
        "text": text,
        "cc": reply.cc,
        "attachments": files,
        "idempotency_key": reply.idempotency_key,
    });
    let message = client.call(Method::POST, &format!("{}/messages", path(&reply.id)), Some(&body))?;
    if reply.json {
        json(&message);
    } else {
        say!("{}  {}", field(&message, "/id"), one_line(&field(&message, "/delivery/state")));
    }
    Ok(())
}

/// A name is free. An address is an agent's: with a typo in it nobody would get the answers. Where nobody is registered, nobody
/// gets them anyway.
fn known(client: &Client, conversation: &Value, agent: &str) -> Done {
    if !agent.contains('@') {
        return Ok(());
    }
    let page = client.get(&with_query("/api/v1/agents", &[("account", Some(field(conversation, "/account")))]))?;
    let agents = items(&page, "/items");
    let is_known = |known: &Value| field(known, "/email").eq_ignore_ascii_case(agent) || field(known, "/name") == agent;
    if agents.is_empty() || agents.iter().any(is_known) {
        return Ok(());
    }
    let line =
        format!("--agent {agent}: no agent of this account has this address; replyd agent list shows who there is");
    Err(Failure::new(Exit::Data, line))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Exit::NoInput, format!("standard input: {error}; UTF-8 text is expected")))?;
    Ok(text)
}

/// The daemon cleans the name and checks the rest.
fn attachment(file: &Path) -> Result<Value, Failure> {
    let octets = std::fs::read(file).map_err(|error| {
        Failure::new(Exit::NoInput, format!("{}: {error}; name a file that can be read", file.display()))
    })?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(json!({ "name": name, "type": media_type(&name), "content": BASE64.encode(&octets) }))
}

/// By the name's end, for what people usually attach.
fn media_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    KNOWN_TYPES.iter().find(|(known, _)| *known == end).map_or("application/octet-stream", |(_, media_type)| media_type)
}

const KNOWN_TYPES: [(&str, &str); 10] = [
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("ics", "text/calendar"),
    ("zip", "application/zip"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_follows_the_name() {
        for (name, expected) in
            [("Plan.PDF", "application/pdf"), ("a.b.png", "image/png"), ("pdf", "application/octet-stream")]
        {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
