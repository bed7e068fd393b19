//! The stage that sends: due mail of the queue is composed, signed, routed and delivered, and what became of it goes back to
//! the store.

pub mod dane;
pub mod hop;
pub mod route;

mod drain;
mod in_hand;
mod pool;
mod schedule;
mod services;
mod sites;
mod worker;
