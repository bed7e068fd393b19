//! The rule as tables. Times are seconds from the moment at which the agent's first message was written; offline_delay is
//! 120 s, unseen_delay 600 s.

use super::*;

fn at(seconds: i64) -> UnixMs {
    UnixMs(START.0 + seconds * 1000)
}

/// 2026-11-20 12:00 UTC
const START: UnixMs = UnixMs(1_795_176_000_000);

fn message(id: i64, seconds: i64) -> Unseen {
    Unseen { id: Id(id), at: at(seconds), mail: MailChoice::Auto }
}

/// One message at 0, to a contact with an address who was never there.
fn facts() -> Facts {
    Facts {
        channel: Channel::Widget,
        unseen: vec![message(1, 0)],
        presence: Presence::Absent,
        presence_since: None,
        present_at: None,
        last_word: None,
        contact_typing_until: None,
        agent_typing_until: None,
        address: AddressState::Usable,
        mail: MailWish::On,
        time_zone: None,
    }
}

fn rules() -> Rules {
    Rules { offline_delay: Some(Duration::from_secs(120)), unseen_delay: Duration::from_secs(600), quiet_hours: None }
}

/// `mail 1+2: why`, `wait 120: why`, `nothing: why`.
fn shown(decision: Decision) -> String {
    match decision {
        Decision::Nothing(reason) => format!("nothing: {reason:?}"),
        Decision::Wait { until, reason } => format!("wait {}: {reason:?}", (until.0 - START.0) / 1000),
        Decision::Mail { messages, reason } => {
            let messages: Vec<String> = messages.iter().map(|id| id.0.to_string()).collect();
            format!("mail {}: {reason:?}", messages.join("+"))
        }
    }
}

fn check(name: &str, facts: &Facts, now: i64, expected: &str) {
    assert_eq!(shown(decide(facts, &rules(), at(now))), expected, "{name} at {now}");
}

fn there(presence: Presence, since: i64, present_at: Option<i64>) -> Facts {
    Facts { presence, presence_since: Some(at(since)), present_at: present_at.map(at), ..facts() }
}

#[test]
fn what_a_contact_who_is_gone_has_not_seen_waits_for_the_offline_delay() {
    for (name, facts, now, expected) in [
        ("never there", facts(), 0, "wait 120: Gone"),
        ("never there", facts(), 119, "wait 120: Gone"),
        ("never there", facts(), 120, "mail 1: Gone"),
        ("the process was down for a day", facts(), 86_400, "mail 1: Gone"),
        ("closed before the message", there(Presence::Absent, -50, Some(-50)), 0, "wait 120: Gone"),
        ("closed after the message", there(Presence::Absent, 40, Some(40)), 41, "wait 160: Gone"),
        ("closed after the message", there(Presence::Absent, 40, Some(40)), 160, "mail 1: Gone"),
        (
            "the machine slept and the tab ended hours later",
            there(Presence::Absent, 9000, Some(5)),
            9001,
            "wait 9120: Gone",
        ),
    ] {
        check(name, &facts, now, expected);
    }
}

#[test]
fn what_nobody_looks_at_waits_for_the_unseen_delay() {
    for (name, facts, now, expected) in [
        ("in the background since before", there(Presence::Connected, -50, None), 1, "wait 600: Unwatched"),
        ("in the background since before", there(Presence::Connected, -50, None), 600, "mail 1: Unwatched"),
        ("looked at, then put away", there(Presence::Connected, 100, Some(100)), 101, "wait 700: Unwatched"),
        ("the page in view, the chat closed", there(Presence::Visible, -50, Some(-50)), 1, "wait 600: Unread"),
        ("the page in view, the chat closed", there(Presence::Visible, -50, Some(-50)), 600, "mail 1: Unread"),
        ("came back late", there(Presence::Visible, 500, Some(500)), 501, "wait 1100: Unread"),
    ] {
        check(name, &facts, now, expected);
    }
}

#[test]
fn who_reads_gets_no_mail_now() {
    check("reading", &there(Presence::Reading, 10, Some(10)), 20, "wait 620: Reading");
    check("reading for hours", &there(Presence::Reading, 10, Some(10)), 9000, "wait 9600: Reading");
    let hasty = Rules { unseen_delay: Duration::ZERO, ..rules() };
    let decision = decide(&there(Presence::Reading, 10, Some(10)), &hasty, at(20));
    assert_eq!(shown(decision), "wait 80: Reading", "no rule makes it mail who reads");
}

#[test]
fn two_tabs_and_two_devices_are_as_attentive_as_the_best_of_them() {
    use super::super::presence::TabState::{Connected, Reading, Visible};
    for (tabs, expected) in [
        (&[Connected, Reading][..], "wait 610: Reading"),
        (&[Connected, Visible], "wait 600: Unread"),
        (&[Connected, Connected], "wait 600: Unwatched"),
        (&[Connected], "wait 600: Unwatched"),
        (&[], "wait 120: Gone"),
    ] {
        let facts = Facts { presence: Presence::of(tabs.iter().copied()), ..facts() };
        check(&format!("{tabs:?}"), &facts, 10, expected);
    }
}

