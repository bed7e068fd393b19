//! The lane of letters with sign-in links, beside the queue: they belong to no conversation, are worth nothing after a quarter of
//! an hour, and their content must not be kept. Same routes, connections, sessions and signatures as other mail, a few at a time.
//!
//! Each attempt makes a link of its own, whose hash is committed before anything is dialled. A crash leaves the letter due again
//! within two minutes: the agent may get two, and both links are good until one is used.

use super::cargo::Cargo;
use super::compose::SignInMail;
use super::deliver;
use super::in_hand::Told;
use super::schedule::Verdict;
use super::services::{Sending, Services};
use super::session::Envelope;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::links;
use crate::conversation::sign_in::LinkWord;
use crate::mail::address::Address;
use crate::retry;
use crate::store::StoreError;
use crate::store::desk::{LetterEnd, SignInLetter};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Sends until `shutdown`; attempts that run then are cut, and made again at the next start.
pub(super) async fn run(services: Arc<Services>, shutdown: CancellationToken) {
    let mut announced = services.store.sign_in_letters();
    let mut attempts = JoinSet::new();
    let mut in_hand = HashSet::new();
    loop {
        let look_again = give_out(&services, &mut attempts, &mut in_hand).await;
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = attempts.join_next() => match ended {
                Ok(letter) => drop(in_hand.remove(&letter)),
                Err(error) => {
                    services.counters.panics.inc();
                    tracing::error!(%error, "sending a sign-in letter ended in a panic; this is a defect of replyd: please report it");
                    // Which one is not told; of the others none is due before it has ended.
                    in_hand.clear();
                }
            },
            Ok(()) = announced.changed() => {}
            () = sleep_until(look_again.into()) => {}
        }
    }
    attempts.shutdown().await;
}

/// Begins what is due; answers when to look again.
async fn give_out(services: &Arc<Services>, attempts: &mut JoinSet<Id>, in_hand: &mut HashSet<Id>) -> Instant {
    let now = services.clock.now();
    let open = match services.store.open_letters(LOOKED_AT).await {
        Ok(open) => open,
        Err(error) => {
            tracing::warn!(%error, "letters with sign-in links cannot be read; tried again");
            Vec::new()
        }
    };
    let mut wait = POLL;
    for letter in open {
        if in_hand.contains(&letter.id) {
            continue;
        }
        if letter.due_at > now {
            let ms = u64::try_from(letter.due_at.0.saturating_sub(now.0)).unwrap_or(0);
            wait = wait.min(Duration::from_millis(ms));
        } else if in_hand.len() < AT_ONCE {
            in_hand.insert(letter.id);
            attempts.spawn(attempt(Arc::clone(services), letter));
        }
    }
    services.clock.monotonic() + wait
}

/// One attempt, from the link to the record of what came of it.
async fn attempt(services: Arc<Services>, letter: SignInLetter) -> Id {
    let id = letter.id;
    let now = services.clock.now();
    match begun(&services, &letter, now).await {
        Ok(word) => {
            let told = timeout(TOTAL, delivered(&services, &letter, &word, now)).await;
            let late = || Told::unsaid(Verdict::Later { after: None }, "it took too long".to_owned());
            let end = end_of(&services, &letter, told.unwrap_or_else(|_| late()));
            if let Err(error) = services.store.letter_ended(id, end).await {
                tracing::warn!(%error, "what became of a sign-in letter is not written; it may be sent twice");
            }
        }
        // Over, or the store has trouble of its own: then it is as due as before.
        Err(StoreError::NotFound(_)) => {
            let _ = services.store.letter_ended(id, LetterEnd::Over).await;
        }
        Err(error) => {
            tracing::warn!(%error, "a sign-in letter waits for the store");
            tokio::time::sleep(AFTER_TROUBLE).await;
        }
    }
    id
}

/// The link of this attempt, kept as its hash.
async fn begun(services: &Services, letter: &SignInLetter, now: UnixMs) -> Result<LinkWord, StoreError> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|error| StoreError::Unhealthy(error.to_string()))?;
    let word = LinkWord::new(random);
    // After a crash; no attempt of this run takes longer.
    let next = links::until(now, TOTAL);
    services.store.letter_attempt(letter.id, word.kept(), next).await?;
    Ok(word)
}

