//! Any words in any field of a mail of ours: composing ends, and the header has no field that we did not put there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::config::{self, secret::Surroundings};
use replyd::conversation::delivery::MailKind;
use replyd::conversation::keys::Keys;
use replyd::conversation::model::Channel;
use replyd::mail::parsed::ParsedMail;
use replyd::outbound::compose::{ComposeError, Sender, compose, example};
use replyd::store::outgoing::ThreadMail;
use std::path::Path;
use std::sync::LazyLock;

static SENDER: LazyLock<Sender> = LazyLock::new(|| {
    let text = "server.hostname = \"mx.acme.example\"\n[[account]]\nname = \"acme\"\ninbound_domain = \"r.acme.example\"\nhistory = \"full\"\n";
    let config = config::parse(Path::new("x.toml"), text, Surroundings::SYSTEM).expect("a good config");
    Sender::new(&config, Keys::new(&[7; 32])).expect("a sender")
});

fuzz_target!(|input: (u8, Vec<String>)| {
    let (kind, words) = input;
    let kind = [MailKind::Answer, MailKind::Notification, MailKind::Notice][usize::from(kind % 3)];
    let mut mail = example::mail(kind, "acme", "", Channel::Widget);
    mail.entry.message_id = "1@mx.acme.example".to_owned();
    let mut words = words.into_iter();
    let mut next = || words.next().unwrap_or_default();
    mail.conversation.subject = Some(next());
    mail.conversation.contact.name = Some(next());
    for message in mail.messages.iter_mut().chain(&mut mail.history) {
        (message.text, message.author.name, message.author.email) = (next(), Some(next()), Some(next()));
        message.html = Some(next());
    }
    mail.thread = vec![ThreadMail { message_id: next(), references: vec![next(), next()], subject: Some(next()), incoming: true }];
    mail.entry.recipient = next();
    match compose(&mail, &[], &SENDER) {
        Ok(composed) => assert_eq!(ParsedMail::parse(&composed.octets).defects, Vec::<&str>::new()),
        Err(ComposeError::Recipient { .. } | ComposeError::InternationalRecipient) => {}
        Err(error) => panic!("{error}"),
    }
    mail.entry.recipient = "jane@example.com".to_owned();
    let composed = compose(&mail, &[], &SENDER).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ParsedMail::parse(&composed.octets).defects, Vec::<&str>::new());
});
