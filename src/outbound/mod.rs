//! The stage that sends: due mail of the queue is composed, signed, routed and delivered, and what became of it goes back to
//! the store.

pub mod hop;

mod pool;
mod sites;
