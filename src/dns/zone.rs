//! A zone as text: a JSON object of name → list of `{"TYPE": data}`, and what a server that holds it would answer.
//!
//! `"TIMEOUT"` in a list: a question for a type not listed above it gets no answer. `"SERVFAIL"`: likewise that code.
//! An empty list, and every name not listed, does not exist.

use data_encoding::HEXLOWER_PERMISSIVE;
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;
use std::collections::HashMap;

const TTL: u32 = 3600;
/// RFC 1034 §3.6.2 wants loops detected; a chain this long is one.
const ALIASES_MAX: usize = 8;

/// Why a text is no zone.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    #[error("the zone is no JSON object of name to list of records: {0}")]
    Json(#[from] serde_json::Error),
    #[error("zone, {name}: {record} is no record: write {{\"TYPE\": data}}, \"TIMEOUT\" or \"SERVFAIL\"")]
    Record { name: String, record: String },
}

#[derive(Debug, Clone)]
enum Entry {
    Data(Box<RData>),
    /// A type that we do not serve: the name exists.
    Unserved,
    Silence,
    ServerFailure,
}

/// Names and their records.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    names: HashMap<Vec<u8>, Vec<Entry>>,
}

impl Zone {
    pub fn parse(json: &str) -> Result<Zone, ZoneError> {
        let listed: HashMap<String, Vec<Value>> = serde_json::from_str(json)?;
        let mut names = HashMap::new();
        for (name, records) in listed {
            let wrong = |record: &Value| ZoneError::Record { name: name.clone(), record: record.to_string() };
            let entries: Vec<Entry> =
                records.iter().map(|record| entry(record).ok_or_else(|| wrong(record))).collect::<Result<_, _>>()?;
            names.entry(key(&name)).or_insert_with(Vec::new).extend(entries);
        }
        Ok(Zone { names })
    }

    /// The reply to a request; `None` keeps silent.
    pub fn reply(&self, request: &Message) -> Option<Message> {
        let query = request.queries.first()?;
        let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
        reply.add_query(query.clone());
        reply.metadata.authoritative = true;
        reply.metadata.recursion_desired = request.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.metadata.response_code = self.answer(query, &mut reply)?;
        if reply.answers.is_empty() && reply.metadata.response_code != ResponseCode::ServFail {
            // RFC 2308 §3: without an SOA a negative answer is not cached.
            let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86400, TTL as _);
            reply.authorities.push(Record::from_rdata(Name::root(), TTL, RData::SOA(soa)));
        }
        Some(reply)
    }

    fn answer(&self, query: &Query, reply: &mut Message) -> Option<ResponseCode> {
        let mut name = query.name().clone();
        for _ in 0..ALIASES_MAX {
            let mut alias = None;
            for entry in self.names.get(&key_of(&name)).map_or(&[][..], Vec::as_slice) {
                match entry {
                    Entry::Data(data) if data.record_type() == query.query_type() => {
                        reply.add_answer(Record::from_rdata(name.clone(), TTL, (**data).clone()));
                    }
                    Entry::Data(data) => {
                        if let RData::CNAME(target) = &**data {
                            reply.add_answer(Record::from_rdata(name.clone(), TTL, (**data).clone()));
                            alias = Some(target.0.clone());
                        }
                    }
                    Entry::Silence if reply.answers.is_empty() => return None,
                    Entry::ServerFailure if reply.answers.is_empty() => return Some(ResponseCode::ServFail),
                    Entry::Silence | Entry::ServerFailure | Entry::Unserved => {}
                }
            }
            let Some(target) = alias.filter(|_| query.query_type() != RecordType::CNAME) else {
                let exists = self.names.get(&key_of(&name)).is_some_and(|entries| !entries.is_empty());
                return Some(if exists { ResponseCode::NoError } else { ResponseCode::NXDomain });
            };
            name = target;
        }
        Some(ResponseCode::ServFail)
    }
}

/// RFC 4343: names compare without case.
fn key(name: &str) -> Vec<u8> {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into_bytes()
}

fn key_of(name: &Name) -> Vec<u8> {
    let mut key = name.iter().collect::<Vec<_>>().join(&b'.');
    key.make_ascii_lowercase();
    key
}

fn name_of(text: &str) -> Option<Name> {
    match text.strip_suffix('.').unwrap_or(text) {
        "" => Some(Name::root()),
        text => Name::from_labels(text.split('.').map(str::as_bytes)).ok(),
    }
}

fn entry(record: &Value) -> Option<Entry> {
    match record {
        Value::String(word) if word == "TIMEOUT" => Some(Entry::Silence),
        Value::String(word) if word == "SERVFAIL" => Some(Entry::ServerFailure),
        Value::Object(one) if one.len() == 1 => one.iter().next().and_then(|(kind, data)| data_of(kind, data)),
        _ => None,
    }
}

fn data_of(kind: &str, data: &Value) -> Option<Entry> {
    let text = data.as_str();
    let data = match kind {
        "A" => RData::A(A(text?.parse().ok()?)),
        "AAAA" => RData::AAAA(AAAA(text?.parse().ok()?)),
        "TXT" => RData::TXT(texts(data)?),
        "PTR" => RData::PTR(PTR(name_of(text?)?)),
        "CNAME" => RData::CNAME(CNAME(name_of(text?)?)),
        "MX" => {
            let [preference, host] = data.as_array()?.as_slice() else { return None };
            RData::MX(MX::new(u16::try_from(preference.as_u64()?).ok()?, name_of(host.as_str()?)?))
        }
        "TLSA" => {
            let [usage, selector, matching, octets] = data.as_array()?.as_slice() else { return None };
            let number = |value: &Value| value.as_u64().and_then(|number| u8::try_from(number).ok());
            let octets = HEXLOWER_PERMISSIVE.decode(octets.as_str()?.as_bytes()).ok()?;
            RData::TLSA(TLSA::new(number(usage)?.into(), number(selector)?.into(), number(matching)?.into(), octets))
        }
        _ => return Some(Entry::Unserved),
    };
    Some(Entry::Data(Box::new(data)))
}

/// RFC 1035 §3.3: a character-string holds 255 octets; longer texts go over several.
fn texts(data: &Value) -> Option<TXT> {
    let strings = match data {
        Value::String(text) => vec![text.as_str()],
        Value::Array(several) => several.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    let pieces = strings.into_iter().flat_map(|text| match text.as_bytes() {
        [] => vec![&[][..]],
        octets => octets.chunks(255).collect(),
    });
    Some(TXT::from_bytes(pieces.collect()))
}
