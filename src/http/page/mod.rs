//! The demo's page: one conversation, plain HTML, no script of strangers.

pub mod assets;
pub mod conversation;
