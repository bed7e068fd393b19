//! The stage that sends: due mail of the queue is composed, signed, routed and delivered, and what became of it goes back to
//! the store.

pub mod attempt;
pub mod hop;
pub mod outcome;
pub mod route;
pub mod session;
pub mod timeouts;

mod connections;
mod deliver;
mod drain;
mod in_hand;
mod letter;
mod pool;
mod schedule;
mod services;
mod sites;
mod ways;
mod worker;

pub use services::{SendingError, Services, ServicesParts};
pub use worker::{Handle, start};
