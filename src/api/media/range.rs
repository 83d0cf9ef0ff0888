//! PURE: which part of a file a `Range` header asks for (RFC 9110 section 14).

use std::ops::Range;

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// All of it: nothing else was asked for, or nothing that is understood.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Nothing of it: it ends before the part begins.
    NotSatisfiable,
}

/// Of a file of `length` bytes. Several ranges at once are answered by the whole file,
/// as the RFC lets us: no browser asks for them.
pub(super) fn answer(header: &str, length: u64) -> Answer {
    let Some((unit, set)) = header.split_once('=') else {
        return Answer::Whole;
    };
    let mut ranges = set.split(',').map(trim).filter(|range| !range.is_empty());
    match (ranges.next(), ranges.next()) {
        (Some(range), None) if unit.eq_ignore_ascii_case("bytes") => {
            part(range, length).unwrap_or(Answer::Whole)
        }
        _ => Answer::Whole,
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `first-last`, `first-` or `-how many of the last`; none when it is none of these.
fn part(range: &str, length: u64) -> Option<Answer> {
    let (first, last) = range.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", many) => (length.saturating_sub(number(many)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if start < end {
        Answer::Part(start..end)
    } else {
        Answer::NotSatisfiable
    })
}

/// Digits only; one that is too large is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rfcs_own_examples() {
        for (header, part) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1000),
            ("bytes=-500", 9500..10_000),
            ("bytes=9500-", 9500..10_000),
            ("bytes=0-0", 0..1),
            ("bytes=-1", 9999..10_000),
            ("bytes= 0-999", 0..1000),
            ("Bytes=0-,", 0..10_000),
            ("bytes=-10001", 0..10_000),
            ("bytes=9999-20000", 9999..10_000),
            ("bytes=5-99999999999999999999999", 5..10_000),
        ] {
            assert_eq!(answer(header, 10_000), Answer::Part(part), "{header}");
        }
    }

    #[test]
    fn what_begins_behind_the_end_is_not_satisfiable() {
        for header in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(answer(header, 10), Answer::NotSatisfiable, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(
                answer(header, 0),
                Answer::NotSatisfiable,
                "{header} of nothing"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=,",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0x0-1",
            "items=0-1",
            "bytes=0-1,4-5",
            "bytes 0-1",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=٣-",
            "0-1",
        ] {
            assert_eq!(answer(header, 10), Answer::Whole, "{header:?}");
        }
    }

    /// Byte by byte, as the RFC says it.
    fn asked(at: u64, first: Option<u64>, last: Option<u64>, length: u64) -> bool {
        match (first, last) {
            (Some(first), Some(last)) => first <= at && at <= last,
            (Some(first), None) => first <= at,
            (None, Some(many)) => length - at <= many,
            (None, None) => true,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_was_asked_for(
            first in proptest::option::of(0_u64..40), last in proptest::option::of(0_u64..40), length in 0_u64..30,
        ) {
            let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
            let header = format!("bytes={}-{}", text(first), text(last));
            let expected: Vec<_> = (0..length).filter(|at| asked(*at, first, last, length)).collect();
            let is_one = match (first, last) {
                (Some(first), Some(last)) => first <= last,
                (first, last) => first.is_some() || last.is_some(),
            };
            match answer(&header, length) {
                Answer::Whole => prop_assert!(!is_one),
                Answer::Part(part) => prop_assert_eq!(part.collect::<Vec<_>>(), expected),
                Answer::NotSatisfiable => prop_assert!(is_one && expected.is_empty()),
            }
        }

        #[test]
        fn no_header_panics_or_reaches_behind_the_end(header in ".{0,40}", digits in "bytes=[-0-9, ]{0,30}", length in any::<u64>()) {
            for header in [header, digits] {
                if let Answer::Part(part) = answer(&header, length) {
                    prop_assert!(part.start < part.end && part.end <= length);
                }
            }
        }
    }
}
