//! Visitors of the widgets: how one begins, who one becomes when the site vouches for it, what it says and changes of itself.
//!
//! An anonymous visitor is a contact of its own: nothing that it types finds or merges anybody. Only an identifier that the
//! site signed leads to a contact that there was before.

use super::super::StoreError;
use super::super::unit::NewConversation;
use super::super::visitors::{
    Became, Claim, ContactChanges, Grounds, Identification, NewVisitor, Proof, Said, Saying, Sight, Surroundings,
    Target, Visitor, VisitorContact,
};
use super::begin::email_key;
use super::units::Writing;
use super::words::{Stored, Word};
use super::{begin, claims, conversations, events, messages, own_record, sight};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Author, AuthorKind, Status};
use crate::mail::address::Address;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The visitor of a token.
pub fn by_token(connection: &Connection, sha256: &[u8; 32]) -> Result<Option<Visitor>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE v.sha256 = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([sha256], read).optional()?)
}

pub fn visitor(connection: &Connection, id: Id) -> Result<Visitor, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE v.id = ?");
    let found = connection.prepare_cached(&sql)?.query_row([id], read).optional()?;
    found.ok_or(StoreError::NotFound("visitor"))
}

/// Begins an anonymous one.
pub fn add(writing: &Writing<'_>, new: &NewVisitor) -> Result<Visitor, StoreError> {
    forget_old(writing)?;
    let contact = new_contact(writing, &new.account, None)?;
    note_surroundings(writing, contact, &new.surroundings)?;
    let id = insert(writing, &new.account, &new.inbox, contact, &new.sha256, Proof::Anonymous)?;
    visitor(writing.connection, id)
}

/// One whom a link from a mail brings: it sees that conversation, beside what it saw before.
pub fn resume(
    writing: &Writing<'_>,
    conversation: Id,
    present: Option<Id>,
    sha256: &[u8; 32],
) -> Result<Became, StoreError> {
    let found = conversations::conversation(writing.connection, conversation)?;
    let present = present.map(|id| visitor(writing.connection, id)).transpose()?;
    let present = present.filter(|present| present.account == found.account && present.inbox == found.inbox);
    let (id, is_new) = match present {
        Some(present) => (present.id, false),
        None => {
            forget_old(writing)?;
            let contact = found.contact.id;
            (insert(writing, &found.account, &found.inbox, contact, sha256, Proof::Resume)?, true)
        }
    };
    sight::grant(writing, id, conversation, Grounds::Resume)?;
    Ok(Became { visitor: visitor(writing.connection, id)?, is_new })
}

/// Whom the site vouches for becomes the contact of that identifier. What it said before under no name goes with it; a
/// visitor who was somebody else, or came by a link, is left behind.
pub fn identify(writing: &Writing<'_>, new: &Identification) -> Result<Became, StoreError> {
    let known = contact_of_identifier(writing, &new.account, &new.identifier)?;
    let present = new.present.map(|id| visitor(writing.connection, id)).transpose()?;
    let present = present.filter(|present| present.account == new.account && present.inbox == new.inbox);
    let (contact, id, is_new) = match present {
        Some(same) if same.proof == Proof::Identity && Some(same.contact.id) == known => {
            (same.contact.id, same.id, false)
        }
        Some(nameless) if nameless.proof == Proof::Anonymous => {
            (named(writing, &nameless, known, &new.identifier)?, nameless.id, false)
        }
        Some(_) | None => {
            forget_old(writing)?;
            let contact = known.map_or_else(|| new_contact(writing, &new.account, Some(&new.identifier)), Ok)?;
            (contact, insert(writing, &new.account, &new.inbox, contact, &new.sha256, Proof::Identity)?, true)
        }
    };
    vouch(writing, contact, new)?;
    note_surroundings(writing, contact, &new.surroundings)?;
    sight::share(writing, contact)?;
    Ok(Became { visitor: visitor(writing.connection, id)?, is_new })
}

