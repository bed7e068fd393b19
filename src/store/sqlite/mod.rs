//! SQLite behind the store: one writer thread that commits many units at once, a few read-only connections, and the
//! statements of each duty. WAL with synchronous=FULL: a commit that returned is on disk.

pub(super) mod accept;
pub(super) mod agent_orders;
pub(super) mod agents;
pub(super) mod api_tokens;
pub(super) mod attempts;
pub(super) mod begin;
pub(super) mod bounces;
pub(super) mod bridge;
pub(super) mod checkpoint;
pub(super) mod claim;
pub(super) mod connection;
pub(super) mod conversations;
pub(super) mod enqueue;
pub(super) mod events;
pub(super) mod filing;
pub(super) mod ids;
pub(super) mod ledger;
pub(super) mod messages;
pub(super) mod operate;
pub(super) mod queue;
pub(super) mod readers;
pub(super) mod refusals;
pub(super) mod reply_tokens;
pub(super) mod routing;
pub(super) mod schema;
pub(super) mod subscriptions;
pub(super) mod suppressions;
pub(super) mod tend;
pub(super) mod to_compose;
pub(super) mod units;
pub(super) mod uploads;
pub(super) mod words;
pub(super) mod writer;
