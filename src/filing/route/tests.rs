//! The routes of mails, as cases.

use super::*;
use crate::conversation::reply_token::ReplyToken;
use crate::store::unit::ContactOf;

const TOKEN: ReplyToken = ReplyToken([1; 16]);
const OTHER: ReplyToken = ReplyToken([2; 16]);
const CLAIMED: ReplyToken = ReplyToken([5; 16]);
const INBOX: InboxRef<'static> = InboxRef { name: "mail", channel: Channel::Email };

/// Conversation 1 is with ann, has TOKEN and `sent@us`; 2 is with an unnamed visitor and has OTHER; 3 is with a visitor who
/// typed bo's address, and has CLAIMED.
fn evidence(takes_part: &[i64]) -> RoutingEvidence {
    RoutingEvidence {
        by_token: vec![(TOKEN, Id(1)), (OTHER, Id(2)), (CLAIMED, Id(3))],
        by_message_id: vec![("sent@us".into(), Id(1))],
        sender_takes_part: takes_part.iter().map(|id| Id(*id)).collect(),
        contacts: vec![
            contact(1, Some("ann@x.example"), None),
            contact(2, None, None),
            contact(3, None, Some("bo@y.example")),
        ],
        ..RoutingEvidence::default()
    }
}

fn contact(conversation: i64, email: Option<&str>, claimed: Option<&str>) -> ContactOf {
    let (email, claimed) = (email.map(str::to_owned), claimed.map(str::to_owned));
    ContactOf { conversation: Id(conversation), inbox: "mail".into(), email, claimed }
}

