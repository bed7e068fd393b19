//! Issues ids and draws tokens. Ids grow strictly: the order of ids in the ledger is the order of commits, because
//! the writer issues them.

use super::super::StoreError;
use crate::clock::Clock;
use crate::conversation::id::{Id, RANDOM_BITS};
use crate::conversation::reply_token::ReplyToken;
use rusqlite::Connection;
use std::sync::{Mutex, PoisonError};

/// Issues ids above every one that the database holds.
#[derive(Debug)]
pub struct Ids {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: i64,
    pool: [u8; POOL_OCTETS],
    used: usize,
}

impl Ids {
    /// Continues after the greatest id stored: a clock that was set back must not repeat ids.
    pub fn new(connection: &Connection, clock: Clock) -> Result<Ids, StoreError> {
        let greatest = "SELECT max(
            ifnull((SELECT max(id) FROM ledger), 0), ifnull((SELECT max(id) FROM raw_mail), 0),
            ifnull((SELECT max(id) FROM messages), 0), ifnull((SELECT max(id) FROM conversations), 0),
            ifnull((SELECT max(id) FROM contacts), 0), ifnull((SELECT max(id) FROM attachments), 0),
            ifnull((SELECT max(id) FROM api_tokens), 0), ifnull((SELECT max(id) FROM queue), 0),
            ifnull((SELECT max(id) FROM events), 0), ifnull((SELECT max(id) FROM agents), 0),
            ifnull((SELECT max(id) FROM subscriptions), 0), ifnull((SELECT max(id) FROM visitors), 0),
            ifnull((SELECT max(id) FROM canned_answers), 0))";
        let last = connection.query_row(greatest, [], |row| row.get(0))?;
        Ok(Ids { clock, state: Mutex::new(State { last, pool: [0; POOL_OCTETS], used: POOL_OCTETS }) })
    }

    /// The next id.
    pub fn next(&self) -> Result<Id, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = i64::from(state.draw()?);
        let candidate = (self.clock.now().0 << RANDOM_BITS) | (drawn & ((1 << RANDOM_BITS) - 1));
        // Within one millisecond the random part may be smaller than the last one: step on by a random stride.
        state.last = candidate.max(state.last + 1 + (drawn & STRIDE_MASK));
        Ok(Id(state.last))
    }
}

impl State {
    /// Four random octets from a pool that is filled by one call for many: a call per id costs more than the id.
    fn draw(&mut self) -> Result<u32, StoreError> {
        if self.used + 4 > POOL_OCTETS {
            fill(&mut self.pool)?;
            self.used = 0;
        }
        let drawn = self.pool.iter().skip(self.used).take(4).fold(0, |sum, octet| (sum << 8) | u32::from(*octet));
        self.used += 4;
        Ok(drawn)
    }
}

/// A new capability: 128 random bits, drawn for this one alone.
pub fn reply_token() -> Result<ReplyToken, StoreError> {
    let mut octets = [0; 16];
    fill(&mut octets)?;
    Ok(ReplyToken(octets))
}

fn fill(octets: &mut [u8]) -> Result<(), StoreError> {
    aws_lc_rs::rand::fill(octets).map_err(|_| StoreError::Unhealthy("the system gives no random numbers".into()))
}

const STRIDE_MASK: i64 = 0xff;
const POOL_OCTETS: usize = 1024;
