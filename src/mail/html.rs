//! Untrusted HTML made safe to show.
