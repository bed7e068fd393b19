//! The hours in which a contact is not to be woken by mail that could wait, in the zone the contact lives in. Pure: the
//! time zones are compiled in.

use crate::clock::UnixMs;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// From one minute of the day up to, and without, another; past midnight if the end is before the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    from: u16,
    to: u16,
    /// Where nothing is known of the contact's own.
    pub time_zone: String,
}

impl QuietHours {
    /// `22:00-07:00`. `None` for anything else, and for a day that is all quiet or never.
    pub fn parse(text: &str, time_zone: &str) -> Option<QuietHours> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute(from.trim())?, minute(to.trim())?);
        (from != to).then(|| QuietHours { from, to, time_zone: time_zone.to_owned() })
    }

    /// The end of the quiet hours that `at` lies in, by the clock of that zone; `None` outside of them.
    pub fn end(&self, at: UnixMs, own_zone: Option<&str>) -> Option<UnixMs> {
        let zone = own_zone.and_then(zone).or_else(|| zone(&self.time_zone)).unwrap_or(TimeZone::UTC);
        let local = zone.to_datetime(Timestamp::from_millisecond(at.0).ok()?);
        let minute = u16::try_from(local.hour()).ok()? * 60 + u16::try_from(local.minute()).ok()?;
        let is_quiet = if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        };
        if !is_quiet {
            return None;
        }
        let day = if minute < self.to { local.date() } else { local.date().checked_add(1.day()).ok()? };
        let end = end_of(day, self.to)?.to_zoned(zone).ok()?;
        // Where clocks are put back an end may come twice: what is over is over.
        Some(UnixMs(end.timestamp().as_millisecond())).filter(|end| *end > at)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuietHours { from, to, .. } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// A zone by its IANA name.
pub fn is_time_zone(name: &str) -> bool {
    zone(name).is_some()
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn end_of(day: Date, minute: u16) -> Option<DateTime> {
    let time = Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
    Some(day.to_datetime(time))
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let fine = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
    if !fine(hour) || minute.len() != 2 || !fine(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::from_rfc3339(text).expect("a time")
    }

    #[test]
    fn hours_are_two_different_times_of_day() {
        for text in ["22:00-07:00", "0:00-23:59", "09:30 - 17:00"] {
            assert!(QuietHours::parse(text, "UTC").is_some(), "{text}");
        }
        for text in ["", "22-07", "22:00", "24:00-07:00", "22:60-07:00", "07:00-07:00", "a:bc-d:ef", "+1:00-07:00"] {
            assert_eq!(QuietHours::parse(text, "UTC"), None, "{text}");
        }
    }

    #[test]
    fn hours_are_shown_as_they_are_written() {
        let shown = |text| QuietHours::parse(text, "UTC").map(|quiet| quiet.to_string());
        assert_eq!(shown("22:00-07:00").as_deref(), Some("22:00-07:00"));
        assert_eq!(shown("9:05 - 17:30").as_deref(), Some("09:05-17:30"));
    }

    #[test]
    fn quiet_ends_by_the_clock_of_the_zone() {
        for (hours, zone, own, now, expected) in [
            ("22:00-07:00", "UTC", None, "2026-11-20T21:59:59Z", None),
            ("22:00-07:00", "UTC", None, "2026-11-20T22:00:00Z", Some("2026-11-21T07:00:00Z")),
            ("22:00-07:00", "UTC", None, "2026-11-21T06:59:59.999Z", Some("2026-11-21T07:00:00Z")),
            ("22:00-07:00", "UTC", None, "2026-11-21T07:00:00Z", None),
            ("12:00-13:00", "UTC", None, "2026-11-20T12:30:00Z", Some("2026-11-20T13:00:00Z")),
            ("22:00-07:00", "Europe/Berlin", None, "2026-11-20T21:00:00Z", Some("2026-11-21T06:00:00Z")),
            // The contact's own zone counts before the inbox's, and one that nobody knows does not.
            ("22:00-07:00", "UTC", Some("Asia/Tokyo"), "2026-11-20T13:00:00Z", Some("2026-11-20T22:00:00Z")),
            ("22:00-07:00", "UTC", Some("Mars/Base"), "2026-11-20T23:00:00Z", Some("2026-11-21T07:00:00Z")),
            ("22:00-07:00", "Nowhere", None, "2026-11-20T23:00:00Z", Some("2026-11-21T07:00:00Z")),
            // Clocks go forward at 02:00 in Berlin: an end that does not exist is an hour later.
            ("22:00-02:30", "Europe/Berlin", None, "2026-03-28T23:00:00Z", Some("2026-03-29T01:30:00Z")),
            // And back: the end is the first of the two.
            ("22:00-02:30", "Europe/Berlin", None, "2026-10-24T23:00:00Z", Some("2026-10-25T00:30:00Z")),
        ] {
            let quiet = QuietHours::parse(hours, zone).expect("hours");
            assert_eq!(quiet.end(at(now), own), expected.map(at), "{hours} {zone} {own:?} {now}");
        }
    }
}
