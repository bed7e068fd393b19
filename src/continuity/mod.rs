//! From the chat to mail: wakes when a mail that waits for the chat, or a held message, is due, and has the store look again.
//!
//! What is decided then stands in [`crate::conversation::continuity`] and nowhere else; this stage only owns the moment. It
//! alone lets time turn what waits into mail to be sent, which `outbound` then finds in the queue.

mod worker;

pub use worker::{Handle, Services, start};
