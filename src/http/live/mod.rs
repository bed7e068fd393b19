//! What is live: events of the store handed to whoever listens to their conversation, and whispers, which are never
//! stored (who types, who looks). One reader of the store for all listeners: ten thousand open chats cost one look per commit.

mod follow;
mod hub;
mod whisper;

pub use follow::follow;
pub use hub::{Desk, Heard, Live, Tuned};
pub use whisper::{Whisper, Whispered};
