//! What replyd sends, read as its recipients read it: by our own readers of mail, signatures and quotations.

use data_encoding::BASE64;
use replyd::clock::{Clock, UnixMs};
use replyd::config::{self, secret::Surroundings};
use replyd::conversation::delivery::{MailKind, RecipientKind};
use replyd::conversation::id::Id;
use replyd::conversation::keys::Keys;
use replyd::conversation::links;
use replyd::conversation::model::{Attachment, Author, AuthorKind, Channel, Participant, Via};
use replyd::dns::{Resolver, Zone, ZoneServer};
use replyd::limits::Limits;
use replyd::mail::content;
use replyd::mail::parsed::ParsedMail;
use replyd::outbound::compose::{ComposeError, Composed, File, Sender, compose, example, files_wanted};
use replyd::sender_auth::{AuthResults, Check, DkimResult, Verdict, Verifier, has_clean_lines};
use replyd::store::outgoing::{OtherRecipient, ThreadMail, ToCompose};
use std::path::Path;

/// RFC 8463 appendix A.2.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n-----END PRIVATE KEY-----\\n";
const ED25519_PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn keys() -> Keys {
    Keys::new(&[7; 32])
}

fn sender_with(account: &str) -> Sender {
    let text = format!(
        "server.hostname = \"mx.acme.example\"\nhttp.public_url = \"https://chat.acme.example\"\n\
         [[account]]\nname = \"acme\"\ndisplay_name = \"Acme\"\ninbound_domain = \"reply.acme.example\"\n{account}\n\
         inbox = [\n{{ name = \"mail\", channel = \"email\", address = \"support@acme.example\" }},\n\
         {{ name = \"chat\", address = \"chat@acme.example\", language = \"de\", history = \"full\" }},\n\
         {{ name = \"bare\", history = \"none\" }}]\n"
    );
    let config = config::parse(Path::new("x.toml"), &text, Surroundings::SYSTEM).expect("a good config");
    Sender::new(&config, keys()).expect("a sender")
}

fn sender() -> Sender {
    sender_with("")
}

fn answer(inbox: &str, channel: Channel) -> ToCompose {
    let mut mail = example::mail(MailKind::Answer, "acme", inbox, channel);
    mail.entry.message_id = keys().message_id(mail.entry.id, "mx.acme.example");
    mail
}

fn sent(to: &ToCompose) -> (Composed, ParsedMail) {
    let composed = compose(to, &[], &sender()).expect("a mail");
    let parsed = ParsedMail::parse(&composed.octets);
    assert_eq!(parsed.defects, Vec::<&str>::new());
    (composed, parsed)
}

#[test]
fn show() {
    for kind in [MailKind::Answer, MailKind::Notification, MailKind::Notice] {
        let mut mail = example::mail(kind, "acme", "chat", Channel::Widget);
        mail.entry.message_id = keys().message_id(mail.entry.id, "mx.acme.example");
        let composed = compose(&mail, &[], &sender()).expect("a mail");
        println!("{}", String::from_utf8_lossy(&composed.octets));
    }
}
