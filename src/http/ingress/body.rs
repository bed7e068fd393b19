//! The body of a request, as it comes: no longer than it may be, and no slower.

use super::answer::Refused;
use crate::clock::Clock;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

#[derive(Debug)]
pub struct Octets {
    body: Body,
    clock: Clock,
    left: u64,
    octets_max: u64,
    begun: Instant,
    received: u64,
}

/// What a request that was refused early may still send, so that its sender stays to read the answer.
#[derive(Debug, Clone, Copy)]
pub struct Drain(pub u64);

impl Octets {
    pub fn new(body: Body, octets_max: u64, clock: Clock) -> Octets {
        let begun = clock.monotonic();
        Octets { body, clock, left: octets_max, octets_max, begun, received: 0 }
    }

    /// The next octets; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            let until = self.deadline().min(self.clock.monotonic() + BLOCK_PATIENCE);
            let frame = timeout_at(until.into(), self.body.frame()).await.map_err(|_elapsed| Refused::too_slow())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Refused::malformed(format!("the body broke off: {error}")))?;
            let Ok(octets) = frame.into_data() else { continue };
            self.received += octets.len() as u64;
            self.left = self.left.checked_sub(octets.len() as u64).ok_or_else(|| self.too_large())?;
            return Ok(Some(octets));
        }
    }

    /// Who brings more may take longer. Anybody may send a body, and each holds one of the places that the whole surface
    /// has: a call of the API, which has 30 s, holds it no shorter.
    fn deadline(&self) -> Instant {
        self.begun + GRACE + Duration::from_secs(self.received / OCTETS_PER_SECOND_MIN)
    }

    fn too_large(&self) -> Refused {
        Refused::body_too_large(self.octets_max)
    }

    /// A client that waits for `100 Continue` has sent nothing: it reads the answer at once (RFC 9110 §10.1.1).
    pub fn is_withheld(&self, expectation: Option<&[u8]>) -> bool {
        self.received == 0 && expectation.is_some_and(|expects| expects.eq_ignore_ascii_case(b"100-continue"))
    }

    /// Reads on after a refusal. A connection that is closed with octets unread is reset, and the answer lost.
    pub async fn drain(&mut self, Drain(octets_max): Drain) {
        self.left = octets_max;
        while let Ok(Some(_)) = self.next().await {}
    }
}

const GRACE: Duration = Duration::from_secs(30);
const OCTETS_PER_SECOND_MIN: u64 = 16 * 1024;
const BLOCK_PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_brings_more_may_take_longer_and_nobody_for_ever() {
        let mut octets = Octets::new(Body::from(vec![7; 160 * 1024]), 200 * 1024, Clock::System);
        let before = octets.deadline();
        let mut received = 0;
        while let Ok(Some(block)) = octets.next().await {
            received += block.len();
        }
        assert_eq!((received, octets.deadline() - before), (160 * 1024, Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_body_may_have_its_length_and_not_an_octet_more() {
        for (max, expected) in [(10, Ok(10)), (9, Err(axum::http::StatusCode::PAYLOAD_TOO_LARGE))] {
            let mut octets = Octets::new(Body::from(vec![7; 10]), max, Clock::System);
            let read = octets.next().await.map(|block| block.map_or(0, |block| block.len()));
            assert_eq!(read.map_err(|refused| refused.status), expected);
        }
    }
}
