//! Hosts whose TLS did not work, and in what words: for a week they are spoken to in the clear at once, where TLS was only a
//! wish.
//!
//! Never asked about a host that must have TLS (DANE, MTA-STS, REQUIRETLS, config). Kept as a file in the data directory, so
//! that a restart does not make every such host fail once more; losing it costs one failed handshake each.

use super::kept_file;
use crate::clock::{Clock, UnixMs};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

const REMEMBERED_MS: i64 = 7 * 86_400_000;
const HOSTS_MAX: usize = 4096;
/// Of a host's words, which are shown with every mail that goes there.
const WORDS_OCTETS_MAX: usize = 300;
const KEPT: &str = "hosts whose TLS is broken";

#[derive(Debug)]
pub struct BrokenTls {
    clock: Clock,
    file: PathBuf,
    known: Mutex<HashMap<String, Seen>>,
    /// Held while the file is written, so that the latest state is the last one written.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    at: UnixMs,
    words: String,
}

impl Seen {
    /// One of the future, of a clock that was put back, proves nothing.
    fn counts(&self, now: UnixMs) -> bool {
        (0..REMEMBERED_MS).contains(&now.0.saturating_sub(self.at.0))
    }
}

impl BrokenTls {
    /// With what is in the file.
    pub fn load(clock: Clock, file: PathBuf) -> BrokenTls {
        let mut known: HashMap<String, Seen> = kept_file::read(&file, KEPT);
        let now = clock.now();
        known.retain(|_, seen| seen.counts(now));
        BrokenTls { clock, file, known: Mutex::new(known), writing: tokio::sync::Mutex::new(()) }
    }

    /// The host offered STARTTLS, and it failed with these words.
    pub async fn remember(&self, host: &str, words: &str) {
        let words = words.get(..words.floor_char_boundary(WORDS_OCTETS_MAX)).unwrap_or_default().to_owned();
        self.hold(host, Seen { at: self.clock.now(), words });
        let _turn = self.writing.lock().await;
        let text = serde_json::to_vec(&*self.known()).unwrap_or_default();
        kept_file::write(&self.file, text, KEPT).await;
    }

    /// Why a host is spoken to in the clear, and since when; `None` if it is not.
    pub fn words(&self, host: &str) -> Option<String> {
        let now = self.clock.now();
        let known = self.known();
        let Seen { at, words } = known.get(host).filter(|seen| seen.counts(now))?;
        let day = at.rfc3339().get(..10).unwrap_or_default().to_owned();
        Some(format!("{words} (on {day}; TLS is tried again a week later)"))
    }

    fn hold(&self, host: &str, seen: Seen) {
        let mut known = self.known();
        if known.len() >= HOSTS_MAX && !known.contains_key(host) {
            known.retain(|_, known| known.counts(seen.at));
            let first = known.iter().min_by_key(|(_, seen)| seen.at).map(|(host, _)| host.clone());
            if let Some(first) = first.filter(|_| known.len() >= HOSTS_MAX) {
                known.remove(&first);
            }
        }
        known.insert(host.to_owned(), seen);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_remembered_for_a_week_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broken-tls.json");
        let clock = Clock::fixed(UnixMs(0));
        let broken = BrokenTls::load(clock.clone(), file.clone());
        broken.remember("mx.example", "bad record").await;
        assert_eq!(broken.words("other.example"), None);
        for broken in [broken, BrokenTls::load(clock.clone(), file.clone())] {
            clock.set(UnixMs(REMEMBERED_MS - 1));
            assert!(broken.words("mx.example").is_some_and(|words| words.starts_with("bad record (on 1970-01-01")));
            clock.set(UnixMs(REMEMBERED_MS));
            assert_eq!(broken.words("mx.example"), None);
            clock.set(UnixMs(-1));
            assert_eq!(broken.words("mx.example"), None);
            clock.set(UnixMs(0));
        }
        std::fs::write(&file, "no JSON").unwrap();
        assert_eq!(BrokenTls::load(clock, file).words("mx.example"), None);
    }

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(UnixMs(0));
        let broken = BrokenTls::load(clock.clone(), dir.path().join("broken-tls.json"));
        for n in 0..=HOSTS_MAX {
            clock.set(UnixMs(i64::try_from(n).unwrap()));
            broken.hold(&n.to_string(), Seen { at: clock.now(), words: String::new() });
        }
        assert_eq!(broken.known().len(), HOSTS_MAX);
        assert!(broken.words("0").is_none() && broken.words("1").is_some());
        assert!(broken.words(&HOSTS_MAX.to_string()).is_some());
    }
}
