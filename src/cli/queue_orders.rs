//! What `replyd queue hold|release|retry|cancel|fail` does to one mail, or step by step to all that fit a filter.

use super::client::{Client, with_query};
use super::failure::{Done, Exit, Failure};
use super::print::{field, json, one_line, say};
use super::queue::{Filters, path, state};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct Order {
    /// One mail; without it, all that fit the filters
    #[arg(conflicts_with_all = ["account", "state", "conversation", "recipient", "domain", "host", "older_than", "all", "dry_run"])]
    id: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Every mail: needed if there is no filter
    #[arg(long)]
    all: bool,
    /// Change nothing, count only
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Failing {
    #[command(flatten)]
    pub order: Order,
    /// Why, for whoever wrote it
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Hold,
    Release,
    Retry,
    Cancel,
    Fail,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::Hold => "hold",
            Verb::Release => "release",
            Verb::Retry => "retry",
            Verb::Cancel => "cancel",
            Verb::Fail => "fail",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Verb::Hold => "held",
            Verb::Release => "released",
            Verb::Retry => "due now",
            Verb::Cancel => "cancelled",
            Verb::Fail => "failed",
        }
    }
}

/// What all steps together came to.
#[derive(Debug, Default)]
struct Sum {
    matched: u64,
    changed: u64,
    left: u64,
    left_reason: Option<String>,
}

impl Order {
    pub fn give(self, client: &Client, verb: Verb, reason: Option<&str>) -> Done {
        match &self.id {
            Some(id) => one(client, id, verb, reason, self.json),
            None => self.many(client, verb, reason),
        }
    }

    fn many(self, client: &Client, verb: Verb, reason: Option<&str>) -> Done {
        if !self.all && !self.filters.is_given() {
            let line = format!("queue {}: name a mail, a filter such as --domain, or --all", verb.word());
            return Err(Failure::new(Exit::Usage, line));
        }
        let mut body = json!({ "order": verb.word(), "all": self.all, "dry_run": self.dry_run });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        let sum = all_steps(client, self.filters, &body)?;
        if self.json {
            let Sum { matched, changed, left, left_reason } = sum;
            json(&json!({ "matched": matched, "changed": changed, "left": left, "left_reason": left_reason }));
        } else if self.dry_run {
            say!("{} would be {}", mails(sum.matched), verb.done());
        } else {
            say!("{} {}{}", mails(sum.changed), verb.done(), left(&sum));
        }
        Ok(())
    }
}

fn one(client: &Client, id: &str, verb: Verb, reason: Option<&str>, as_json: bool) -> Done {
    let body = reason.map(|reason| json!({ "reason": reason }));
    let entry = client.call(Method::POST, &path(id, &format!("/{}", verb.word())), body.as_ref())?;
    if as_json {
        json(&entry);
    } else {
        say!("{} {}", one_line(id), state(&entry));
    }
    Ok(())
}

fn all_steps(client: &Client, filters: Filters, body: &Value) -> Result<Sum, Failure> {
    let mut query = filters.query();
    query.push(("cursor", None));
    let mut sum = Sum::default();
    loop {
        let step = client.call(Method::POST, &with_query("/api/v1/queue", &query), Some(body))?;
        let count = |name: &str| step[name].as_u64().unwrap_or_default();
        sum.matched += count("matched");
        sum.changed += count("changed");
        sum.left += count("left");
        sum.left_reason = sum.left_reason.or_else(|| step["left_reason"].as_str().map(str::to_owned));
        let next = field(&step, "/next");
        if next.is_empty() {
            return Ok(sum);
        }
        if let Some((_, cursor)) = query.last_mut() {
            *cursor = Some(next);
        }
    }
}

fn mails(count: u64) -> String {
    if count == 1 { "1 mail".to_owned() } else { format!("{count} mails") }
}

fn left(sum: &Sum) -> String {
    if sum.left == 0 {
        return String::new();
    }
    let reason = sum.left_reason.as_deref().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
    format!(", {} left as they were{reason}", sum.left)
}
