//! replyd carries website chats on by email: it is the MX for `reply+<hex>@…`, keeps every mail, files each
//! one into its conversation, and serves conversations over HTTP.
//!
//! The tree is the path of a mail. `docs/ARCHITECTURE.md` maps it; `tests/architecture.rs` holds the layer
//! table: a module imports only from strictly lower layers, and the pure modules do no I/O and read no clock.

// Layer 0
pub mod clock;
pub mod limits;
pub mod retry;
// Layer 1, pure
pub mod mail;
// Layer 2, pure
pub mod continuity;
pub mod conversation;
pub mod smtp;
// Layer 3
pub mod config;
// Layer 4, ports
pub mod dns;
pub mod net;
pub mod store;
// Layer 5
pub mod sender_auth;
// Layer 6, stages: they meet only in the store
pub mod filing;
pub mod inbound;
pub mod outbound;
pub mod webhooks;
// Layer 7
pub mod http;
// Layer 8
pub mod daemon;
// Layer 9
pub mod cli;
