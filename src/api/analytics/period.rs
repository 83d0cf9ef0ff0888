//! From when to when, and in which time zone.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

use crate::{api::ApiError, db::read::analytics::Moment};

/// How far back it goes when nobody says.
const DAYS: TimeDelta = TimeDelta::days(30);
/// What is written with four digits, and what a message may be of.
const YEARS: RangeInclusive<i32> = 1970..=9999;
/// No name of a zone is nearly as long.
const LONGEST_ZONE: usize = 64;

/// The beginning and the end: of what was asked for, or of the last 30 days.
pub(super) fn period(
    from: Option<&str>,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<[Moment; 2], ApiError> {
    let to = to.map_or(Ok(Moment::At(now)), |to| {
        moment(to).ok_or_else(|| wrong("to"))
    })?;
    let from = match from {
        Some(from) => moment(from).ok_or_else(|| wrong("from"))?,
        None => match to {
            Moment::At(to) => Moment::At(to - DAYS),
            Moment::Day(to) => Moment::Day(to - DAYS),
        },
    };
    Ok([from, to])
}

fn wrong(name: &'static str) -> ApiError {
    ApiError::invalid(format!(
        "{name} is a day (2026-01-31) or a time in RFC 3339"
    ))
}

fn moment(text: &str) -> Option<Moment> {
    let is_known = |year: i32| YEARS.contains(&year);
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return is_known(day.year()).then_some(Moment::Day(day));
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    is_known(at.year()).then_some(Moment::At(at))
}

/// Names of one word that the IANA database has, and what they are links to where Postgres
/// would take them for an abbreviation: one that knows no summer.
const WORDS: &[(&str, Option<&str>)] = &[
    ("CET", Some("Europe/Brussels")),
    ("CST6CDT", Some("America/Chicago")),
    ("Cuba", None),
    ("EET", Some("Europe/Athens")),
    ("EST", Some("America/Panama")),
    ("EST5EDT", Some("America/New_York")),
    ("Egypt", None),
    ("Eire", None),
    ("Etc/GMT0", None),
    ("GB", None),
    ("GB-Eire", None),
    ("GMT", None),
    ("GMT+0", Some("Etc/GMT")),
    ("GMT-0", Some("Etc/GMT")),
    ("GMT0", Some("Etc/GMT")),
    ("Greenwich", None),
    ("HST", Some("Pacific/Honolulu")),
    ("Hongkong", None),
    ("Iceland", None),
    ("Iran", None),
    ("Israel", None),
    ("Jamaica", None),
    ("Japan", None),
    ("Kwajalein", None),
    ("Libya", None),
    ("MET", Some("Europe/Brussels")),
    ("MST", Some("America/Phoenix")),
    ("MST7MDT", Some("America/Denver")),
    ("NZ", None),
    ("NZ-CHAT", None),
    ("Navajo", None),
    ("PRC", None),
    ("PST8PDT", Some("America/Los_Angeles")),
    ("Poland", None),
    ("Portugal", None),
    ("ROC", None),
    ("ROK", None),
    ("Singapore", None),
    ("Turkey", None),
    ("UCT", Some("Etc/UTC")),
    ("UTC", None),
    ("Universal", None),
    ("W-SU", None),
    ("WET", Some("Europe/Lisbon")),
    ("Zulu", Some("Etc/UTC")),
];

/// A zone by a name that the IANA database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    /// As it was asked for.
    pub(super) name: String,
    /// A name by which Postgres finds the same.
    pub(super) in_postgres: String,
}

/// A name as the IANA database has them. Postgres takes other words for zones as well, with
/// signs that mean the opposite of what people expect (`UTC+3`), and, where its system has
/// them, `right/...`, which counts leap seconds, and `posix/...`, which says nothing new.
pub(super) fn zone(name: Option<&str>) -> Result<Zone, ApiError> {
    let name = name.unwrap_or("UTC");
    let word = WORDS.iter().find(|(word, _)| *word == name);
    let in_postgres = match word {
        Some((word, link)) => link.unwrap_or(word),
        None if name.len() <= LONGEST_ZONE && is_path(name) && !is_of_the_system(name) => name,
        None => return Err(unknown_zone()),
    };
    Ok(Zone {
        name: name.to_owned(),
        in_postgres: in_postgres.to_owned(),
    })
}

