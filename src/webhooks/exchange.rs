//! One call to a receiver, and what it said in words for an operator.

use super::schedule;
use super::services::Services;
use crate::config::target::{Target, TargetHost};
use crate::net::https::{Answer, Place, Reach};
use hyper::Request;
use hyper::body::Body;
use hyper::header::RETRY_AFTER;
use std::time::Duration;
use tokio::time::timeout;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `None`: there was no answer.
    pub status: Option<u16>,
    pub words: String,
    /// At "not now" only.
    pub retry_after: Option<Duration>,
}

impl Said {
    pub fn nothing(words: String) -> Said {
        Said { status: None, words, retry_after: None }
    }

    /// 2xx.
    pub fn is_yes(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Calls, within the deadline for everything: finding the address, connecting, sending, and the answer.
pub async fn call<B>(
    services: &Services,
    target: &Target,
    reach: Reach,
    request: Request<B>,
    deadline: Duration,
) -> Said
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let late = || Said::nothing(format!("no answer within {} s", deadline.as_secs_f64()));
    timeout(deadline, call_unhurried(services, target, reach, request)).await.unwrap_or_else(|_| late())
}

async fn call_unhurried<B>(services: &Services, target: &Target, reach: Reach, request: Request<B>) -> Said
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let addresses = match &target.host {
        TargetHost::Address(ip) => vec![*ip],
        TargetHost::Name(name) => match services.resolver.addresses(name).await {
            Ok(addresses) => addresses,
            Err(error) => return Said::nothing(format!("{name} has no address: {error}")),
        },
    };
    match services.client.call(&Place { target, addresses: &addresses, reach }, request).await {
        Ok(answer) => said(services, answer).await,
        Err(error) => Said::nothing(error.to_string()),
    }
}

async fn said(services: &Services, answer: Answer) -> Said {
    let status = answer.status;
    let wish = answer.headers.get(RETRY_AFTER).and_then(|wish| wish.to_str().ok());
    let wish = wish.filter(|_| matches!(status, 429 | 503));
    let retry_after = wish.and_then(|wish| schedule::retry_after(wish, services.clock.now()));
    // A yes needs no words; of everything else the beginning tells why.
    let beginning = if (200..300).contains(&status) { Vec::new() } else { answer.beginning(WORDS_OCTETS_MAX).await };
    let hint = if (300..400).contains(&status) { "redirects are not followed; " } else { "" };
    let words = format!("{status} {hint}{}", one_line(&beginning));
    Said { status: Some(status), words: words.trim_end_matches([' ', ';']).to_owned(), retry_after }
}

/// A stranger's words as they may stand in a log line or on a terminal.
fn one_line(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

const WORDS_OCTETS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_words_are_one_harmless_line() {
        assert_eq!(one_line(b"<h1>\r\n\x1b[2J no\x00pe</h1>\xff"), "<h1> [2J no pe</h1>\u{fffd}");
    }
}
