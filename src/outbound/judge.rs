//! What an answer means: by code and stage first, then by enhanced code, then by text. Text never turns a refusal into
//! success. Pure.
//!
//! 5.7.x is about us (reputation, policy), so it never suppresses an address. An answer to the final dot that cannot be
//! read, or that does not come, leaves the mail uncertain: it is sent again with the same octets and Message-ID.

use super::greylist;
use super::hop::TlsMode;
use super::outcome::{Blame, Demand, Fate, Judgement, Otherwise, Stage, Trouble};
use crate::conversation::delivery::SuppressionReason;
use crate::mail::dsn::{Told, told};
use crate::smtp::client::remote_reply::RemoteReply;
use std::net::IpAddr;

/// What of the connection counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) tls: TlsMode,
    pub(super) address: IpAddr,
}

/// The final dot was answered 2xx.
pub(super) fn delivered() -> Judgement {
    Judgement {
        result: Fate::Delivered,
        ..judgement(Fate::Delivered, Blame::Site, "the recipient's mail host took it")
    }
}

pub(super) fn judge(stage: Stage, trouble: &Trouble, setting: Setting) -> Judgement {
    let judged = match trouble {
        Trouble::Refused(reply) => refused(stage, reply, setting),
        Trouble::BadReply(_) if stage == Stage::FinalDot => uncertain("its answer to the last octet cannot be read"),
        Trouble::Timeout if stage == Stage::FinalDot => uncertain("it did not answer the last octet in time"),
        Trouble::Closed | Trouble::Io(_) if stage == Stage::FinalDot => {
            uncertain("the connection broke after the last octet")
        }
        Trouble::BadReply(_) => next_hop("the mail host does not speak SMTP as it should"),
        Trouble::Timeout if stage == Stage::Connect => next_hop("the mail host cannot be reached"),
        Trouble::Timeout => next_hop(&format!("the mail host did not answer in time at {stage}")),
        Trouble::Closed | Trouble::Io(_) if stage == Stage::Connect => next_hop("the mail host cannot be reached"),
        Trouble::Closed | Trouble::Io(_) => next_hop(&format!("the connection broke at {stage}")),
        Trouble::TlsFailed(words) => next_hop(&format!("no TLS with the mail host: {words}")),
        Trouble::PolicyUnmet { demand, words } => unmet(*demand, words),
        Trouble::Unsendable(words) => judgement(Fate::Failed, Blame::Message, words),
        Trouble::Interrupted(words) => judgement(Fate::Deferred, Blame::Ourselves, words),
    };
    let try_plaintext = plaintext_may_do(stage, trouble, setting);
    let is_for_now = matches!(trouble, Trouble::Refused(reply) if reply.class() == 4);
    Judgement { try_plaintext, tls_is_broken: try_plaintext && !is_for_now, ..judged }
}

/// RFC 3207 §4.1 leaves it to the client; without a demand for TLS, mail in clear is better than none.
/// Octets behind the answer to STARTTLS are an attack and never end in plaintext.
fn plaintext_may_do(stage: Stage, trouble: &Trouble, setting: Setting) -> bool {
    let broken = match trouble {
        Trouble::Refused(_) => stage == Stage::StartTls,
        Trouble::TlsFailed(_) | Trouble::Timeout | Trouble::Closed | Trouble::Io(_) => stage == Stage::TlsHandshake,
        Trouble::BadReply(_) | Trouble::PolicyUnmet { .. } | Trouble::Unsendable(_) | Trouble::Interrupted(_) => false,
    };
    broken && setting.tls == TlsMode::Opportunistic
}

/// Another host may offer it; waiting changes nothing about what a host can take, but much about TLS and logins.
fn unmet(demand: Demand, words: &str) -> Judgement {
    let (otherwise, blame) = match demand {
        Demand::Tls => (Otherwise::Deferred, Blame::Site),
        Demand::Roots | Demand::Source | Demand::Authentication => (Otherwise::Deferred, Blame::Ourselves),
        Demand::Size | Demand::EightBitMime => (Otherwise::Failed, Blame::Message),
        Demand::SmtpUtf8 => (Otherwise::Failed, Blame::Recipient),
        // RFC 8689 §4.2.1: such a mail goes back rather than on.
        Demand::RequireTls => (Otherwise::Failed, Blame::Site),
    };
    judgement(Fate::TryNextHop { otherwise }, blame, words)
}

