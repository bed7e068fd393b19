//! `replyd token add|list|revoke`: API tokens, on the running daemon.

use super::client::{Client, escaped};
use super::failure::Done;
use super::print::{field, items, json, one_line, say, table};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, once
    Add {
        #[arg(long)]
        account: String,
        /// The output is JSON in any case
        #[arg(long)]
        json: bool,
    },
    /// List tokens, without their secrets
    List {
        #[arg(long)]
        json: bool,
    },
    /// End a token's life
    Revoke {
        id: String,
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config_file: &Path, command: TokenCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        TokenCommand::Add { account, json: _ } => {
            json(&client.call(Method::POST, "/api/v1/tokens", Some(&json!({ "account": account })))?);
        }
        TokenCommand::List { json: as_json } => {
            let page = client.get("/api/v1/tokens")?;
            if as_json { json(&page) } else { list(&page) }
        }
        TokenCommand::Revoke { id, json: as_json } => {
            client.call(Method::DELETE, &format!("/api/v1/tokens/{}", escaped(&id)), None)?;
            if as_json { json(&json!({ "id": id, "revoked": true })) } else { say!("{} revoked", one_line(&id)) }
        }
    }
    Ok(())
}

fn list(page: &Value) {
    let row = |item: &Value| ["/id", "/account", "/created_at", "/revoked_at"].iter().map(|c| field(item, c)).collect();
    let rows: Vec<Vec<String>> = items(page, "/items").iter().map(row).collect();
    table(&["ID", "ACCOUNT", "CREATED", "REVOKED"], &rows);
}
