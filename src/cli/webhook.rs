//! `replyd webhook list|add|remove|replay`: who is told of events, on the running daemon.

use super::client::{Client, escaped, with_query};
use super::failure::Done;
use super::print::{field, items, json, one_line, say, table};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// List webhooks and how far they are
    List {
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Tell an address of what happens from now on; prints its secret, once
    Add(Add),
    /// Tell one nothing any more
    Remove {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Tell it again everything after an event; one that was disabled is told again
    Replay {
        id: String,
        /// The id of an event; without it, on from where it stands
        #[arg(long)]
        after: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    url: String,
    #[arg(long)]
    account: Option<String>,
    /// Of this kind only; again for more, none for all
    #[arg(long, value_parser = ["message.created", "delivery.changed", "conversation.changed", "bounce"])]
    event: Vec<String>,
    /// The address may be a private or loopback one
    #[arg(long)]
    allow_private: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, command: WebhookCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        WebhookCommand::List { account, json: as_json } => {
            let page = client.get(&with_query("/api/v1/webhooks", &[("account", account)]))?;
            if as_json { json(&page) } else { list(&page) }
        }
        WebhookCommand::Add(new) => add(&client, &new)?,
        WebhookCommand::Remove { id, json: as_json } => {
            client.call(Method::DELETE, &format!("/api/v1/webhooks/{}", escaped(&id)), None)?;
            if as_json { json(&json!({ "id": id, "removed": true })) } else { say!("{} removed", one_line(&id)) }
        }
        WebhookCommand::Replay { id, after, json: as_json } => {
            let path = format!("/api/v1/webhooks/{}/replay", escaped(&id));
            let moved = client.call(Method::POST, &with_query(&path, &[("after", after)]), None)?;
            if as_json { json(&moved) } else { say!("{} goes on after {}", one_line(&id), field(&moved, "/position")) }
        }
    }
    Ok(())
}

fn add(client: &Client, new: &Add) -> Done {
    let body = json!({
        "account": new.account, "url": new.url, "events": new.event, "allow_private": new.allow_private,
    });
    let issued = client.call(Method::POST, "/api/v1/webhooks", Some(&body))?;
    if new.json {
        json(&issued);
    } else {
        say!("{}  {}\nsecret: {}", field(&issued, "/id"), one_line(&field(&issued, "/url")), field(&issued, "/secret"));
    }
    Ok(())
}

fn list(page: &Value) {
    let columns = ["/id", "/account", "/origin", "/state", "/waiting", "/behind", "/given_up", "/url", "/last_failure"];
    let row = |item: &Value| {
        let failure = field(item, "/state") != "active";
        columns.iter().map(|c| if *c == "/last_failure" && !failure { String::new() } else { field(item, c) }).collect()
    };
    let rows: Vec<Vec<String>> = items(page, "/items").iter().map(row).collect();
    table(&["ID", "ACCOUNT", "ORIGIN", "STATE", "WAITING", "BEHIND", "GIVEN UP", "URL", "LAST FAILURE"], &rows);
}
