//! Questions to the DNS: one bounded resolver for the whole process, a budget of questions for each mail, and a zone
//! served on loopback for tests, benches and `inspect --zone`.
//!
//! What an answer means for SPF, DKIM or DMARC is decided in `sender_auth`.

mod questions;
mod resolver;
mod secure;
mod zone;
mod zone_server;

pub use hickory_resolver::proto::dnssec::TrustAnchors;
pub use questions::Questions;
pub use resolver::{Answer, DnsFailure, Exchange, Resolver, ResolverError, Texts, Tlsa};
pub use secure::SecureResolver;
pub use zone::{Zone, ZoneError};
pub use zone_server::ZoneServer;
