//! Parameters of a JSON body: the few that are wanted are kept, the rest is read over.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Members of the object with these names. What is no object has no parameters, and what is no JSON is an error.
pub fn members(octets: &[u8], wanted: &[&str]) -> Result<Vec<(String, Value)>, serde_json::Error> {
    if octets.trim_ascii_start().first() != Some(&b'{') {
        return serde_json::from_slice::<IgnoredAny>(octets).map(|_| Vec::new());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let members = deserializer.deserialize_map(Members { wanted })?;
    deserializer.end()?;
    Ok(members)
}

struct Members<'a> {
    wanted: &'a [&'a str],
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !self.wanted.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<Value>()?;
            members.retain(|(known, _)| *known != name);
            members.push((name, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_members_are_kept_and_the_last_of_a_name_counts() {
        let json = br#" {"a": 1, "b": {"a": 9}, "c": [1, "x"], "a": "two"} "#;
        let members = members(json, &["a", "c"]).expect("an object");
        let names: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        assert_eq!(names, [("c", "[1,\"x\"]".to_owned()), ("a", "\"two\"".to_owned())]);
    }

    #[test]
    fn what_is_no_object_has_none_and_what_is_no_json_is_told() {
        assert!(members(b"[1]", &["a"]).is_ok_and(|members| members.is_empty()));
        for json in ["", "{", "{\"a\":}", "{} x", "[1", "\u{fffd}"] {
            assert!(members(json.as_bytes(), &["a"]).is_err(), "{json:?}");
        }
        assert!(members(b"{\"a\":\"\xff\"}", &["a"]).is_err());
    }
}
