//! What replyd sends, read as its recipients read it: by our own readers of mail and quotations.

use replyd::clock::UnixMs;
use replyd::config::{self, secret::Surroundings};
use replyd::conversation::delivery::{MailKind, RecipientKind};
use replyd::conversation::id::Id;
use replyd::conversation::keys::Keys;
use replyd::conversation::links;
use replyd::conversation::model::{Attachment, Author, AuthorKind, Channel, Participant, Via};
use replyd::mail::content;
use replyd::mail::parsed::ParsedMail;
use replyd::outbound::compose::{ComposeError, Composed, File, Sender, compose, example, files_wanted};
use replyd::sender_auth::has_clean_lines;
use replyd::store::outgoing::{OtherRecipient, ThreadMail, ToCompose};
use std::path::Path;

fn keys() -> Keys {
    Keys::new(&[7; 32])
}

fn sender() -> Sender {
    let text = "server.hostname = \"mx.acme.example\"\nhttp.public_url = \"https://chat.acme.example\"\n\
         [[account]]\nname = \"acme\"\ndisplay_name = \"Acme\"\ninbound_domain = \"reply.acme.example\"\n\
         inbox = [\n{ name = \"mail\", channel = \"email\", address = \"support@acme.example\" },\n\
         { name = \"chat\", address = \"chat@acme.example\", language = \"de\", history = \"full\" },\n\
         { name = \"bare\", history = \"none\" }]\n";
    let config = config::parse(Path::new("x.toml"), text, Surroundings::SYSTEM).expect("a good config");
    Sender::new(&config, keys()).expect("a sender")
}

fn mail(kind: MailKind, inbox: &str, channel: Channel) -> ToCompose {
    let mut mail = example::mail(kind, "acme", inbox, channel);
    mail.entry.message_id = keys().message_id(mail.entry.id, "mx.acme.example");
    mail
}

fn answer() -> ToCompose {
    mail(MailKind::Answer, "mail", Channel::Email)
}

#[track_caller]
fn sent(to: &ToCompose) -> (Composed, ParsedMail) {
    let composed = compose(to, &[], &sender()).expect("a mail");
    let parsed = ParsedMail::parse(&composed.octets);
    assert_eq!(parsed.defects, Vec::<&str>::new());
    (composed, parsed)
}

fn field(to: &ToCompose, name: &str) -> Option<String> {
    sent(to).1.field(name).map(str::to_owned)
}

fn text(parsed: &ParsedMail) -> String {
    parsed
        .parts
        .iter()
        .find(|part| part.media_type == "text/plain")
        .and_then(|part| part.text())
        .unwrap_or_default()
        .to_owned()
}

fn html(parsed: &ParsedMail) -> String {
    parsed
        .parts
        .iter()
        .find(|part| part.media_type == "text/html")
        .and_then(|part| part.text())
        .unwrap_or_default()
        .to_owned()
}

fn names(parsed: &ParsedMail) -> Vec<&str> {
    parsed.fields().iter().map(|field| field.name.as_str()).collect()
}

#[test]
fn a_persons_answer_says_who_answers_and_is_not_automatic() {
    let (composed, parsed) = sent(&answer());
    assert_eq!(
        names(&parsed),
        [
            "From",
            "Reply-To",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "X-Replyd-Loop",
            "Content-Language",
            "MIME-Version",
            "Content-Type"
        ]
    );
    let is = |name: &str, expected: &str| assert_eq!(parsed.field(name), Some(expected), "{name}");
    is("From", "\"Sara (Acme)\" <support@acme.example>");
    is("Reply-To", "\"Sara (Acme)\" <reply+07070707070707070707070707070707@reply.acme.example>");
    is("To", "\"Jane Doe\" <jane@example.com>");
    is("Subject", "Re: Where is my order?");
    is("Date", "Fri, 20 Nov 2026 10:12:00 +0000");
    is("Message-ID", &format!("<{}>", answer().entry.message_id));
    assert_eq!(composed.envelope_from, keys().bounce_address(answer().entry.id, "reply.acme.example"));
    assert_eq!(composed.envelope_to, "jane@example.com");
    assert_eq!(composed.email.from, ["Sara (Acme) <support@acme.example>"]);
    assert_eq!(composed.email.message_id, Some(answer().entry.message_id));
    let mark = parsed.field(links::LOOP_FIELD).unwrap_or_default();
    assert_eq!(links::marked_mail(&keys(), "acme", mark), Some(answer().entry.id));
    assert_eq!(links::marked_mail(&keys(), "bolt", mark), None);
}