/// A message of a visitor, in the conversation asked for, the visitor's latest, or a new one.
pub fn say(writing: &Writing<'_>, saying: &Saying) -> Result<Said, StoreError> {
    let mut speaker = visitor(writing.connection, saying.visitor)?;
    let found = target(writing, &speaker, saying)?;
    if speaker.proof != Proof::Resume && found.is_none_or(|sight| sight.grounds != Grounds::Resume) {
        own_record::claim(writing, &speaker, &saying.claim)?;
        speaker = visitor(writing.connection, saying.visitor)?;
    }
    let conversation = match found {
        Some(sight) => sight.conversation,
        None => begin(writing, &speaker, saying)?,
    };
    if let Some(page) = &saying.page {
        writing.execute("UPDATE conversations SET page = ? WHERE id = ?", params![page, conversation])?;
    }
    let mut message = saying.message.clone();
    message.author = author(writing, &speaker, conversation)?;
    let id = messages::append(writing, conversation, &message)?;
    let message = sight::message(writing.connection, speaker.id, conversation, id)?;
    message.map(|message| Said { conversation, message }).ok_or(StoreError::NotFound("message"))
}

/// What a visitor corrects of itself. The caller made sure that a link is not its only grounds.
pub fn change(writing: &Writing<'_>, id: Id, changes: &ContactChanges) -> Result<Visitor, StoreError> {
    let speaker = visitor(writing.connection, id)?;
    if let Some((conversation, wish)) = changes.mail {
        sight::grounds(writing.connection, id, conversation)?;
        claims::wish(writing, conversation, wish)?;
    }
    own_record::claim(writing, &speaker, &changes.claim)?;
    if changes.claim != Claim::default() {
        for seen in sight::sights(writing.connection, id, None)?.into_iter().take(TOLD_MAX) {
            if seen.grounds != Grounds::Resume {
                events::of_conversation(writing, seen.conversation, serde_json::json!({"contact": "changed"}))?;
            }
        }
    }
    visitor(writing.connection, id)
}

/// Notes the page that the visitor looks at.
pub fn note_page(writing: &Writing<'_>, id: Id, conversation: Id, page: &str) -> Result<(), StoreError> {
    sight::grounds(writing.connection, id, conversation)?;
    writing.execute("UPDATE conversations SET page = ? WHERE id = ?", params![page, conversation])?;
    Ok(())
}

/// Notes that the visitor is still one.
pub fn heard(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    writing.execute("UPDATE visitors SET heard_at = ? WHERE id = ?", params![writing.now.0, id])?;
    Ok(())
}

/// In whose name a visitor speaks. An address stands there only if the site or a link from its mailbox vouches for this very
/// visitor: the contact may have proven it by a mail, but who sits at an anonymous browser is somebody else's guess.
fn author(writing: &Writing<'_>, speaker: &Visitor, conversation: Id) -> Result<Author, StoreError> {
    let kind = AuthorKind::Contact;
    if speaker.proof == Proof::Anonymous {
        return Ok(Author { kind, name: visitor(writing.connection, speaker.id)?.contact.name, email: None });
    }
    let contact = conversations::conversation(writing.connection, conversation)?.contact;
    Ok(Author { kind, name: contact.name, email: contact.email })
}

/// Where it belongs: where it is asked to, where it was said before, in the latest, or nowhere yet.
fn target(writing: &Writing<'_>, speaker: &Visitor, saying: &Saying) -> Result<Option<Sight>, StoreError> {
    let connection = writing.connection;
    if let Target::Named(asked) = saying.target {
        let grounds = sight::grounds(connection, speaker.id, asked)?;
        return Ok(Some(Sight { conversation: asked, grounds }));
    }
    if let Some(key) = &saying.message.idempotency_key {
        let sql = "SELECT 1 FROM messages WHERE conversation_id = ? AND idempotency_key = ?";
        let mut find = connection.prepare_cached(sql)?;
        for sight in sight::sights(connection, speaker.id, None)? {
            if find.exists(params![sight.conversation, key])? {
                return Ok(Some(sight));
            }
        }
    }
    // A link is good for its conversation and begins none.
    if saying.target == Target::New && speaker.proof != Proof::Resume {
        return Ok(None);
    }
    latest(connection, speaker)
}

