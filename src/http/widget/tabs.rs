//! Which tabs have a connection open. A tab is there for as long as its feed is: what it says of itself counts only then, and
//! when the last connection of it ends, it is gone. A computer that fell asleep keeps its connection for a while: a tab that is
//! looked at says so again and again, and what it said last holds for a few minutes only.

use crate::conversation::id::Id;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All of them.
#[derive(Debug, Default)]
pub struct Tabs {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// Connections by conversation and tab: one that comes again may be here before the old one is known to be dead.
    tabs: HashMap<(Id, String), Tab>,
    visitors: HashMap<Id, usize>,
    conversations: HashMap<Id, usize>,
}

#[derive(Debug, Default)]
struct Tab {
    connections: usize,
    /// It is looked at, and said so then.
    watched: Option<Instant>,
    /// It said goodbye: its connection is only not known to be dead yet.
    left: bool,
}

/// A tab's connection, until it is dropped.
pub struct OpenTab {
    tabs: Arc<Tabs>,
    visitor: Id,
    conversation: Id,
    tab: String,
    on_last: Option<Box<dyn FnOnce() + Send>>,
}

impl Tabs {
    /// `None` when the visitor, or its conversation, has as many as may be. `on_last` runs when the tab has no connection left.
    pub fn open(
        self: &Arc<Tabs>,
        visitor: Id,
        conversation: Id,
        tab: &str,
        on_last: impl FnOnce() + Send + 'static,
    ) -> Option<OpenTab> {
        let mut open = self.lock();
        let count = |map: &HashMap<Id, usize>, key| map.get(&key).copied().unwrap_or(0);
        if count(&open.visitors, visitor) >= OF_VISITOR_MAX
            || count(&open.conversations, conversation) >= OF_CONVERSATION_MAX
        {
            return None;
        }
        let entry = open.tabs.entry((conversation, tab.to_owned())).or_default();
        entry.connections += 1;
        entry.left = false;
        *open.visitors.entry(visitor).or_default() += 1;
        *open.conversations.entry(conversation).or_default() += 1;
        drop(open);
        let tabs = Arc::clone(self);
        Some(OpenTab { tabs, visitor, conversation, tab: tab.to_owned(), on_last: Some(Box::new(on_last)) })
    }

    /// Whether this tab has a connection.
    pub fn is_open(&self, conversation: Id, tab: &str) -> bool {
        self.lock().tabs.contains_key(&(conversation, tab.to_owned()))
    }

    /// Notes whether the tab is looked at.
    pub fn watched(&self, conversation: Id, tab: &str, watched: Option<Instant>) {
        if let Some(tab) = self.lock().tabs.get_mut(&(conversation, tab.to_owned())) {
            tab.watched = watched;
        }
    }

    /// Notes whether the tab said goodbye.
    pub fn left(&self, conversation: Id, tab: &str, left: bool) {
        if let Some(tab) = self.lock().tabs.get_mut(&(conversation, tab.to_owned())) {
            tab.left = left;
        }
    }

    /// Whether a tab has a connection and did not say goodbye.
    pub fn is_there(&self, conversation: Id, tab: &str) -> bool {
        self.lock().tabs.get(&(conversation, tab.to_owned())).is_some_and(|tab| !tab.left)
    }

    /// Whether a tab that was looked at has been silent for so long that nobody may be there; told once.
    pub fn lapsed(&self, conversation: Id, tab: &str, now: Instant) -> bool {
        let mut open = self.lock();
        let Some(tab) = open.tabs.get_mut(&(conversation, tab.to_owned())) else { return false };
        tab.watched.take_if(|at| now.saturating_duration_since(*at) > WATCHED_LIFE).is_some()
    }

    /// A panic while the lock was held cannot leave the counts half changed: each section is arithmetic only.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenTab {
    fn drop(&mut self) {
        let mut open = self.tabs.lock();
        let is_last = leave(&mut open.tabs, (self.conversation, self.tab.clone()));
        decrease(&mut open.visitors, self.visitor);
        decrease(&mut open.conversations, self.conversation);
        drop(open);
        if let Some(on_last) = self.on_last.take().filter(|_| is_last) {
            on_last();
        }
    }
}

