//! The handle's units of work for signing in by a mailed link.

use super::StoreError;
use super::desk::{LetterEnd, SignInLetter};
use super::handle::Store;
use super::sqlite::sign_in_letters;
use super::sqlite::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use tokio::sync::watch;

impl Store {
    /// Has a letter with a link sent to an agent, and announces it; one who had a few lately gets no more.
    pub async fn ask_for_letter(&self, agent: Id, expires_at: UnixMs) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| sign_in_letters::ask(writing, agent, expires_at)).await?;
        self.engine.shared.sign_in_letters.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Announces that there may be a letter to send.
    pub fn sign_in_letters(&self) -> watch::Receiver<u64> {
        self.engine.shared.sign_in_letters.subscribe()
    }

    /// Letters to be sent, the first due first; those due later too.
    pub async fn open_letters(&self, limit: usize) -> Result<Vec<SignInLetter>, StoreError> {
        self.engine.readers.look_up(move |connection| sign_in_letters::open(connection, limit)).await
    }

    /// Before an attempt: keeps the hash of the link that goes out with it. `NotFound`: the letter is over.
    pub async fn letter_attempt(&self, letter: Id, sha256: [u8; 32], next: UnixMs) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| sign_in_letters::attempt(writing, letter, &sha256, next)).await
    }

    pub async fn letter_ended(&self, letter: Id, end: LetterEnd) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| sign_in_letters::ended(writing, letter, &end)).await
    }

    /// Keeps the hash of a link that the operator hands over.
    pub async fn add_sign_in_link(&self, agent: Id, sha256: [u8; 32], expires_at: UnixMs) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| sign_in_letters::add_link(writing, agent, &sha256, expires_at)).await
    }

    /// Whether a link would let somebody in; nothing changes.
    pub async fn is_good_link(&self, sha256: [u8; 32]) -> Result<bool, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.look_up(move |connection| sign_in_letters::is_good(connection, &sha256, now)).await
    }

    /// Uses a link, once, for a session; `None`: it is used, expired, or none.
    pub async fn enter_by_link(
        &self,
        link: [u8; 32],
        session: [u8; 32],
        expires_at: UnixMs,
        before: Option<[u8; 32]>,
    ) -> Result<Option<Agent>, StoreError> {
        let work =
            move |writing: &Writing<'_>| sign_in_letters::enter(writing, &link, &session, expires_at, before.as_ref());
        self.engine.write(0, work).await
    }
}
