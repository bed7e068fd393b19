//! Everything that must survive: the ledger of offered mail, raw mails, conversations, tokens. SQLite behind it.
//!
//! One unit of work is one method and one atomic commit. Units are gathered by one writer thread and share an
//! fsync (group commit); the methods return when their commit is on disk. Announcements say "look again" and
//! carry no data.

pub mod ledger;
pub mod mail_file;
pub mod query;
pub mod unit;

use std::path::PathBuf;

/// Why the store could not do its work. Every variant is "try again later" to a peer; none loses what was committed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A sync or write failed, or the database is damaged: nothing is accepted until an operator or a restart mends it.
    #[error(
        "the store is unhealthy since a write failed: {0}; check the disk under the data directory, see docs/OPERATIONS.md"
    )]
    Unhealthy(String),
    /// Another process holds the database.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// No space left.
    #[error("the disk is full: {0}")]
    Full(String),
    #[error("cannot open the store in {path}: {reason}", path = path.display())]
    Open { path: PathBuf, reason: String },
    #[error("the database answered: {0}")]
    Database(String),
    #[error("the store is shutting down")]
    Closed,
    #[error("no such {0}")]
    NotFound(&'static str),
}

use crate::clock::Clock;
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Message, Status};
use crate::conversation::reply_token::ReplyToken;
use ledger::{LedgerEntry, LedgerQuery, Refusal};
use query::{ApiTokenRow, ConversationQuery};
use std::path::Path;
use tokio::sync::watch;
use unit::{Acceptance, AcceptedEntry, FilingResult, NewConversation, NewMessage, RoutingEvidence, TokenState};

/// What is free where the store lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    pub octets: u64,
    pub inodes: u64,
}

/// What filing made of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filed {
    pub conversation_id: Option<Id>,
    pub message_id: Option<Id>,
}

/// A page of a list and the cursor of the next.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// A handle on the store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {}

/// Signatures that the other modules build on; the store's owner fills them in.
impl Store {
    /// Opens or creates the store under `data_dir`, migrates it, checks its pragmas by reading them back, and
    /// collects leftovers of an earlier crash.
    pub fn open(data_dir: &Path, clock: Clock) -> Result<Store, StoreError> {
        let _ = (data_dir, clock);
        Err(StoreError::Closed)
    }

