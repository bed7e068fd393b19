//! What an attempt carries: a mail of the queue, or a letter with a sign-in link.

use super::in_hand::Told;
use super::session::Envelope;
use std::sync::Arc;

pub trait Cargo: Send {
    /// What the log calls it.
    fn name(&self) -> String;

    /// What goes over the wire; every host of the attempt gets the same.
    fn content(&mut self) -> impl Future<Output = Result<(Envelope, Arc<Vec<u8>>), Box<Told>>> + Send;

    /// The peer has all but the last octet. `Err` in words: it must not be sent.
    fn data_sent(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}
