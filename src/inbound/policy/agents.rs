//! Mail to agents' tokens, decided at the end of data: what is sent from there is sent in the name of the company. Pure.

use super::Answering;
use crate::sender_auth::Verdict;
use crate::smtp::reply::{self, Reply};

/// What is known of who wrote a mail that came to an agent's token.
#[derive(Debug, Clone, Copy)]
pub struct AgentEvidence<'a> {
    /// Whose token it is: the registered address, for each recipient; `None` where it is nobody's.
    pub agents: &'a [Option<&'a str>],
    pub verdict: Verdict,
    /// The one From address, canonical.
    pub author: Option<&'a str>,
}

/// What becomes of a mail to agents' tokens, for each recipient. Their words go out in the name of the company, so only
/// the agent writes there, and only a domain that answers for the mail proves that it is the agent.
///
/// One answer for all cannot say that a part was not taken, so where there is one answer, one agent's token that the
/// author may not use refuses the mail for all: whoever wrote it learns of it and may write to the others alone.
pub fn refused_of_agents(evidence: &AgentEvidence<'_>, answering: Answering) -> Vec<Option<Reply>> {
    let of = |agent: &Option<&str>| agent.and_then(|agent| refused_of_agent(agent, evidence));
    let mut refused: Vec<Option<Reply>> = evidence.agents.iter().map(of).collect();
    if answering == Answering::Once {
        // For good before for now: what cannot be delivered to one recipient never gets better for the others.
        let first = refused.iter().flatten().find(|reply| !reply.is_transient()).or(refused.iter().flatten().next());
        if let Some(first) = first.cloned() {
            refused.fill(Some(first));
        }
    }
    refused
}

fn refused_of_agent(agent: &str, evidence: &AgentEvidence<'_>) -> Option<Reply> {
    if evidence.author != Some(agent) {
        return Some(reply::not_the_agent());
    }
    match evidence.verdict {
        Verdict::Authentic => None,
        Verdict::Undetermined => Some(reply::agent_undetermined()),
        Verdict::Unproven | Verdict::Forged => Some(reply::agent_unproven()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_token_takes_only_what_is_proven_to_be_the_agents() {
        let sara = "sara@acme.example";
        let check = |author, verdict, expected: Option<Reply>| {
            let evidence = AgentEvidence { agents: &[Some(sara)], verdict, author };
            for answering in [Answering::Once, Answering::PerRecipient] {
                let refused = refused_of_agents(&evidence, answering);
                assert_eq!(refused, std::slice::from_ref(&expected), "{author:?} {verdict:?}");
            }
        };
        check(Some(sara), Verdict::Authentic, None);
        check(Some(sara), Verdict::Unproven, Some(reply::agent_unproven()));
        check(Some(sara), Verdict::Forged, Some(reply::agent_unproven()));
        check(Some(sara), Verdict::Undetermined, Some(reply::agent_undetermined()));
        for author in [Some("ben@acme.example"), None] {
            for verdict in [Verdict::Authentic, Verdict::Undetermined, Verdict::Unproven] {
                check(author, verdict, Some(reply::not_the_agent()));
            }
        }
    }

    #[test]
    fn an_agents_token_refuses_for_all_where_there_is_one_answer() {
        let (sara, ben) = ("sara@acme.example", "ben@acme.example");
        let check = |agents: &[Option<&str>], verdict, answering, expected: &[Option<Reply>]| {
            let evidence = AgentEvidence { agents, verdict, author: Some(sara) };
            assert_eq!(refused_of_agents(&evidence, answering), expected, "{agents:?} {answering:?}");
        };
        let (foreign, later) = (|| Some(reply::not_the_agent()), || Some(reply::agent_undetermined()));
        let (once, each) = (Answering::Once, Answering::PerRecipient);
        check(&[None, None], Verdict::Unproven, once, &[None, None]);
        check(&[None, Some(sara)], Verdict::Authentic, once, &[None, None]);
        check(&[None, Some(ben)], Verdict::Authentic, once, &[foreign(), foreign()]);
        check(&[None, Some(ben)], Verdict::Authentic, each, &[None, foreign()]);
        check(&[Some(sara), Some(ben)], Verdict::Undetermined, once, &[foreign(), foreign()]);
        check(&[Some(sara), Some(ben)], Verdict::Undetermined, each, &[later(), foreign()]);
        check(&[Some(sara), None], Verdict::Undetermined, once, &[later(), later()]);
    }
}