fn refused(stage: Stage, reply: &RemoteReply, setting: Setting) -> Judgement {
    let judged = match (reply.class(), stage) {
        (_, Stage::Auth) if reply.class() == 5 => bad_credentials(),
        (4, _) => transient(stage, reply),
        // RFC 4954 §6: the host wants AUTH, or TLS before it; the mail is not at fault.
        _ if matches!(reply.code, 530 | 534 | 535 | 538) => bad_credentials(),
        (_, Stage::Greeting | Stage::Ehlo) => turned_away(reply),
        (_, Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Content | Stage::FinalDot) => permanent(stage, reply),
        (_, Stage::Connect | Stage::StartTls | Stage::TlsHandshake | Stage::Auth) => {
            next_hop(&format!("the mail host refuses {stage}"))
        }
    };
    if setting.address.to_canonical().is_ipv6() && dislikes_our_ipv6(reply) {
        return with_ipv4(judged);
    }
    judged
}

fn bad_credentials() -> Judgement {
    let words = "the mail host does not take our username and password: check outbound.username and outbound.password";
    judgement(Fate::TryNextHop { otherwise: Otherwise::Deferred }, Blame::Ourselves, words)
}

fn turned_away(reply: &RemoteReply) -> Judgement {
    let blame = if subject(reply) == Some(7) { Blame::Ourselves } else { Blame::Site };
    let result = Fate::TryNextHop { otherwise: Otherwise::FailedAfterADay };
    judgement(result, blame, "the mail host takes no mail from this server")
}

fn transient(stage: Stage, reply: &RemoteReply) -> Judgement {
    let words = reply.words().to_lowercase();
    if let Some(wait) = greylist::wait(stage, reply) {
        let judged =
            judgement(Fate::Deferred, Blame::Site, "the mail host asks unknown senders to try again (greylisting)");
        return Judgement { retry_after: Some(wait), ..judged };
    }
    let slow_down = reply.code == 421 || subject(reply) == Some(7);
    if reply.code == 421 || stage <= Stage::Mail {
        return Judgement {
            slow_down,
            ..next_hop("the mail host is busy or has trouble, and asks to try again later")
        };
    }
    let full = detail(reply) == Some((2, 2)) || told(&words) == Some(Told::Full);
    let (blame, reason) = match stage {
        Stage::Rcpt if full => (Blame::Recipient, "the mailbox is full for now"),
        Stage::Rcpt if !slow_down => (Blame::Recipient, "the mail host cannot take mail for this address for now"),
        _ => (Blame::Site, "the mail host does not take this mail for now"),
    };
    Judgement { slow_down, ..judgement(Fate::Deferred, blame, reason) }
}

fn permanent(stage: Stage, reply: &RemoteReply) -> Judgement {
    let words = reply.words().to_lowercase();
    match detail(reply) {
        Some((1, 1 | 2 | 10) | (2, 1)) if stage > Stage::Mail => bad_address(),
        Some((2, 2)) => mailbox_full(),
        Some((2, 3) | (3, 4)) => too_large(),
        Some((7, _)) | Some((1, 7 | 8)) => our_standing(),
        // Exchange Online says it of addresses that do not exist.
        Some((4, 1)) if stage == Stage::Rcpt && words.contains("recipient address rejected") => bad_address(),
        _ => permanent_by_text(stage, reply, &words),
    }
}

fn permanent_by_text(stage: Stage, reply: &RemoteReply, words: &str) -> Judgement {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let mailbox = if stage > Stage::Mail { told(words) } else { None };
    match mailbox {
        _ if says(TOO_LARGE) => too_large(),
        Some(Told::Full) => mailbox_full(),
        _ if says(OUR_STANDING) => our_standing(),
        Some(Told::Unknown) => bad_address(),
        None if reply.code == 552 && stage > Stage::Mail => mailbox_full(),
        None => match stage {
            Stage::Rcpt => judgement(Fate::Failed, Blame::Recipient, "the mail host refuses mail for this address"),
            Stage::Mail => judgement(Fate::Failed, Blame::Site, "the mail host refuses mail from this sender"),
            _ => judgement(Fate::Failed, Blame::Message, "the mail host refuses this mail"),
        },
    }
}