#[test]
fn the_same_entry_gives_the_same_octets() {
    let once = sent(&answer()).0.octets;
    assert_eq!(once, compose(&answer(), &[], &sender()).expect("a mail").octets);
    let mut other = answer();
    other.entry.id = Id(5);
    assert_ne!(once, sent(&other).0.octets);
}

#[test]
fn without_names_and_addresses_the_account_answers_from_the_reply_address() {
    let mut bare = mail(MailKind::Answer, "bare", Channel::Email);
    for message in &mut bare.messages {
        message.author = Author { kind: AuthorKind::Agent, name: None, email: Some("sara@private.example".into()) };
    }
    bare.conversation.contact.name = None;
    let (composed, parsed) = sent(&bare);
    let address = "reply+07070707070707070707070707070707@reply.acme.example";
    assert_eq!(parsed.field("From"), Some(format!("\"Acme\" <{address}>").as_str()));
    assert_eq!(parsed.field("To"), Some("jane@example.com"));
    assert!(
        !String::from_utf8_lossy(&composed.octets).contains("private.example"),
        "an agent's address is never shown"
    );
    assert!(!text(&parsed).contains("order 4711"), "history = none");
}

#[test]
fn an_agents_address_or_signature_or_quotation_never_reaches_the_contact() {
    let mut to = answer();
    for message in to.messages.iter_mut().chain(&mut to.history) {
        if message.author.kind == AuthorKind::Agent {
            message.author.name = Some("sara@private.example".into());
            message.author.email = Some("sara@private.example".into());
            message.via = Via::Email;
            message.html = Some("<p>hello</p><blockquote>Sara &lt;sara@private.example&gt;</blockquote>".into());
            message.quoted = "Sara <sara@private.example> wrote:".into();
            message.signature = "sara@private.example".into();
        }
    }
    to.assignee =
        to.assignee.map(|agent| replyd::conversation::agent::Agent { email: "sara@private.example".into(), ..agent });
    let (_, parsed) = sent(&to);
    for shown in [text(&parsed), html(&parsed), format!("{:?}", parsed.fields())] {
        assert!(!shown.contains("private.example"), "{shown}");
    }
}

#[test]
fn several_messages_each_have_their_speaker_and_one_has_none() {
    let both = text(&sent(&answer()).1);
    assert!(both.starts_with("Sara, 2026-11-20 10:11 UTC:\n\nHello Jane,"), "{both}");
    assert!(both.contains("\n\nSara, 2026-11-20 10:12 UTC:\n\nThe label"), "{both}");
    let mut one = answer();
    one.messages.truncate(1);
    let one = text(&sent(&one).1);
    assert!(one.starts_with("Hello Jane,"), "{one}");
}

#[test]
fn history_is_what_the_inbox_says_and_the_reader_of_quotations_finds_it() {
    for (inbox, language) in
        [("mail", "On 2026-11-20 10:10 UTC, Jane Doe wrote:"), ("chat", "Am 2026-11-20 10:10 UTC schrieb Jane Doe:")]
    {
        let mut to = mail(MailKind::Answer, inbox, Channel::Email);
        to.messages.truncate(1);
        let (composed, parsed) = sent(&to);
        assert!(
            text(&parsed).contains(&format!("\n\n{language}\n\n> Hello,\n>\n> my order 4711")),
            "{}",
            text(&parsed)
        );
        let read = content::read(&ParsedMail::parse(&composed.octets), &[]);
        assert_eq!(read.visible.trim(), to.messages[0].text.trim(), "{inbox}");
        assert!(read.quoted.contains("my order 4711"), "{}", read.quoted);
    }
}

