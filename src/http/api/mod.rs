//! The API under `/api/v1`: one file per kind of thing.

pub mod agent_passwords;
pub mod agents;
pub mod attachments;
pub mod attention;
pub mod audience;
pub mod backup;
pub mod canned_answers;
pub mod chat;
pub mod continuity;
pub mod conversations;
pub mod events;
pub mod inbound;
pub mod me;
pub mod messages;
pub mod originals;
pub mod preview;
pub mod queue;
pub mod reply_address;
pub mod settings;
pub mod shape;
pub mod shape_hooks;
pub mod shape_outgoing;
pub mod suppressions;
pub mod tokens;
pub mod uploads;
pub mod webhooks;
