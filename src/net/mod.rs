//! Sockets and what guards them: listening, the PROXY header, TLS, slots, throttles, and the counters of all of it.
//! Nothing here knows what is said on a connection.

pub mod budget;
pub mod client;
pub mod counters;
pub mod dialable;
pub mod handshake_words;
pub mod https;
pub mod listen;
pub mod permits;
pub mod proxy;
pub mod roots;
pub mod stream;
pub mod throttle;
pub mod tls;
pub mod x509;
