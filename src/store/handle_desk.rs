//! The handle's units of work for the agents' desk: who is let in, and what agents keep there.

use super::StoreError;
use super::desk::{AgentSession, CannedAnswer, ConversationChanges, Glance};
use super::handle::{Page, Store};
use super::sqlite::units::Writing;
use super::sqlite::{agent_sessions, canned_answers, conversation_changes, conversations, glances, messages, search};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Message};

impl Store {
    /// The agents of an address (canonical key), each with the kept form of their password.
    pub async fn agents_of_address(&self, email: String) -> Result<Vec<(Agent, Option<String>)>, StoreError> {
        self.engine.readers.look_up(move |connection| agent_sessions::agents_of_address(connection, &email)).await
    }

    /// Keeps the hash of an agent's new password; their sessions and links end.
    pub async fn set_agent_password(&self, agent: Id, password: String) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::set_password(writing, agent, &password)).await
    }

    /// Keeps the hash of a password that its agent chose; every session but the one of this word's hash, and every link, ends.
    pub async fn change_agent_password(&self, agent: Id, password: String, here: [u8; 32]) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::change_password(writing, agent, &password, &here)).await
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

    /// Changes what an agent may change.
    pub async fn change_conversation(&self, id: Id, changes: ConversationChanges) -> Result<Conversation, StoreError> {
        let work = move |writing: &Writing<'_>| {
            conversation_changes::change(writing, id, &changes)?;
            conversations::conversation(writing.connection, id)
        };
        self.engine.write(0, work).await
    }

    /// What a list shows beside these conversations, in their order; `agent` is who looks.
    pub async fn glances(&self, conversations: Vec<Id>, agent: Option<Id>) -> Result<Vec<Glance>, StoreError> {
        self.engine.readers.read(move |connection| glances::of(connection, &conversations, agent)).await
    }

    /// The latest message of a conversation that has all these words.
    pub async fn message_with(&self, conversation: Id, words: String) -> Result<Option<Id>, StoreError> {
        self.engine.readers.read(move |connection| search::in_conversation(connection, conversation, &words)).await
    }

    /// Notes up to which message an agent has read a conversation; `None`: all there is.
    pub async fn read_by_agent(&self, agent: Id, conversation: Id, up_to: Option<Id>) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| glances::read_up_to(writing, agent, conversation, up_to)).await
    }

    /// A page of a conversation's messages that were stored before one, oldest first; the cursor leads further back.
    pub async fn messages_before(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Page<Message>, StoreError> {
        let read = move |connection: &_| messages::page_before(connection, conversation, before, limit);
        self.engine.readers.read(read).await
    }

    pub async fn canned_answers(&self, account: String) -> Result<Vec<CannedAnswer>, StoreError> {
        self.engine.readers.read(move |connection| canned_answers::list(connection, &account)).await
    }

    pub async fn canned_answer(&self, id: Id) -> Result<CannedAnswer, StoreError> {
        self.engine.readers.look_up(move |connection| canned_answers::one(connection, id)).await
    }

    /// `Conflict`: the account has one of this name.
    pub async fn add_canned_answer(
        &self,
        account: String,
        name: String,
        text: String,
    ) -> Result<CannedAnswer, StoreError> {
        self.engine.write(0, move |writing| canned_answers::add(writing, &account, &name, &text)).await
    }

    pub async fn change_canned_answer(&self, id: Id, name: String, text: String) -> Result<CannedAnswer, StoreError> {
        self.engine.write(0, move |writing| canned_answers::change(writing, id, &name, &text)).await
    }

    pub async fn remove_canned_answer(&self, id: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| canned_answers::remove(writing, id)).await
    }

    pub async fn end_session(&self, sha256: [u8; 32]) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agent_sessions::end(writing, &sha256)).await
    }
}
