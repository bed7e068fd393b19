//! What replyd sends, read as its recipients read it: by our own readers of mail, signatures and quotations.

use replyd::config::{self, secret::Surroundings};
use replyd::conversation::delivery::MailKind;
use replyd::conversation::keys::Keys;
use replyd::conversation::model::Channel;
use replyd::mail::parsed::ParsedMail;
use replyd::outbound::compose::{Sender, compose, example};
use std::path::Path;

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

#[test]
fn every_kind_of_mail_is_whole() {
    for kind in [MailKind::Answer, MailKind::Notification, MailKind::Notice] {
        let mut mail = example::mail(kind, "acme", "chat", Channel::Widget);
        mail.entry.message_id = keys().message_id(mail.entry.id, "mx.acme.example");
        let composed = compose(&mail, &[], &sender()).expect("a mail");
        let parsed = ParsedMail::parse(&composed.octets);
        assert_eq!(parsed.defects, Vec::<&str>::new());
    }
}
