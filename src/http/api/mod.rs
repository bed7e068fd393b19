//! The API under `/api/v1`: one file per kind of thing.

pub mod attachments;
pub mod backup;
pub mod conversations;
pub mod inbound;
pub mod messages;
pub mod reply_address;
pub mod shape;
pub mod tokens;
