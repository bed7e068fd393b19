//! The HTTP surface: the API over TCP (bearer tokens) and over the Unix socket (owner only), health, metrics,
//! what links in mails open, and the demo's pages. The only place with HTTP status codes.

pub mod api;
pub mod caller;
mod client_address;
pub mod desk;
pub mod error;
pub mod health;
pub mod ingress;
pub mod input;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod places;
pub mod public;
pub mod router;
pub mod surface;
pub mod unread;
pub mod widget;

pub use listener::{Doors, start};
pub use surface::Surface;