/// Answers whether it was the tab's last connection.
fn leave(tabs: &mut HashMap<(Id, String), Tab>, key: (Id, String)) -> bool {
    let Some(tab) = tabs.get_mut(&key) else { return true };
    tab.connections -= 1;
    let is_last = tab.connections == 0;
    if is_last {
        tabs.remove(&key);
    }
    is_last
}

fn decrease(counts: &mut HashMap<Id, usize>, key: Id) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// A browser opens six connections to a host; a phone beside it, and some that are not known to be dead yet.
const OF_VISITOR_MAX: usize = 12;
const OF_CONVERSATION_MAX: usize = 32;
/// A widget that is looked at says so every minute.
const WATCHED_LIFE: Duration = Duration::from_secs(150);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_tab_is_gone_with_the_last_of_its_connections() {
        let (tabs, ended) = (Arc::new(Tabs::default()), Arc::new(AtomicUsize::new(0)));
        let open = |tab| {
            let ended = Arc::clone(&ended);
            tabs.open(Id(1), Id(2), tab, move || {
                let _ = ended.fetch_add(1, Ordering::SeqCst);
            })
            .expect("a place")
        };
        let (first, again, other) = (open("a"), open("a"), open("b"));
        drop(first);
        assert!(tabs.is_open(Id(2), "a") && ended.load(Ordering::SeqCst) == 0);
        drop(again);
        assert!(!tabs.is_open(Id(2), "a") && tabs.is_open(Id(2), "b") && ended.load(Ordering::SeqCst) == 1);
        drop(other);
        assert!(tabs.lock().visitors.is_empty() && tabs.lock().conversations.is_empty());
    }

    #[test]
    fn who_said_goodbye_is_not_there_until_it_comes_again() {
        let tabs = Arc::new(Tabs::default());
        let held = tabs.open(Id(1), Id(2), "a", || ()).expect("a place");
        assert!(tabs.is_there(Id(2), "a") && !tabs.is_there(Id(2), "b"));
        tabs.left(Id(2), "a", true);
        assert!(!tabs.is_there(Id(2), "a"));
        let again = tabs.open(Id(1), Id(2), "a", || ()).expect("a place");
        drop(held);
        assert!(tabs.is_there(Id(2), "a"), "by its new connection");
        drop(again);
        assert!(!tabs.is_there(Id(2), "a"));
    }

    #[test]
    fn a_tab_that_fell_silent_is_not_looked_at_any_more() {
        let (tabs, start) = (Arc::new(Tabs::default()), Instant::now());
        let _open = tabs.open(Id(1), Id(2), "a", || ()).expect("a place");
        let lapsed = |seconds| tabs.lapsed(Id(2), "a", start + Duration::from_secs(seconds));
        assert!(!lapsed(1000), "it never was");
        tabs.watched(Id(2), "a", Some(start));
        assert!(!lapsed(150) && lapsed(151) && !lapsed(152), "once");
        tabs.watched(Id(2), "a", Some(start));
        tabs.watched(Id(2), "a", None);
        assert!(!lapsed(1000) && !tabs.lapsed(Id(2), "b", start));
    }

    #[test]
    fn a_visitor_and_a_conversation_have_so_many() {
        let tabs = Arc::new(Tabs::default());
        let open = |visitor| tabs.open(Id(visitor), Id(9), "a", || ());
        let held: Vec<_> = (0..OF_VISITOR_MAX).map(|_| open(1).expect("a place")).collect();
        assert!(open(1).is_none());
        let mut others: Vec<_> = (0..OF_CONVERSATION_MAX - OF_VISITOR_MAX).map(|n| open(100 + n as i64)).collect();
        assert!(others.iter().all(Option::is_some) && open(2).is_none(), "the conversation has its own bound");
        drop(held);
        others.push(open(1));
        assert!(others.iter().all(Option::is_some));
    }
}
