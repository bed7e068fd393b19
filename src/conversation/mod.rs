//! What replyd keeps: conversations, messages, who takes part, and the tokens that let mail in. Pure.

pub mod id;
pub mod model;
pub mod reply_token;
pub mod threading;
