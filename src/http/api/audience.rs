//! Which of an account's events one listener may hear. Asked again at each event: whoever was signed out or removed meanwhile
//! hears no more.

use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::desk::session::SessionWord;
use crate::http::live::Whispered;
use crate::http::surface::Surface;
use crate::store::Store;
use crate::store::outgoing::Event;
use axum::http::HeaderMap;

/// One listener.
pub struct Audience {
    store: Store,
    caller: Caller,
    /// Of the agent who listens.
    session: Option<[u8; 32]>,
}

impl Audience {
    pub fn new(surface: &Surface, caller: Caller, headers: &HeaderMap) -> Audience {
        let word = SessionWord::sent(headers, &surface.config.load().http.public_url);
        let session = word.filter(|_| matches!(caller, Caller::Agent(_))).map(|word| word.kept());
        Audience { store: surface.store.clone(), caller, session }
    }

    /// Those of these events that are the listener's to hear; `None`: nothing is any more.
    pub async fn of(&self, mut events: Vec<Event>) -> Option<Vec<Event>> {
        if events.is_empty() {
            return Some(events);
        }
        let seen = self.seen(events.iter().map(|event| event.conversation_id).collect()).await?;
        events.retain(|event| seen.as_ref().is_none_or(|seen| seen.contains(&event.conversation_id)));
        Some(events)
    }

    /// What the listener hears of a whisper; the outer `None`: nothing any more.
    pub async fn hears(&self, whispered: &Whispered) -> Option<Option<String>> {
        let seen = self.seen(vec![whispered.conversation]).await?;
        Some(seen.is_none_or(|seen| !seen.is_empty()).then(|| whispered.frame()))
    }

    /// Those of the conversations that the listener may see; the inner `None`: all of them.
    async fn seen(&self, conversations: Vec<Id>) -> Option<Option<Vec<Id>>> {
        if let Some(session) = self.session {
            self.store.agent_of_session(session).await.ok()??;
        }
        let Some(own) = self.caller.inboxes() else { return Some(None) };
        let found = self.store.inboxes_of(conversations).await.ok()?;
        let seen = found.into_iter().filter(|(_, inbox)| own.contains(inbox)).map(|(conversation, _)| conversation);
        Some(Some(seen.collect()))
    }
}
