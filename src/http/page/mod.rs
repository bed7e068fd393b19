//! The demo's pages: three panes, the shop that has the chat, and the mailboxes. No script of strangers.

pub mod assets;
pub mod local;
pub mod looks;
pub mod mailbox;
pub mod mailboxes;
pub mod shop;
pub mod stage;
