//! When a recipient's host refuses a mail because of us (a blocklist, a policy, 5.7.x) and not because of the mail: the
//! smarthost of `outbound.fallback` is asked once in the same attempt, and both answers are on record. Pure.

use super::hop::Unroutable;
use super::in_hand::Told;
use super::outcome::{Blame, Fate, Judgement, Otherwise};
use super::schedule::Verdict;
use crate::limits::TRANSCRIPT_OCTETS_MAX;
use crate::smtp::client::remote_reply::capped;

/// Whether another sender may get through. What waits for the operator anyway, such as a login, is no refusal.
pub fn may_help(judgement: &Judgement) -> bool {
    let refused = match judgement.result {
        Fate::Failed | Fate::TryNextHop { otherwise: Otherwise::Failed | Otherwise::FailedAfterADay } => true,
        Fate::Delivered | Fate::Deferred | Fate::TryNextHop { otherwise: Otherwise::Deferred } => false,
    };
    refused && judgement.blame == Blame::Ourselves
}

/// What the fallback said, with what had been said before. The news of the site stay those of the recipient's own host.
pub fn after(refused: Told, second: Told) -> Told {
    let refusal = refusal(&refused);
    let reason = if second.verdict == Verdict::Delivered {
        format!("the smarthost of outbound.fallback took it, because {refusal}")
    } else {
        format!("{}; that was the smarthost of outbound.fallback, because {refusal}", second.reason)
    };
    let half = TRANSCRIPT_OCTETS_MAX / 2;
    let (first, then) = (capped(&refused.transcript, half), capped(&second.transcript, half));
    let transcript = format!("{first}-- on to outbound.fallback\n{then}");
    Told { reason, transcript, news: refused.news, ..second }
}

/// The fallback has no way for now: that is no reason to fail a mail. Where it may never have this one, the refusal stands.
pub fn without(refused: Told, unroutable: Unroutable) -> Told {
    match unroutable {
        Unroutable::Temporary { reason } => Told {
            verdict: Verdict::Later { after: None },
            reason: format!("{}; outbound.fallback cannot be used now: {reason}", refused.reason),
            ..refused
        },
        Unroutable::Permanent { .. } | Unroutable::NoSuchDomain { .. } | Unroutable::PolicyUnmet { .. } => refused,
    }
}

fn refusal(refused: &Told) -> String {
    let remote = refused.remote.as_deref().unwrap_or("the recipient's mail host");
    let reply = refused.remote_reply.as_deref().unwrap_or_default();
    format!("{remote} had refused it: {reply}")
}
