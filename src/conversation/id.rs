//! Ids of everything stored: opaque to the outside, ordered by creation inside.

use crate::clock::UnixMs;
use data_encoding::BASE32_NOPAD;
use std::fmt;
use std::str::FromStr;

/// 41 bits of milliseconds and 22 of randomness, made strictly increasing by the store, which issues them.
/// Outside it is 13 letters and digits; it is a name, never a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub i64);

impl Id {
    /// The least id that can be issued at this time: ids of earlier times are below it. A time that no id can have is the
    /// nearest that one can.
    pub fn first_of(at: UnixMs) -> Id {
        Id(at.0.clamp(0, i64::MAX >> RANDOM_BITS) << RANDOM_BITS)
    }

    /// When it was issued, by the clock of then.
    pub fn issued_at(self) -> UnixMs {
        UnixMs(self.0 >> RANDOM_BITS)
    }
}

/// Of an id, below its milliseconds.
pub const RANDOM_BITS: u32 = 22;

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 13 letters and digits are expected")]
pub struct IdError;

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0.to_be_bytes()).to_lowercase())
    }
}

impl FromStr for Id {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Id, IdError> {
        let octets = BASE32_NOPAD.decode(text.to_uppercase().as_bytes()).map_err(|_| IdError)?;
        octets.try_into().map(|octets| Id(i64::from_be_bytes(octets))).map_err(|_| IdError)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_refuse_what_they_did_not_print() {
        for id in [Id(0), Id(1), Id(i64::MAX), Id(7_466_000_000_000_123)] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 13);
        }
        for text in ["", "x", "../../etc/passwd", "0000000000000", "aaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(text.parse::<Id>(), Err(IdError), "{text}");
        }
    }

    #[test]
    fn a_time_is_a_place_in_the_order_even_one_that_no_id_has() {
        let at = |ms| Id::first_of(UnixMs(ms));
        assert!(at(-1) == at(0) && at(0) < at(1) && at(1) < at(4_102_444_800_000) && at(1).issued_at() == UnixMs(1));
        assert!(at(4_102_444_800_000) <= at(i64::MAX), "the year 2100 is later than every id");
    }
}
