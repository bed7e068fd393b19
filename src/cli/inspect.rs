//! `replyd inspect FILE.eml`: what replyd makes of one raw mail, changing nothing.

use super::inspect_auth::{self, AuthArgs, WithAuth};
use crate::config::ConfigError;
use crate::filing::inspect::{AttachmentShown, Inspection, inspect};
use crate::mail::dsn::{Bounce, BouncedRecipient};
use crate::mail::parsed::Mailbox;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The raw mail; `-` reads standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    auth: AuthArgs,
}

/// sysexits.h: what was given beside the mail cannot be used.
const EX_DATA: u8 = 65;
/// sysexits.h: the input could not be read.
const EX_NOINPUT: u8 = 66;
/// sysexits.h: our fault.
const EX_SOFTWARE: u8 = 70;
/// sysexits.h: the config, whose name servers are asked, has an error.
const EX_CONFIG: u8 = 78;

/// Exit 0 for any bytes at all, 66 for a file that cannot be read.
pub fn run(config_file: &Path, args: &InspectArgs) -> ExitCode {
    let raw = match read(&args.file) {
        Ok(raw) => raw,
        Err(error) => {
            eprintln!("replyd inspect: {}: {error}; give a readable file or - for standard input", args.file.display());
            return ExitCode::from(EX_NOINPUT);
        }
    };
    let auth = match args.auth.check(config_file, &raw) {
        Ok(auth) => auth,
        Err(error) => {
            eprintln!("replyd inspect: {error:#}");
            return ExitCode::from(if error.is::<ConfigError>() { EX_CONFIG } else { EX_DATA });
        }
    };
    let shown = WithAuth { inspection: inspect(&raw), auth };
    let printed = if args.json {
        json(&shown)
    } else {
        Ok(lines(&shown.inspection) + &shown.auth.as_ref().map(inspect_auth::lines).unwrap_or_default())
    };
    match printed.and_then(|text| Ok(writeln!(std::io::stdout().lock(), "{text}")?)) {
        // A reader that closes early, as `head` does, has what it wanted.
        Err(error) if !is_broken_pipe(&error) => {
            eprintln!("replyd inspect: cannot print: {error}");
            ExitCode::from(EX_SOFTWARE)
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut raw = Vec::new();
    std::io::stdin().lock().read_to_end(&mut raw)?;
    Ok(raw)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn json(inspection: &WithAuth) -> anyhow::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(inspection)?))
}

/// What a terminal or a line reader might obey and JSON lets stand as it is: DEL, C1 controls, separators,
/// direction overrides. They occur only inside of strings, where the escape means the same.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// The same for a person.
fn lines(mail: &Inspection) -> String {
    let mailboxes = |list: &[Mailbox]| {
        let shown = |mailbox: &Mailbox| match &mailbox.name {
            Some(name) => format!("{name} <{}>", mailbox.email),
            None => mailbox.email.clone(),
        };
        list.iter().take(SHOWN_MAX).map(shown).collect::<Vec<_>>().join(", ")
    };
    let attachment = |file: &AttachmentShown| {
        let place = if file.inline { ", inline" } else { "" };
        format!("{} ({}, {} octets{place})", file.name, file.media_type, file.size)
    };
    let rows = [
        ("from", mailboxes(&mail.from)),
        ("to", mailboxes(&mail.to)),
        ("cc", mailboxes(&mail.cc)),
        ("reply to", mailboxes(&mail.reply_to)),
        ("subject", mail.subject.clone().unwrap_or_default()),
        ("date", mail.date.clone().unwrap_or_default()),
        ("message id", mail.message_id.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("reply tokens", mail.reply_tokens.join(", ")),
        ("class", format!("{} ({})", class_word(mail), mail.class_reason)),
        ("bounce", mail.bounce.as_ref().map(bounce_line).unwrap_or_default()),
        ("attachments", mail.attachments.iter().take(SHOWN_MAX).map(attachment).collect::<Vec<_>>().join(", ")),
        ("defects", mail.defects.join(", ")),
        ("folded", format!("{} lines quoted, {} lines signature", count(&mail.quoted_text), count(&mail.signature))),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name:<13}{value}\n"));
    let text = rows.collect::<String>() + "\n" + &mail.visible_text;
    // Terminals obey controls; a mail gives no orders.
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

fn class_word(mail: &Inspection) -> String {
    serde_json::to_string(&mail.class).unwrap_or_default().trim_matches('"').to_owned()
}

fn bounce_line(bounce: &Bounce) -> String {
    let recipient = |gone: &BouncedRecipient| {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{} {} {}", gone.recipient, word(&gone.action), word(&gone.status))
    };
    bounce.recipients.iter().take(SHOWN_MAX).map(recipient).collect::<Vec<_>>().join(", ")
}

fn count(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

/// More of one kind nobody reads on a screen; `--json` has them all.
const SHOWN_MAX: usize = 20;
