//! The handle: every unit of work as one method. What it runs in SQL stands in `sqlite/`.

use super::counters::{Counters, Histograms};
use super::engine::Engine;
use super::ledger::{LedgerEntry, LedgerQuery, Refusal};
use super::mail_file::MailOctets;
use super::query::{ApiTokenRow, ConversationQuery};
use super::sqlite::accept::Octets;
use super::sqlite::refusals::BATCH_MAX;
use super::sqlite::units::Writing;
use super::sqlite::writer::{Fault, Order};
use super::sqlite::{
    accept, api_tokens, begin, conversations, filing, ledger, listing, messages, reply_tokens, routing, search_index,
};
use super::unit::{Acceptance, AcceptedEntry, FilingResult, NewConversation, NewMessage, RoutingEvidence, TokenState};
use super::{StoreError, backup};
use crate::clock::Clock;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Message, Status};
use crate::conversation::reply_token::ReplyToken;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;

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
pub struct Store {
    pub(super) engine: Arc<Engine>,
}

impl Store {
    /// Opens or creates the store under `data_dir`, migrates it, checks its pragmas by reading them back, and
    /// collects leftovers of an earlier crash.
    pub fn open(data_dir: &Path, clock: Clock) -> Result<Store, StoreError> {
        Ok(Store { engine: Arc::new(Engine::open(data_dir, clock)?) })
    }

    /// Commits a mail and one ledger entry per recipient; returns when they are on disk.
    pub async fn accept(&self, mut acceptance: Acceptance) -> Result<Vec<AcceptedEntry>, StoreError> {
        let (octets, size) = self.settle(&mut acceptance).await?;
        let weight = if let Octets::Memory(octets) = &octets { octets.len() } else { 0 };
        let file = if let Octets::File(id) = &octets { Some(self.engine.data_dir.mail_file(*id)) } else { None };
        let entries =
            self.engine.write(weight, move |writing| accept::accept(writing, &acceptance, &octets, size)).await?;
        // After a failed commit the file stays: whether the disk holds the commit is known at the next start only.
        if let Some(file) = file.filter(|_| entries.iter().all(|entry| entry.duplicate)) {
            let _ = tokio::fs::remove_file(file).await;
        }
        Ok(entries)
    }

    /// Writes a ledger entry for a mail that was not accepted, in the next commit, without waiting for it.
    pub fn refuse(&self, refusal: Refusal) {
        if self.engine.shared.refusals.push(refusal) {
            self.engine.tell(Order::Look);
        }
    }

