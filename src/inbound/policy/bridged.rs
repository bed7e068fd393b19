//! Whose mail goes over a bridge, and for whom mail is taken that only the other system knows. Pure.
//!
//! What concerns replyd itself stays here: news of its own mails, and agents' addresses. Postmaster and abuse are answered for
//! by whoever runs the MX, so they are filed here whatever the bridge says.

use super::recipient::{Recipient, RecipientDecision};
use crate::config::checked::{Account, Bridge, BridgeMode, Config, Inbox, RecipientHook};
use crate::conversation::id::Id;
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::smtp::question::ForwardPath;
use crate::smtp::reply;
use crate::store::unit::{BridgeLane, BridgeOrder};

pub fn role(address: &Address, account: &Account) -> RecipientDecision {
    let also = |_: &Bridge| order(address, None, BridgeMode::Also);
    accept(address.key(), &account.name, account.bridge.as_ref().map(also))
}

pub fn inbox(address: &Address, account: &Account, inbox: &Inbox) -> RecipientDecision {
    let own = inbox.bridge.as_ref().map(|bridge| (bridge, Some(inbox.name.clone())));
    let bridge = own.or_else(|| account.bridge.as_ref().map(|bridge| (bridge, None)));
    let order = bridge.map(|(bridge, inbox)| order(address, inbox, bridge.mode));
    accept(address.key(), &account.name, order)
}

/// A token that opens a conversation of ours.
#[derive(Debug)]
pub struct LiveToken {
    pub token: ReplyToken,
    pub conversation: Id,
    /// Whose it is, if an agent's.
    pub agent: Option<String>,
}

/// A conversation of ours.
pub fn token(address: &Address, token: &LiveToken, account: &Account) -> Recipient {
    let canonical = token.token.address(&account.inbound_domain);
    let bridge = account.bridge.as_ref().filter(|_| token.agent.is_none());
    let bridge = bridge.map(|bridge| BridgeOrder {
        recipient: canonical.clone(),
        lane: BridgeLane::Conversation(token.conversation),
        ..order(address, None, bridge.mode)
    });
    Recipient { address: canonical, account: account.name.clone(), agent: token.agent.clone(), bridge }
}

/// Nobody of ours: the other system may know it.
pub fn stranger(address: &Address, account: &Account) -> RecipientDecision {
    let knows = |bridge: &&Bridge| bridge.recipients.name(address, &account.inbound_domain);
    match account.bridge.as_ref().filter(knows) {
        Some(bridge) if bridge.recipients.name_by_pattern(address, &account.inbound_domain) => {
            taken_for(address, &account.name, BridgeLane::Recipient)
        }
        Some(_) => taken_for(address, &account.name, BridgeLane::Thread(None)),
        None => RecipientDecision::Unknown(reply::unknown_recipient()),
    }
}

/// There is nothing to file it in here, whatever the mode is.
fn taken_for(address: &Address, account: &str, lane: BridgeLane) -> RecipientDecision {
    accept(address.key(), account, Some(BridgeOrder { lane, ..order(address, None, BridgeMode::Only) }))
}

fn accept(address: String, account: &str, bridge: Option<BridgeOrder>) -> RecipientDecision {
    RecipientDecision::Accept(Recipient { address, account: account.to_owned(), agent: None, bridge })
}

/// To an address that many write to.
fn order(address: &Address, inbox: Option<String>, mode: BridgeMode) -> BridgeOrder {
    let lane = BridgeLane::Thread(None);
    BridgeOrder { recipient: address.key(), lane, spelled: address.to_string(), inbox, mode }
}

/// A recipient that nobody knows here, and whom to ask.
#[derive(Debug, Clone)]
pub struct HookQuestion {
    pub address: Address,
    pub account: String,
    pub hook: RecipientHook,
}

/// What the other system says of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSays {
    Known,
    Unknown,
    /// It did not answer, or not with yes or no.
    Unsure,
}

/// Whom to ask about a recipient that is unknown here; `None` where that is the end.
pub fn hook_to_ask(path: &ForwardPath, config: &Config) -> Option<HookQuestion> {
    let ForwardPath::Mailbox(address) = path else { return None };
    let account = config.account_of_domain(address.domain())?;
    let hook = account.bridge.as_ref()?.recipients.hook.as_ref()?;
    Some(HookQuestion { address: address.clone(), account: account.name.clone(), hook: hook.clone() })
}

