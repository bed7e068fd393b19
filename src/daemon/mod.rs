//! The composition root: sockets, store, stages and surfaces put together, started, reloaded and stopped in order.

pub mod composition;
pub mod demo;
mod descriptors;
mod error;
mod published_keys;
mod reload;
pub mod serve;
mod service_manager;
pub mod sockets;
pub mod telemetry;

pub use composition::{Ingredients, Running};
pub use error::StartError;
