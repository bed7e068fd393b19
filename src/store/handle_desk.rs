//! The handle's units of work for the agents' desk: who is let in, and what agents keep there.

use super::StoreError;
use super::desk::AgentSession;
use super::handle::Store;
use super::sqlite::units::Writing;
use super::sqlite::{agent_sessions, conversations};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;

impl Store {
    /// The agents of an address (canonical key), each with the kept form of their password.
    pub async fn agents_of_address(&self, email: String) -> Result<Vec<(Agent, Option<String>)>, StoreError> {
        self.engine.readers.look_up(move |connection| agent_sessions::agents_of_address(connection, &email)).await
    }

    /// Keeps the hash of an agent's new password; their sessions and links end.
    pub async fn set_agent_password(&self, agent: Id, password: String) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::set_password(writing, agent, &password)).await
    }

    /// Begins a session under the hash of its word; the one the browser had `before` ends.
    pub async fn begin_session(
        &self,
        agent: Id,
        sha256: [u8; 32],
        expires_at: UnixMs,
        before: Option<[u8; 32]>,
    ) -> Result<(), StoreError> {
        let work =
            move |writing: &Writing<'_>| agent_sessions::begin(writing, agent, &sha256, expires_at, before.as_ref());
        self.engine.write(0, work).await
    }

    /// The session of a word, if it has not ended.
    pub async fn agent_of_session(&self, sha256: [u8; 32]) -> Result<Option<AgentSession>, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.look_up(move |connection| agent_sessions::find(connection, &sha256, now)).await
    }

    /// Notes that a session is used, and until when it goes on.
    pub async fn use_session(&self, sha256: [u8; 32], expires_at: UnixMs) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::used(writing, &sha256, expires_at)).await
    }

    /// The inboxes of conversations; those that are not there are left out.
    pub async fn inboxes_of(&self, conversations: Vec<Id>) -> Result<Vec<(Id, String)>, StoreError> {
        let read = move |connection: &_| conversations::inboxes_of(connection, &conversations);
        self.engine.readers.read(read).await
    }

    pub async fn end_session(&self, sha256: [u8; 32]) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::end(writing, &sha256)).await
    }
}
