//! RCPT, whatever door asks: loads the evidence, lets policy decide, and asks the other side of a bridge where policy knows of
//! nobody else to ask.

use super::policy::{self, Bounced, RecipientDecision, RecipientEvidence};
use super::services::Services;
use crate::smtp::question::ForwardPath;

/// Whose mail this is; only the hooks of these accounts are asked.
pub async fn decide(services: &Services, path: &ForwardPath, may_ask: impl Fn(&str) -> bool) -> RecipientDecision {
    let token = services.store.token_state(policy::token_to_look_up(path)).await;
    let bounced = Bounced::of(path, services.store.keys());
    let evidence = RecipientEvidence { token, bounced, now: services.clock.now() };
    let config = services.config.load_full();
    let decision = policy::recipient(path, &config, evidence);
    let question = match &decision {
        RecipientDecision::Unknown(_) => policy::hook_to_ask(path, &config),
        RecipientDecision::Accept(_) | RecipientDecision::Refuse(_) => None,
    };
    match question.filter(|question| may_ask(&question.account)) {
        Some(question) => policy::by_hook(&question, services.recipient_hooks.ask(services, &question).await),
        None => decision,
    }
}
