//! From what the store has to the octets of one mail: what it says, its header, its signatures.
//!
//! Pure: keys, config and the octets of files are arguments, times come from the queue entry, so the same entry gives the
//! same octets at every attempt. What is sent when and where is the worker's to decide.

mod addressing;
mod attachments;
mod composed;
pub mod example;
mod fields;
mod history;
mod hypertext;
mod inspection;
mod mime;
mod sender;
mod sign_in;
mod templates;
mod threading;
mod view;
mod words;

pub use composed::{ComposeError, Composed, File, compose, files_wanted};
pub use sender::{Sender, SenderError};
pub use sign_in::{SignInMail, compose_sign_in};