fn wanted(envelope: Option<ReplyToken>, header: &[ReplyToken], ids: &[&str]) -> Wanted {
    Wanted {
        envelope_token: envelope,
        header_tokens: header.to_vec(),
        message_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn case(wanted: &Wanted) -> Case<'_> {
    Case {
        recipient: "x@r.example",
        wanted,
        class: Class::Human,
        subject: Some("Hi"),
        own: false,
        bounce_token: BounceToken::Absent,
        bounced_message_id: None,
        sender: Some("ann@x.example"),
        sender_proof: Proof::Unproven,
        inbox: None,
        first_inbox: Some(INBOX),
    }
}

fn shown(route: Result<Route, &'static str>) -> String {
    route.map_or("none".into(), |route| {
        let place = match route.destination {
            Destination::Existing(id) => format!("conversation {}", id.0),
            Destination::New { inbox, .. } => format!("new in {inbox}"),
            Destination::Nowhere => "nowhere".into(),
        };
        let kind = match route.writer {
            Writer::Machine => "System".to_owned(),
            Writer::Agent(agent) => format!("Agent {}", agent.name),
            Writer::AgentElsewhere(agent) => format!("Agent {} elsewhere", agent.name),
            other => format!("{other:?}"),
        };
        format!("{place}, {kind}")
    })
}

#[test]
fn the_best_evidence_wins() {
    let both = wanted(Some(TOKEN), &[OTHER], &[]);
    assert_eq!(shown(decide(&case(&both), &evidence(&[]))), "conversation 1, Contact");
    let header = wanted(Some(ReplyToken([9; 16])), &[OTHER], &["sent@us"]);
    assert_eq!(shown(decide(&case(&header), &evidence(&[1]))), "conversation 2, Participant");
    let answer = wanted(None, &[], &["unknown@x", "sent@us"]);
    assert_eq!(shown(decide(&case(&answer), &evidence(&[1]))), "conversation 1, Contact");
    let to_inbox = Case { inbox: Some(INBOX), ..case(&answer) };
    assert_eq!(shown(decide(&to_inbox, &evidence(&[1]))), "conversation 1, Contact");
}

#[test]
fn a_known_message_id_opens_nothing_to_a_stranger() {
    let answer = wanted(None, &[], &["sent@us"]);
    assert_eq!(shown(decide(&case(&answer), &evidence(&[]))), "none");
    let to_inbox = Case { inbox: Some(INBOX), ..case(&answer) };
    assert_eq!(shown(decide(&to_inbox, &evidence(&[]))), "new in mail, Contact");
}

#[test]
fn an_old_thread_of_chatwoot_goes_on_for_those_who_take_part_and_for_nobody_else() {
    let old = wanted(None, &[], &["conversation/01010101-0101-0101-0101-010101010101/messages/7@chat.example"]);
    assert_eq!(shown(decide(&case(&old), &evidence(&[1]))), "conversation 1, Contact");
    assert_eq!(shown(decide(&case(&old), &evidence(&[]))), "none");
}

#[test]
fn postmaster_lands_in_the_first_inbox_and_other_strangers_nowhere() {
    let nothing = wanted(None, &[], &[]);
    for recipient in ["Postmaster@r.example", "abuse@r.example", "postmaster"] {
        let role = Case { recipient, ..case(&nothing) };
        assert_eq!(shown(decide(&role, &evidence(&[]))), "new in mail, Contact", "{recipient}");
    }
    assert_eq!(shown(decide(&case(&nothing), &evidence(&[]))), "none");
}

#[test]
fn another_writer_is_never_the_contact() {
    let by_token = wanted(Some(TOKEN), &[], &[]);
    for sender in [Some("eve@y.example"), None] {
        let eve = Case { sender, sender_proof: Proof::Authentic, ..case(&by_token) };
        assert_eq!(shown(decide(&eve, &evidence(&[]))), "conversation 1, Participant");
    }
}

#[test]
fn an_unnamed_visitor_takes_only_a_proven_address_of_a_person() {
    let by_token = wanted(Some(OTHER), &[], &[]);
    let author = |sender_proof, class| shown(decide(&Case { sender_proof, class, ..case(&by_token) }, &evidence(&[])));
    assert_eq!(author(Proof::Authentic, Class::Human), "conversation 2, Contact");
    assert_eq!(author(Proof::Unproven, Class::Human), "conversation 2, Participant");
    assert_eq!(author(Proof::Authentic, Class::AutoReply), "conversation 2, Participant");
}

#[test]
fn a_bounce_is_an_activity_where_it_belongs_and_a_fact_elsewhere() {
    let nothing = wanted(None, &[], &[]);
    let bounce = Case { class: Class::Bounce, inbox: Some(INBOX), sender: None, ..case(&nothing) };
    assert_eq!(shown(decide(&bounce, &evidence(&[]))), "nowhere, System");
    let ours = Case { bounced_message_id: Some("sent@us"), ..bounce };
    assert_eq!(shown(decide(&ours, &evidence(&[]))), "conversation 1, System");
}

fn sara() -> AgentRef {
    AgentRef { email: "sara@us.example".into(), name: "Sara".into() }
}

/// TOKEN is the contact's, AGENTS is Sara's in the same conversation.
const AGENTS: ReplyToken = ReplyToken([3; 16]);

fn with_agent(sender_is_agent: bool) -> RoutingEvidence {
    let mut evidence = evidence(&[]);
    evidence.by_token.push((AGENTS, Id(1)));
    evidence.agents_by_token.push((AGENTS, sara()));
    evidence.sender_agent = sender_is_agent.then(sara);
    evidence
}

fn of_sara(wanted: &Wanted) -> Case<'_> {
    Case { sender: Some("sara@us.example"), sender_proof: Proof::Authentic, ..case(wanted) }
}

