//! A mail as bytes and as what a person wrote: addresses, ids, parts, quotes, automatic-mail signals, bounces. Pure.

pub mod address;
pub mod automatic;
pub mod dsn;
mod html_lines;
pub mod html_text;
mod html_token;
pub mod msg_id;
pub mod parsed;
pub mod quoted;
