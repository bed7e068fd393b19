//! The handle's units of work of the widget's visitors. Whatever names a conversation is checked against what the visitor may
//! see (`sqlite/sight.rs`).

use super::StoreError;
use super::handle::Store;
use super::sqlite::units::Writing;
use super::sqlite::{events, sight, visitors};
use super::visitors::{
    Became, ContactChanges, Glimpse, Grounds, Identification, MessagePage, Missed, NewVisitor, Range, Said, Saying,
    SeenMessage, Visitor, VisitorState,
};
use crate::conversation::id::Id;

impl Store {
    /// The visitor of a token, by its SHA-256.
    pub async fn visitor(&self, sha256: [u8; 32]) -> Result<Option<Visitor>, StoreError> {
        self.engine.readers.look_up(move |connection| visitors::by_token(connection, &sha256)).await
    }

    /// Begins an anonymous visitor with a contact of its own.
    pub async fn add_visitor(&self, new: NewVisitor) -> Result<Visitor, StoreError> {
        self.engine.write(0, move |writing| visitors::add(writing, &new)).await
    }

    /// A visitor as it is now.
    pub async fn visitor_by_id(&self, id: Id) -> Result<Visitor, StoreError> {
        self.engine.readers.look_up(move |connection| visitors::visitor(connection, id)).await
    }

    /// Whether a message that names no conversation would begin one.
    pub async fn visitor_begins(&self, id: Id) -> Result<bool, StoreError> {
        let read = move |connection: &_| {
            let speaker = visitors::visitor(connection, id)?;
            Ok(visitors::latest(connection, &speaker)?.is_none())
        };
        self.engine.readers.look_up(read).await
    }

    /// Makes the visitor the contact whom the site vouches for.
    pub async fn identify_visitor(&self, new: Identification) -> Result<Became, StoreError> {
        self.engine.write(0, move |writing| visitors::identify(writing, &new)).await
    }

    /// Lets whoever has the link see its conversation; that the link is good was checked.
    pub async fn resume_visitor(
        &self,
        conversation: Id,
        present: Option<Id>,
        sha256: [u8; 32],
    ) -> Result<Became, StoreError> {
        self.engine.write(0, move |writing| visitors::resume(writing, conversation, present, &sha256)).await
    }

    /// What the visitor may see, and where a listener begins.
    pub async fn visitor_state(&self, visitor: &Visitor) -> Result<VisitorState, StoreError> {
        let (id, account) = (visitor.id, visitor.account.clone());
        let read = move |connection: &_| {
            // First the position: what comes in between is heard of again.
            let latest = events::after(connection, Some(&account), None, 1)?;
            let last_event = latest.last().map(|event| event.id);
            Ok(VisitorState { conversations: sight::glimpses(connection, id, None)?, last_event })
        };
        self.engine.readers.look_up(read).await
    }

    /// Why the visitor may see this conversation; `NotFound` if it may not.
    pub async fn visitor_grounds(&self, visitor: Id, conversation: Id) -> Result<Grounds, StoreError> {
        self.engine.readers.look_up(move |connection| sight::grounds(connection, visitor, conversation)).await
    }

    /// One of the visitor's conversations.
    pub async fn visitor_glimpse(&self, visitor: Id, conversation: Id) -> Result<Glimpse, StoreError> {
        let read = move |connection: &_| sight::glimpses(connection, visitor, Some(conversation));
        let found = self.engine.readers.look_up(read).await?;
        found.into_iter().next().ok_or(StoreError::NotFound("conversation"))
    }

    /// Messages of one of the visitor's conversations.
    pub async fn visitor_messages(
        &self,
        visitor: Id,
        conversation: Id,
        range: Range,
        limit: usize,
    ) -> Result<MessagePage, StoreError> {
        let read = move |connection: &_| sight::messages(connection, visitor, conversation, range, limit);
        self.engine.readers.read(read).await
    }

    /// One message; `None` for one that visitors are not shown.
    pub async fn visitor_message(
        &self,
        visitor: Id,
        conversation: Id,
        message: Id,
    ) -> Result<Option<SeenMessage>, StoreError> {
        let read = move |connection: &_| sight::message(connection, visitor, conversation, message);
        self.engine.readers.look_up(read).await
    }

    /// Commits what a visitor says, in one of its conversations or in a new one.
    pub async fn visitor_says(&self, saying: Saying) -> Result<Said, StoreError> {
        let octets =
            saying.message.text.len() + saying.message.uploads.iter().map(|file| file.octets.len()).sum::<usize>();
        self.engine.write(octets, move |writing| visitors::say(writing, &saying)).await
    }

    /// Changes what a visitor says of itself.
    pub async fn change_visitor(&self, visitor: Id, changes: ContactChanges) -> Result<Visitor, StoreError> {
        self.engine.write(0, move |writing| visitors::change(writing, visitor, &changes)).await
    }

    /// Notes the page that a visitor looks at: where a link in a mail leads back to.
    pub async fn visitor_page(&self, visitor: Id, conversation: Id, page: String) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| visitors::note_page(writing, visitor, conversation, &page)).await
    }

    /// Notes that a visitor is still one.
    pub async fn visitor_heard(&self, visitor: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing: &Writing<'_>| visitors::heard(writing, visitor)).await
    }

    /// What happened in a conversation after an event.
    pub async fn missed_events(&self, account: &str, conversation: Id, after: Id) -> Result<Missed, StoreError> {
        let account = account.to_owned();
        self.engine.readers.read(move |connection| events::missed(connection, &account, conversation, after)).await
    }
}
