//! The HTTP ingresses: whole mails brought by providers and by pipes, in the form in which each of them brings mail to
//! Action Mailbox. Paths, statuses and bodies are theirs to the octet (docs/DOORS.md); what is ours comes behind: the same
//! acceptance, ledger and limits as for SMTP.
//!
//! A request passes: door set up (404)? secret there (500)? credentials (401)? form of the request (4xx)? Then
//! `inbound` decides about the mail, and only trouble of the store is told to the provider (500): what a mail's sender
//! would be told over SMTP, a provider would only repeat for hours.

mod answer;
mod basic;
mod body;
mod call;
mod collect;
mod deliver;
mod description;
mod form;
mod intake;
mod json;
mod keys;
mod mailgun;
mod mandrill;
mod multipart;
mod piece;
mod postmark;
mod relay;
mod routes;
mod sendgrid;
mod wrong_doors;

pub use description::describe;
pub use routes::{doors, router};
pub use wrong_doors::WrongDoors;
