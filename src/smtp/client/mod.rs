//! SMTP as a sender, sans-IO: a host's octets in, replies and capabilities out; commands and stuffed content out. Pure.
//!
//! The shell is `outbound::session`. RFC 5321, 1870 (SIZE), 2034 (enhanced codes), 2920 (PIPELINING), 6531 (SMTPUTF8),
//! 8689 (REQUIRETLS).

pub mod capabilities;
pub mod command;
pub mod outgoing;
pub mod remote_reply;
