//! Bounces as each family of software writes them, in short mails of our own; and mails that only look like one.

use super::{Bounce, BounceKind, read};
use crate::mail::parsed::ParsedMail;

/// `header`, an empty line, `body`; LF in the table, CRLF in the mail.
fn bounce(header: &str, body: &str) -> Option<Bounce> {
    let raw = format!("{header}\n\n{body}").replace('\n', "\r\n");
    read(&ParsedMail::parse(raw.as_bytes()))
}

#[track_caller]
fn check(header: &str, body: &str, kind: BounceKind, recipients: &[(&str, Option<&str>)]) {
    let header = format!("To: me@own.example\n{header}");
    let bounce = bounce(&header, body).unwrap_or_else(|| panic!("no bounce: {header}"));
    let found: Vec<_> = bounce.recipients.iter().map(|r| (r.recipient.as_str(), r.status.as_deref())).collect();
    assert_eq!((bounce.kind, found.as_slice()), (kind, recipients), "{header}\n{body}");
}

#[track_caller]
fn failure(header: &str, body: &str, recipients: &[(&str, Option<&str>)]) {
    check(header, body, BounceKind::Failure, recipients);
}

#[track_caller]
fn no_bounce(header: &str, body: &str) {
    assert_eq!(bounce(header, body), None, "{header}\n{body}");
}

const ONE: &[(&str, Option<&str>)] = &[("ann@x.example", Some("5.1.1"))];
const BARE: &[(&str, Option<&str>)] = &[("ann@x.example", None)];

const REPORT: &str = "From: Mail Delivery System <MAILER-DAEMON@mx.example>\nSubject: Undelivered Mail Returned to Sender\n\
                      Content-Type: multipart/report; report-type=delivery-status; boundary=b";

#[test]
fn reports_whole_and_damaged() {
    let part = |kind: &str, status: &str| {
        format!(
            "--b\n\nIt failed.\n--b\nContent-Type: {kind}\n\nReporting-MTA: dns; mx.example\n\n{status}\n--b\nContent-Type: message/rfc822\n\n\
             Message-ID: <1@own.example>\nTo: ann@x.example\n\nhi\n--b--\n"
        )
    };
    let failed = "Final-Recipient: rfc822; Ann@X.example\nAction: failed\nStatus: 5.1.1\n";
    failure(REPORT, &part("message/delivery-status", failed), ONE);
    failure(REPORT, &part("message/global-delivery-status", &failed.replace("rfc822;", "utf-8;")), ONE);
    failure(REPORT, &part("text/plain", failed), ONE);
    failure(&REPORT.replace("boundary=b", "boundary=other"), &part("message/delivery-status", failed), ONE);
    check(
        REPORT,
        &part("message/delivery-status", &failed.replace("failed", "delayed").replace("5.1.1", "4.4.1")),
        BounceKind::Delayed,
        &[("ann@x.example", Some("4.4.1"))],
    );
    check(
        REPORT,
        &part("message/delivery-status", &failed.replace("failed", "relayed").replace("5.1.1", "2.1.5")),
        BounceKind::Delivered,
        &[("ann@x.example", Some("2.1.5"))],
    );
    let bounce = bounce(REPORT, &part("message/delivery-status", failed)).expect("a bounce");
    assert_eq!((bounce.hard, bounce.original_message_id.as_deref()), (true, Some("1@own.example")));
}

#[test]
fn a_bounce_of_software_that_ends_lines_by_cr_is_read() {
    let raw = "From: MAILER-DAEMON@x.example\rSubject: failure notice\r\r<ann@x.example>:\r550 5.1.1 no\r\n";
    let bounce = read(&ParsedMail::parse(raw.as_bytes())).expect("a bounce");
    assert_eq!(bounce.recipients[0].status.as_deref(), Some("5.1.1"));
}

#[test]
fn a_bounce_of_a_bounce_speaks_of_the_outer_one() {
    let body = "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@x.example\nAction: failed\nStatus: 5.1.1\n\n\
                --b\nContent-Type: message/rfc822\n\nSubject: Undelivered Mail\nContent-Type: multipart/report; boundary=c\n\n\
                --c\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; other@y.example\nAction: failed\nStatus: 5.7.1\n\n--c--\n--b--\n";
    failure(REPORT, body, ONE);
}

#[test]
fn complaints_are_no_failures() {
    let header = "From: fbl@isp.example\nSubject: Email Feedback Report\nContent-Type: multipart/report; report-type=feedback-report; boundary=b";
    let body = "--b\n\nabuse\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: <ann@x.example>\n\n--b\n\
                Content-Type: message/rfc822\n\nMessage-ID: <1@own.example>\n\nhi\n--b--\n";
    check(header, body, BounceKind::Feedback, BARE);
}

