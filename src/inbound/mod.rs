//! The doors by which mail comes in: SMTP and LMTP sessions on accepted sockets, and whole mails that other doors
//! (HTTP ingress, pipe) bring to [`receive::accept_mail`]. It ends when the raw mail is durable in the ledger.
//!
//! The composition root makes [`Services`] and bound [`Listener`]s and calls [`start`]; cancelling the token it gives
//! begins the drain, and [`Handle::stopped`] returns when that has ended. Running sessions keep the limits they began
//! with; accounts and policy are read anew at every question.
//!
//! [`Services`] is shared by every door; `http` takes a clone of the `Arc` for its ingresses.
//!
//! The session shell decides nothing about mail: `smtp` knows the protocol, `policy` decides from evidence, the store
//! commits. What was refused while a mail was offered is in the ledger as well.

pub mod addressee;
mod content_buffer;
pub mod doorstep;
mod header;
pub mod kept;
mod ledger;
mod listener;
pub mod policy;
pub mod receive;
mod recipient_hook;
pub mod recipients;
mod respondent;
mod services;
mod session;
mod space;
mod transaction;

pub use content_buffer::{Content, ContentBuffer, ContentError};
pub use listener::{Door, Handle, Leftover, Listener, start};
pub use recipient_hook::RecipientHooks;
pub use services::{Services, ServicesParts};