#[test]
fn a_reply_in_any_language_shows_only_what_was_added() {
    for language in ["en", "de", "fr", "es", "nl", "it", "pt"] {
        let text = format!(
            "server.hostname = \"mx.acme.example\"\n[[account]]\nname = \"acme\"\ninbound_domain = \"reply.acme.example\"\n\
             language = \"{language}\"\nhistory = \"full\"\n"
        );
        let config = config::parse(Path::new("x.toml"), &text, Surroundings::SYSTEM).expect("a good config");
        let mut to = mail(MailKind::Answer, "mail", Channel::Email);
        to.messages.truncate(1);
        let composed = compose(&to, &[], &Sender::new(&config, keys()).expect("a sender")).expect("a mail");
        let mail = ParsedMail::parse(&composed.octets);
        let read = content::read(&mail, &[]);
        assert_eq!(read.visible.trim(), to.messages[0].text.trim(), "{language}");
        assert!(read.quoted.contains("my order 4711"), "{language}");
        assert_eq!(mail.field("Content-Language"), Some(language));
    }
}

#[test]
fn strangers_words_are_quoted_to_nobody() {
    let mut to = answer();
    to.history[0].author =
        Author { kind: AuthorKind::Participant, name: Some("Eve".into()), email: Some("eve@evil.example".into()) };
    assert!(!text(&sent(&to).1).contains("order 4711"));
    to.others = vec![OtherRecipient { address: "eve@evil.example".into(), kind: RecipientKind::Participant }];
    assert!(text(&sent(&to).1).contains("order 4711"), "the agent chose to copy");
}

#[test]
fn copied_participants_are_seen_by_all_and_others_by_nobody() {
    let mut to = answer();
    let participant = |email: &str| Participant { name: Some("Bob".into()), email: email.into(), since: UnixMs(0) };
    to.conversation.participants = vec![participant("bob@b.example"), participant("mallory@m.example")];
    assert_eq!(field(&to, "Cc"), None);
    to.others = vec![
        OtherRecipient { address: "bob@b.example".into(), kind: RecipientKind::Participant },
        OtherRecipient { address: "sara@private.example".into(), kind: RecipientKind::Agent },
    ];
    let (composed, parsed) = sent(&to);
    assert_eq!(parsed.field("Cc"), Some("\"Bob\" <bob@b.example>"));
    assert_eq!(composed.envelope_to, "jane@example.com");
    let shown = String::from_utf8_lossy(&composed.octets).into_owned();
    assert!(!shown.contains("mallory") && !shown.contains("private.example") && !shown.contains("Bcc"), "{shown}");
    to.entry.recipient = "bob@b.example".into();
    to.entry.recipient_kind = RecipientKind::Participant;
    to.others = vec![OtherRecipient { address: "jane@example.com".into(), kind: RecipientKind::Contact }];
    let (composed, parsed) = sent(&to);
    assert_eq!(
        (parsed.field("To"), parsed.field("Cc")),
        (Some("\"Jane Doe\" <jane@example.com>"), Some("\"Bob\" <bob@b.example>"))
    );
    assert_eq!(composed.envelope_to, "bob@b.example");
}

fn thread_mail(id: &str, references: &[&str], subject: &str, incoming: bool) -> ThreadMail {
    ThreadMail {
        message_id: id.into(),
        references: references.iter().map(|id| (*id).to_owned()).collect(),
        subject: Some(subject.into()),
        incoming,
    }
}