const TOO_LARGE: &[&str] =
    &["too large", "too big", "message size", "size limit exceeded", "maximum size", "exceeds size", "fixed limit"];

/// What hosts say when they mean the sender.
#[rustfmt::skip]
const OUR_STANDING: &[&str] = &[
    "spam", "blocked", "blacklist", "blocklist", "block list", "dnsbl", "rbl", "reputation", "spf", "dkim", "dmarc",
    "policy", "relay", "authentic", "reverse dns", "ptr record", "client host rejected", "virus",
];

fn bad_address() -> Judgement {
    let judged = judgement(Fate::Failed, Blame::Recipient, "there is no such address at the recipient's mail host");
    Judgement { suppress: Some(SuppressionReason::BadAddress), ..judged }
}

fn mailbox_full() -> Judgement {
    let judged = judgement(Fate::Failed, Blame::Recipient, "the recipient's mailbox is full");
    Judgement { suppress: Some(SuppressionReason::MailboxFull), ..judged }
}

fn too_large() -> Judgement {
    judgement(Fate::Failed, Blame::Message, "the mail is larger than the recipient's mail host takes")
}

fn our_standing() -> Judgement {
    let words =
        "the recipient's mail host refuses mail from this server or domain (policy, reputation or authentication)";
    judgement(Fate::Failed, Blame::Ourselves, words)
}

fn dislikes_our_ipv6(reply: &RemoteReply) -> bool {
    let words = reply.words().to_lowercase();
    let about_address =
        ["ptr record", "reverse dns", "reverse lookup", "rdns", "ipv6"].iter().any(|word| words.contains(word));
    detail(reply) == Some((7, 25)) || (about_address && matches!(subject(reply), Some(7) | None))
}

fn with_ipv4(judged: Judgement) -> Judgement {
    let otherwise = match judged.result {
        Fate::Failed => Otherwise::Failed,
        Fate::TryNextHop { otherwise } => otherwise,
        Fate::Deferred | Fate::Delivered => Otherwise::Deferred,
    };
    Judgement { try_ipv4: true, result: Fate::TryNextHop { otherwise }, ..judged }
}

fn subject(reply: &RemoteReply) -> Option<u16> {
    reply.enhanced().map(|enhanced| enhanced.subject)
}

fn detail(reply: &RemoteReply) -> Option<(u16, u16)> {
    reply.enhanced().map(|enhanced| (enhanced.subject, enhanced.detail))
}

fn next_hop(reason: &str) -> Judgement {
    judgement(Fate::TryNextHop { otherwise: Otherwise::Deferred }, Blame::Site, reason)
}

fn uncertain(how: &str) -> Judgement {
    let reason = format!("the mail host may have taken the mail: {how}; it is sent again as it was");
    Judgement { uncertain: true, ..judgement(Fate::Deferred, Blame::Site, &reason) }
}

