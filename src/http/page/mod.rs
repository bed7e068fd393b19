//! The demo's pages: one conversation, and the mailboxes of those who take part in it. No script of strangers.

pub mod assets;
pub mod conversation;
pub mod local;
pub mod looks;
pub mod mailbox;
pub mod mailboxes;
