//! A mail's octets on their way in: hashed as they pass, in memory up to a bound, then in a spill file.
//!
//! Every octet held is taken from the budget of all sessions. A buffer that is dropped takes its file with it.

use crate::limits::CONTENT_IN_MEMORY_OCTETS;
use crate::net::permits::{ContentBudget, ContentShare, LargeMails};
use crate::store::mail_file::MailOctets;
use aws_lc_rs::digest;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the octets cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("all sessions together hold as much content as they may")]
    Budget,
    #[error("the spill file cannot be written: {0}")]
    Spill(#[from] io::Error),
}

/// Octets as they come.
#[derive(Debug)]
pub struct ContentBuffer {
    memory: Vec<u8>,
    spill: Option<Spill>,
    hash: HashState,
    octets: u64,
    octets_in_flight_max: u64,
    share: ContentShare,
}

/// SHA-256 so far; boxed, for an idle session shall not carry it.
struct HashState(Box<digest::Context>);

impl std::fmt::Debug for HashState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashState(…)")
    }
}

/// A complete mail, its digest, and its share of the budget until the store has it.
#[derive(Debug)]
pub struct Content {
    held: Held,
    octets: u64,
    sha256: [u8; 32],
    _share: ContentShare,
}

#[derive(Debug)]
enum Held {
    Memory(Vec<u8>),
    Spilled(Spill),
}

/// A file of ours until the store takes it.
#[derive(Debug)]
struct Spill {
    file: Option<File>,
    path: Option<PathBuf>,
}

impl Drop for Spill {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What stays behind is collected when the store opens.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl ContentBuffer {
    pub fn new(budget: &Arc<ContentBudget>, octets_in_flight_max: u64) -> ContentBuffer {
        ContentBuffer {
            memory: Vec::new(),
            spill: None,
            hash: HashState(Box::new(digest::Context::new(&digest::SHA256))),
            octets: 0,
            octets_in_flight_max,
            share: budget.share(),
        }
    }

    /// Octets so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Appends; on an error the buffer is of no further use.
    pub async fn append(&mut self, octets: Vec<u8>, spool_dir: &Path) -> Result<(), ContentError> {
        if !self.share.grow(octets.len() as u64, self.octets_in_flight_max) {
            return Err(ContentError::Budget);
        }
        self.hash.0.update(&octets);
        self.octets += octets.len() as u64;
        // Before it grows over the bound, for its room doubles when it grows.
        if self.memory.len() + octets.len() > self.memory_max() && !self.memory.is_empty() {
            // Boxed: few mails come here, and every session's future would carry the room for it.
            Box::pin(self.write_out(spool_dir)).await?;
        }
        if self.memory.capacity() == 0 {
            self.memory = octets;
        } else {
            self.memory.extend_from_slice(&octets);
        }
        if self.memory.len() > self.memory_max() {
            Box::pin(self.write_out(spool_dir)).await?;
        }
        Ok(())
    }

    /// All octets are there.
    pub async fn finish(mut self, spool_dir: &Path) -> Result<Content, ContentError> {
        if self.spill.is_some() && !self.memory.is_empty() {
            Box::pin(self.write_out(spool_dir)).await?;
        }
        let held = match self.spill {
            None => Held::Memory(self.memory),
            Some(mut spill) => {
                spill.file = None;
                Held::Spilled(spill)
            }
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.0.finish().as_ref());
        Ok(Content { held, octets: self.octets, sha256, _share: self.share })
    }

    async fn write_out(&mut self, spool_dir: &Path) -> io::Result<()> {
        let mut spill = match self.spill.take() {
            Some(spill) => spill,
            None => create(spool_dir).await?,
        };
        let memory = std::mem::take(&mut self.memory);
        let (spill, mut memory) = blocking(move || {
            if let Some(file) = &mut spill.file {
                file.write_all(&memory)?;
            }
            Ok((spill, memory))
        })
        .await?;
        memory.clear();
        // The room that the mail had before it spilled is more than a block of its file needs.
        self.memory = if memory.capacity() > SPILL_BLOCK_OCTETS { Vec::new() } else { memory };
        self.spill = Some(spill);
        Ok(())
    }

