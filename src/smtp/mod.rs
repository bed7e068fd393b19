//! SMTP and LMTP as a receiver, and SMTP as a sender (`client`), sans-IO: octets and answers in; octets, questions and deadlines out. Pure.
//!
//! The shell (`inbound::session`) polls [`session::Session`], does what each output says, and decides nothing about
//! mail. RFC 5321, 2033 (LMTP), 1870, 1652/6152, 2034, 2920, 3030, 3207, 6531, 9422.

pub mod client;
pub mod content_scan;
pub mod question;
pub mod reply;
pub mod session;

mod chunk;
mod command;
mod content;
mod data;
mod deadline;
mod extension;
mod input;
mod parameters;
mod xclient;
