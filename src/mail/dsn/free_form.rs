//! Recipients in bounces that are no reports: qmail, Exim, Sendmail transcripts, Exchange, Notes, providers, carriers.
//!
//! Their words differ, their shape does not: the failed address stands alone on a line, begins one, or follows a
//! word such as "to" or "recipient"; the server's reply stands on its line or below it. Read by shape, so that a
//! form nobody listed is read as well.

use super::addresses;
use super::bounce::{BouncedRecipient, DIAGNOSTIC_OCTETS_MAX, RECIPIENTS_MAX, diagnostic};
use super::rank::{Rank, is_role, rank};
use super::status;
use std::collections::{HashMap, HashSet};

/// The recipients a text names, and how sure that is.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub rank: Option<Rank>,
    pub recipients: Vec<BouncedRecipient>,
}

/// Reads a bounce's own words. `own` are the addresses the bounce itself was sent to: whose mail failed, not for whom.
pub(super) fn read(text: &str, own: &HashSet<String>) -> Found {
    let ranked = ranked(text);
    let others = best(&ranked, |address| !own.contains(address));
    let best = if others.is_empty() { best(&ranked, |_| true) } else { others };
    let blank = |place: &&Place<'_>| BouncedRecipient { recipient: place.key.clone(), ..BouncedRecipient::default() };
    let recipients = described(text, &ranked, best.iter().map(blank).collect());
    Found { rank: best.first().map(|place| place.rank), recipients }
}

/// Fills in what a narrative says of recipients known from elsewhere.
pub(super) fn completed(text: &str, recipients: Vec<BouncedRecipient>) -> Vec<BouncedRecipient> {
    described(text, &ranked(text), recipients)
}

/// An address in the text.
struct Place<'a> {
    rank: Rank,
    /// Lower case.
    key: String,
    start: usize,
    /// Its line, cut to what a reply needs.
    reply: &'a str,
}

/// Sightings looked at: a few for each recipient kept.
const PLACES_MAX: usize = RECIPIENTS_MAX * 4;

fn ranked(text: &str) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    let mut start = 0;
    let mut last_word = "";
    for line in text.split_inclusive('\n') {
        let mut behind_another = false;
        let mut listed_before: Option<(usize, Rank)> = None;
        for sighting in addresses::sightings(line).take(PLACES_MAX) {
            let rank = rank(line, &sighting, last_word)
                .map(|rank| if behind_another { rank.max(Rank::Replied) } else { rank });
            // "to a@x, b@x and c@x": what stands before the first holds for all.
            let listed = listed_before.filter(|(end, _)| goes_on_list(line, *end, sighting.start));
            let rank = listed.map_or(rank, |(_, first)| rank.map(|rank| rank.min(first)));
            listed_before = rank.map(|rank| (sighting.end, rank));
            let place = |rank| Place {
                rank,
                key: sighting.address.to_lowercase(),
                start: start + sighting.start,
                reply: reply(line, sighting.start),
            };
            places.extend(rank.map(place));
            behind_another |= !line
                .get(sighting.end..)
                .is_some_and(|rest| rest.trim_start_matches(['>', '"', ' ']).starts_with([',', ';']));
        }
        if places.len() >= PLACES_MAX {
            break;
        }
        start += line.len();
        last_word = line.split_whitespace().next_back().unwrap_or(last_word);
    }
    places
}

/// Whether only a comma, a semicolon or "and" parts two addresses.
fn goes_on_list(line: &str, end: usize, start: usize) -> bool {
    let between = line.get(end..start).filter(|between| between.len() <= LIST_MARK_OCTETS_MAX).unwrap_or_default();
    let mark = between.trim_matches(|c: char| c.is_whitespace() || "<>\"'()[]".contains(c));
    matches!(mark, "," | ";" | "and" | ", and" | "und" | "et" | "y" | "e" | "、")
}

const LIST_MARK_OCTETS_MAX: usize = 16;

/// A line around an address: a line of 100,000 addresses is not searched for a code once for each.
fn reply(line: &str, at: usize) -> &str {
    let (mut start, mut end) = (at.saturating_sub(256), line.len().min(at + 1024));
    while !line.is_char_boundary(start) {
        start += 1;
    }
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(start..end).unwrap_or_default()
}

/// The first sighting of each best-ranked address that `wanted` lets through.
fn best<'p, 'a>(places: &'p [Place<'a>], wanted: impl Fn(&str) -> bool) -> Vec<&'p Place<'a>> {
    let kept = |place: &&Place<'_>| wanted(&place.key) && (place.rank <= Rank::Named || !is_role(&place.key));
    let rank = places.iter().filter(kept).map(|place| place.rank).min();
    let mut seen = HashSet::new();
    places.iter().filter(kept).filter(|place| Some(place.rank) == rank && seen.insert(place.key.as_str())).collect()
}

