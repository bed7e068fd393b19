//! JSON as ingresses read it: the few members that are wanted are kept, the rest is read over and leaves nothing. Of two
//! octets of JSON a value in memory would make thirty, and some bodies are read before anybody has proven who sent them.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value, as far as anybody here reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    Text(String),
    /// A whole number, as it is written.
    Number(String),
    Null,
    /// An object at a depth that is looked at: its wanted members, of equal names the last.
    Object(Vec<(String, Member)>),
    /// Any other number, an array, a deeper object.
    Other,
}

impl Member {
    pub fn take(&mut self, name: &str) -> Option<Member> {
        let Member::Object(members) = self else { return None };
        let at = members.iter().position(|(known, _)| known == name)?;
        Some(members.swap_remove(at).1)
    }

    pub fn text(self) -> Option<String> {
        if let Member::Text(text) = self { Some(text) } else { None }
    }
}

/// Escapes of half a character (`\ud83d` alone) become U+FFFD, in place: some providers cut a text between the halves, and one
/// such letter is no reason to refuse a mail, or a whole list of them. RFC 8259 §8.2 leaves it to the reader.
pub fn mend_halves(octets: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = octets.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        at += match (escaped(octets, at), escaped(octets, at + ESCAPE_OCTETS)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE_OCTETS,
            (Some(0xd800..=0xdfff), _) => {
                if let Some(digits) = octets.get_mut(at + 2..at + ESCAPE_OCTETS) {
                    digits.copy_from_slice(b"fffd");
                }
                ESCAPE_OCTETS
            }
            (Some(_), _) => ESCAPE_OCTETS,
            (None, _) => 2,
        };
    }
}

/// The unit of UTF-16 that is escaped here.
fn escaped(octets: &[u8], at: usize) -> Option<u16> {
    let digits = octets.get(at..at + ESCAPE_OCTETS)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `\uXXXX`
const ESCAPE_OCTETS: usize = 6;

/// Members of the object with these names. What is no object has no parameters, and what is no JSON is an error.
pub fn members(octets: &[u8], wanted: &[&str]) -> Result<Vec<(String, Member)>, serde_json::Error> {
    // RFC 8259 §8.1: who reads it may pass over a byte order mark.
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let member = Reader { wanted, depth: 1 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(if let Member::Object(members) = member { members } else { Vec::new() })
}

/// A list of objects, each with these members and those of objects in it; `None` if it has more than `items_max`.
pub fn objects(octets: &[u8], wanted: &[&str], items_max: usize) -> Result<Option<Vec<Member>>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let objects = deserializer.deserialize_seq(Objects { wanted, items_max })?;
    deserializer.end()?;
    Ok(objects)
}

struct Objects<'a> {
    wanted: &'a [&'a str],
    items_max: usize,
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = Option<Vec<Member>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(object) = items.next_element_seed(Reader { wanted: self.wanted, depth: 2 })? {
            if !matches!(object, Member::Object(_)) {
                return Err(A::Error::custom("an item is no object"));
            }
            if objects.len() == self.items_max {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            objects.push(object);
        }
        Ok(Some(objects))
    }
}

/// Reads one value, and objects in it down to a depth.
#[derive(Clone, Copy)]
struct Reader<'a> {
    wanted: &'a [&'a str],
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Member, E> {
        Ok(Member::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(Member::Number(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let mut members: Vec<(String, Member)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.depth == 0 || !self.wanted.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(Reader { depth: self.depth - 1, ..self })?;
            members.retain(|(known, _)| *known != name);
            members.push((name, value));
        }
        Ok(if self.depth == 0 { Member::Other } else { Member::Object(members) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_members_are_kept_and_the_last_of_a_name_counts() {
        let json = br#" {"a": 1, "b": {"a": 9}, "c": [1, "x"], "a": "two"} "#;
        let members = members(json, &["a", "c"]).expect("an object");
        assert_eq!(members, [("c".to_owned(), Member::Other), ("a".to_owned(), Member::Text("two".to_owned()))]);
    }

    #[test]
    fn of_a_value_that_is_no_text_nothing_is_kept() {
        let json = br#"{"a": {"x": [1, {"y": null}]}, "b": null, "c": -1.5e3, "d": true, "e": 18446744073709551615}"#;
        let members = members(json, &["a", "b", "c", "d", "e"]).expect("an object");
        let values: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
        let number = Member::Number("18446744073709551615".to_owned());
        assert_eq!(values, [Member::Other, Member::Null, Member::Other, Member::Other, number]);
    }

    #[test]
    fn half_a_character_is_replaced_and_nothing_else() {
        for (json, expected) in [
            (r#"{"a":"x \ud83d y"}"#, "x \u{fffd} y"),
            (r#"{"a":"\ude00"}"#, "\u{fffd}"),
            (r#"{"a":"\ud83d\ude00"}"#, "\u{1f600}"),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (r#"{"a":"\\ud83d \\\\ud83d \u00e9"}"#, "\\ud83d \\\\ud83d \u{e9}"),
            (r#"{"a":"\uD83D"}"#, "\u{fffd}"),
        ] {
            let mut octets = json.as_bytes().to_vec();
            mend_halves(&mut octets);
            let members = members(&octets, &["a"]).expect("an object");
            assert_eq!(members, [("a".to_owned(), Member::Text(expected.to_owned()))], "{json}");
        }
        for broken in ["\\", "\\u", "\\ud8", "\\ud83", "\\ud83d", "\\ud83d\\", "x\\ud83d\\ude0"] {
            mend_halves(&mut broken.as_bytes().to_vec());
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(members(b"\xef\xbb\xbf{\"a\":null}", &["a"]).expect("an object").len(), 1);
    }

    #[test]
    fn what_is_no_object_has_none_and_what_is_no_json_is_told() {
        assert!(members(b"[1]", &["a"]).is_ok_and(|members| members.is_empty()));
        for json in ["", "{", "{\"a\":}", "{} x", "[1", "\u{fffd}"] {
            assert!(members(json.as_bytes(), &["a"]).is_err(), "{json:?}");
        }
        assert!(members(b"{\"a\":\"\xff\"}", &["a"]).is_err());
    }

    #[test]
    fn a_list_has_its_objects_and_no_more_than_it_may() {
        let json =
            br#"[{"event": "in", "msg": {"raw": "x", "deep": {"raw": 1}}}, {"msg": [{"raw": "y"}], "raw": "z"}]"#;
        let wanted = ["event", "msg", "raw", "deep"];
        let text = |text: &str| Some(Member::Text(text.to_owned()));
        let mut list = objects(json, &wanted, 2).expect("a list").expect("two");
        let (mut second, mut first) = (list.pop().expect("two"), list.pop().expect("two"));
        let mut msg = first.take("msg").expect("it is there");
        assert_eq!(
            (first.take("event"), msg.take("raw"), msg.take("deep")),
            (text("in"), text("x"), Some(Member::Other))
        );
        assert_eq!((second.take("msg"), second.take("event")), (Some(Member::Other), None));
        assert_eq!(objects(json, &wanted, 1).expect("a list"), None);
        for wrong in ["{}", "[1]", "[{}", "[{}] x", "", "[null]"] {
            assert!(objects(wrong.as_bytes(), &wanted, 5).is_err(), "{wrong}");
        }
    }
}
