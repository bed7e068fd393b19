//! Bounces read to facts: RFC 3464 reports, RFC 5965 complaints, and the non-standard forms of the field.
//!
//! Decides whether a mail is news of a delivery and for whom; whether that news is believed (VERP token, HMAC) is
//! left to filing, because any peer can write a bounce. Linear in the mail, bounded in what it returns.

mod addresses;
mod bounce;
#[cfg(test)]
mod families;
mod feedback;
mod free_form;
mod narrative;
mod original;
mod phrases;
mod rank;
mod read;
mod report;
mod sns;
mod status;
mod suspicion;
mod told;

pub use bounce::{Bounce, BounceKind, BouncedRecipient, DIAGNOSTIC_OCTETS_MAX, RECIPIENTS_MAX};
pub use read::read;
pub use told::{Told, told};