/// Gives each recipient the code and the words that stand with it; a lone one those of the whole text.
fn described(text: &str, places: &[Place<'_>], recipients: Vec<BouncedRecipient>) -> Vec<BouncedRecipient> {
    let words = words_by_address(text, places);
    let whole = (recipients.len() == 1).then_some(text);
    let describe = |mut known: BouncedRecipient| {
        let said = words.get(known.recipient.as_str()).copied();
        if known.status.as_deref().is_none_or(status::is_generic) {
            let code = said.and_then(status::of_text).or_else(|| whole.and_then(status::of_text));
            known.status = code.map(str::to_owned).or(known.status);
        }
        known.diagnostic = known.diagnostic.or_else(|| said.or(whole).map(behind_address).and_then(diagnostic));
        known
    };
    recipients.into_iter().map(describe).collect()
}

/// The words behind the address that a section begins with.
fn behind_address(said: &str) -> &str {
    let address = addresses::sightings(said).next().filter(|sighting| sighting.start == 0);
    let words = address.and_then(|sighting| said.get(sighting.end..)).unwrap_or(said);
    words.trim_start_matches(['>', '"', ')', ']', ':', ',', ';', '.', ' ', '\t', '\n'])
}

/// For each address the text that speaks of it: a server's reply that names it, else what stands below it.
fn words_by_address<'a>(text: &'a str, places: &'a [Place<'a>]) -> HashMap<&'a str, &'a str> {
    let mut words: HashMap<&str, (&str, bool)> = HashMap::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (place, end) in places.iter().zip(ends(text, places)) {
        let times = seen.entry(place.key.as_str()).or_default();
        *times += 1;
        if *times > PLACES_OF_ADDRESS_MAX {
            continue;
        }
        let said = if place.rank == Rank::Replied { place.reply } else { section(text, place.start, end) };
        let is_reply =
            status::of_text(said).is_some() && (place.rank == Rank::Replied || status::of_reply(said).is_some());
        let known = words.entry(place.key.as_str()).or_insert((said, is_reply));
        if is_reply && !known.1 {
            *known = (said, true);
        }
    }
    words.into_iter().map(|(address, (said, _))| (address, said)).collect()
}

/// A text that names one address a thousand times says no more of it in the end; searching each place costs.
const PLACES_OF_ADDRESS_MAX: usize = 16;

/// For each place where the next listed recipient but itself begins; one walk from the end.
fn ends(text: &str, places: &[Place<'_>]) -> Vec<usize> {
    let mut ends = Vec::with_capacity(places.len());
    let (mut next, mut other): (Option<&Place<'_>>, Option<&Place<'_>>) = (None, None);
    for place in places.iter().rev() {
        let differs = next.is_some_and(|next| next.key != place.key);
        let end = if differs { next } else { other };
        ends.push(end.map_or(text.len(), |end| end.start));
        if place.rank == Rank::Listed {
            other = if differs { next } else { other };
            next = Some(place);
        }
    }
    ends.reverse();
    ends
}

/// From an address to the next heading, at most 2 KiB.
fn section(text: &str, start: usize, end: usize) -> &str {
    let mut end = end.min(start + DIAGNOSTIC_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let section = text.get(start..end).unwrap_or_default();
    section
        .find("\n   -----")
        .or_else(|| section.find("\n  -----"))
        .or_else(|| section.find("\n-----"))
        .and_then(|heading| section.get(..heading))
        .unwrap_or(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let found = read(text, &HashSet::from(["me@own.example".to_owned()]));
        let found: Vec<_> = found.recipients.iter().map(|r| (r.recipient.as_str(), r.status.as_deref())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn listed_recipients_come_with_their_codes() {
        check(
            "Hi. This is the program.\n\n<A@x.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 <a@x.example>... no\n\n\
             <b@x.example>:\nfull (#5.2.2)\n",
            &[("a@x.example", Some("5.1.1")), ("b@x.example", Some("5.2.2"))],
        );
        check(
            "   ----- The following addresses had permanent fatal errors -----\n<a@x.example>\n<b@x.example>\n\n   ----- Transcript of session follows -----\n\
             550 5.1.1 <a@x.example>... User unknown\n550 5.2.1 <b@x.example>... Disabled\n",
            &[("a@x.example", Some("5.1.1")), ("b@x.example", Some("5.2.1"))],
        );
    }

    #[test]
    fn recipients_in_sentences_and_labels_are_found() {
        check("Your message to <a@x.example> was rejected, ask postmaster@x.example", &[("a@x.example", None)]);
        check(
            "Your message\n  To: team@x.example\n  From: me@own.example\ndid not reach:\na@x.example on Thu\n",
            &[("a@x.example", None)],
        );
        check("  Recipient: [SMTP:a@x.example]\n  Reason: 550 unknown", &[("a@x.example", None)]);
        check(
            "contact support@x.example\n>>> RCPT TO:<a@x.example>\n<<< 550 5.7.1 no\n",
            &[("a@x.example", Some("5.7.1"))],
        );
        check("Invalid final delivery userid: a@x.example\n", &[("a@x.example", None)]);
        check(
            "Could not deliver to: a@x.example, b@x.example and <c@x.example>",
            &[("a@x.example", None), ("b@x.example", None), ("c@x.example", None)],
        );
        check("nothing here", &[]);
    }

    #[test]
    fn a_hundred_thousand_recipients_stay_bounded() {
        let text: String = (0..100_000).map(|n| format!("<u{n}@x.example>: 550 5.1.1 no\n")).collect();
        let found = read(&text, &HashSet::new());
        assert!(found.recipients.len() <= PLACES_MAX + 1);
        assert_eq!(found.recipients[0].status.as_deref(), Some("5.1.1"));
    }
}
