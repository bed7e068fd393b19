//! The tables, as ordered forward-only migrations counted by `user_version`. A released migration is never edited:
//! `tests/it/upgrade.rs` opens a database of every released version.

use super::super::StoreError;
use rusqlite::Connection;

/// "rply": tells our database from any other SQLite file.
const APPLICATION_ID: i32 = 0x7270_6c79;

/// Migration number n brings the database from version n to n + 1.
pub const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5];

/// Brings the database to the newest version, each step in its own transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let owner: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Database(format!(
            "its schema has version {found}, this replyd knows up to {}; run the newer replyd",
            MIGRATIONS.len()
        )));
    }
    if found > 0 && owner != APPLICATION_ID {
        return Err(StoreError::Database("it is not a database of replyd".into()));
    }
    for (version, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

/// `raw_mail.octets` is NULL for a mail in `mail/<id>.eml`. `recent_mail` holds what duplicates are told by for as long
/// as they are looked for, keyed by 64 bits of a digest so that its B-tree stays small; the ledger decides equality.
/// `messages_raw` makes one raw mail one message of a conversation, whoever files it again.
/// The two partial indexes cost accepted and filed mail almost nothing: they hold only what waits or was refused.
const V1: &str = "
CREATE TABLE raw_mail (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, octets BLOB) STRICT;
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, ingress TEXT NOT NULL, session TEXT NOT NULL,
  remote_ip TEXT, helo TEXT, tls TEXT, envelope_from TEXT, envelope_to TEXT, account TEXT, message_id TEXT,
  size INTEGER, sha256 BLOB, outcome TEXT NOT NULL, reason TEXT NOT NULL, reply TEXT NOT NULL, auth TEXT,
  raw_id INTEGER, conversation_id INTEGER, stored_message_id INTEGER, attempts INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX ledger_account ON ledger (account, id);
CREATE INDEX ledger_unfiled ON ledger (id) WHERE outcome = 'accepted';
CREATE INDEX ledger_refused ON ledger (id) WHERE outcome IN ('rejected', 'deferred');
CREATE TABLE recent_mail (digest INTEGER PRIMARY KEY, ledger_id INTEGER NOT NULL) STRICT;
CREATE TABLE contacts (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT, email TEXT, identifier TEXT,
  created_at INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX contacts_email ON contacts (account, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX contacts_identifier ON contacts (account, identifier) WHERE identifier IS NOT NULL;
CREATE TABLE conversations (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, inbox TEXT NOT NULL, channel TEXT NOT NULL, status TEXT NOT NULL,
  subject TEXT, assignee TEXT, contact_id INTEGER NOT NULL REFERENCES contacts, reply_token BLOB NOT NULL,
  created_at INTEGER NOT NULL, active_at INTEGER NOT NULL, last_message_at INTEGER,
  unseen_by_contact INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX conversations_active ON conversations (account, active_at, id);
CREATE INDEX conversations_contact ON conversations (contact_id);
CREATE TABLE participants (
  conversation_id INTEGER NOT NULL REFERENCES conversations, email TEXT NOT NULL, name TEXT, since INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, email)) STRICT, WITHOUT ROWID;
CREATE TABLE reply_tokens (
  token BLOB PRIMARY KEY, account TEXT NOT NULL, conversation_id INTEGER NOT NULL REFERENCES conversations,
  participant TEXT, created_at INTEGER NOT NULL, revoked_at INTEGER, expires_at INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX reply_tokens_conversation ON reply_tokens (conversation_id);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL REFERENCES conversations, direction TEXT NOT NULL,
  author_kind TEXT NOT NULL, author_name TEXT, author_email TEXT, via TEXT NOT NULL, text TEXT NOT NULL, html TEXT,
  quoted TEXT NOT NULL, signature TEXT NOT NULL, created_at INTEGER NOT NULL, seen_at INTEGER, email TEXT,
  raw_id INTEGER, idempotency_key TEXT) STRICT;
CREATE INDEX messages_conversation ON messages (conversation_id, id);
CREATE INDEX messages_sent ON messages (conversation_id, id) WHERE direction = 'outgoing';
CREATE UNIQUE INDEX messages_idempotency ON messages (conversation_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX messages_raw ON messages (conversation_id, raw_id) WHERE raw_id IS NOT NULL;
CREATE TABLE attachments (
  id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL REFERENCES messages, name TEXT NOT NULL, media_type TEXT NOT NULL,
  size INTEGER NOT NULL, inline INTEGER NOT NULL, content_id TEXT, sha256 TEXT NOT NULL, part INTEGER NOT NULL) STRICT;
CREATE INDEX attachments_message ON attachments (message_id);
CREATE TABLE message_ids (
  account TEXT NOT NULL, message_id TEXT NOT NULL, stored_id INTEGER NOT NULL, conversation_id INTEGER NOT NULL,
  PRIMARY KEY (account, message_id, stored_id)) STRICT, WITHOUT ROWID;
CREATE TABLE api_tokens (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL,
  revoked_at INTEGER) STRICT;
CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE probe (id INTEGER PRIMARY KEY, octets BLOB NOT NULL) STRICT;
";

/// Outgoing mail. `queue_due` and `queue_site` hold only what may be tried: what is in hand, held or ended costs them
/// nothing. A mail's messages stand in `queue_messages`; what goes out together is one mail. `subject` and `thread` are the
/// Subject and References that it went out with: the next mail to the same recipient continues them.
const V2: &str = "
CREATE TABLE secrets (name TEXT PRIMARY KEY, octets BLOB NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO secrets (name, octets) VALUES ('keys', randomblob(32));
CREATE TABLE agents (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL, inboxes TEXT,
  by_mail INTEGER NOT NULL, created_at INTEGER NOT NULL, removed_at INTEGER) STRICT;
CREATE UNIQUE INDEX agents_email ON agents (account, email) WHERE removed_at IS NULL;
ALTER TABLE reply_tokens ADD COLUMN agent_id INTEGER REFERENCES agents;
CREATE INDEX reply_tokens_agent ON reply_tokens (agent_id) WHERE agent_id IS NOT NULL;
ALTER TABLE contacts ADD COLUMN bounced_at INTEGER;
ALTER TABLE contacts ADD COLUMN bounce_reason TEXT;
ALTER TABLE conversations ADD COLUMN snoozed_until INTEGER;
ALTER TABLE ledger ADD COLUMN require_tls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN require_tls INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conversations_snoozed ON conversations (snoozed_until) WHERE snoozed_until IS NOT NULL;
CREATE TABLE queue (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, conversation_id INTEGER NOT NULL REFERENCES conversations,
  kind TEXT NOT NULL, recipient TEXT NOT NULL, recipient_kind TEXT NOT NULL, agent_id INTEGER REFERENCES agents,
  domain TEXT NOT NULL, notice TEXT, reply_token BLOB NOT NULL, message_id TEXT NOT NULL, require_tls INTEGER NOT NULL,
  state TEXT NOT NULL, phase TEXT, held INTEGER NOT NULL DEFAULT 0, uncertain INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, due_at INTEGER, give_up_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  last_attempt_at INTEGER, told_at INTEGER, remote TEXT, remote_reply TEXT, tls TEXT, reason TEXT, transcript TEXT,
  raw_id INTEGER, subject TEXT, thread TEXT, urgent INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX queue_due ON queue (due_at)
  WHERE state IN ('waiting', 'queued', 'deferred') AND phase IS NULL AND held = 0;
CREATE INDEX queue_site ON queue (domain, due_at)
  WHERE state IN ('waiting', 'queued', 'deferred') AND phase IS NULL AND held = 0;
CREATE INDEX queue_urgent ON queue (due_at)
  WHERE urgent = 1 AND state IN ('waiting', 'queued', 'deferred') AND phase IS NULL AND held = 0;
CREATE INDEX queue_in_hand ON queue (id) WHERE phase IS NOT NULL;
CREATE INDEX queue_untold ON queue (created_at) WHERE state IN ('queued', 'deferred') AND told_at IS NULL;
CREATE INDEX queue_open ON queue (conversation_id, recipient) WHERE state IN ('waiting', 'queued', 'deferred');
CREATE INDEX queue_agent ON queue (agent_id) WHERE state IN ('waiting', 'queued', 'deferred') AND agent_id IS NOT NULL;
CREATE INDEX queue_conversation ON queue (conversation_id, id);
CREATE INDEX queue_account ON queue (account, id);
CREATE TABLE queue_messages (
  message_id INTEGER NOT NULL REFERENCES messages, queue_id INTEGER NOT NULL REFERENCES queue,
  PRIMARY KEY (message_id, queue_id)) STRICT, WITHOUT ROWID;
CREATE INDEX queue_messages_entry ON queue_messages (queue_id);
CREATE TABLE uploads (attachment_id INTEGER PRIMARY KEY REFERENCES attachments, octets BLOB NOT NULL) STRICT;
CREATE TABLE suppressions (
  account TEXT NOT NULL, email TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT, since INTEGER NOT NULL,
  expires_at INTEGER, PRIMARY KEY (account, email)) STRICT, WITHOUT ROWID;
CREATE TABLE strikes (
  account TEXT NOT NULL, email TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (account, email, at)) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL, conversation_id INTEGER NOT NULL,
  message_id INTEGER, queue_id INTEGER, detail TEXT NOT NULL) STRICT;
CREATE INDEX events_account ON events (account, id);
";

/// `ledger.identity` is NULL where it is no other than `sha256`. `used_signatures` holds what each one-time signature of an
/// ingress was used for, for as long as it would open the door.
const V3: &str = "
ALTER TABLE ledger ADD COLUMN identity BLOB;
CREATE TABLE used_signatures (
  digest BLOB PRIMARY KEY, used_for BLOB NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX used_signatures_expiry ON used_signatures (expires_at);
";

/// Webhooks and bridges. A subscription's `position` is the event up to which everything was told, given up, or stands in
/// one of its lanes: conversations whose event did not get through, each with the first and the last event it owes. A bridge
/// needs no position: `bridge_open` holds what is still owed, in order. `bridge_queue.inbox` is empty for the account's bridge.
const V4: &str = "
CREATE TABLE subscriptions (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, origin TEXT NOT NULL, url TEXT NOT NULL, secret TEXT, events TEXT NOT NULL,
  allow_private INTEGER NOT NULL, created_at INTEGER NOT NULL, removed_at INTEGER, generation INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL, disabled TEXT, failing_since INTEGER, last_attempt_at INTEGER, last_failure TEXT,
  delivered INTEGER NOT NULL DEFAULT 0, given_up INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE UNIQUE INDEX subscriptions_config ON subscriptions (account, url) WHERE origin = 'config' AND removed_at IS NULL;
CREATE TABLE subscription_lanes (
  subscription_id INTEGER NOT NULL REFERENCES subscriptions, conversation_id INTEGER NOT NULL, next_event INTEGER NOT NULL,
  last_event INTEGER NOT NULL, attempts INTEGER NOT NULL, since INTEGER NOT NULL, due_at INTEGER NOT NULL,
  PRIMARY KEY (subscription_id, conversation_id)) STRICT, WITHOUT ROWID;
CREATE TABLE bridge_queue (
  ledger_id INTEGER PRIMARY KEY REFERENCES ledger, account TEXT NOT NULL, inbox TEXT NOT NULL, recipient TEXT NOT NULL,
  lane TEXT NOT NULL, raw_id INTEGER NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL, due_at INTEGER,
  give_up_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_attempt_at INTEGER, last_reply TEXT) STRICT;
CREATE INDEX bridge_open ON bridge_queue (account, inbox, ledger_id) WHERE state IN ('waiting', 'deferred');
CREATE INDEX bridge_lane ON bridge_queue (account, inbox, lane, ledger_id) WHERE state IN ('waiting', 'deferred');
";

/// Chat. What a visitor may see stands in `visitor_conversations` and nowhere else. `contacts.claimed_email` was typed and
/// is not proven: mail goes there, nothing is found or merged by it. `tabs` holds who is in the chat now; `presence` and
/// `presence_since` are what they come to, and outlive a restart. `messages.held_until` is the time in which an agent may
/// still take a message back: until then only agents see it. `ledger.proof` is what a later copy of the mail proved of its
/// author, where the mail itself did not.
/// `conversations.received_id` is the last message from outside.
/// Of a mail that a bound holds `queue.free_at` is when there may be room for it; `looping`: it looks like a loop, and a person has
/// to look. `counted_as` is its recipient without the sub-address.
///
/// `search` has one row for each message and one for each conversation (subject and people), under their ids. It is written behind
/// them (`search_index.rs`), in the order of ids, up to the id in `progress`; `search_stale` names what changed after that.
/// `search_terms` lists the words that may be found by their beginning, and about how many rows have each.
///
/// `kept_mail` holds mails that were answered as taken and that nobody here takes, for as long as their octets are kept; `account` is
/// empty where none is known. `kept_sums` is what they come to. What is kept stands outside `ledger_refused`: a flood of refusals
/// wears it not down.
const V5: &str = "
ALTER TABLE ledger ADD COLUMN proof TEXT;
ALTER TABLE queue ADD COLUMN bounced_at INTEGER;
ALTER TABLE queue ADD COLUMN bounce_diagnostic TEXT;
ALTER TABLE contacts ADD COLUMN claimed_email TEXT;
ALTER TABLE contacts ADD COLUMN identified_at INTEGER;
ALTER TABLE contacts ADD COLUMN language TEXT;
ALTER TABLE contacts ADD COLUMN time_zone TEXT;
ALTER TABLE contacts ADD COLUMN fields TEXT;
CREATE TABLE visitors (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, inbox TEXT NOT NULL, contact_id INTEGER NOT NULL REFERENCES contacts,
  sha256 BLOB NOT NULL UNIQUE, proof TEXT, created_at INTEGER NOT NULL, heard_at INTEGER NOT NULL) STRICT;
CREATE INDEX visitors_contact ON visitors (contact_id);
CREATE INDEX visitors_heard ON visitors (heard_at);
CREATE TABLE visitor_conversations (
  visitor_id INTEGER NOT NULL REFERENCES visitors, conversation_id INTEGER NOT NULL REFERENCES conversations,
  grounds TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (visitor_id, conversation_id)) STRICT, WITHOUT ROWID;
CREATE INDEX visitor_conversations_conversation ON visitor_conversations (conversation_id);
CREATE TABLE tabs (
  conversation_id INTEGER NOT NULL REFERENCES conversations, tab TEXT NOT NULL, state TEXT NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (conversation_id, tab)) STRICT, WITHOUT ROWID;
ALTER TABLE conversations ADD COLUMN presence TEXT NOT NULL DEFAULT 'absent';
ALTER TABLE conversations ADD COLUMN presence_since INTEGER;
ALTER TABLE conversations ADD COLUMN present_at INTEGER;
ALTER TABLE conversations ADD COLUMN contact_typing_until INTEGER;
ALTER TABLE conversations ADD COLUMN agent_typing_until INTEGER;
ALTER TABLE conversations ADD COLUMN mail_off INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN page TEXT;
ALTER TABLE messages ADD COLUMN held_until INTEGER;
ALTER TABLE messages ADD COLUMN posting TEXT;
CREATE INDEX messages_held ON messages (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX messages_unseen ON messages (conversation_id, id) WHERE direction = 'outgoing' AND seen_at IS NULL;
CREATE INDEX queue_waiting ON queue (due_at) WHERE state = 'waiting' AND held = 0;
DROP INDEX queue_due;
DROP INDEX queue_site;
DROP INDEX queue_urgent;
CREATE INDEX queue_due ON queue (due_at) WHERE state IN ('queued', 'deferred') AND phase IS NULL AND held = 0;
CREATE INDEX queue_site ON queue (domain, due_at) WHERE state IN ('queued', 'deferred') AND phase IS NULL AND held = 0;
CREATE INDEX queue_urgent ON queue (due_at)
  WHERE urgent = 1 AND state IN ('queued', 'deferred') AND phase IS NULL AND held = 0;
ALTER TABLE queue ADD COLUMN looping INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN free_at INTEGER;
ALTER TABLE queue ADD COLUMN counted_as TEXT;
CREATE INDEX queue_recipient ON queue (account, counted_as, created_at);
CREATE INDEX queue_freed ON queue (free_at) WHERE held = 1 AND free_at IS NOT NULL;
CREATE INDEX contacts_claimed ON contacts (account, claimed_email) WHERE claimed_email IS NOT NULL;
ALTER TABLE agents ADD COLUMN password TEXT;
CREATE TABLE agent_sessions (
  sha256 BLOB PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents, created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX agent_sessions_agent ON agent_sessions (agent_id);
CREATE INDEX agent_sessions_expiry ON agent_sessions (expires_at);
CREATE TABLE sign_in_links (
  sha256 BLOB PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents, created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_links_agent ON sign_in_links (agent_id);
CREATE INDEX sign_in_links_expiry ON sign_in_links (expires_at);
CREATE TABLE sign_in_letters (
  id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES agents, created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX sign_in_letters_agent ON sign_in_letters (agent_id);
CREATE INDEX sign_in_letters_due ON sign_in_letters (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE agent_reads (
  agent_id INTEGER NOT NULL REFERENCES agents, conversation_id INTEGER NOT NULL REFERENCES conversations,
  up_to INTEGER NOT NULL, PRIMARY KEY (agent_id, conversation_id)) STRICT, WITHOUT ROWID;
CREATE TABLE canned_answers (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX canned_answers_name ON canned_answers (account, name);
ALTER TABLE conversations ADD COLUMN received_id INTEGER;
UPDATE conversations SET received_id =
  (SELECT max(id) FROM messages WHERE conversation_id = conversations.id AND direction = 'incoming');
DROP INDEX conversations_active;
CREATE INDEX conversations_listed ON conversations (account, active_at, id, status, inbox, assignee, received_id);
CREATE INDEX conversations_open ON conversations (account, status, active_at, id, inbox, assignee, received_id)
  WHERE status <> 'resolved';
CREATE TABLE kept_mail (
  raw_id INTEGER PRIMARY KEY, account TEXT NOT NULL, size INTEGER NOT NULL, kept_until INTEGER NOT NULL) STRICT;
CREATE INDEX kept_mail_account ON kept_mail (account, raw_id);
CREATE TABLE kept_sums (
  account TEXT PRIMARY KEY, mails INTEGER NOT NULL, octets INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_kept ON ledger (raw_id) WHERE outcome = 'rejected' AND raw_id IS NOT NULL;
CREATE INDEX ledger_duplicates ON ledger (raw_id) WHERE outcome = 'duplicate';
DROP INDEX ledger_refused;
CREATE INDEX ledger_refused ON ledger (id) WHERE outcome IN ('rejected', 'deferred') AND raw_id IS NULL;
CREATE VIRTUAL TABLE search USING fts5 (terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
CREATE TABLE search_terms (term TEXT PRIMARY KEY, documents INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE search_stale (id INTEGER PRIMARY KEY) STRICT;
CREATE TRIGGER search_conversation AFTER UPDATE OF subject, contact_id ON conversations
  WHEN old.subject IS NOT new.subject OR old.contact_id <> new.contact_id
  BEGIN INSERT INTO search_stale (id) VALUES (new.id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_contact AFTER UPDATE OF name, email, claimed_email, identifier ON contacts
  BEGIN INSERT INTO search_stale (id) SELECT id FROM conversations WHERE contact_id = new.id ORDER BY id DESC LIMIT 1000
    ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_participant AFTER INSERT ON participants
  BEGIN INSERT INTO search_stale (id) VALUES (new.conversation_id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_text AFTER UPDATE OF text ON messages
  BEGIN INSERT INTO search_stale (id) VALUES (new.id) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER search_deleted AFTER DELETE ON messages
  BEGIN INSERT INTO search_stale (id) VALUES (old.id) ON CONFLICT DO NOTHING; END;
";

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Connection {
        Connection::open_in_memory().expect("SQLite opens a database in memory")
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = memory();
        migrate(&mut connection).expect("a new database");
        migrate(&mut connection).expect("the newest version");
        let version: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a pragma");
        assert_eq!(version, MIGRATIONS.len());
    }

    #[test]
    fn a_newer_or_foreign_database_is_refused() {
        for (pragmas, expected) in [
            ("PRAGMA user_version = 9999", "run the newer replyd"),
            ("PRAGMA user_version = 1; PRAGMA application_id = 7", "not a database of replyd"),
        ] {
            let mut connection = memory();
            connection.execute_batch(pragmas).expect("pragmas");
            let refused = migrate(&mut connection).map_err(|error| error.to_string());
            assert!(refused.as_ref().is_err_and(|reason| reason.contains(expected)), "{refused:?}");
        }
    }
}
