//! What replyd keeps: conversations, messages, who takes part, the tokens that let mail in, and how mail goes out. Pure.

pub mod agent;
pub mod commands;
pub mod continuity;
pub mod delivery;
pub mod event;
pub mod id;
pub mod keys;
pub mod language;
pub mod links;
pub mod model;
pub mod presence;
pub mod quiet_hours;
pub mod reply_token;
pub mod sign_in;
pub mod terms;
pub mod threading;
pub mod told;
