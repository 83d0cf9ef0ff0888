//! PURE: entity tags, and the conditions that requests put on them (RFC 9110 section 13).

use axum::http::{
    HeaderMap, HeaderValue,
    header::{IF_NONE_MATCH, IF_RANGE},
};

/// Whether a browser has what is of this tag already: a list, compared weakly.
pub(super) fn is_known(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let mut known = request.get_all(IF_NONE_MATCH).iter();
    known.any(|known| matches(known, etag))
}

/// Whether a part counts: without a condition, or while what is there is of the tag that
/// the rest is of, compared strongly. There is no date here that could be equal.
pub(super) fn is_range_wanted(request: &HeaderMap, etag: &HeaderValue) -> bool {
    request.get_all(IF_RANGE).iter().all(|known| known == etag)
}

fn matches(known: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(known), Ok(etag)) = (known.to_str(), etag.to_str()) else {
        return false;
    };
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let matches = |known: &str| matches(&known.parse().unwrap(), &"\"a\"".parse().unwrap());
        assert!(matches("\"a\"") && matches("W/\"a\"") && matches("\"b\", \"a\"") && matches("*"));
        assert!(!matches("\"b\"") && !matches("a") && !matches(""));
    }

    #[test]
    fn a_part_is_of_the_very_same_thing() {
        let wanted = |given: Option<&str>| {
            let given = given.map(|given| (IF_RANGE, given.parse().unwrap()));
            is_range_wanted(&given.into_iter().collect(), &"\"a\"".parse().unwrap())
        };
        assert!(wanted(None) && wanted(Some("\"a\"")));
        for other in [
            "\"b\"",
            "W/\"a\"",
            "a",
            "*",
            "Fri, 20 Nov 2026 00:00:00 GMT",
        ] {
            assert!(!wanted(Some(other)), "{other}");
        }
    }
}