#[test]
fn transfer_agents() {
    let daemon = "From: MAILER-DAEMON@mx.example\nSubject: failure notice";
    failure(
        daemon,
        "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message.\n\n<ann@x.example>:\nRemote host said: 550 5.1.1 no such user\n\n--- Below this line is a copy of the message.\n\nTo: bob@y.example\n",
        ONE,
    );
    failure(
        daemon,
        "   ----- The following addresses had permanent fatal errors -----\n<ann@x.example>\n    (reason: 550 5.1.1 User unknown)\n\n   ----- Transcript of session follows -----\n>>> RCPT To:<alias@y.example>\n<<< 550 5.1.1 User unknown\n",
        ONE,
    );
    failure(
        daemon,
        "This message was created automatically by mail delivery software.\nThe following address(es) failed:\n\n  ann@x.example\n    SMTP error after RCPT TO:<ann@x.example>:\n    550 5.1.1 unknown\n\n------ This is a copy of the message, including all the headers. ------\n\nTo: bob@y.example\n",
        ONE,
    );
    failure(
        "From: Mail Delivery System <x@mx.example>\nSubject: Mail delivery failed\nX-Failed-Recipients: Ann@x.example",
        "It failed: 550 5.1.1 unknown",
        ONE,
    );
    failure(
        daemon,
        "There was an error delivering your mail to <ann@x.example>.\n\nmx.x.example did not like our RCPT TO:\n550 5.1.1 unknown\n\nMessage headers follow.\n\nTo: bob@y.example\n",
        ONE,
    );
    failure(
        "From: Postmaster <postmaster@x.example>\nSubject: Undeliverable Mail",
        "Unknown user: ann@x.example\n\nOriginal message follows.\n\nTo: bob@y.example",
        BARE,
    );
    failure(
        "From: MAILER-DAEMON@x.example\nSubject: Delivery failure",
        "The following recipient(s) could not be reached:\n\tRecipient: [SMTP:ann@x.example]\n\tReason: unknown\n",
        BARE,
    );
}

#[test]
fn groupware_and_gateways() {
    let postmaster = "From: postmaster@x.example\nSubject: Undeliverable: hello";
    failure(
        postmaster,
        "Your message\n\n  To:      team@x.example\n  Subject: hello\n\ndid not reach the following recipient(s):\n\nann@x.example on Thu, 29 Apr 2010\n    The recipient name is not recognized\n",
        BARE,
    );
    failure(
        postmaster,
        "Delivery has failed to these recipients or groups:\n\nann@x.example<mailto:ann@x.example>\nRemote Server returned '550 5.1.1 RecipNotFound'\n\nOriginal message headers:\n\nTo: bob@y.example\n",
        ONE,
    );
    failure(
        postmaster,
        "Delivery has failed to these recipients:\n\nAnn Smith (ann@x.example)<mailto:ann@x.example>\nThe address wasn't found.\n",
        BARE,
    );
    failure(
        postmaster,
        "This Message was undeliverable due to the following reason:\n\nunknown:\n\n     SMTP <ann@x.example>\n",
        BARE,
    );
    failure(
        "From: x@gateway.example\nSubject: Delivery failure notification",
        "Your message\ncould not be delivered to the following recipients:\n\nAnn@x.example\n",
        BARE,
    );
    failure(
        "From: postmaster@qq.example\nSubject: 系统退信\nContent-Type: text/plain; charset=utf-8",
        "您的邮件无法送达。\n收件人：ann@x.example\n",
        BARE,
    );
    failure(postmaster, "c=US;a= ;p=X;dda:SMTP=ann@x.example; on Fri\n did not reach the following recipient\n", BARE);
    failure(
        "From: postmaster@x.example\nSubject: Undeliverable message",
        "------- Failure Reasons  --------\n\nUser unknown\nann@x.example\n\n------- Returned Message --------\n\nTo: bob@y.example\n",
        BARE,
    );
    failure(
        "From: postmaster@x.example\nSubject: Undeliverable Mail: \"hello\"",
        "Could not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected: \n    ann@x.example\n",
        ONE,
    );
}