    /// A mail that has spilled gathers blocks of its file only.
    fn memory_max(&self) -> usize {
        if self.spill.is_some() { SPILL_BLOCK_OCTETS } else { CONTENT_IN_MEMORY_OCTETS }
    }
}

/// What one write to a spill file takes: enough to be worth a hop to another thread, and little for each of many peers.
const SPILL_BLOCK_OCTETS: usize = 64 * 1024;

/// A new file under a name that no other session and no earlier run uses.
async fn create(spool_dir: &Path) -> io::Result<Spill> {
    let mut name = [0; 16];
    aws_lc_rs::rand::fill(&mut name).map_err(|_| io::Error::other("no randomness"))?;
    let path = spool_dir.join(data_encoding::HEXLOWER.encode(&name));
    blocking(move || {
        let file = File::create_new(&path)?;
        Ok(Spill { file: Some(file), path: Some(path) })
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Content {
    pub fn octets(&self) -> u64 {
        self.octets
    }

    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Reads the whole mail: from memory, or under a permit from its file.
    pub async fn read<T>(
        &self,
        large_mails: &LargeMails,
        reader: impl AsyncFnOnce(&[u8]) -> T,
    ) -> Result<T, ContentError> {
        match &self.held {
            Held::Memory(octets) => Ok(reader(octets).await),
            Held::Spilled(spill) => {
                let _permit = large_mails.room_for(self.octets).await;
                let path = spill.path.clone().unwrap_or_default();
                let octets = blocking(move || std::fs::read(path)).await?;
                Ok(reader(&octets).await)
            }
        }
    }

    /// Gives the octets away; the store removes or keeps the file. The share of the budget lives on in the second.
    pub fn into_mail_octets(self) -> (MailOctets, ContentShare) {
        let octets = match self.held {
            Held::Memory(octets) => MailOctets::Memory(octets),
            Held::Spilled(mut spill) => {
                MailOctets::Spilled { path: spill.path.take().unwrap_or_default(), octets: self.octets }
            }
        };
        (octets, self._share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn buffer(octets: usize, piece: usize, dir: &Path) -> (Result<Content, ContentError>, Vec<u8>) {
        let whole: Vec<u8> = (0..octets).map(|n| (n % 251) as u8).collect();
        let mut buffer = ContentBuffer::new(&Arc::default(), u64::MAX);
        for piece in whole.chunks(piece) {
            buffer.append(piece.to_vec(), dir).await.unwrap();
            assert!(buffer.memory.len() <= CONTENT_IN_MEMORY_OCTETS);
        }
        (buffer.finish(dir).await, whole)
    }

    #[tokio::test]
    async fn up_to_the_bound_in_memory_beyond_it_in_a_file_and_the_octets_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for (octets, files) in [
            (0, 0),
            (1, 0),
            (CONTENT_IN_MEMORY_OCTETS, 0),
            (CONTENT_IN_MEMORY_OCTETS + 1, 1),
            (3 * CONTENT_IN_MEMORY_OCTETS + 17, 1),
        ] {
            let (content, whole) = buffer(octets, 10_000, dir.path()).await;
            let content = content.unwrap();
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), files, "{octets}");
            assert_eq!(content.octets(), octets as u64);
            assert_eq!(content.sha256(), digest::digest(&digest::SHA256, &whole).as_ref());
            let same = content.read(&LargeMails::default(), async |read| read == whole).await;
            assert!(same.unwrap());
            drop(content);
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "left over at {octets}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_taken_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (content, whole) = buffer(CONTENT_IN_MEMORY_OCTETS + 1, 5000, dir.path()).await;
        let (MailOctets::Spilled { path, octets }, _share) = content.unwrap().into_mail_octets() else {
            panic!("a spilled mail")
        };
        assert_eq!((std::fs::read(path).unwrap(), octets), (whole.clone(), whole.len() as u64));
    }

    #[tokio::test]
    async fn the_budget_of_all_sessions_is_kept_to_the_octet() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Arc::new(ContentBudget::default());
        let mut one = ContentBuffer::new(&budget, 100);
        one.append(vec![0; 60], dir.path()).await.unwrap();
        let mut two = ContentBuffer::new(&budget, 100);
        assert!(matches!(two.append(vec![0; 41], dir.path()).await, Err(ContentError::Budget)));
        drop(one);
        two.append(vec![0; 100], dir.path()).await.unwrap();
    }

    #[tokio::test]
    async fn a_spill_file_that_cannot_be_made_is_an_error_not_a_panic() {
        let mut buffer = ContentBuffer::new(&Arc::default(), u64::MAX);
        let result = buffer.append(vec![0; CONTENT_IN_MEMORY_OCTETS + 1], Path::new("/nowhere/at/all")).await;
        assert!(matches!(result, Err(ContentError::Spill(_))));
    }
}
