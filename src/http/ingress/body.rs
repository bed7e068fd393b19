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
    end: Instant,
}

/// What a request that was refused early may still send, so that its sender stays to read the answer.
#[derive(Debug, Clone, Copy)]
pub struct Drain(pub u64);

impl Octets {
    pub fn new(body: Body, octets_max: u64, clock: Clock, patience: Duration) -> Octets {
        let end = clock.monotonic() + patience;
        Octets { body, clock, left: octets_max, octets_max, end }
    }

    /// The next octets; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            let until = self.end.min(self.clock.monotonic() + BLOCK_PATIENCE);
            let frame = timeout_at(until.into(), self.body.frame()).await.map_err(|_elapsed| Refused::too_slow())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Refused::malformed(format!("the body broke off: {error}")))?;
            let Ok(octets) = frame.into_data() else { continue };
            self.left = self.left.checked_sub(octets.len() as u64).ok_or_else(|| self.too_large())?;
            return Ok(Some(octets));
        }
    }

    fn too_large(&self) -> Refused {
        Refused::too_large(format!("the body is longer than {} octets", self.octets_max))
    }

    /// Reads on after a refusal. A connection that is closed with octets unread is reset, and the answer lost.
    pub async fn drain(&mut self, Drain(octets_max): Drain) {
        self.left = octets_max;
        while let Ok(Some(_)) = self.next().await {}
    }
}

const BLOCK_PATIENCE: Duration = Duration::from_secs(30);
