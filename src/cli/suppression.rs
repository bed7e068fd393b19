//! `replyd suppression list|clear`: addresses that get no mail from an account, on the running daemon.

use super::client::{Client, with_query};
use super::failure::Done;
use super::print::{field, items, json, one_line, say, table};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum SuppressionCommand {
    /// List addresses that get no mail, and why
    List {
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Let an address get mail again
    Clear {
        email: String,
        /// Needed if the config has several accounts
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config_file: &Path, command: SuppressionCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        SuppressionCommand::List { account, json: as_json } => {
            let page = client.get(&with_query("/api/v1/suppressions", &[("account", account)]))?;
            if as_json { json(&page) } else { list(&page) }
        }
        SuppressionCommand::Clear { email, account, json: as_json } => {
            let query = [("account", account), ("email", Some(email.clone()))];
            client.call(Method::DELETE, &with_query("/api/v1/suppressions", &query), None)?;
            if as_json {
                json(&json!({ "email": email, "cleared": true }))
            } else {
                say!("{} gets mail again", one_line(&email))
            }
        }
    }
    Ok(())
}

fn list(page: &Value) {
    let columns = ["/account", "/email", "/reason", "/since", "/expires_at", "/detail"];
    let row = |item: &Value| columns.iter().map(|column| field(item, column)).collect();
    let rows: Vec<Vec<String>> = items(page, "/items").iter().map(row).collect();
    table(&["ACCOUNT", "EMAIL", "REASON", "SINCE", "UNTIL", "DETAIL"], &rows);
}