#[test]
fn each_case_has_its_thread_and_one_subject() {
    let check =
        |channel, subject: Option<&str>, thread: Vec<ThreadMail>, expected: (&str, Option<&str>, Option<&str>)| {
            let mut to = mail(MailKind::Answer, "bare", channel);
            to.conversation.subject = subject.map(str::to_owned);
            to.thread = thread;
            let parsed = sent(&to).1;
            let found =
                (parsed.field("Subject").unwrap_or_default(), parsed.field("In-Reply-To"), parsed.field("References"));
            assert_eq!(found, expected);
        };
    check(Channel::Widget, None, vec![], ("Your conversation with Acme", None, None));
    check(Channel::Widget, Some("Hi"), vec![], ("Hi", None, None));
    let ours = || thread_mail("1@mx", &[], "Your conversation with Acme", false);
    check(Channel::Widget, None, vec![ours()], ("Your conversation with Acme", Some("<1@mx>"), Some("<1@mx>")));
    let theirs = || thread_mail("2@c", &["1@mx"], "Re: Your conversation with Acme", true);
    let answered = ("Re: Your conversation with Acme", Some("<2@c>"), Some("<1@mx> <2@c>"));
    check(Channel::Widget, None, vec![ours(), theirs()], answered);
    let later = || thread_mail("3@mx", &["1@mx", "2@c"], "Re: Your conversation with Acme", false);
    check(Channel::Widget, None, vec![ours(), theirs(), later()], answered);
    let first = thread_mail("1@c", &[], "AW: RE: Order", true);
    check(Channel::Email, Some("AW: RE: Order"), vec![first], ("Re: Order", Some("<1@c>"), Some("<1@c>")));
}

/// Bob has written under a subject of his own: his thread goes on by its references, and the subject is everybody's.
#[test]
fn the_subject_is_the_conversations_and_the_references_are_the_recipients() {
    let mut to = mail(MailKind::Answer, "bare", Channel::Widget);
    to.conversation.subject = None;
    for (first, expected) in [(Some("Re: Kettle"), "Re: Kettle"), (None, "Re: Your conversation with Acme")] {
        to.first_subject = first.map(str::to_owned);
        for (kind, thread) in [
            (RecipientKind::Contact, thread_mail("1@jane", &[], "Kettle", true)),
            (RecipientKind::Participant, thread_mail("2@bob", &[], "x", true)),
        ] {
            let id = format!("<{}>", thread.message_id);
            (to.entry.recipient_kind, to.thread) = (kind, vec![thread]);
            let parsed = sent(&to).1;
            assert_eq!(parsed.field("Subject"), Some(expected));
            assert_eq!(
                (parsed.field("In-Reply-To"), parsed.field("References")),
                (Some(id.as_str()), Some(id.as_str()))
            );
        }
    }
}