async fn delivered(services: &Arc<Services>, letter: &SignInLetter, word: &LinkWord, now: UnixMs) -> Told {
    let sending = services.sending();
    let domain = match Address::parse(&letter.agent.email) {
        Ok(address) => address.domain().to_owned(),
        Err(error) => return Told::unsaid(Verdict::Never { suppress: None }, error.to_string()),
    };
    let route = match sending.route_to(&letter.agent.account, &domain).await {
        Ok(route) => route,
        Err(why) => return Told::unsaid(Verdict::Later { after: None }, format!("{why:?}")),
    };
    let mail = SignInMail {
        id: letter.id,
        account: letter.agent.account.clone(),
        agent: letter.agent.clone(),
        url: word.url(&sending.config.http.public_url),
        written_at: now,
        until: letter.expires_at,
    };
    let mut cargo = SignInCargo { services, sending: &sending, mail, content: None };
    deliver::over(services, &sending, &route, &mut cargo).await
}

fn end_of(services: &Services, letter: &SignInLetter, told: Told) -> LetterEnd {
    let (agent, reason) = (letter.agent.id, &told.reason);
    match told.verdict {
        Verdict::Delivered => {
            tracing::info!(%agent, "a sign-in link was mailed");
            LetterEnd::Over
        }
        Verdict::Never { .. } => {
            tracing::warn!(%agent, reason, "a sign-in link cannot be mailed; replyd agent link prints one");
            LetterEnd::Over
        }
        Verdict::Later { after } => {
            let usual = retry::jittered(retry::wait(retry::DELIVERY, letter.attempts + 1), services.draw());
            tracing::warn!(%agent, reason, "a sign-in link is not mailed yet; replyd agent link prints one");
            LetterEnd::Later(links::until(services.clock.now(), after.unwrap_or(usual)))
        }
        // Few minutes are left: another try costs the agent a second letter, giving up costs them the way in.
        Verdict::Uncertain | Verdict::LaterOnTheFirstDay | Verdict::AskedAgainOnce | Verdict::Defect => {
            tracing::warn!(%agent, reason, "it is not sure that a sign-in link was mailed; it is sent again");
            LetterEnd::Later(links::until(services.clock.now(), retry::wait(retry::DELIVERY, letter.attempts + 1)))
        }
    }
}

struct SignInCargo<'a> {
    services: &'a Services,
    sending: &'a Sending,
    mail: SignInMail,
    content: Option<(Envelope, Arc<Vec<u8>>)>,
}

impl Cargo for SignInCargo<'_> {
    fn name(&self) -> String {
        format!("sign-in letter {}", self.mail.id)
    }

    async fn content(&mut self) -> Result<(Envelope, Arc<Vec<u8>>), Box<Told>> {
        if let Some((envelope, octets)) = &self.content {
            return Ok((envelope.clone(), Arc::clone(octets)));
        }
        let composed = self.sending.sign_in_mail(&self.mail);
        let octets = composed.map_err(|error| {
            Box::new(Told::unsaid(Verdict::Never { suppress: None }, format!("it could not be made: {error}")))
        })?;
        let content = (self.envelope()?, Arc::new(octets));
        self.content = Some(content.clone());
        Ok(content)
    }

    /// Nothing is noted: there is no entry that could be cancelled, and what is not sure is sent again.
    async fn data_sent(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl SignInCargo<'_> {
    fn envelope(&self) -> Result<Envelope, Box<Told>> {
        let never = |reason: String| Box::new(Told::unsaid(Verdict::Never { suppress: None }, reason));
        let domain = self.sending.inbound_domain(&self.mail.account);
        let domain = domain.ok_or_else(|| never("the account left the config".to_owned()))?;
        let bounces = self.services.store.keys().bounce_address(self.mail.id, domain);
        Ok(Envelope {
            reverse_path: Address::parse(&bounces).ok(),
            forward_path: Address::parse(&self.mail.agent.email).map_err(|error| never(error.to_string()))?,
            require_tls: false,
        })
    }
}

/// Letters at one time: an agent asks for one now and then.
const AT_ONCE: usize = 4;
const LOOKED_AT: usize = 64;
/// Of one attempt.
const TOTAL: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_secs(30);
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