/// The latest that is not resolved. What a link shows is spoken to by name, unless a link is all that the visitor came by.
pub fn latest(connection: &Connection, speaker: &Visitor) -> Result<Option<Sight>, StoreError> {
    for sight in sight::sights(connection, speaker.id, None)? {
        let is_own = speaker.proof == Proof::Resume || sight.grounds != Grounds::Resume;
        let is_resolved = || -> Result<bool, StoreError> {
            Ok(conversations::status(connection, sight.conversation)? == Status::Resolved)
        };
        if is_own && (speaker.proof == Proof::Resume || !is_resolved()?) {
            return Ok(Some(sight));
        }
    }
    Ok(None)
}

fn begin(writing: &Writing<'_>, speaker: &Visitor, saying: &Saying) -> Result<Id, StoreError> {
    let new = NewConversation {
        account: speaker.account.clone(),
        inbox: speaker.inbox.clone(),
        channel: saying.channel,
        contact_name: None,
        contact_email: None,
        contact_identifier: None,
        subject: None,
        messages: Vec::new(),
    };
    let conversation = begin::with_contact(writing, &new, speaker.contact.id)?;
    sight::grant(writing, speaker.id, conversation, Grounds::Started)?;
    if speaker.proof == Proof::Identity {
        sight::share(writing, speaker.contact.id)?;
    }
    Ok(conversation)
}

/// An identifier that is an address leads to who is known by that address: the site vouches for it. Identifiers are compared
/// octet by octet, also these: two that the site tells apart (`Ann@…`, `ann@…`) are two people, and the one who took the other
/// spelling is not led to what was said before.
fn contact_of_identifier(writing: &Writing<'_>, account: &str, identifier: &str) -> Result<Option<Id>, StoreError> {
    let find = |sql: &str, key: &str| -> Result<Option<Id>, StoreError> {
        let mut find = writing.connection.prepare_cached(sql)?;
        Ok(find.query_row(params![account, key], |row| row.get(0)).optional()?)
    };
    if let Some(found) = find("SELECT id FROM contacts WHERE account = ? AND identifier = ?", identifier)? {
        return Ok(Some(found));
    }
    let Some(address) = Address::parse(identifier).ok().filter(|address| address.key() == identifier) else {
        return Ok(None);
    };
    find("SELECT id FROM contacts WHERE account = ? AND email = ? AND identifier IS NULL", &address.key())
}

/// The nameless visitor's contact gets the identifier, or gives way to the contact who has it.
fn named(writing: &Writing<'_>, nameless: &Visitor, known: Option<Id>, identifier: &str) -> Result<Id, StoreError> {
    let shares_known = known == Some(nameless.contact.id);
    let own = if shares_known { nameless.contact.id } else { own_record::apart(writing, nameless)? };
    let contact = known.unwrap_or(own);
    let proven = "UPDATE visitors SET contact_id = ?, proof = ? WHERE id = ?";
    writing.execute(proven, params![contact, Stored(Proof::Identity), nameless.id])?;
    if known.is_none() {
        writing.execute("UPDATE contacts SET identifier = ? WHERE id = ?", params![identifier, own])?;
        return Ok(own);
    }
    writing.execute(
        "UPDATE conversations SET contact_id = ?1 WHERE contact_id = ?2 AND id IN
           (SELECT conversation_id FROM visitor_conversations WHERE visitor_id = ?3 AND grounds = 'started')",
        params![contact, own, nameless.id],
    )?;
    writing.execute(
        "UPDATE contacts SET name = ifnull(contacts.name, o.name),
           claimed_email = CASE WHEN contacts.email IS NULL THEN ifnull(contacts.claimed_email, o.claimed_email)
             ELSE contacts.claimed_email END,
           fields = json_patch(ifnull(o.fields, '{}'), ifnull(contacts.fields, '{}'))
         FROM (SELECT name, claimed_email, fields FROM contacts WHERE id = ?2) o WHERE contacts.id = ?1",
        params![contact, own],
    )?;
    Ok(contact)
}

