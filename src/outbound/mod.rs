//! The stage that sends: due mail of the queue is composed, signed, routed and delivered, and what became of it goes back to
//! the store.

pub mod attempt;
pub mod broken_tls;
pub mod compose;
pub mod dane;
pub mod hop;
pub mod mta_sts;
pub mod outcome;
pub mod route;
mod running;
pub mod session;
pub mod timeouts;
pub mod verifier;

mod authentication;
mod cargo;
mod composing;
mod connections;
mod deliver;
mod drain;
mod fallback;
mod files;
mod greylist;
mod hop_security;
mod in_hand;
mod judge;
mod kept_file;
mod letter;
mod mx;
mod own;
mod policies;
mod policy_fetch;
mod pool;
mod schedule;
mod scram;
mod services;
mod sign_in;
mod site;
mod sites;
mod smarthost;
mod transaction;
mod transcript;
mod ways;
mod wire;
mod worker;

pub use composing::Compose;
pub use services::{SendingError, Services, ServicesParts};
pub use worker::{Handle, start};