#[test]
fn one_mail_takes_all_that_is_unseen_and_the_oldest_says_when() {
    let burst = Facts { unseen: vec![message(3, 90), message(2, 60), message(1, 0)], ..facts() };
    check("a burst", &burst, 90, "wait 120: Gone");
    check("a burst", &burst, 120, "mail 1+2+3: Gone");
    let seen = Facts { unseen: vec![message(3, 90)], ..facts() };
    check("the first two were seen", &seen, 120, "wait 210: Gone");
    check("all of it was seen or mailed", &Facts { unseen: Vec::new(), ..facts() }, 120, "nothing: NothingUnseen");
}

#[test]
fn what_hinders_is_named() {
    let bounced = AddressState::Unusable("it bounced".into());
    for (name, facts, expected) in [
        ("no address", Facts { address: AddressState::None, ..facts() }, "nothing: NoAddress"),
        ("a bounce", Facts { address: bounced.clone(), ..facts() }, "nothing: Unusable(\"it bounced\")"),
        ("mail is off", Facts { mail: MailWish::Off, ..facts() }, "nothing: MailOff"),
        ("off, and a bounce", Facts { mail: MailWish::Off, address: bounced, ..facts() }, "nothing: MailOff"),
    ] {
        check(name, &facts, 9000, expected);
        let asked = Unseen { mail: MailChoice::Now, ..message(1, 0) };
        check(name, &Facts { unseen: vec![asked], ..facts }, 0, expected);
    }
    let off = Rules { offline_delay: None, ..rules() };
    assert_eq!(shown(decide(&facts(), &off, at(9000))), "nothing: ContinuityOff");
}

#[test]
fn its_author_may_want_it_mailed_at_once_or_never() {
    let with = |mail| Unseen { mail, ..message(2, 60) };
    let now = Facts { unseen: vec![message(1, 0), with(MailChoice::Now)], ..there(Presence::Reading, 0, Some(0)) };
    check("at once, and what waited goes along", &now, 60, "mail 1+2: AgentAsked");
    let never = Facts { unseen: vec![with(MailChoice::Never)], ..facts() };
    check("never", &never, 9000, "nothing: NotByMail");
    let mixed = Facts { unseen: vec![message(1, 0), with(MailChoice::Never)], ..facts() };
    check("the other one goes", &mixed, 120, "mail 1: Gone");
}

#[test]
fn after_an_answer_by_mail_the_conversation_stays_on_mail_until_the_contact_is_back() {
    let mailed = |seconds| Some(LastWord { via: Via::Email, at: at(seconds) });
    for (name, facts, expected) in [
        ("never in the chat", Facts { last_word: mailed(-60), ..facts() }, "mail 1: OnEmail"),
        (
            "in the chat before",
            Facts { last_word: mailed(-60), ..there(Presence::Absent, -90, Some(-90)) },
            "mail 1: OnEmail",
        ),
        (
            "a forgotten tab",
            Facts { last_word: mailed(-60), ..there(Presence::Connected, -90, Some(-90)) },
            "mail 1: OnEmail",
        ),
        ("back since", Facts { last_word: mailed(-60), ..there(Presence::Absent, -20, Some(-20)) }, "wait 120: Gone"),
        ("back now", Facts { last_word: mailed(-60), ..there(Presence::Visible, -90, Some(-90)) }, "wait 600: Unread"),
        (
            "wrote in the chat last",
            Facts { last_word: Some(LastWord { via: Via::Widget, at: at(-60) }), ..facts() },
            "wait 120: Gone",
        ),
    ] {
        check(name, &facts, 0, expected);
    }
    check("a conversation by mail", &Facts { channel: Channel::Email, ..facts() }, 0, "mail 1: MailConversation");
}

#[test]
fn who_types_postpones_but_not_for_ever() {
    let typing = |contact: Option<i64>, agent: Option<i64>| Facts {
        contact_typing_until: contact.map(at),
        agent_typing_until: agent.map(at),
        ..facts()
    };
    check("long before it is due", &typing(Some(15), None), 1, "wait 120: Gone");
    check("the contact types", &typing(Some(130), None), 119, "wait 130: ContactTypes");
    check("the contact types", &typing(Some(130), None), 125, "wait 130: ContactTypes");
    check("and stopped", &typing(Some(130), None), 130, "mail 1: Gone");
    check("the agent types", &typing(None, Some(135)), 120, "wait 135: AgentTypes");
    check("both", &typing(Some(128), Some(135)), 120, "wait 135: AgentTypes");
    check("a key that hangs", &typing(Some(719), None), 715, "wait 719: ContactTypes");
    check("a key that hangs", &typing(Some(730), None), 719, "wait 720: ContactTypes");
    check("a key that hangs", &typing(Some(735), None), 720, "mail 1: Gone");
    let mailed = Some(LastWord { via: Via::Email, at: at(-60) });
    check("on mail", &Facts { last_word: mailed, ..typing(None, Some(15)) }, 1, "wait 15: AgentTypes");
}

