//! From the store to other systems over HTTP: events to their subscribers, raw mail over a bridge to another ingress.
//!
//! Each receiver has a stream of its own, so that one that hangs or fails keeps no other waiting. [`lanes`] says what is sent
//! next, [`receiver`] when a receiver is left alone, [`schedule`] when something is tried again; [`stream`] does it.

mod lanes;
mod receiver;
