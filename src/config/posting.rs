//! What mail a new message causes, as far as the config decides; whom that concerns is the store's to know.

use super::checked::{Account, Config, Inbox};
use crate::conversation::delivery::{Posting, UNSEEN_DELAY};
use crate::conversation::model::{Channel, Direction};
use std::time::Duration;

impl Config {
    /// Of a message in a conversation of this inbox. One whose inbox or account left the config goes by mail at once, so
    /// that what cannot be sent shows on the message.
    pub fn posting_of(&self, account: &str, inbox: &str, direction: Direction) -> Posting {
        let account = self.accounts.iter().find(|known| known.name == account);
        let inbox = account.and_then(|account| account.inboxes.iter().find(|known| known.name == inbox));
        match direction {
            Direction::Outgoing => Posting {
                to_contact: delay(account, inbox),
                unseen_delay: inbox.map_or(UNSEEN_DELAY, |inbox| inbox.unseen_delay),
                quiet_hours: inbox.and_then(|inbox| inbox.quiet_hours.clone()),
                ..Posting::default()
            },
            Direction::Incoming => {
                Posting { notify_agents: inbox.is_none_or(|inbox| inbox.notify_agents), ..Posting::default() }
            }
            Direction::Note | Direction::Activity => Posting::default(),
        }
    }
}

/// A conversation by mail is answered by mail; a chat has its messages first, and without continuity it alone has them.
fn delay(account: Option<&Account>, inbox: Option<&Inbox>) -> Option<Duration> {
    match (account, inbox) {
        (None, _) | (_, None) => Some(Duration::ZERO),
        (_, Some(Inbox { channel: Channel::Email, .. })) => Some(Duration::ZERO),
        (Some(account), Some(Inbox { channel: Channel::Widget | Channel::Api, offline_delay, .. })) => {
            account.continuity.then_some(*offline_delay)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::config::secret::Surroundings;
    use crate::conversation::quiet_hours::QuietHours;
    use std::path::Path;

    fn config() -> Config {
        let text = r#"
server.hostname = "mx.example"
[[account]]
name = "acme"
inbound_domain = "r.acme.example"
inbox = [
  { name = "mail", channel = "email", address = "support@acme.example" },
  { name = "chat", offline_delay = "90 s", notify_agents = false },
  { name = "night", unseen_delay = "5 m", quiet_hours = "22:00-07:00", time_zone = "Europe/Berlin" },
]
[[account]]
name = "bolt"
inbound_domain = "r.bolt.example"
continuity = false
inbox = [{ name = "chat" }, { name = "mail", channel = "email", address = "x@bolt.example" }]
"#;
        parse(Path::new("x.toml"), text, Surroundings::SYSTEM).expect("a good config")
    }

    #[test]
    fn an_answer_goes_out_when_its_channel_says() {
        let check = |account, inbox, seconds: Option<u64>| {
            let posting = config().posting_of(account, inbox, Direction::Outgoing);
            let expected = Posting { to_contact: seconds.map(Duration::from_secs), ..Posting::default() };
            assert_eq!(posting, expected, "{account} {inbox}");
        };
        check("acme", "mail", Some(0));
        check("acme", "chat", Some(90));
        check("acme", "gone", Some(0));
        check("bolt", "chat", None);
        check("bolt", "mail", Some(0));
        check("gone", "mail", Some(0));
    }

    #[test]
    fn an_inbox_says_how_long_nobody_may_look_and_when_it_is_quiet() {
        let posting = config().posting_of("acme", "night", Direction::Outgoing);
        assert_eq!(posting.unseen_delay, Duration::from_secs(300));
        assert_eq!(posting.quiet_hours, QuietHours::parse("22:00-07:00", "Europe/Berlin"));
    }

    #[test]
    fn agents_are_told_what_comes_in_unless_the_inbox_says_no() {
        let told = |inbox, direction| config().posting_of("acme", inbox, direction).notify_agents;
        assert!(told("mail", Direction::Incoming) && told("gone", Direction::Incoming));
        assert!(!told("chat", Direction::Incoming));
        for direction in [Direction::Note, Direction::Activity, Direction::Outgoing] {
            assert!(!told("mail", direction), "{direction:?}");
        }
        assert_eq!(config().posting_of("acme", "mail", Direction::Note), Posting::default());
    }
}