#[test]
fn providers_and_carriers() {
    let google =
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nSubject: Delivery Status Notification (Failure)";
    failure(
        google,
        "Delivery to the following recipient failed permanently:\n\n     ann@x.example\n\nThe error was: 550 550 5.1.1 unknown\n\n----- Original message -----\n\nTo: bob@y.example\n",
        ONE,
    );
    check(
        &google.replace("Failure", "Delay"),
        "This is a warning message only. You do not need to resend.\n\nann@x.example\n",
        BounceKind::Delayed,
        BARE,
    );
    failure(
        "From: MAILER-DAEMON@yahoo.example\nSubject: Failure Notice\nContent-Type: text/html",
        "<p>Sorry, we were unable to deliver your message to the following address.</p><p>&lt;ann@x.example&gt;:<br>550 5.1.1 unknown</p>",
        ONE,
    );
    failure(
        "From: Postmaster@carrier.example\nSubject: Mail System Error - Returned Mail",
        "The user(s) account is disabled.\n<ann@x.example>\n",
        BARE,
    );
    failure(
        "From: x@isp.example\nReturn-Path: <>\nSubject: Delivery Status Notification (Failure)\nContent-Type: multipart/mixed; boundary=b",
        "--b\n\nThis message could not be delivered due to a recipient error.\n--b\nContent-Type: text/rfc822-headers\n\nTo: ann@x.example\nMessage-ID: <1@own.example>\n--b--\n",
        BARE,
    );
    failure(
        "From: no-reply@carrier.example\nSubject: Mail\nContent-Type: multipart/mixed; boundary=b",
        "--b\n\nCould not be delivered to: <ann@x.example>\nAs their mailbox is full.\n--b\nContent-Type: message/rfc822\n\nTo: ann@x.example\n\nhi\n--b--\n",
        BARE,
    );
    failure(
        "From: mailer-daemon@mail.example\nSubject: x\nContent-Type: text/plain; charset=utf-8",
        "К сожалению, Ваше письмо не может быть доставлено:\n\n  ann@x.example\n    550 5.1.1 unknown\n",
        ONE,
    );
}

#[test]
fn people_who_speak_of_bounces_are_people() {
    let quoted = "<ann@x.example>: 550 5.1.1 User unknown\nThe following addresses had permanent fatal errors";
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: Re: Undelivered Mail Returned to Sender\nIn-Reply-To: <1@x>",
        quoted,
    );
    no_bounce("From: Bob <bob@y.example>\nSubject: Fwd: failure notice", quoted);
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: My mail could not be delivered",
        &format!("Hello,\nI got this:\n{quoted}"),
    );
    no_bounce("From: Bob <bob@y.example>\nSubject: Undeliverable mail\nUser-Agent: Thunderbird", quoted);
    no_bounce("From: Bob <bob@y.example>\nSubject: order", quoted);
    no_bounce(
        "From: Shop <no-reply@shop.example>\nSubject: Your parcel could not be delivered",
        "We could not deliver your parcel to ann@x.example",
    );
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: x\nContent-Type: multipart/mixed; boundary=b",
        &format!(
            "--b\n\nsee below\n--b\nContent-Type: message/rfc822\n\n{}\n\n{quoted}\n--b--\n",
            "From: MAILER-DAEMON@x.example\nSubject: failure notice"
        ),
    );
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: Read: order\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b",
        "--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@y.example\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
    );
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: Delivery failed",
        "My parcel could not be delivered, where is it\n\nBob\nShop Ltd\ninfo@shop.example",
    );
    no_bounce(
        "From: Admin <administrator@y.example>\nSubject: Mail could not be delivered",
        "Hello,\nour mail to ann@x.example was rejected with 550 5.1.1",
    );
    no_bounce("From: Postmaster <postmaster@y.example>\nSubject: Maintenance", "We move our servers on Monday.");
    no_bounce(
        "From: Bob <bob@y.example>\nSubject: Mailbox full",
        "My mailbox full of your ads! Stop sending to bob@y.example",
    );
}

#[test]
fn greetings_of_software_are_no_persons() {
    let postmaster = "From: postmaster@x.example\nSubject: failure notice";
    let qmail =
        "Hi. This is the mail program at x.example. I wasn't able to deliver your message.\n\n<ann@x.example>:\nno";
    check(postmaster, qmail, BounceKind::Failure, &[("ann@x.example", None)]);
    let turkish = "İletiniz teslim edilemedi:\n\nann@x.example\n";
    check(postmaster, turkish, BounceKind::Failure, &[("ann@x.example", None)]);
}

#[test]
fn hostile_bounces_stay_bounded() {
    let many: String = (0..20_000).map(|n| format!("<u{n}@x.example>: 550 5.1.1 no\n")).collect();
    let daemon = "From: MAILER-DAEMON@x.example\nSubject: failure notice";
    let found = bounce(daemon, &many).expect("a bounce");
    assert_eq!(found.recipients.len(), super::RECIPIENTS_MAX);
    for body in [
        "@".repeat(200_000),
        "<".repeat(200_000),
        "5.1.1 ".repeat(30_000),
        "a@b.example ".repeat(5_000),
        "\r".repeat(100_000),
    ] {
        let _ = bounce(daemon, &body);
        let _ = bounce(&format!("{daemon}\nContent-Type: text/html"), &body);
        let _ = bounce(REPORT, &format!("--b\nContent-Type: message/delivery-status\n\n{body}\n--b--\n"));
        let _ = bounce(&format!("{daemon}\nX-Failed-Recipients: {}", body.get(..90_000).unwrap_or_default()), "x");
    }
    let control = bounce(daemon, "<ann@x.example>: 550 5.1.1 \u{1b}[31mred\u{202e}der\u{7}\n").expect("a bounce");
    assert_eq!(control.recipients[0].diagnostic.as_deref(), Some("550 5.1.1 [31mred der"));
}
