//! The stage that makes messages of accepted mail: class, route, content, one commit. Idempotent, replayable, poison-proof.

pub mod agent_mail;
pub mod bounce;
pub mod discretion;
pub mod inspect;
pub mod message;
pub mod reading;
pub mod route;
pub mod threads;
pub mod wanted;
pub mod worker;

pub use worker::{Handle, Services, start};
