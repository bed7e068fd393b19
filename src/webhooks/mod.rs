//! From the store to other systems over HTTP: events to their subscribers, raw mail over a bridge to another ingress.
//!
//! Each receiver has a [`stream`] of its own, so that one that hangs or fails keeps no other waiting. [`lanes`] decides what is
//! sent next, [`receiver`] when a receiver is left alone, [`schedule`] when something is tried again; [`supervisor`] has a
//! stream running for each subscription and bridge there is. What is sent and where it is written down: [`subscriber`] and
//! [`bridge`]; mail that fails by its own fault: [`aside`].

mod aside;
mod bridge;
mod exchange;
mod lanes;
mod notice;
mod raw_body;
mod receiver;
mod schedule;
mod services;
mod signature;
mod stream;
mod subscriber;
mod supervisor;

pub use services::{Schedules, Services, ServicesParts};
pub use supervisor::{Handle, start};
