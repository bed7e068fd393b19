//! What carriers wrote into a mail about its envelope, for doors that bring a mail without one. Pure.

use super::address::Address;
use super::defects::Defects;
use super::headers::{self, Field};
use super::mailboxes;
use super::msg_id::MsgId;

/// Where carriers leave whom a mail was for, best place first; fields of one place say together whom.
pub const RECIPIENT_FIELDS: [&[&str]; 8] = [
    &["x-original-to"],
    &["delivered-to"],
    &["x-gm-original-to"],
    &["envelope-to"],
    &["x-envelope-to"],
    &["x-forwarded-to"],
    &["resent-to", "resent-cc"],
    &["to", "cc", "bcc"],
];

/// The envelope as the header tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Empty for the null reverse-path; `None` where nobody noted it.
    pub reverse_path: Option<String>,
    /// Recipients by place, best first; places that name nobody are left out.
    pub places: Vec<Vec<Address>>,
    /// In-Reply-To and References, latest first.
    pub replied_to: Vec<String>,
}

impl Traces {
    /// Reads the header only.
    pub fn read(raw: &[u8]) -> Traces {
        let mut defects = Defects::default();
        let start = headers::skip_preamble(raw, &mut defects);
        let (fields, _) = headers::read(raw, start, |_| false, &mut defects);
        let places = RECIPIENT_FIELDS.iter().map(|names| addresses(&fields, names)).filter(|found| !found.is_empty());
        Traces { reverse_path: reverse_path(&fields), places: places.collect(), replied_to: replied_to(&fields) }
    }
}

/// The mail that its thread began with, as far as it says so itself: the first of References (RFC 5322 §3.6.4), else the mail it
/// answers, else this mail.
pub fn thread_root(raw: &[u8]) -> Option<MsgId> {
    let mut defects = Defects::default();
    let start = headers::skip_preamble(raw, &mut defects);
    let (fields, _) = headers::read(raw, start, |_| false, &mut defects);
    let first = |name| of(&fields, name).find_map(|field| MsgId::parse_list(field.structured(), 1).pop());
    ["references", "in-reply-to", "message-id"].into_iter().find_map(first)
}

fn of<'a>(fields: &'a [Field], name: &'a str) -> impl Iterator<Item = &'a Field> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
}

fn addresses(fields: &[Field], names: &[&str]) -> Vec<Address> {
    let mut found = Vec::new();
    for field in names.iter().flat_map(|name| of(fields, name)) {
        mailboxes::parse(field.structured(), &mut found);
    }
    let mut addresses: Vec<Address> = Vec::new();
    for address in found.iter().filter_map(mailboxes::Mailbox::address).take(ADDRESSES_MAX) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// RFC 5321 §4.4: the server that made the final delivery wrote it at the top.
fn reverse_path(fields: &[Field]) -> Option<String> {
    let value = of(fields, "return-path").next()?.structured().trim();
    let path = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(value);
    if path.is_empty() { Some(String::new()) } else { Address::parse(path).ok().map(|address| address.to_string()) }
}

fn replied_to(fields: &[Field]) -> Vec<String> {
    let ids = |name: &'static str| of(fields, name).flat_map(|field| MsgId::parse_list(field.structured(), IDS_MAX));
    let references: Vec<MsgId> = ids("references").collect();
    ids("in-reply-to").chain(references.into_iter().rev()).map(|id| id.to_string()).take(IDS_MAX).collect()
}

/// Each costs a look-up, and fifty more would not make the mail any clearer.
const ADDRESSES_MAX: usize = 50;
const IDS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> (Option<String>, Vec<Vec<String>>) {
        let traces = Traces::read(format!("{header}\n\nTo: body@x.example\n").as_bytes());
        let places = traces.places.iter().map(|place| place.iter().map(ToString::to_string).collect());
        (traces.reverse_path, places.collect())
    }

    #[test]
    fn the_best_place_comes_first_and_one_place_may_be_several_fields() {
        let (path, places) = shown(
            "Return-Path: <ann@x.example>\nDelivered-To: d@x.example\nCc: c@x.example\nX-Original-To: o@x.example\nTo: T <t@x.example>, t@x.example",
        );
        assert_eq!(path.as_deref(), Some("ann@x.example"));
        let expected: [&[&str]; 3] = [&["o@x.example"], &["d@x.example"], &["t@x.example", "c@x.example"]];
        assert_eq!(places, expected);
    }

    #[test]
    fn the_null_path_is_known_and_nonsense_is_not() {
        for (header, expected) in [
            ("Return-Path: <>", Some("")),
            ("Return-Path: ann@x.example", Some("ann@x.example")),
            ("Return-Path: <nonsense>", None),
            ("X: y", None),
        ] {
            assert_eq!(shown(header).0.as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn a_pipes_from_line_hides_nothing_and_lists_are_bounded() {
        let (_, places) = shown("From ann@x.example Fri Nov 20 10:00:00 2026\nTo: t@x.example");
        assert_eq!(places, [["t@x.example"]]);
        let many: Vec<String> = (0..1000).map(|n| format!("a{n}@x.example")).collect();
        assert_eq!(shown(&format!("To: {}", many.join(", "))).1[0].len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_thread_is_told_by_the_mail_it_began_with() {
        for (header, expected) in [
            ("Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x>\r\n <b@x>", Some("a@x")),
            ("Message-ID: <c@x>\r\nIn-Reply-To: <b@x>", Some("b@x")),
            ("Message-ID: <c@x>\r\nReferences: nonsense", Some("c@x")),
            ("Subject: x", None),
        ] {
            let root = thread_root(format!("{header}\r\n\r\nReferences: <body@x>\r\n").as_bytes());
            assert_eq!(root.as_ref().map(MsgId::as_str), expected, "{header}");
        }
    }

    #[test]
    fn what_it_answers_is_read_latest_first() {
        let traces = Traces::read(b"References: <a@x> <b@x>\r\nIn-Reply-To: <c@x>\r\n\r\n");
        assert_eq!(traces.replied_to, ["c@x", "b@x", "a@x"]);
    }
}