#[test]
fn the_night_is_kept_quiet_where_the_contact_lives() {
    // It is noon in UTC and 21:00 in Tokyo.
    let quiet = |hours, zone| Rules { quiet_hours: QuietHours::parse(hours, zone), ..rules() };
    for (name, rules, facts, now, expected) in [
        ("day", quiet("22:00-07:00", "UTC"), facts(), 120, "mail 1: Gone"),
        ("due within", quiet("12:01-13:00", "UTC"), facts(), 0, "wait 3600: QuietHours"),
        ("the process was down until then", quiet("12:10-13:00", "UTC"), facts(), 700, "wait 3600: QuietHours"),
        ("over", quiet("12:01-13:00", "UTC"), facts(), 3600, "mail 1: Gone"),
        ("night of the inbox", quiet("21:00-22:00", "Asia/Tokyo"), facts(), 0, "wait 3600: QuietHours"),
        (
            "day of the contact",
            quiet("21:00-22:00", "Asia/Tokyo"),
            Facts { time_zone: Some("UTC".into()), ..facts() },
            0,
            "wait 120: Gone",
        ),
        (
            "night of the contact",
            quiet("21:00-22:00", "UTC"),
            Facts { time_zone: Some("Asia/Tokyo".into()), ..facts() },
            0,
            "wait 3600: QuietHours",
        ),
        (
            "a conversation by mail",
            quiet("11:00-13:00", "UTC"),
            Facts { channel: Channel::Email, ..facts() },
            0,
            "mail 1: MailConversation",
        ),
        (
            "asked for",
            quiet("11:00-13:00", "UTC"),
            Facts { unseen: vec![Unseen { mail: MailChoice::Now, ..message(1, 0) }], ..facts() },
            0,
            "mail 1: AgentAsked",
        ),
        (
            "on mail",
            quiet("11:00-13:00", "UTC"),
            Facts { last_word: Some(LastWord { via: Via::Email, at: at(-9) }), ..facts() },
            0,
            "mail 1: OnEmail",
        ),
    ] {
        assert_eq!(shown(decide(&facts, &rules, at(now))), expected, "{name}");
    }
}

#[test]
fn a_clock_that_jumps_costs_no_more_than_the_delay() {
    // Put back by a day: everything known is of tomorrow.
    for presence in [Presence::Absent, Presence::Connected, Presence::Visible, Presence::Reading] {
        let facts = Facts { contact_typing_until: Some(at(15)), ..there(presence, 10, Some(10)) };
        let now = at(-86_400);
        match decide(&facts, &rules(), now) {
            Decision::Wait { until, .. } => assert!(until.0 - now.0 <= 600_000, "{presence:?}: {}", until.0 - now.0),
            Decision::Mail { .. } => assert_ne!(presence, Presence::Reading),
            Decision::Nothing(reason) => panic!("{presence:?}: {reason:?}"),
        }
    }
    // A word by mail of tomorrow, and a look at the page of tomorrow.
    let mailed = Some(LastWord { via: Via::Email, at: at(-60) });
    let back = Facts { last_word: mailed, ..there(Presence::Absent, -20, Some(-20)) };
    check("put back by a day: sooner rather than never", &back, -86_400, "mail 1: OnEmail");
    // Set ahead by a day: due, but who reads is still not written to.
    check("put back, with nobody there: the same", &facts(), -86_400, "mail 1: Gone");
    let fresh = Facts { unseen: vec![message(1, -86_410)], ..there(Presence::Absent, 10, Some(10)) };
    check("what is written after that waits as ever", &fresh, -86_400, "wait -86290: Gone");
    check("set ahead", &facts(), 86_400, "mail 1: Gone");
    check("set ahead", &there(Presence::Reading, 10, Some(10)), 86_400, "wait 87000: Reading");
}

#[test]
fn every_delay_may_be_as_long_as_the_config_takes() {
    let century = Duration::from_secs(100 * 365 * 86_400);
    let slow = Rules { offline_delay: Some(century), unseen_delay: century, quiet_hours: None };
    for presence in [Presence::Absent, Presence::Connected, Presence::Visible, Presence::Reading] {
        let decision = decide(&there(presence, 0, Some(0)), &slow, at(0));
        assert!(matches!(decision, Decision::Wait { .. }), "{presence:?}");
    }
    let none = Rules { offline_delay: Some(Duration::ZERO), unseen_delay: Duration::ZERO, quiet_hours: None };
    assert_eq!(shown(decide(&facts(), &none, at(0))), "mail 1: Gone");
}

#[test]
fn every_reason_is_a_sentence() {
    let all = [
        Reason::NothingUnseen,
        Reason::ContinuityOff,
        Reason::NoAddress,
        Reason::Unusable("mail to x@y.example is stopped".into()),
        Reason::MailOff,
        Reason::NotByMail,
        Reason::AgentAsked,
        Reason::MailConversation,
        Reason::OnEmail,
        Reason::Gone,
        Reason::Unwatched,
        Reason::Unread,
        Reason::Reading,
        Reason::ContactTypes,
        Reason::AgentTypes,
        Reason::QuietHours,
    ];
    let words: std::collections::HashSet<String> = all.iter().map(Reason::to_string).collect();
    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|words| words.split(' ').count() >= 3), "{words:?}");
}