fn judgement(result: Fate, blame: Blame, reason: &str) -> Judgement {
    Judgement {
        result,
        blame,
        retry_after: None,
        suppress: None,
        slow_down: false,
        try_ipv4: false,
        try_plaintext: false,
        tls_is_broken: false,
        uncertain: false,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::client::remote_reply::ReplyReader;
    use SuppressionReason::{BadAddress, MailboxFull};
    use std::time::Duration;

    const SETTING: Setting = Setting {
        tls: TlsMode::Opportunistic,
        address: IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    const NEXT: Fate = Fate::TryNextHop { otherwise: Otherwise::Deferred };

    fn judged(stage: Stage, reply: &str) -> Judgement {
        let (_, reply) = ReplyReader::default().feed(format!("{reply}\r\n").as_bytes()).expect("a reply");
        judge(stage, &Trouble::Refused(reply.expect("a whole one")), SETTING)
    }

    fn check(stage: Stage, reply: &str, result: Fate, blame: Blame, suppress: Option<SuppressionReason>) {
        let judged = judged(stage, reply);
        assert_eq!((judged.result, judged.blame, judged.suppress), (result, blame, suppress), "{stage}: {reply}");
        assert!(!judged.uncertain, "an answer is certain: {reply}");
    }

    #[test]
    fn a_refusal_counts_by_code_and_stage() {
        let day = Fate::TryNextHop { otherwise: Otherwise::FailedAfterADay };
        check(Stage::Greeting, "554 no", day, Blame::Site, None);
        check(Stage::Greeting, "554 5.7.1 listed", day, Blame::Ourselves, None);
        check(Stage::Ehlo, "550 no", day, Blame::Site, None);
        check(Stage::Greeting, "421 busy", NEXT, Blame::Site, None);
        check(Stage::Mail, "451 4.3.0 later", NEXT, Blame::Site, None);
        check(Stage::Rcpt, "451 4.3.0 later", Fate::Deferred, Blame::Recipient, None);
        check(Stage::Rcpt, "452 4.2.2 over quota", Fate::Deferred, Blame::Recipient, None);
        check(Stage::Rcpt, "421 4.7.0 too many", NEXT, Blame::Site, None);
        check(Stage::Data, "451 later", Fate::Deferred, Blame::Site, None);
        check(Stage::FinalDot, "421 4.3.2 going down", NEXT, Blame::Site, None);
        check(Stage::FinalDot, "554 no", Fate::Failed, Blame::Message, None);
        check(Stage::Mail, "550 no", Fate::Failed, Blame::Site, None);
        check(Stage::StartTls, "454 4.7.0 TLS not available", NEXT, Blame::Site, None);
        check(Stage::Auth, "535 5.7.8 bad", NEXT, Blame::Ourselves, None);
        check(Stage::Auth, "454 4.7.0 temporary", NEXT, Blame::Site, None);
        check(Stage::Mail, "530 5.7.0 authentication required", NEXT, Blame::Ourselves, None);
    }

    #[test]
    fn an_enhanced_code_says_more() {
        for code in ["5.1.1", "5.1.10", "5.1.2", "5.2.1"] {
            check(Stage::Rcpt, &format!("550 {code} no"), Fate::Failed, Blame::Recipient, Some(BadAddress));
            check(Stage::FinalDot, &format!("550 {code} no"), Fate::Failed, Blame::Recipient, Some(BadAddress));
        }
        check(Stage::Mail, "550 5.1.1 no", Fate::Failed, Blame::Site, None);
        check(Stage::Mail, "553 5.1.8 your domain", Fate::Failed, Blame::Ourselves, None);
        check(Stage::Rcpt, "552 5.2.2 full", Fate::Failed, Blame::Recipient, Some(MailboxFull));
        check(Stage::Rcpt, "550 5.7.1 user unknown", Fate::Failed, Blame::Ourselves, None);
        check(Stage::FinalDot, "550 5.7.26 unauthenticated", Fate::Failed, Blame::Ourselves, None);
        check(Stage::FinalDot, "552 5.3.4 big", Fate::Failed, Blame::Message, None);
        check(Stage::Rcpt, "552 5.2.3 big", Fate::Failed, Blame::Message, None);
        let exchange = "550 5.4.1 Recipient address rejected: Access denied";
        check(Stage::Rcpt, exchange, Fate::Failed, Blame::Recipient, Some(BadAddress));
    }

    #[test]
    fn text_decides_where_codes_do_not() {
        check(Stage::Rcpt, "550 No such user here", Fate::Failed, Blame::Recipient, Some(BadAddress));
        check(Stage::Rcpt, "550 user unknown, blocked by policy", Fate::Failed, Blame::Ourselves, None);
        check(Stage::Rcpt, "552 mailbox quota exceeded", Fate::Failed, Blame::Recipient, Some(MailboxFull));
        check(Stage::Rcpt, "552 no", Fate::Failed, Blame::Recipient, Some(MailboxFull));
        check(Stage::FinalDot, "552 message size exceeds fixed limit", Fate::Failed, Blame::Message, None);
        check(Stage::FinalDot, "554 looks like spam", Fate::Failed, Blame::Ourselves, None);
        check(Stage::Rcpt, "550 go away", Fate::Failed, Blame::Recipient, None);
        check(Stage::Rcpt, "450 250 ok delivered", Fate::Deferred, Blame::Recipient, None);
    }

    #[test]
    fn a_site_that_asks_for_less_gets_less() {
        assert!(judged(Stage::Rcpt, "421 x").slow_down && judged(Stage::FinalDot, "451 4.7.28 rate").slow_down);
        assert!(!judged(Stage::Rcpt, "451 4.3.0 x").slow_down && !judged(Stage::FinalDot, "550 5.7.1 x").slow_down);
    }

    #[test]
    fn ipv4_is_tried_where_ipv6_is_disliked() {
        let ipv4 = Setting { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), ..SETTING };
        let check = |stage: Stage, reply: &str, expected: Option<Otherwise>| {
            let judged = judged(stage, reply);
            let otherwise = match judged.result {
                Fate::TryNextHop { otherwise } => Some(otherwise).filter(|_| judged.try_ipv4),
                _ => None,
            };
            assert_eq!(otherwise, expected, "{reply}");
        };
        let gmail = "550 5.7.1 does not meet IPv6 sending guidelines regarding PTR records";
        check(Stage::FinalDot, gmail, Some(Otherwise::Failed));
        check(Stage::Rcpt, "550 5.7.25 x", Some(Otherwise::Failed));
        check(Stage::Greeting, "554 no reverse DNS", Some(Otherwise::FailedAfterADay));
        check(Stage::Mail, "450 4.7.25 x", Some(Otherwise::Deferred));
        check(Stage::Rcpt, "550 5.1.1 ipv6@x", None);
        let (_, reply) = ReplyReader::default().feed(b"550 5.7.25 x\r\n").expect("a reply");
        assert!(!judge(Stage::Rcpt, &Trouble::Refused(reply.expect("a whole one")), ipv4).try_ipv4);
    }

    #[test]
    fn silence_counts_by_stage() {
        let check = |stage: Stage, trouble: Trouble, result: Fate, uncertain: bool, try_plaintext: bool| {
            let judged = judge(stage, &trouble, SETTING);
            let got = (judged.result, judged.uncertain, judged.try_plaintext);
            assert_eq!(got, (result, uncertain, try_plaintext), "{stage}: {trouble}");
        };
        for trouble in [Trouble::Timeout, Trouble::Closed, Trouble::Io("x".into()), Trouble::BadReply("x".into())] {
            check(Stage::FinalDot, trouble.clone(), Fate::Deferred, true, false);
            check(Stage::Content, trouble.clone(), NEXT, false, false);
            check(Stage::Connect, trouble.clone(), NEXT, false, false);
            let in_handshake = trouble != Trouble::BadReply("x".into());
            check(Stage::TlsHandshake, trouble, NEXT, false, in_handshake);
        }
        check(Stage::TlsHandshake, Trouble::TlsFailed("x".into()), NEXT, false, true);
        check(Stage::StartTls, Trouble::BadReply("injected".into()), NEXT, false, false);
        check(Stage::Content, Trouble::Interrupted("the store is busy".into()), Fate::Deferred, false, false);
        check(Stage::Mail, Trouble::Unsendable("NUL".into()), Fate::Failed, false, false);
        let unmet = |demand| Trouble::PolicyUnmet { demand, words: String::new() };
        let failed = Fate::TryNextHop { otherwise: Otherwise::Failed };
        check(Stage::Mail, unmet(Demand::RequireTls), failed, false, false);
        check(Stage::Ehlo, unmet(Demand::Tls), NEXT, false, false);
    }

    #[test]
    fn only_opportunistic_tls_gives_way_to_plaintext() {
        for (tls, expected) in [
            (TlsMode::Opportunistic, true),
            (TlsMode::Required, false),
            (TlsMode::Implicit, false),
            (TlsMode::None, false),
        ] {
            let judged = judge(Stage::TlsHandshake, &Trouble::TlsFailed("x".into()), Setting { tls, ..SETTING });
            assert_eq!(judged.try_plaintext, expected, "{tls:?}");
        }
        assert!(judged(Stage::StartTls, "454 no TLS").try_plaintext);
    }

    #[test]
    fn a_day_is_given_to_a_host_that_turns_us_away() {
        let judged = judged(Stage::Greeting, "554 no");
        assert_eq!(judged.without_next_hop(Duration::from_secs(86_399)), Fate::Deferred);
        assert_eq!(judged.without_next_hop(Duration::from_secs(86_400)), Fate::Failed);
    }
}