    /// What RCPT has to know of a token; the same work for known and unknown ones.
    pub async fn token_state(&self, token: ReplyToken) -> Result<TokenState, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.look_up(move |connection| reply_tokens::state(connection, token, now)).await
    }

    /// `Err` while nothing may be accepted; mends itself when the cause is gone.
    pub fn health(&self) -> Result<(), StoreError> {
        self.engine.shared.trouble().map_or(Ok(()), Err)
    }

    /// Units of work that wait for the writer.
    pub fn commits_waiting(&self) -> usize {
        self.engine.shared.counting.waiting.load(Ordering::Relaxed)
    }

    /// Free space of the data directory's file system.
    pub fn free_space(&self) -> Result<FreeSpace, StoreError> {
        self.engine.data_dir.free_space()
    }

    /// The size of the data directory's file system in octets.
    pub fn disk_size(&self) -> Result<u64, StoreError> {
        self.engine.data_dir.disk_size()
    }

    /// Where spill files are made; the same file system as the mail files.
    pub fn spool_dir(&self) -> &Path {
        self.engine.data_dir.spool()
    }

    /// Announces that there may be accepted mail to file.
    pub fn accepted_mail(&self) -> watch::Receiver<u64> {
        self.engine.shared.accepted_mail.subscribe()
    }

    /// Announces commits: whoever shows the store's content looks again.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.engine.shared.committed.subscribe()
    }

    /// Entries with outcome `accepted`, oldest first, later than `after`.
    pub async fn unfiled(&self, after: Option<Id>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.engine.readers.look_up(move |connection| ledger::unfiled(connection, after, limit)).await
    }

    /// The octets of a raw mail.
    pub async fn raw_mail(&self, raw_id: Id) -> Result<Vec<u8>, StoreError> {
        if let Some(octets) = self.engine.shared.fresh.take(raw_id) {
            return Ok(octets);
        }
        if let Some(octets) =
            self.engine.readers.look_up(move |connection| ledger::raw_octets(connection, raw_id)).await?
        {
            return Ok(octets);
        }
        let file = self.engine.data_dir.mail_file(raw_id);
        self.engine.readers.read(move |_| Ok(std::fs::read(file)?)).await
    }

    /// Loads what routing may go by.
    pub async fn routing_evidence(
        &self,
        account: &str,
        tokens: Vec<ReplyToken>,
        message_ids: Vec<String>,
        sender: Option<String>,
    ) -> Result<RoutingEvidence, StoreError> {
        let now = self.engine.shared.clock.now();
        let question = routing::Question { account: account.to_owned(), tokens, message_ids, sender, now };
        self.engine.readers.look_up(move |connection| routing::evidence(connection, &question)).await
    }

    /// The latest outgoing texts of a conversation, for recognising quotes.
    pub async fn sent_texts(&self, conversation: Id, limit: usize) -> Result<Vec<String>, StoreError> {
        self.engine.readers.look_up(move |connection| messages::sent_texts(connection, conversation, limit)).await
    }

    /// Commits a message into its conversation and ends the ledger entry, once: a second call changes nothing.
    pub async fn file(&self, result: FilingResult) -> Result<Filed, StoreError> {
        self.engine.write(octets_of(&result), move |writing| filing::file(writing, &result)).await
    }

    /// The same for several entries; each is a unit of its own, and they are handed over together.
    pub async fn file_all(&self, results: Vec<FilingResult>) -> Result<Vec<Result<Filed, StoreError>>, StoreError> {
        let work =
            |result: FilingResult| (octets_of(&result), move |writing: &Writing<'_>| filing::file(writing, &result));
        self.engine.write_all(results.into_iter().map(work).collect()).await
    }

    /// Ends an entry as failed: kept raw, visible, replayable.
    pub async fn fail(&self, ledger_id: Id, reason: String) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| ledger::fail(writing, ledger_id, &reason)).await
    }

    /// Notes, before the work, that an entry left over from an earlier run is being tried; answers how often it was.
    pub async fn record_attempt(&self, ledger_id: Id) -> Result<u32, StoreError> {
        self.engine.write(0, move |writing| ledger::record_attempt(writing, ledger_id)).await
    }

    /// Puts a failed entry back to accepted, and announces it.
    pub async fn replay(&self, ledger_id: Id) -> Result<LedgerEntry, StoreError> {
        self.engine.write(0, move |writing| ledger::replay(writing, ledger_id)).await
    }

    /// Begins a conversation with its contact, token and first messages, in one commit.
    pub async fn new_conversation(&self, new: NewConversation) -> Result<Conversation, StoreError> {
        let work = move |writing: &Writing<'_>| {
            let id = begin::conversation(writing, &new)?;
            conversations::conversation(writing.connection, id)
        };
        self.engine.write(0, work).await
    }

    /// Appends a message; a known idempotency key answers the message of the first call.
    pub async fn append_message(&self, conversation: Id, message: NewMessage) -> Result<Message, StoreError> {
        let work = move |writing: &Writing<'_>| {
            let id = messages::append(writing, conversation, &message)?;
            messages::message(writing.connection, id)
        };
        self.engine.write(0, work).await
    }

    /// Changes what an agent may change.
    pub async fn update_conversation(
        &self,
        conversation: Id,
        status: Option<Status>,
        assignee: Option<String>,
        subject: Option<String>,
    ) -> Result<Conversation, StoreError> {
        let work = move |writing: &Writing<'_>| {
            conversations::update(writing, conversation, status, assignee.as_deref(), subject.as_deref())?;
            conversations::conversation(writing.connection, conversation)
        };
        self.engine.write(0, work).await
    }

    pub async fn conversation(&self, id: Id) -> Result<Conversation, StoreError> {
        self.engine.readers.read(move |connection| conversations::conversation(connection, id)).await
    }

    pub async fn conversations(&self, query: ConversationQuery) -> Result<Page<Conversation>, StoreError> {
        if query.query.is_some() && self.engine.readers.look_up(search_index::is_behind).await? {
            self.engine.index().await;
        }
        self.engine.readers.read(move |connection| listing::page(connection, &query)).await
    }

    /// The latest `limit` messages of a conversation, oldest first.
    pub async fn messages(&self, conversation: Id, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.engine.readers.read(move |connection| messages::latest(connection, conversation, limit)).await
    }

    /// The message an attachment belongs to, with that attachment in it.
    pub async fn attachment_message(&self, attachment: Id) -> Result<Message, StoreError> {
        self.engine.readers.read(move |connection| messages::of_attachment(connection, attachment)).await
    }

    pub async fn ledger(&self, query: LedgerQuery) -> Result<Page<LedgerEntry>, StoreError> {
        self.write_refusals().await?;
        self.engine.readers.read(move |connection| ledger::page(connection, &query)).await
    }

    pub async fn ledger_entry(&self, id: Id) -> Result<LedgerEntry, StoreError> {
        self.engine.readers.read(move |connection| ledger::entry(connection, id)).await
    }

    /// Ends the life of a conversation's tokens; new tokens are not made.
    pub async fn revoke_tokens(&self, conversation: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| reply_tokens::revoke(writing, conversation)).await
    }

    /// Lets a conversation's tokens expire at this time, or never; revoked ones stay revoked.
    pub async fn expire_tokens(&self, conversation: Id, at: Option<UnixMs>) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| reply_tokens::expire(writing, conversation, at)).await
    }

    /// Keeps an API token by its SHA-256.
    pub async fn add_api_token(&self, account: &str, sha256: [u8; 32]) -> Result<Id, StoreError> {
        let account = account.to_owned();
        self.engine.write(0, move |writing| api_tokens::add(writing, &account, &sha256)).await
    }

    /// The account that a live API token speaks for.
    pub async fn api_token_account(&self, sha256: [u8; 32]) -> Result<Option<String>, StoreError> {
        self.engine.readers.look_up(move |connection| api_tokens::account(connection, &sha256)).await
    }

    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, StoreError> {
        self.engine.readers.read(api_tokens::list).await
    }

    pub async fn revoke_api_token(&self, id: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| api_tokens::revoke(writing, id)).await
    }

    /// A consistent copy while running: database and mail files in one database file, which restores as `replyd.db`
    /// in an empty data directory. An existing file is an error.
    pub async fn backup(&self, file: PathBuf) -> Result<(), StoreError> {
        let data_dir = Arc::clone(&self.engine.data_dir);
        self.engine.readers.read(move |connection| backup::write(connection, &data_dir, &file)).await
    }

    /// Commits what waits and closes.
    pub async fn close(self) {
        let closing = tokio::task::spawn_blocking(move || self.engine.close());
        let _ = closing.await;
    }

    /// What the store counts about itself.
    pub fn counters(&self) -> Counters {
        self.engine.shared.counting.read()
    }

    /// How its commits are spread, for whoever shows it.
    pub fn histograms(&self) -> Histograms {
        self.engine.shared.counting.histograms.clone()
    }

    /// Makes something go wrong, for tests of what then happens.
    #[doc(hidden)]
    pub fn inject(&self, fault: Fault) {
        self.engine.tell(Order::Fault(fault));
    }

    /// Brings the octets where the commit finds them, and says how many they are.
    pub(super) async fn settle(&self, acceptance: &mut Acceptance) -> Result<(Octets, u64), StoreError> {
        let octets = std::mem::replace(&mut acceptance.octets, MailOctets::Memory(Vec::new()));
        let size = octets.len();
        match octets {
            MailOctets::Memory(octets) => Ok((Octets::Memory(Arc::new(octets)), size)),
            MailOctets::Spilled { path, .. } => {
                let id = self.engine.shared.ids.next()?;
                let data_dir = Arc::clone(&self.engine.data_dir);
                let kept = tokio::task::spawn_blocking(move || data_dir.keep(&path, id)).await;
                match kept.map_err(|error| StoreError::Unhealthy(error.to_string()))? {
                    Ok(()) => Ok((Octets::File(id), size)),
                    Err(error) => Err(self.fell_ill(error.into())),
                }
            }
        }
    }

    /// A mail file that could not be written: the writer finds out whether the disk still takes anything.
    pub(super) fn fell_ill(&self, error: StoreError) -> StoreError {
        self.engine.shared.fell_ill(&error);
        self.engine.tell(Order::Look);
        error
    }

    /// Whoever looks at the ledger sees what was refused before.
    async fn write_refusals(&self) -> Result<(), StoreError> {
        let batches = self.engine.shared.refusals.waiting().div_ceil(BATCH_MAX);
        for _ in 0..batches {
            if self.health().is_ok() {
                self.engine.write(0, |_| Ok(())).await?;
            }
        }
        Ok(())
    }
}

fn octets_of(result: &FilingResult) -> usize {
    result.message.as_ref().map_or(0, |message| message.text.len() + message.quoted.len())
}
