//! Who wrote a mail: SPF, DKIM, DMARC, ARC and iprev → results → verdict; and the proof that mail of ours is ours.
//!
//! mail-auth canonicalises, hashes and verifies signatures; what is tried, in which bounds, and what a result is worth
//! is decided here (docs/AUTHENTICATION.md). `Authentication-Results` fields that a mail brings along are not read.

mod alignment;
mod arc;
mod author;
mod dkim;
mod dmarc;
mod fields;
mod iprev;
mod key_record;
pub mod own_key;
pub mod published;
mod results;
mod signature;
mod signer;
mod spf;
mod tag_list;
mod verdict;
mod verifier;

pub use results::{
    ArcResult, AuthResults, DkimResult, DkimSignature, Dmarc, DmarcResult, IprevResult, Policy, SpfResult, Verdict,
};
pub use signer::{Alignment, KeyError, SignError, Signer, has_clean_lines};
pub use verifier::{Check, Verifier};
