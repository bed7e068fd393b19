//! The command line: one file per command. Exit codes follow sysexits; errors are one line on stderr that names
//! the thing, the reason and the way out.

pub mod agent;
pub mod backup;
pub mod check;
mod check_access;
mod check_dns;
mod check_doors;
mod check_hooks;
mod check_outbound;
mod check_reach;
mod check_sending;
mod client;
pub mod conversation;
pub mod demo;
mod failure;
pub mod inbound;
pub mod init;
pub mod inspect;
mod inspect_auth;
pub mod preview;
mod print;
pub mod queue;
mod queue_orders;
pub mod relay;
mod reply;
mod secret_input;
pub mod serve;
mod shell_config;
pub mod suppression;
pub mod token;
mod users;
pub mod webhook;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use failure::{Exit, Failure};
use std::path::PathBuf;
use std::process::ExitCode;

/// The config where nothing names another.
const USUAL_CONFIG: &str = "/etc/replyd/replyd.toml";

/// replyd: a chat's replies by email, in one daemon.
#[derive(Debug, Parser)]
#[command(name = "replyd", version)]
struct Cli {
    /// The config
    #[arg(long, global = true, env = "REPLYD_CONFIG", default_value = USUAL_CONFIG, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::ServeArgs),
    /// Run the whole product on loopback, without config and without the outside network
    Demo(demo::DemoArgs),
    /// Write a config and two DKIM keys for a domain, and print the DNS records to publish
    Init(init::InitArgs),
    /// Check the config and what it needs; one line per finding
    Check(check::CheckArgs),
    /// Show the mails that replyd would send, with the config's templates, sending nothing
    Preview(preview::PreviewArgs),
    /// Show what replyd makes of one raw mail, changing nothing
    Inspect(inspect::InspectArgs),
    /// Conversations of the running daemon
    #[command(subcommand)]
    Conversation(conversation::ConversationCommand),
    /// The ledger of every mail that was offered to the running daemon
    #[command(subcommand)]
    Inbound(inbound::InboundCommand),
    /// Outgoing mail of the running daemon
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Who answers for an account
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Addresses that get no mail
    #[command(subcommand)]
    Suppression(suppression::SuppressionCommand),
    /// Who is told of events over HTTP
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Bring one mail from stdin to an ingress: for the pipe of an MTA. $URL and $INGRESS_PASSWORD say where
    Relay(relay::RelayArgs),
    /// Copy the store of the running daemon into one file
    Backup(backup::BackupArgs),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            return match relay::misused(std::env::args()) {
                Some(misuse) => misuse.tell(|| usage(&error)),
                None => usage(&error),
            };
        }
        Err(error) => return usage(&error),
    };
    let config = cli.config;
    let done = match cli.command {
        Command::Serve(args) => serve::run(&config, &args),
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&config, &args),
        Command::Check(args) => check::run(&config, &args),
        Command::Preview(args) => preview::run(&config, &args),
        Command::Inspect(args) => return inspect::run(&config, &args),
        Command::Conversation(command) => conversation::run(&config, command),
        Command::Inbound(command) => inbound::run(&config, command),
        Command::Queue(command) => queue::run(&config, command),
        Command::Agent(command) => agent::run(&config, command),
        Command::Suppression(command) => suppression::run(&config, command),
        Command::Webhook(command) => webhook::run(&config, command),
        Command::Token(command) => token::run(&config, command),
        Command::Relay(args) => return relay::run(&args),
        Command::Backup(args) => backup::run(&config, &args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// clap's own code for wrong usage is 2, and its text has several lines; sysexits.h says 64, and we say one line.
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(Exit::Usage.code())
        }
        _ => {
            let text = error.to_string();
            let mut paragraphs =
                text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
            let what = paragraphs.next().unwrap_or_default();
            let tip = paragraphs.find(|paragraph| paragraph.starts_with("tip:") && paragraph.contains("similar"));
            let tip = tip.map(|tip| tip.replacen("tip:", ";", 1)).unwrap_or_default();
            let (what, help) = (what.trim_start_matches("error: "), help_of(std::env::args().skip(1)));
            Failure::new(Exit::Usage, format!("{what}{tip}; see {help}")).report()
        }
    }
}

/// The help of the command that these words name, as far as they name one.
fn help_of(words: impl Iterator<Item = String>) -> String {
    let mut command = Cli::command();
    let mut help = "replyd help".to_owned();
    for word in words.filter(|word| !word.starts_with('-')) {
        let Some(inner) = command.find_subcommand(&word).filter(|_| word != "help").cloned() else { continue };
        help.push_str(&format!(" {word}"));
        command = inner;
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_call_is_sent_to_the_help_of_its_command() {
        let check =
            |words: &str, expected| assert_eq!(help_of(words.split(' ').map(str::to_owned)), expected, "{words}");
        check("brew", "replyd help");
        check("conversation show", "replyd help conversation show");
        check("--config x agent add --nmae Sara", "replyd help agent add");
        check("conversation brew", "replyd help conversation");
    }
}