#[test]
fn a_notification_tells_the_agent_who_said_what_and_how_sure_that_is() {
    let to = mail(MailKind::Notification, "chat", Channel::Widget);
    let (composed, parsed) = sent(&to);
    let is = |name: &str, expected: &str| assert_eq!(parsed.field(name), Some(expected), "{name}");
    is("From", "\"Jane Doe via Acme\" <chat@acme.example>");
    is("To", "\"Sara\" <sara@example.com>");
    is("Auto-Submitted", "auto-generated");
    is("X-Auto-Response-Suppress", "All");
    is("Subject", "Where is my order?");
    assert_eq!(parsed.field("List-Unsubscribe"), None);
    let words = text(&parsed);
    assert!(words.starts_with("Hello,\n\nmy order 4711"), "{words}");
    for part in [
        "From: Jane Doe <jane@example.com>",
        "Author verified: DKIM signature of example.com.",
        "#snooze 2d",
        "> Hello Jane,",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let root = parsed.field("References").unwrap_or_default().to_owned();
    assert_eq!(parsed.field("In-Reply-To"), Some(root.as_str()));
    let mut second = to;
    second.entry.id = Id(9);
    second.thread = vec![thread_mail("n1@mx", &[root.trim_matches(['<', '>'])], "Where is my order?", false)];
    second.conversation.subject = Some("changed".into());
    let next = sent(&second).1;
    assert_eq!(next.field("References"), Some(format!("{root} <n1@mx>").as_str()));
    assert_eq!(next.field("Subject"), Some("Where is my order?"));
    second.thread.clear();
    second.entry.agent_id = Some(Id(77));
    assert!(!sent(&second).1.field("References").unwrap_or_default().contains(&root), "another agent, another thread");
    let classified = replyd::mail::automatic::classify(&parsed, None, None, &[]);
    assert_eq!(classified.class, replyd::mail::automatic::Class::AutoReply);
    assert!(composed.envelope_from.starts_with("bounce+"));
}

#[test]
fn a_strangers_endless_message_is_told_in_part_and_an_agents_is_sent_whole() {
    let long = "<&> words without end \u{e4}\n".repeat(40_000);
    let mut to = mail(MailKind::Notification, "chat", Channel::Widget);
    to.messages.push(to.messages[0].clone());
    to.messages[0].text = long.clone();
    let (composed, parsed) = sent(&to);
    assert!(composed.octets.len() < 2 * 1024 * 1024, "{}", composed.octets.len());
    let words = text(&parsed);
    assert_eq!(words.matches("[…] The message goes on: read the rest in the conversation.").count(), 2);
    assert!(words.contains("First lines that begin with # are commands"));
    let mut to = answer();
    to.messages[0].text = long.clone();
    to.messages[0].html = None;
    let (whole, parsed) = sent(&to);
    assert!(
        whole.octets.len() > long.len() && !text(&parsed).contains("The message goes on"),
        "{}",
        whole.octets.len()
    );
}

#[test]
fn verdicts_are_words() {
    for (auth, expected) in [
        (serde_json::json!({"verdict": "forged", "basis": "b"}), "FORGED, do not trust it: b."),
        (serde_json::json!({"verdict": "unproven", "basis": "nothing"}), "Author not proven: nothing."),
        (serde_json::json!({"verdict": "undetermined", "basis": "x"}), "Author not known, the DNS did not answer: x."),
        (serde_json::json!(null), "Author not proven."),
    ] {
        let mut to = mail(MailKind::Notification, "chat", Channel::Widget);
        to.messages[0].email.as_mut().expect("a mail").auth = auth;
        let words = text(&sent(&to).1);
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn continuity_mail_can_be_unsubscribed_with_one_click_and_an_answer_to_a_mail_cannot() {
    let to = mail(MailKind::Answer, "chat", Channel::Widget);
    let (_, parsed) = sent(&to);
    assert_eq!(parsed.field("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    let url = parsed.field("List-Unsubscribe").unwrap_or_default().trim_matches(['<', '>']).to_owned();
    let start = format!("https://chat.acme.example/unsubscribe/{}?signature=", to.entry.id);
    let signature = url.strip_prefix(&start).expect("the link of this mail");
    assert!(links::opens_unsubscribe(&keys(), to.entry.id, signature));
    assert!(text(&parsed).contains(&url));
    assert_eq!(field(&answer(), "List-Unsubscribe"), None);
    // Who wrote by mail in a chat's conversation, and whoever is in copy, asked for the answer by mail.
    let mut wrote = to.clone();
    wrote.thread = vec![thread_mail("1@c", &[], "Order", true)];
    let mut copied = to.clone();
    copied.entry.recipient_kind = RecipientKind::Participant;
    let mut told = to;
    told.thread = vec![thread_mail("1@mx", &[], "Order", false)];
    for (to, expected) in [(wrote, false), (copied, false), (told, true)] {
        let (_, parsed) = sent(&to);
        assert_eq!(parsed.field("List-Unsubscribe").is_some(), expected);
        assert_eq!(text(&parsed).contains("/unsubscribe/"), expected);
    }
}

fn attachment(id: i64, name: &str, media_type: &str, size: u64) -> Attachment {
    Attachment {
        id: Id(id),
        name: name.into(),
        media_type: media_type.into(),
        size,
        inline: false,
        content_id: None,
        sha256: String::new(),
        part: 0,
    }
}

#[test]
fn files_go_along_while_they_fit_and_are_links_beyond() {
    let mut to = answer();
    to.messages[0].attachments = vec![
        attachment(31, "a.pdf", "application/pdf", 6_000_000),
        attachment(32, "b.zip", "application/zip", 6_000_000),
    ];
    to.messages[1].attachments =
        vec![attachment(33, "ü.eml", "message/rfc822", 9), attachment(34, "d.txt", "text/plain", 4)];
    assert_eq!(files_wanted(&to, &sender()), [Id(31), Id(33), Id(34)]);
    let octets = |id, octets: &[u8]| File { attachment: Id(id), octets: octets.to_vec() };
    let files = [octets(31, b"%PDF\n.\n\r.\r\0\xff"), octets(33, b"From: x\n\n.\n"), octets(32, b"not asked for")];
    let composed = compose(&to, &files, &sender()).expect("a mail");
    assert!(has_clean_lines(&composed.octets) && composed.octets.is_ascii());
    let parsed = ParsedMail::parse(&composed.octets);
    let read = content::read(&parsed, &[]);
    let found: Vec<(&str, &str, &[u8])> = read
        .attachments
        .iter()
        .map(|found| (found.name.as_str(), found.media_type.as_str(), parsed.parts[found.part_index].octets()))
        .collect();
    let expected: [(&str, &str, &[u8]); 2] = [
        ("a.pdf", "application/pdf", b"%PDF\n.\n\r.\r\0\xff"),
        ("ü.eml", "application/octet-stream", b"From: x\n\n.\n"),
    ];
    assert_eq!(found, expected);
    // What does not fit, and what could not be read.
    for id in [32, 34] {
        let url = links::attachment_url(
            &keys(),
            "https://chat.acme.example",
            Id(id),
            UnixMs(1_795_169_520_000 + 30 * 86_400_000),
        );
        assert!(text(&parsed).contains(&url), "{url}: {}", text(&parsed));
    }
}

#[test]
fn addresses_that_cannot_be_mailed_to_are_said_so() {
    let check = |recipient: &str| {
        let mut to = answer();
        to.entry.recipient = recipient.into();
        compose(&to, &[], &sender()).map(|composed| composed.envelope_to).map_err(|error| error.enhanced())
    };
    assert_eq!(check("jörg@example.com"), Err(Some("5.6.7")));
    assert_eq!(check("a@b>\r\nRCPT TO:<c@d"), Err(Some("5.1.3")));
    assert_eq!(check("nobody"), Err(Some("5.1.3")));
    assert_eq!(check("jane@BÜCHER.example"), Ok("jane@xn--bcher-kva.example".into()));
    assert_eq!(check("\"jane \\\"x\\\" doe\"@example.com"), Ok("\"jane \\\"x\\\" doe\"@example.com".into()));
    let mut to = answer();
    to.entry.account = "gone".into();
    assert_eq!(compose(&to, &[], &sender()).map(|_| ()), Err(ComposeError::NoAccount));
    to.entry.account = "acme".into();
    to.messages.clear();
    assert_eq!(compose(&to, &[], &sender()).map(|_| ()), Err(ComposeError::Empty));
}

/// Row 161: each of these in each field that somebody else fills.
const HOSTILE: [&str; 22] = [
    "",
    " ",
    "\r\nBcc: victim@example.net",
    "x\nBcc: victim@example.net\n\nbody",
    "x\rBcc: victim@example.net",
    "\0\u{1}\u{1b}[2J\u{7f}\u{85}",
    "=?utf-8?q?x=0D=0ABcc:_victim@example.net?=",
    "\"><script>alert(1)</script>",
    "a\"b\\c\" <victim@example.net>, x",
    "(comment\\",
    "\u{202e}gnp.exe\u{2066}",
    "{{ messages }}{% for x in y %}{# #}",
    "\n.\n",
    "\r.\r",
    "\r\n.\r\n",
    ".\n..\nFrom x\n--=_",
    "日本語 👩‍👩‍👧 ﷽",
    "\u{feff}\u{2028}\u{2029}",
    "a@b@c <d@e>",
    "--\r\n-- \r\n> x\r\n",
    "%0d%0aBcc:%20x",
    "\u{fffd}\u{10ffff}",
];

/// The fields of a mail that others fill, by number.
fn fill(to: &mut ToCompose, place: usize, words: &str) {
    let owned = || Some(words.to_owned());
    match place {
        0 => to.conversation.subject = owned(),
        1 => to.conversation.contact.name = owned(),
        2 => to.messages.iter_mut().for_each(|message| message.author.name = owned()),
        3 => to.messages.iter_mut().for_each(|message| message.text = words.to_owned()),
        4 => to.messages.iter_mut().for_each(|message| message.html = owned()),
        5 => to.history.iter_mut().for_each(|message| message.author.name = owned()),
        6 => to.history.iter_mut().for_each(|message| message.text = words.to_owned()),
        7 => to.history.iter_mut().for_each(|message| message.author.email = owned()),
        8 => to.messages.iter_mut().for_each(|message| message.author.email = owned()),
        9 => to.thread = vec![thread_mail(words, &[words, "good@x"], words, true)],
        10 => to.messages[0].attachments = vec![attachment(31, words, "application/pdf", 3)],
        11 => to.messages[0].attachments = vec![attachment(31, "a.pdf", words, 3)],
        12 => to.others = vec![OtherRecipient { address: words.to_owned(), kind: RecipientKind::Participant }],
        13 => to.entry.notice = to.entry.notice.as_ref().map(|_| words.to_owned()),
        14 => to.agent.iter_mut().for_each(|agent| agent.name = words.to_owned()),
        15 => to.assignee.iter_mut().for_each(|agent| agent.name = words.to_owned()),
        16 => {
            to.conversation.participants =
                vec![Participant { name: owned(), email: "bob@b.example".into(), since: UnixMs(0) }];
            to.others = vec![OtherRecipient { address: "bob@b.example".into(), kind: RecipientKind::Participant }];
        }
        17 => to.messages.iter_mut().filter_map(|message| message.email.as_mut()).for_each(|email| {
            email.auth = serde_json::json!({ "verdict": words, "basis": words });
        }),
        18 => to.conversation.contact.email = owned(),
        _ => unreachable!("as many places as there are"),
    }
}

const PLACES: usize = 19;

const KNOWN_FIELDS: [&str; 18] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "X-Replyd-Loop",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
    "DKIM-Signature",
];

#[test]
fn nothing_that_others_write_adds_a_field_a_line_or_a_part() {
    let sender = sender();
    let long = ["\r\nBcc: z".repeat(300), "x".repeat(3000), "<a@b> ".repeat(500), "ä👩‍👩‍👧".repeat(300)];
    let all = HOSTILE.iter().copied().chain(long.iter().map(String::as_str));
    for words in all {
        for place in 0..PLACES {
            for kind in [MailKind::Answer, MailKind::Notification, MailKind::Notice] {
                let mut to = mail(kind, "chat", Channel::Widget);
                if kind == MailKind::Notice && (2..=4).contains(&place)
                    || to.messages.is_empty() && [10, 11].contains(&place)
                {
                    continue;
                }
                fill(&mut to, place, words);
                let files = [File { attachment: Id(31), octets: b"\n.\n".to_vec() }];
                let composed =
                    compose(&to, &files, &sender).unwrap_or_else(|error| panic!("{place} {words:?}: {error}"));
                let parsed = ParsedMail::parse(&composed.octets);
                assert_eq!(parsed.defects, Vec::<&str>::new(), "{place} {words:?}");
                for name in names(&parsed) {
                    assert!(KNOWN_FIELDS.contains(&name), "{place} {words:?}: {name}");
                    assert_eq!(parsed.all(name).count(), 1, "{place} {words:?}: {name}");
                }
                let decoded: String = parsed.fields().iter().map(|field| field.value.as_str()).collect();
                assert!(!decoded.contains(['\r', '\n', '\0']), "{place} {words:?}");
                let parts = parsed.parts.len();
                assert_eq!(parts, if [10, 11].contains(&place) { 5 } else { 3 }, "{place} {words:?}");
                assert!(!html(&parsed).contains("<script"), "{place} {words:?}");
                assert!(!composed.octets.windows(5).any(|five| five == b"\r\n.\r\n"), "{place} {words:?}");
            }
        }
    }
}

#[test]
fn what_an_agent_writes_arrives_as_it_was_written() {
    for words in HOSTILE {
        let mut to = mail(MailKind::Answer, "bare", Channel::Email);
        to.messages.truncate(1);
        to.messages[0].text = format!("start\n{words}\nend");
        let parsed = sent(&to).1;
        let shown = |c: char| match c {
            '\r' | '\u{2028}' | '\u{2029}' => '\n',
            '\n' | '\t' => c,
            c if c.is_control() => '\u{fffd}',
            c => c,
        };
        let expected: String = to.messages[0].text.replace("\r\n", "\n").chars().map(shown).collect();
        assert!(text(&parsed).starts_with(&format!("{expected}\n")), "{words:?}: {}", text(&parsed));
    }
}

#[test]
fn an_id_that_no_mail_may_have_is_not_answered_to() {
    let mut to = answer();
    to.thread = vec![thread_mail("a@b\rBcc: z", &["good@x", "<x@y>\r\nBcc: z", &"y".repeat(2048)], "s", true)];
    let parsed = sent(&to).1;
    assert_eq!((parsed.field("In-Reply-To"), parsed.field("References")), (None, Some("<good@x>")));
}

#[test]
fn a_mail_that_goes_late_is_signed_when_it_is_made() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = dir.path().join("e1.pem");
    std::fs::write(&key, pem).expect("a key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let text = format!(
        "server.hostname = \"mx.acme.example\"\nhttp.public_url = \"https://chat.acme.example\"\n\
         [[account]]\nname = \"acme\"\ninbound_domain = \"reply.acme.example\"\n\
         dkim = [{{ domain = \"acme.example\", selector = \"e1\", key = {{ file = \"{}\" }} }}]\n\
         inbox = [{{ name = \"mail\", channel = \"email\", address = \"support@acme.example\" }}]\n",
        key.display()
    );
    let config = config::parse(Path::new("x.toml"), &text, Surroundings::SYSTEM).expect("a good config");
    let sender = Sender::new(&config, keys()).expect("a sender");
    let (at, day) = (1_800_000_000, 86_400);
    let signed = |seconds: i64| {
        let to = ToCompose { now: UnixMs(seconds * 1000), ..answer() };
        String::from_utf8(compose(&to, &[], &sender).expect("a mail").octets).expect("ASCII")
    };
    assert!(signed(at).contains(&format!("t={at}; x={};", at + 15 * day)), "{}", signed(at));
    let unsigned = |mail: String| mail.split_once("\r\nFrom: ").map(|(_, rest)| rest.to_owned());
    assert_eq!(unsigned(signed(at)), unsigned(signed(at + 20 * day)), "nothing else depends on it");
}