/// What the site says of whom it vouches for. Its word on the name counts; an address counts as proven only if it is the
/// identifier itself, for nothing else is signed, and otherwise only where none is known.
fn vouch(writing: &Writing<'_>, contact: Id, new: &Identification) -> Result<(), StoreError> {
    writing.execute(
        "UPDATE contacts SET identifier = ifnull(identifier, ?1), identified_at = ifnull(identified_at, ?2),
           name = ifnull(?3, name) WHERE id = ?4",
        params![new.identifier, writing.now.0, new.name, contact],
    )?;
    if let Ok(proven) = Address::parse(&new.identifier).map(|address| address.key()) {
        writing.execute(
            "UPDATE contacts SET email = ?1, claimed_email = nullif(claimed_email, ?1) WHERE id = ?2 AND email IS NULL
               AND NOT EXISTS (SELECT 1 FROM contacts o WHERE o.account = contacts.account AND o.email = ?1)",
            params![proven, contact],
        )?;
    }
    if let Some(email) = &new.email {
        writing.execute(
            "UPDATE contacts SET claimed_email = ? WHERE id = ? AND email IS NULL AND claimed_email IS NULL",
            params![email_key(email), contact],
        )?;
    }
    claims::rearm(writing, contact)
}

fn new_contact(writing: &Writing<'_>, account: &str, identifier: Option<&str>) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    let add = "INSERT INTO contacts (id, account, identifier, created_at) VALUES (?, ?, ?, ?)";
    writing.execute(add, params![id, account, identifier, writing.now.0])?;
    Ok(id)
}

fn note_surroundings(writing: &Writing<'_>, contact: Id, of: &Surroundings) -> Result<(), StoreError> {
    writing.execute(
        "UPDATE contacts SET language = ifnull(?, language), time_zone = ifnull(?, time_zone) WHERE id = ?",
        params![of.language, of.time_zone, contact],
    )?;
    Ok(())
}

fn insert(
    writing: &Writing<'_>,
    account: &str,
    inbox: &str,
    contact: Id,
    sha256: &[u8; 32],
    proof: Proof,
) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    writing.execute(
        "INSERT INTO visitors (id, account, inbox, contact_id, sha256, proof, created_at, heard_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![id, account, inbox, contact, sha256, Stored(proof), writing.now.0, writing.now.0],
    )?;
    Ok(id)
}

/// A few of those who were not heard of for a year go when another comes: what there is stays bounded by who is there.
fn forget_old(writing: &Writing<'_>) -> Result<(), StoreError> {
    let mut find =
        writing.connection.prepare_cached("SELECT id FROM visitors WHERE heard_at < ? ORDER BY heard_at LIMIT 4")?;
    let rows = find.query_map([writing.now.0 - FORGOTTEN_MS], |row| row.get(0))?;
    let old: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for id in old {
        writing.execute("DELETE FROM visitor_conversations WHERE visitor_id = ?", [id])?;
        writing.execute("DELETE FROM visitors WHERE id = ?", [id])?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Visitor> {
    Ok(Visitor {
        id: row.get(0)?,
        account: row.get(1)?,
        inbox: row.get(2)?,
        proof: row.get::<_, Stored<_>>(3)?.0,
        heard_at: UnixMs(row.get(4)?),
        contact: VisitorContact {
            id: row.get(5)?,
            name: row.get(6)?,
            email: row.get(7)?,
            claimed_email: row.get(8)?,
            identifier: row.get(9)?,
            bounced: row.get(10)?,
        },
    })
}

impl Word for Proof {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Proof::Anonymous, "anonymous"), (Proof::Identity, "identity"), (Proof::Resume, "resume")];
}

const COLUMNS: &str =
    "v.id, v.account, v.inbox, v.proof, v.heard_at, k.id, k.name, k.email, k.claimed_email, k.identifier,
    k.bounced_at IS NOT NULL FROM visitors v JOIN contacts k ON k.id = v.contact_id";
/// Longer than any token is of use: a browser that was not here for so long is a new visitor.
const FORGOTTEN_MS: i64 = 400 * 86_400 * 1000;
/// Conversations that are told of a change of their contact.
const TOLD_MAX: usize = 20;
