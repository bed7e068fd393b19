//! What the store knows of agents at the desk.

use crate::clock::UnixMs;
use crate::conversation::agent::Agent;

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSession {
    pub agent: Agent,
    pub created_at: UnixMs,
    /// When its use was noted last.
    pub used_at: UnixMs,
}
