//! A unit of work as the writer runs it: work inside the batch's transaction, an answer after its commit.

use super::super::StoreError;
use super::super::fresh::Fresh;
use super::super::outgoing::OutgoingSettings;
use super::ids::Ids;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::keys::Keys;
use rusqlite::Connection;
use std::cell::Cell;
use tokio::sync::oneshot;

/// What a unit works with.
pub struct Writing<'a> {
    pub connection: &'a Connection,
    pub ids: &'a Ids,
    pub fresh: &'a Fresh,
    pub keys: &'a Keys,
    pub outgoing: &'a OutgoingSettings,
    /// One time for the whole batch.
    pub now: UnixMs,
    /// Set by a unit after which there may be mail to file.
    pub accepted_mail: &'a Cell<bool>,
    /// Set by a unit after which mail may be due.
    pub outgoing_mail: &'a Cell<bool>,
    /// Set by a unit after which a mail that waits for the chat, or a held message, may be due earlier.
    pub timers: &'a Cell<bool>,
}

impl Writing<'_> {
    /// The next id.
    pub fn next_id(&self) -> Result<Id, StoreError> {
        self.ids.next()
    }

    /// Runs a statement that is prepared once.
    pub fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }
}

/// A unit of work in the writer's queue.
pub trait Unit: Send {
    /// What it adds to a batch.
    fn octets(&self) -> usize;
    /// Its statements, in the batch's transaction. It is run again if the first run of the batch was rolled back.
    fn run(&mut self, writing: &Writing<'_>) -> Result<(), StoreError>;
    /// After the commit, or when it failed.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A closure as unit; who asked may have gone away, the work is committed all the same.
pub struct Work<T, F> {
    octets: usize,
    run: F,
    made: Option<T>,
    asked: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
{
    /// The unit and where its answer arrives.
    pub fn asked(octets: usize, run: F) -> (Box<dyn Unit>, oneshot::Receiver<Result<T, StoreError>>) {
        let (asked, answer) = oneshot::channel();
        (Box::new(Work { octets, run, made: None, asked }), answer)
    }
}

impl<T, F> Unit for Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
{
    fn octets(&self) -> usize {
        self.octets
    }

    fn run(&mut self, writing: &Writing<'_>) -> Result<(), StoreError> {
        self.made = None;
        self.made = Some((self.run)(writing)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Work { made, asked, .. } = *self;
        let _ = asked.send(outcome.and_then(|()| made.ok_or(StoreError::Closed)));
    }
}