/// RCPT, when the hook has been asked.
pub fn by_hook(question: &HookQuestion, says: HookSays) -> RecipientDecision {
    match says {
        HookSays::Known => taken_for(&question.address, &question.account, BridgeLane::Thread(None)),
        HookSays::Unknown => RecipientDecision::Unknown(reply::unknown_recipient()),
        HookSays::Unsure => RecipientDecision::Refuse(reply::recipient_undetermined()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recipient::{Bounced, RecipientEvidence, recipient};
    use super::*;
    use crate::clock::UnixMs;
    use crate::config::{self, secret::Surroundings};
    use crate::conversation::keys::Keys;
    use crate::store::unit::TokenState;
    use std::path::Path;

    const HEX: &str = "00112233445566778899aabbccddeeff";
    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    fn config(mode: &str) -> Config {
        let relay = "url = \"https://desk.example/relay/inbound_emails\", password = \"x\"";
        let text = format!(
            "[server]\nhostname = \"mx.example\"\n[[account]]\nname = \"acme\"\ninbound_domain = \"in.example\"\n\
             bridge = {{ {relay}, mode = \"{mode}\", recipients = {{ pattern = \"reply+<uuid>\", list = [\"a@shop.example\"], \
             hook = {{ url = \"https://desk.example/known\" }} }} }}\n\
             [[account.inbox]]\nname = \"help\"\naddress = \"help@acme.example\"\nbridge = {{ {relay} }}\n"
        );
        config::parse(Path::new("replyd.toml"), &text, Surroundings::SYSTEM).expect("a good config")
    }

    fn decide(path: &ForwardPath, mode: &str, agent: Option<&str>, token: Option<&str>) -> RecipientDecision {
        let live = |account: &str| TokenState::Live {
            account: account.to_owned(),
            conversation_id: Id(1),
            agent: agent.map(str::to_owned),
        };
        let token = Ok(token.map_or(TokenState::Unknown, live));
        let now = UnixMs(1_795_000_000_000);
        let evidence = RecipientEvidence { token, bounced: Bounced::of(path, &Keys::new(&[7; 32])), now };
        recipient(path, &config(mode), evidence)
    }

    fn path(address: &str) -> ForwardPath {
        ForwardPath::Mailbox(Address::parse(address).expect("an address"))
    }

    /// Canonical recipient, inbox, mode.
    fn goes_over(decision: RecipientDecision) -> Option<(String, Option<String>, BridgeMode)> {
        let RecipientDecision::Accept(recipient) = decision else { panic!("it is taken: {decision:?}") };
        let order = recipient.bridge?;
        assert_eq!(order.recipient, recipient.address);
        Some((order.spelled, order.inbox, order.mode))
    }

    #[test]
    fn each_recipient_goes_over_its_own_bridge_in_its_own_mode() {
        use BridgeMode::{Also, Only};
        let check = |address: &str, mode, token, expected: Option<(&str, Option<&str>, BridgeMode)>| {
            let expected = expected.map(|(spelled, inbox, mode)| (spelled.to_owned(), inbox.map(str::to_owned), mode));
            assert_eq!(goes_over(decide(&path(address), mode, None, token)), expected, "{address}");
        };
        let token = format!("Reply+{HEX}@in.example");
        check(&token, "only", Some("acme"), Some((&token, None, Only)));
        check(&token, "also", Some("acme"), Some((&token, None, Also)));
        let chatwoot = format!("reply+{UUID}@in.example");
        check(&chatwoot, "also", None, Some((&chatwoot, None, Only)));
        check("A@shop.example", "also", None, Some(("A@shop.example", None, Only)));
        check("Help@acme.example", "only", None, Some(("Help@acme.example", Some("help"), Also)));
        check("abuse@in.example", "only", None, Some(("abuse@in.example", None, Also)));
        let bounce =
            Keys::new(&[7; 32]).bounce_address(Id(Id::first_of(UnixMs(1_795_000_000_000)).0 | 5), "in.example");
        check(&bounce, "only", None, None);
        let agents = decide(&path(&token), "only", Some("sara@acme.example"), Some("acme"));
        assert_eq!(goes_over(agents), None, "an agent's word goes to nobody else");
        let postmaster = decide(&ForwardPath::Postmaster, "only", None, None);
        assert_eq!(goes_over(postmaster), None);
    }

    #[test]
    fn mail_keeps_its_order_within_its_conversation_and_holds_up_no_other() {
        let check = |address: &str, token, expected: BridgeLane| {
            let RecipientDecision::Accept(recipient) = decide(&path(address), "also", None, token) else {
                panic!("{address} is taken")
            };
            assert_eq!(recipient.bridge.expect("a bridge").lane, expected, "{address}");
        };
        check(&format!("reply+{HEX}@in.example"), Some("acme"), BridgeLane::Conversation(Id(1)));
        check(&format!("reply+{UUID}@in.example"), None, BridgeLane::Recipient);
        for address in ["a@shop.example", "help@acme.example", "abuse@in.example"] {
            check(address, None, BridgeLane::Thread(None));
        }
    }

    #[test]
    fn a_hook_decides_about_strangers_alone() {
        let stranger = path("jane@in.example");
        assert_eq!(decide(&stranger, "also", None, None), RecipientDecision::Unknown(reply::unknown_recipient()));
        let question = hook_to_ask(&stranger, &config("also")).expect("there is somebody to ask");
        let known = by_hook(&question, HookSays::Known);
        assert_eq!(goes_over(known), Some(("jane@in.example".to_owned(), None, BridgeMode::Only)));
        assert_eq!(by_hook(&question, HookSays::Unknown), RecipientDecision::Unknown(reply::unknown_recipient()));
        let unsure = RecipientDecision::Refuse(reply::recipient_undetermined());
        assert_eq!(by_hook(&question, HookSays::Unsure), unsure);
        assert!(hook_to_ask(&path("jane@elsewhere.example"), &config("also")).is_none());
        assert!(hook_to_ask(&ForwardPath::Postmaster, &config("also")).is_none());
    }
}
