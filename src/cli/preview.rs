//! `replyd preview`: an example of each kind of mail, as the config and its templates make it. Sends nothing, and signs
//! nothing that is real: the keyed parts are made with a key of zeros.

use super::failure::{Done, Exit, Failure};
use super::print::{octets, one_line, say, text};
use super::shell_config::ShellConfig;
use crate::config::checked::{Account, Config, Inbox};
use crate::conversation::delivery::MailKind;
use crate::conversation::keys::Keys;
use crate::conversation::model::Channel;
use crate::mail::parsed::ParsedMail;
use crate::outbound::compose::{Sender, compose, example};
use crate::store::outgoing::ToCompose;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct PreviewArgs {
    /// The account; the first one if not given
    #[arg(long)]
    account: Option<String>,
    /// The inbox; the account's first one if not given
    #[arg(long)]
    inbox: Option<String>,
    /// One kind of mail only
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The HTML part of one kind, to be looked at in a browser
    #[arg(long, requires = "kind", conflicts_with_all = ["text", "raw"])]
    html: bool,
    /// The text part only
    #[arg(long, conflicts_with = "raw")]
    text: bool,
    /// The whole mail as it would be sent
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// What a person wrote, to a contact
    Answer,
    /// A contact's message, to an agent
    Notification,
    /// replyd's own words, to an agent
    Notice,
}

pub fn run(config_file: &Path, args: &PreviewArgs) -> Done {
    let shell = ShellConfig::load(config_file)?;
    for finding in shell.unchecked() {
        eprintln!("replyd: {}", one_line(&finding.line));
    }
    let config = &shell.config;
    let account = account(config, args)?;
    let inbox = inbox(account, args)?;
    let keys = Keys::new(&[0; 32]);
    let sender = Sender::new(config, keys.clone()).map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    let kinds = [Kind::Answer, Kind::Notification, Kind::Notice];
    for kind in kinds.into_iter().filter(|kind| args.kind.is_none_or(|wanted| wanted == *kind)) {
        let (name, channel) = inbox.map_or(("", Channel::Widget), |inbox| (inbox.name.as_str(), inbox.channel));
        let mut mail = example::mail(kind.of_mail(), &account.name, name, channel);
        mail.entry.message_id = keys.message_id(mail.entry.id, &config.server.hostname);
        show(kind, &mail, &sender, args)?;
    }
    Ok(())
}

fn show(kind: Kind, mail: &ToCompose, sender: &Sender, args: &PreviewArgs) -> Done {
    let composed = compose(mail, &[], sender).map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    if args.raw {
        octets(&composed.octets);
        return Ok(());
    }
    let parsed = ParsedMail::parse(&composed.octets);
    if args.html {
        say!("{}", part(&parsed, "text/html"));
        return Ok(());
    }
    if !args.text {
        say!("==== {kind:?}\n");
        for name in ["From", "Reply-To", "To", "Subject"] {
            say!("{name}: {}", text(parsed.field(name).unwrap_or_default()));
        }
        say!("");
    }
    say!("{}\n", text(part(&parsed, "text/plain")));
    Ok(())
}

fn part<'a>(mail: &'a ParsedMail, media_type: &str) -> &'a str {
    let part = mail.parts.iter().find(|part| part.media_type == media_type);
    part.and_then(|part| part.text()).unwrap_or_default()
}

fn account<'a>(config: &'a Config, args: &PreviewArgs) -> Result<&'a Account, Failure> {
    let wanted = |account: &&Account| args.account.as_ref().is_none_or(|name| account.name == *name);
    let names = || config.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = config.accounts.iter().find(wanted);
    found.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("--account: there is none of that name; there are: {}", names()))
    })
}

fn inbox<'a>(account: &'a Account, args: &PreviewArgs) -> Result<Option<&'a Inbox>, Failure> {
    let Some(name) = &args.inbox else { return Ok(account.inboxes.first()) };
    let names = || account.inboxes.iter().map(|inbox| inbox.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = account.inboxes.iter().find(|inbox| inbox.name == *name);
    let line = || format!("--inbox: account {} has none of that name; there are: {}", account.name, names());
    found.map(Some).ok_or_else(|| Failure::new(Exit::Usage, line()))
}

impl Kind {
    fn of_mail(self) -> MailKind {
        match self {
            Kind::Answer => MailKind::Answer,
            Kind::Notification => MailKind::Notification,
            Kind::Notice => MailKind::Notice,
        }
    }
}
