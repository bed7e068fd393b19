//! Message-IDs as threading needs them: one checked form, read from hostile headers (RFC 5322 §3.6.4).
//!
//! Real mail breaks the grammar (spaces, missing domains, folded ids), so this accepts what clients produce and
//! keeps out what could do harm: controls, white space, angle brackets, non-ASCII, more than 250 octets.

/// A Message-ID without its angle brackets. Compared to the letter, as RFC 5322 asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct MsgId(String);

/// Longer ids are dropped: no client writes them, and each is an index key and a header we may send back.
pub const MSG_ID_OCTETS_MAX: usize = 250;

impl MsgId {
    /// An id with or without its brackets; `None` if anything in it could not stand in a header as it is.
    pub fn parse(text: &str) -> Option<MsgId> {
        let id = text.trim().trim_start_matches('<').trim_end_matches('>');
        let fine = !id.is_empty()
            && id.len() <= MSG_ID_OCTETS_MAX
            && id.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'<' && octet != b'>');
        fine.then(|| MsgId(id.to_owned()))
    }

    /// Every id of a `References` or `In-Reply-To` value, in order, without doubles, at most `max`.
    pub fn parse_list(value: &str, max: usize) -> Vec<MsgId> {
        let mut ids: Vec<MsgId> = Vec::new();
        let unfolded: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        let bracketed = unfolded.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(id, _)| id));
        let bare = unfolded.split_whitespace().filter(|word| !word.contains('<') && word.contains('@'));
        let words: Vec<&str> = if unfolded.contains('<') { bracketed.collect() } else { bare.collect() };
        for id in words.into_iter().filter_map(MsgId::parse) {
            if ids.len() < max && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// Without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MsgId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> Vec<String> {
        MsgId::parse_list(value, 100).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn ids_that_could_not_stand_in_a_header_are_dropped() {
        for hostile in ["", "<>", "<a@b\rBcc: z>", "<a\0@b>", "<a b@c>", "<ü@b>", &format!("<{}@b>", "x".repeat(250))]
        {
            assert_eq!(MsgId::parse(hostile), None, "{hostile:?}");
        }
        assert_eq!(MsgId::parse("<a@b>").map(|id| id.to_string()), Some("a@b".into()));
    }

    #[test]
    fn lists_survive_folding_comments_and_missing_brackets() {
        assert_eq!(list("<a@b>\r\n <c@d>\t<a@b>"), ["a@b", "c@d"]);
        assert_eq!(list("a@b c@d"), ["a@b", "c@d"]);
        assert_eq!(list("Your message of Monday <a@b>"), ["a@b"]);
        assert_eq!(list("<unclosed@b"), Vec::<String>::new());
    }

    #[test]
    fn a_list_stops_at_its_bound() {
        let many: String = (0..50).map(|n| format!("<{n}@x> ")).collect();
        assert_eq!(MsgId::parse_list(&many, 10).len(), 10);
    }
}
