//! `replyd demo`: the whole product on loopback in one process; prints what to open and what to try.

use super::failure::{Done, Exit, Failure};
use super::serve::failure;
use crate::daemon::StartError;
use crate::daemon::demo::folder::{self, NotADemo};
use crate::daemon::demo::{CUSTOMER, Demo, DemoPlace, SUBJECT};
use crate::daemon::serve::{Asked, Signals, install_crypto, runtime};
use crate::daemon::sockets::OWNER_SOCKET;
use crate::daemon::telemetry;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Taken as everywhere, and of no use here
    #[arg(id = "config", long = "config", hide = true, value_name = "FILE")]
    _config: Option<PathBuf>,
    /// Begin with an empty data folder; only a demo's own is emptied
    #[arg(long)]
    fresh: bool,
    /// Port for mail on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 2525, value_name = "PORT")]
    smtp_port: u16,
    /// Port for HTTP on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8025, value_name = "PORT")]
    http_port: u16,
    /// Where its data lives: a folder that an earlier demo made, or that is empty or not there
    #[arg(long, default_value = "replyd-demo", value_name = "FOLDER")]
    data: PathBuf,
}

pub fn run(args: &DemoArgs) -> Done {
    telemetry::start("warn").map_err(|error| failure(&error.into()))?;
    install_crypto();
    may_be_used(&args.data)?;
    free_folder(&args.data)?;
    if args.fresh {
        empty(&args.data)?;
    }
    std::fs::create_dir_all(&args.data).map_err(|error| {
        let line = format!("cannot make the folder {}: {error}; name another with --data", args.data.display());
        Failure::new(Exit::CannotCreate, line)
    })?;
    let place = DemoPlace { smtp_port: args.smtp_port, http_port: args.http_port, folder: args.data.clone() };
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let demo = Demo::start(&place).await.map_err(|error| explained(&error, args))?;
        std::io::stdout().write_all(invitation(&demo, &program()).as_bytes())?;
        std::io::stdout().flush()?;
        while signals.next().await == Asked::Reload {}
        demo.running.stop().await;
        Ok(())
    })
}

/// One demo to a folder.
fn free_folder(folder: &Path) -> Done {
    if std::os::unix::net::UnixStream::connect(folder.join("data").join(OWNER_SOCKET)).is_err() {
        return Ok(());
    }
    let line = format!("a demo is running in {}; stop it first, or name another folder with --data", folder.display());
    Err(Failure::new(Exit::TryAgain, line))
}

/// An installation's folder has a replyd.toml too.
fn may_be_used(data: &Path) -> Done {
    folder::may_be_used(data).map_err(|error| {
        let exit = if matches!(error, NotADemo::Unreadable(_)) { Exit::CannotCreate } else { Exit::Usage };
        Failure::new(exit, format!("{}: {error}", data.display()))
    })
}

/// Removes what an earlier demo left.
fn empty(folder: &Path) -> Done {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(Exit::TryAgain, format!("--fresh: cannot empty {}: {error}", folder.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A taken port is the usual trouble: the flag is named.
fn explained(error: &StartError, args: &DemoArgs) -> Failure {
    let Some(address) = error.taken_address() else { return failure(error) };
    let flag = if address == format!("127.0.0.1:{}", args.smtp_port) { "--smtp-port" } else { "--http-port" };
    Failure::new(
        Exit::TryAgain,
        format!("{address} is in use by another program; choose another port with {flag} PORT, or {flag} 0 for any"),
    )
}

/// How this program was called, for commands to paste.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "replyd".to_owned())
}

fn invitation(demo: &Demo, program: &str) -> String {
    let Demo { smtp, http, reply_address, conversation, .. } = demo;
    let config = shortest(&demo.config_file);
    let (host, port) = (smtp.ip(), smtp.port());
    format!(
        r#"The replyd demo is running. Nothing leaves this machine; Ctrl-C stops it.

  conversation   http://{http}/
  desk           http://{http}/desk/
  mailboxes      http://{http}/mailbox
  mail (SMTP)    {smtp}
  reply address  {reply_address}

The first page is all of it: the shop with its chat, the desk, and the mailboxes. Write in the chat, close the shop, answer
at the desk, and watch the answer go out by mail. Or write a mail as the customer from another shell:

  swaks --server {smtp} --from {CUSTOMER} --to '{reply_address}' --header 'Subject: Re: {SUBJECT}' --body 'It works now, thank you!'

or, without swaks:

  python3 -c "import smtplib; smtplib.SMTP('{host}', {port}).sendmail('{CUSTOMER}', '{reply_address}', 'From: Jane Doe <{CUSTOMER}>\nTo: {reply_address}\nSubject: Re: {SUBJECT}\n\nIt works now, thank you!')"

Then look at the pages, or ask:

  {program} conversation show {id} --config {config}
  {program} queue list --config {config}
  {program} inbound list --config {config}
"#,
        id = conversation.id,
    )
}

/// Relative to the current folder, where that is shorter.
fn shortest(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
