//! What EHLO and LHLO offer. A keyword stands here when the session keeps its promise, and not otherwise.

use super::question::Protocol;
use super::session::SessionConfig;

/// Whether the connection is inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Clear,
    Tls,
}

/// The keywords, one each line of the answer.
pub(super) fn keywords(config: &SessionConfig, channel: Channel) -> Vec<String> {
    let limits = &config.limits;
    let mut keywords: Vec<String> =
        ["PIPELINING", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
            .map(str::to_owned)
            .into();
    keywords.push(format!("SIZE {}", limits.mail_octets_max));
    keywords.push(format!("LIMITS RCPTMAX={} MAILMAX={}", limits.recipients_max, limits.mails_per_session_max));
    // RFC 3207 §4.2: not offered once TLS is there.
    if config.starttls && channel == Channel::Clear {
        keywords.push("STARTTLS".to_owned());
    }
    // RFC 8689 §2: inside TLS only. LMTP's peer is our own MTA, which keeps the promise itself.
    if channel == Channel::Tls && config.protocol == Protocol::Smtp {
        keywords.push("REQUIRETLS".to_owned());
    }
    if config.xclient {
        keywords.push("XCLIENT NAME ADDR PORT PROTO HELO".to_owned());
    }
    keywords
}