fn is_of_the_system(name: &str) -> bool {
    let area = name.split('/').next().unwrap_or_default();
    ["right", "posix"]
        .iter()
        .any(|prefix| area.eq_ignore_ascii_case(prefix))
}

/// What Postgres does not know either.
pub(super) fn unknown_zone() -> ApiError {
    ApiError::invalid("timeZone is a name of the IANA database, as Europe/Berlin")
}

fn is_path(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    // A digit after a sign would be an offset; `Etc/GMT+3` is a name.
    let is_part = |part: &str| part.split('-').all(is_word);
    let in_etc = |rest: &str| {
        let rest = rest.strip_prefix("GMT");
        let digits = rest.and_then(|rest| rest.strip_prefix(['+', '-']));
        digits.is_some_and(|digits| {
            matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    name.contains('/') && name.split('/').all(is_part)
        || name.strip_prefix("Etc/").is_some_and(in_etc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::At(text.parse().unwrap())
    }

    fn day(text: &str) -> Moment {
        Moment::Day(text.parse().unwrap())
    }

    #[test]
    fn the_last_thirty_days_are_counted_unless_others_are_asked_for() {
        let now = "2026-03-31T12:00:00Z";
        let of = |from, to| period(from, to, now.parse().unwrap()).unwrap();
        assert_eq!(of(None, None), [at("2026-03-01T12:00:00Z"), at(now)]);
        assert_eq!(of(Some("2026-02-01"), None), [day("2026-02-01"), at(now)]);
        assert_eq!(
            of(None, Some("2026-03-31")),
            [day("2026-03-01"), day("2026-03-31")]
        );
        let (from, to) = ("2026-01-01T00:00:00+01:00", "2026-01-02T00:00:00.5Z");
        assert_eq!(
            of(Some(from), Some(to)),
            [at("2025-12-31T23:00:00Z"), at("2026-01-02T00:00:00.5Z")]
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let now = DateTime::UNIX_EPOCH;
        for text in [
            "",
            "x",
            "2026-02-30",
            "2026-1-1T00:00:00",
            "1969-12-31",
            "+12026-01-01",
            "\0",
        ] {
            let refused = [period(Some(text), None, now), period(None, Some(text), now)];
            assert!(refused.iter().all(Result::is_err), "{text:?}");
        }
    }

    #[test]
    fn a_zone_is_a_name_and_no_offset() {
        for name in [
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "America/Port-au-Prince",
            "Etc/GMT+3",
            "Etc/GMT-14",
            "Etc/UTC",
            "Etc/GMT0",
            "GMT",
            "EST",
            "CET",
            "Israel",
        ] {
            assert_eq!(zone(Some(name)).unwrap().name, name);
        }
        let found = |name| zone(name).unwrap().in_postgres;
        assert_eq!(found(None), "UTC");
        assert_eq!(found(Some("Asia/Tokyo")), "Asia/Tokyo");
        assert_eq!(found(Some("CET")), "Europe/Brussels", "it has a summer");
        for name in [
            "",
            "right/Europe/Berlin",
            "Right/UTC",
            "posix/Asia/Tokyo",
            "posixrules",
            "CEST",
            "PST",
            "est",
            "UTC+3",
            "Europe/Berlin+3",
            "Europe/Berlin-3",
            "<x>3",
            "/",
            "Europe/",
            "Europe//Berlin",
            "../etc/passwd",
            "Etc/GMT+333",
            "Etc/GMT+",
            "Europe/Ber\0lin",
        ] {
            assert!(zone(Some(name)).is_err(), "{name:?}");
        }
    }
}