    /// Commits a mail and one ledger entry per recipient; returns when they are on disk.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Vec<AcceptedEntry>, StoreError> {
        let _ = acceptance;
        Err(StoreError::Closed)
    }

    /// Writes a ledger entry for a mail that was not accepted, in the next commit, without waiting for it.
    pub fn refuse(&self, refusal: Refusal) {
        let _ = refusal;
    }

    /// What RCPT has to know of a token; the same work for known and unknown ones.
    pub async fn token_state(&self, token: ReplyToken) -> Result<TokenState, StoreError> {
        let _ = token;
        Err(StoreError::Closed)
    }

    /// `Err` while nothing may be accepted; mends itself when the cause is gone.
    pub fn health(&self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Units of work that wait for the writer.
    pub fn commits_waiting(&self) -> usize {
        0
    }

    /// Free space of the data directory's file system.
    pub fn free_space(&self) -> Result<FreeSpace, StoreError> {
        Err(StoreError::Closed)
    }

    /// Where spill files are made; the same file system as the mail files.
    pub fn spool_dir(&self) -> &Path {
        Path::new("")
    }

    /// Announces that there may be accepted mail to file.
    pub fn accepted_mail(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    /// Entries with outcome `accepted`, oldest first, later than `after`.
    pub async fn unfiled(&self, after: Option<Id>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let _ = (after, limit);
        Err(StoreError::Closed)
    }

    /// The octets of a raw mail.
    pub async fn raw_mail(&self, raw_id: Id) -> Result<Vec<u8>, StoreError> {
        let _ = raw_id;
        Err(StoreError::Closed)
    }

    /// Loads what routing may go by.
    pub async fn routing_evidence(
        &self,
        account: &str,
        tokens: Vec<ReplyToken>,
        message_ids: Vec<String>,
        sender: Option<String>,
    ) -> Result<RoutingEvidence, StoreError> {
        let _ = (account, tokens, message_ids, sender);
        Err(StoreError::Closed)
    }

    /// The latest outgoing texts of a conversation, for recognising quotes.
    pub async fn sent_texts(&self, conversation: Id, limit: usize) -> Result<Vec<String>, StoreError> {
        let _ = (conversation, limit);
        Err(StoreError::Closed)
    }

    /// Commits a message into its conversation and ends the ledger entry, once: a second call changes nothing.
    pub async fn file(&self, result: FilingResult) -> Result<Filed, StoreError> {
        let _ = result;
        Err(StoreError::Closed)
    }

    /// Ends an entry as failed: kept raw, visible, replayable.
    pub async fn fail(&self, ledger_id: Id, reason: String) -> Result<(), StoreError> {
        let _ = (ledger_id, reason);
        Err(StoreError::Closed)
    }

    /// Notes, before the work, that an entry left over from an earlier run is being tried; answers how often it was.
    pub async fn record_attempt(&self, ledger_id: Id) -> Result<u32, StoreError> {
        let _ = ledger_id;
        Err(StoreError::Closed)
    }

    /// Puts a failed entry back to accepted, and announces it.
    pub async fn replay(&self, ledger_id: Id) -> Result<LedgerEntry, StoreError> {
        let _ = ledger_id;
        Err(StoreError::Closed)
    }

    /// Begins a conversation with its contact, token and first messages, in one commit.
    pub async fn new_conversation(&self, new: NewConversation) -> Result<Conversation, StoreError> {
        let _ = new;
        Err(StoreError::Closed)
    }

    /// Appends a message; a known idempotency key answers the message of the first call.
    pub async fn append_message(&self, conversation: Id, message: NewMessage) -> Result<Message, StoreError> {
        let _ = (conversation, message);
        Err(StoreError::Closed)
    }

    /// Changes what an agent may change.
    pub async fn update_conversation(
        &self,
        conversation: Id,
        status: Option<Status>,
        assignee: Option<String>,
        subject: Option<String>,
    ) -> Result<Conversation, StoreError> {
        let _ = (conversation, status, assignee, subject);
        Err(StoreError::Closed)
    }

    pub async fn conversation(&self, id: Id) -> Result<Conversation, StoreError> {
        let _ = id;
        Err(StoreError::Closed)
    }

    pub async fn conversations(&self, query: ConversationQuery) -> Result<Page<Conversation>, StoreError> {
        let _ = query;
        Err(StoreError::Closed)
    }

    /// The latest `limit` messages of a conversation, oldest first.
    pub async fn messages(&self, conversation: Id, limit: usize) -> Result<Vec<Message>, StoreError> {
        let _ = (conversation, limit);
        Err(StoreError::Closed)
    }

    /// The message an attachment belongs to, with that attachment in it.
    pub async fn attachment_message(&self, attachment: Id) -> Result<Message, StoreError> {
        let _ = attachment;
        Err(StoreError::Closed)
    }

    pub async fn ledger(&self, query: LedgerQuery) -> Result<Page<LedgerEntry>, StoreError> {
        let _ = query;
        Err(StoreError::Closed)
    }

    pub async fn ledger_entry(&self, id: Id) -> Result<LedgerEntry, StoreError> {
        let _ = id;
        Err(StoreError::Closed)
    }

    /// Ends (or, with a time ahead, limits) the life of a conversation's tokens; new tokens are not made.
    pub async fn revoke_tokens(&self, conversation: Id) -> Result<(), StoreError> {
        let _ = conversation;
        Err(StoreError::Closed)
    }

    /// Keeps an API token by its SHA-256.
    pub async fn add_api_token(&self, account: &str, sha256: [u8; 32]) -> Result<Id, StoreError> {
        let _ = (account, sha256);
        Err(StoreError::Closed)
    }

    /// The account that a live API token speaks for.
    pub async fn api_token_account(&self, sha256: [u8; 32]) -> Result<Option<String>, StoreError> {
        let _ = sha256;
        Err(StoreError::Closed)
    }

    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, StoreError> {
        Err(StoreError::Closed)
    }

    pub async fn revoke_api_token(&self, id: Id) -> Result<(), StoreError> {
        let _ = id;
        Err(StoreError::Closed)
    }

    /// A consistent copy while running: database and mail files, into a directory-less single database file.
    pub async fn backup(&self, file: PathBuf) -> Result<(), StoreError> {
        let _ = file;
        Err(StoreError::Closed)
    }

    /// Commits what waits and closes.
    pub async fn close(self) {}
}
