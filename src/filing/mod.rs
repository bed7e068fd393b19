//! The stage that makes messages of accepted mail: class, route, content, one commit. Idempotent, replayable, poison-proof.

pub mod inspect;
