//! The stage that sends: due mail of the queue is composed, signed, routed and delivered, and what became of it goes back to
//! the store.

pub mod broken_tls;
pub mod dane;
pub mod hop;
mod hop_security;
mod mta_sts;
mod mx;
mod own;
mod policies;
mod policy_fetch;
pub mod route;
mod site;
mod smarthost;
