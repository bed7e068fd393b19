//! A mail as bytes and as what a person wrote: addresses, ids, parts, quotes, automatic-mail signals, bounces. Pure.

pub mod address;
pub mod automatic;
pub mod charset;
pub mod content;
pub mod defects;
pub mod delimiter;
pub mod dsn;
pub mod encoded_word;
pub mod file_name;
pub mod flowed;
pub mod headers;
pub mod html;
mod html_lines;
pub mod html_text;
mod html_token;
pub mod identity;
pub mod line_end;
pub mod mailboxes;
pub mod msg_id;
pub mod parameters;
pub mod parsed;
pub mod part;
pub mod quoted;
pub mod structure;
pub mod traces;
pub mod transfer;
mod vacation;
