//! The JSON shape of the mail log.

use super::shape_hooks::BridgeShape;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Ingress, Outcome};
use crate::mail::dsn::Bounce;
use crate::store::ledger::LedgerEntry;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct InboundShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub received_at: String,
    #[schema(value_type = String)]
    pub ingress: Ingress,
    /// The word by which the log names the SMTP session.
    pub session: String,
    pub remote_ip: Option<String>,
    pub helo: Option<String>,
    pub tls: Option<String>,
    /// It came with REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    pub envelope_from: Option<String>,
    pub envelope_to: Option<String>,
    pub account: Option<String>,
    pub message_id: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<String>,
    #[schema(value_type = String)]
    pub outcome: Outcome,
    pub reason: String,
    pub reply: String,
    #[schema(value_type = Option<Object>)]
    pub auth: Option<serde_json::Value>,
    #[schema(value_type = Option<String>)]
    pub raw_id: Option<Id>,
    /// Whom the mail names as its author, and its subject; shown with a single entry whose mail is kept.
    pub from: Option<String>,
    pub subject: Option<String>,
    /// Until when a mail is kept that was answered as taken and that nobody took: until then it can be replayed.
    pub kept_until: Option<String>,
    /// Shown with a single entry, for a bounce that concerns no conversation.
    #[schema(value_type = Option<Object>)]
    pub bounce: Option<Bounce>,
    /// How it fares on its way over a bridge; null if it goes over none.
    pub bridge: Option<BridgeShape>,
    #[schema(value_type = Option<String>)]
    pub conversation_id: Option<Id>,
    #[schema(value_type = Option<String>)]
    pub message_id_stored: Option<Id>,
}

impl From<LedgerEntry> for InboundShape {
    fn from(entry: LedgerEntry) -> InboundShape {
        InboundShape {
            id: entry.id,
            received_at: entry.received_at.rfc3339(),
            ingress: entry.ingress,
            session: entry.session,
            remote_ip: entry.remote_ip.map(|ip| ip.to_string()),
            helo: entry.helo,
            tls: entry.tls,
            require_tls: entry.require_tls,
            envelope_from: entry.envelope_from,
            envelope_to: entry.envelope_to,
            account: entry.account,
            message_id: entry.message_id,
            size: entry.size,
            sha256: entry.sha256,
            outcome: entry.outcome,
            reason: entry.reason,
            reply: entry.reply,
            auth: entry.auth,
            raw_id: entry.raw_id,
            from: None,
            subject: None,
            kept_until: entry.kept_until.map(UnixMs::rfc3339),
            bounce: None,
            bridge: None,
            conversation_id: entry.conversation_id,
            message_id_stored: entry.message_id_stored,
        }
    }
}
