//! `replyd agent add|list|remove|password|link`: who answers for an account, on the running daemon.

use super::client::{Client, escaped, with_query};
use super::failure::{Done, Exit, Failure};
use super::print::{field, items, json, one_line, say, table};
use super::secret_input;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Register an agent; the same address again changes name and wishes
    Add(Add),
    /// List agents
    List {
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Remove an agent, by address or id; their messages stay
    Remove {
        agent: String,
        /// Needed if the address is an agent of several accounts
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Print a link that signs an agent in at /desk/, once, within 15 minutes: for a first time without mail
    Link {
        agent: String,
        /// Needed if the address is an agent of several accounts
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Set the password with which an agent signs in at /desk/; asked for, or one line of standard input
    Password {
        agent: String,
        /// Needed if the address is an agent of several accounts
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    /// The agent's own mailbox: messages go there, and answers count only if proven to come from it
    email: String,
    /// What contacts see
    #[arg(long)]
    name: String,
    #[arg(long)]
    account: String,
    /// An inbox that the agent sees at the desk, and whose unassigned conversations come by mail; again for more, none for all
    #[arg(long)]
    inbox: Vec<String>,
    /// Send this agent no mail
    #[arg(long)]
    no_mail: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(config_file: &Path, command: AgentCommand) -> Done {
    let client = Client::of(config_file)?;
    match command {
        AgentCommand::Add(new) => add(&client, &new),
        AgentCommand::List { account, json: as_json } => {
            let page = client.get(&with_query("/api/v1/agents", &[("account", account)]))?;
            if as_json {
                json(&page)
            } else {
                list(&page)
            }
            Ok(())
        }
        AgentCommand::Remove { agent, account, json: as_json } => remove(&client, &agent, account, as_json),
        AgentCommand::Link { agent, account, json: as_json } => link(&client, &agent, account, as_json),
        AgentCommand::Password { agent, account, json: as_json } => password(&client, &agent, account, as_json),
    }
}

fn add(client: &Client, new: &Add) -> Done {
    let inboxes = (!new.inbox.is_empty()).then_some(&new.inbox);
    let body = json!({
        "account": new.account, "email": new.email, "name": new.name, "inboxes": inboxes, "by_mail": !new.no_mail,
    });
    let agent = client.call(Method::POST, "/api/v1/agents", Some(&body))?;
    if new.json {
        json(&agent);
    } else {
        say!("{}  {}", field(&agent, "/id"), one_line(&field(&agent, "/email")));
    }
    Ok(())
}

fn list(page: &Value) {
    let row = |item: &Value| {
        let inboxes: Vec<String> = items(item, "/inboxes").iter().map(|name| field(name, "")).collect();
        let inboxes = if inboxes.is_empty() { "all".to_owned() } else { inboxes.join(",") };
        let by_mail = if field(item, "/by_mail") == "true" { "yes" } else { "no" };
        let mut row: Vec<String> = ["/id", "/account", "/email", "/name"].iter().map(|c| field(item, c)).collect();
        row.extend([inboxes, by_mail.to_owned()]);
        row
    };
    let rows: Vec<Vec<String>> = items(page, "/items").iter().map(row).collect();
    table(&["ID", "ACCOUNT", "EMAIL", "NAME", "INBOXES", "BY MAIL"], &rows);
}

fn remove(client: &Client, agent: &str, account: Option<String>, as_json: bool) -> Done {
    let id = meant(client, agent, account)?;
    client.call(Method::DELETE, &format!("/api/v1/agents/{}", escaped(&id)), None)?;
    if as_json {
        json(&json!({ "id": id, "removed": true }))
    } else {
        say!("{} removed", one_line(agent))
    }
    Ok(())
}

/// The password is never an argument: those are in the shell's history, and every user of the machine sees them.
fn password(client: &Client, agent: &str, account: Option<String>, as_json: bool) -> Done {
    let id = meant(client, agent, account)?;
    let password = secret_input::read(&format!("New password for {}: ", one_line(agent)))?;
    let body = json!({ "password": password });
    client.call(Method::PUT, &format!("/api/v1/agents/{}/password", escaped(&id)), Some(&body))?;
    if as_json {
        json(&json!({ "id": id, "password": "set" }))
    } else {
        say!("{} signs in with it from now on; sessions that were open have ended", one_line(agent))
    }
    Ok(())
}

fn link(client: &Client, agent: &str, account: Option<String>, as_json: bool) -> Done {
    let id = meant(client, agent, account)?;
    let issued = client.call(Method::POST, &format!("/api/v1/agents/{}/sign_in_link", escaped(&id)), None)?;
    if as_json {
        json(&issued)
    } else {
        say!("{}", one_line(&field(&issued, "/url")));
    }
    Ok(())
}

/// The id of the one agent of this address or id.
fn meant(client: &Client, agent: &str, account: Option<String>) -> Result<String, Failure> {
    let page = client.get(&with_query("/api/v1/agents", &[("account", account)]))?;
    let is_meant = |item: &&Value| field(item, "/id") == agent || field(item, "/email").eq_ignore_ascii_case(agent);
    let meant: Vec<&Value> = items(&page, "/items").iter().filter(is_meant).collect();
    match meant.as_slice() {
        [one] => Ok(field(one, "/id")),
        [] => {
            let line = format!("{agent}: no such agent; replyd agent list shows who there is");
            Err(Failure::new(Exit::Data, line))
        }
        _ => {
            let line = format!("{agent}: an agent of several accounts; name one with --account, or give the id");
            Err(Failure::new(Exit::Data, line))
        }
    }
}
