//! Lists that others make: what is short on the wire may be long in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// Reads an array of at most `MOST` items, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// When it is no such array, or a longer one: its items are not read to the end then.
pub(super) fn at_most<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<T, MOST>(PhantomData))
}

struct List<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Three(#[serde(deserialize_with = "at_most::<_, _, 3>")] Vec<u8>);

    #[test]
    fn one_too_many_is_refused_before_the_rest_is_read() {
        for (json, expected) in [
            ("[]", Ok(0)),
            ("[1,2,3]", Ok(3)),
            ("[1,2,3,4,no JSON", Err(true)),
            ("{}", Err(true)),
            ("[1,2", Err(false)),
        ] {
            let read = serde_json::from_str::<Three>(json);
            let read = read.map(|list| list.0.len()).map_err(|e| e.is_data());
            assert_eq!(read, expected, "{json}");
        }
    }
}