#[test]
fn an_agent_answers_at_the_own_token_with_proof_and_nobody_else_does() {
    let own = wanted(Some(AGENTS), &[], &[]);
    let check = |case: Case<'_>, expected| assert_eq!(shown(decide(&case, &with_agent(true))), expected);
    check(of_sara(&own), "conversation 1, Agent Sara");
    check(Case { sender_proof: Proof::Unproven, ..of_sara(&own) }, "none");
    check(Case { sender: Some("ben@us.example"), ..of_sara(&own) }, "none");
    check(Case { sender: None, ..of_sara(&own) }, "none");
    check(Case { class: Class::AutoReply, ..of_sara(&own) }, "nowhere, System");
    check(Case { class: Class::Bounce, ..of_sara(&own) }, "nowhere, System");
    check(Case { class: Class::List, ..of_sara(&own) }, "conversation 1, Agent Sara elsewhere");
    // The same mail, at the inbox that it was also sent to.
    let copied = wanted(None, &[AGENTS], &[]);
    check(Case { inbox: Some(INBOX), ..of_sara(&copied) }, "conversation 1, Agent Sara");
    let eve = Case { inbox: Some(INBOX), sender: Some("eve@y.example"), ..of_sara(&copied) };
    assert_eq!(shown(decide(&eve, &with_agent(false))), "conversation 1, Participant");
}

#[test]
fn an_agent_who_answers_elsewhere_is_neither_the_contact_nor_passed_on() {
    let check = |case: Case<'_>, expected| assert_eq!(shown(decide(&case, &with_agent(true))), expected);
    let by_contacts_token = wanted(Some(TOKEN), &[], &[]);
    check(of_sara(&by_contacts_token), "conversation 1, Agent Sara elsewhere");
    check(Case { sender_proof: Proof::Unproven, ..of_sara(&by_contacts_token) }, "conversation 1, Participant");
    let of_visitor = wanted(Some(OTHER), &[], &[]);
    check(of_sara(&of_visitor), "conversation 2, Agent Sara elsewhere");
    let to_inbox = wanted(None, &[], &["sent@us"]);
    check(Case { inbox: Some(INBOX), ..of_sara(&to_inbox) }, "conversation 1, Agent Sara elsewhere");
    check(Case { inbox: Some(INBOX), class: Class::AutoReply, ..of_sara(&to_inbox) }, "nowhere, System");
    let unproven = Case { sender_proof: Proof::Unproven, ..of_sara(&to_inbox) };
    check(Case { inbox: Some(INBOX), ..unproven }, "new in mail, Contact");
    let first = wanted(None, &[], &[]);
    check(Case { inbox: Some(INBOX), ..of_sara(&first) }, "new in mail, Contact");
}

#[test]
fn a_bounce_token_tells_of_its_mail_and_loses_no_persons_words() {
    let nothing = wanted(None, &[], &[]);
    let check = |class, bounce_token, expected| {
        let case = Case { class, bounce_token, inbox: Some(INBOX), ..case(&nothing) };
        assert_eq!(shown(decide(&case, &evidence(&[]))), expected, "{class:?} {bounce_token:?}");
    };
    let of = BounceToken::Of(Id(1));
    check(Class::Bounce, of, "conversation 1, System");
    check(Class::Bounce, BounceToken::OfNothing, "nowhere, System");
    check(Class::AutoReply, of, "nowhere, System");
    check(Class::Human, of, "conversation 1, Contact");
    check(Class::Human, BounceToken::Of(Id(2)), "conversation 2, Participant");
    check(Class::Human, BounceToken::OfNothing, "none");
}

#[test]
fn our_own_mail_is_nobodys_word() {
    let by_token = wanted(Some(TOKEN), &[], &[]);
    let own = Case { own: true, inbox: Some(INBOX), ..case(&by_token) };
    assert_eq!(shown(decide(&own, &evidence(&[1]))), "nowhere, System");
}

#[test]
fn who_writes_from_a_typed_address_is_the_contact_and_nobody_else_becomes_it() {
    let answer = wanted(Some(CLAIMED), &[], &[]);
    for (sender, proof, expected) in [
        ("bo@y.example", Proof::Authentic, "conversation 3, Contact"),
        ("bo@y.example", Proof::Unproven, "conversation 3, Contact"),
        ("eve@z.example", Proof::Authentic, "conversation 3, Participant"),
        ("eve@z.example", Proof::Unproven, "conversation 3, Participant"),
    ] {
        let case = Case { sender: Some(sender), sender_proof: proof, ..case(&answer) };
        assert_eq!(shown(decide(&case, &evidence(&[]))), expected, "{sender} {proof:?}");
    }
}
