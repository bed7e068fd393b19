//! Tag lists as DKIM, ARC and DMARC write them (RFC 6376 §3.2): `name = value` between semicolons.

/// Tags, every name a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagList<'a>(Vec<(&'a str, &'a str)>);

/// Real lists have a dozen tags; the check for doubles is quadratic.
const TAGS_MAX: usize = 64;

impl<'a> TagList<'a> {
    /// Reads a list that keeps the grammar, no name twice; folding white space may stand around names and values.
    pub fn parse(text: &'a str) -> Option<TagList<'a>> {
        let text = text.trim_matches(is_space);
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut tags = Vec::with_capacity(12);
        for spec in text.split(';') {
            let (name, value) = spec.split_once('=')?;
            let name = name.trim_matches(is_space);
            if !is_name(name) || tags.iter().any(|(known, _)| *known == name) || tags.len() == TAGS_MAX {
                return None;
            }
            tags.push((name, value.trim_matches(is_space)));
        }
        Some(TagList(tags))
    }

    /// Reads what a domain publishes: a part that is no tag costs only itself, the first of doubles counts.
    pub fn lenient(text: &'a str) -> TagList<'a> {
        let tags = text.split(';').filter_map(|spec| {
            let (name, value) = spec.split_once('=')?;
            Some((name.trim_matches(is_space), value.trim_matches(is_space)))
        });
        TagList(tags.filter(|(name, _)| is_name(name)).take(TAGS_MAX).collect())
    }

    /// A tag's value. Names are case-sensitive (RFC 6376 §3.2).
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The name of the first tag.
    pub fn first(&self) -> Option<&'a str> {
        self.0.first().map(|(name, _)| *name)
    }
}

/// RFC 6376 §2.8 FWS, with the bare LF that some mails are stored with.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Without any folding white space, as base64 values are read.
pub(super) fn squeezed(value: &str) -> String {
    value.chars().filter(|c| !is_space(*c)).collect()
}

/// Base64 with white space inside; empty is not a value.
pub(super) fn base64(value: &str) -> Option<Vec<u8>> {
    let octets = data_encoding::BASE64.decode(squeezed(value).as_bytes()).ok()?;
    if octets.is_empty() { None } else { Some(octets) }
}

/// The items of a colon-separated value.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(|item| item.trim_matches(is_space))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_keep_the_grammar() {
        assert_eq!(TagList::parse(" a = b c ;\r\n\td=\r\n ; ").unwrap().get("a"), Some("b c"));
        let list = TagList::parse("a=b; d=; e=f=g;").unwrap();
        assert_eq!(
            (list.get("d"), list.get("e"), list.get("A"), list.first()),
            (Some(""), Some("f=g"), None, Some("a"))
        );
    }

    #[test]
    fn what_is_published_is_read_as_far_as_it_goes() {
        let list = TagList::lenient("; a = b;; noise; 1=2; a=c; d=e");
        assert_eq!(
            (list.get("a"), list.get("d"), list.get("1"), list.first()),
            (Some("b"), Some("e"), None, Some("a"))
        );
    }

    #[test]
    fn lists_that_do_not() {
        for text in ["", ";", "a", "a=b;;c=d", "a=b;a=c", "=b", "1a=b", "a b=c", "a=b;c", "a=b;;"] {
            assert_eq!(TagList::parse(text), None, "{text:?}");
        }
        let many: String = (0..100).map(|n| format!("t{n}=x;")).collect();
        assert_eq!(TagList::parse(&many), None);
    }
}
