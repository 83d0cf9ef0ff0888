//! Link codes: what a person copies from the desktop program to the web page.

use rand::{TryRngCore, rngs::OsRng};

use super::digest::sha256;

/// Letters and digits that nobody mistakes for each other: no 0, 1, I, L, O.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const LENGTH: usize = 8;
/// More than anybody types: 8 characters and something between each of them.
const LONGEST_INPUT: usize = 64;
const DOMAIN: &str = "tributary/link-code";

/// A single-use code of 8 letters and digits. Has no `Debug`: it opens an account.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode(String);

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no randomness")]
pub struct NoRandomness;

impl LinkCode {
    /// A fresh code, each of the 31^8 equally likely.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, NoRandomness> {
        Self::from_bytes(|| {
            let mut byte = [0];
            OsRng.try_fill_bytes(&mut byte).map_err(|_| NoRandomness)?;
            Ok(byte[0])
        })
    }

    /// Bytes past the last whole multiple of the alphabet are thrown away: taking them would
    /// make its first letters likelier.
    fn from_bytes<E>(mut next: impl FnMut() -> Result<u8, E>) -> Result<Self, E> {
        let letters = ALPHABET.len();
        let fair = 256 / letters * letters;
        let mut code = String::with_capacity(LENGTH);
        while code.len() < LENGTH {
            let byte = usize::from(next()?);
            if byte < fair {
                code.push(char::from(ALPHABET[byte % letters]));
            }
        }
        Ok(Self(code))
    }

    /// What a person typed: in any case, with spaces and dashes wherever they like.
    /// `None` when it can't be a code.
    #[must_use]
    pub fn parse(input: &str) -> Option<Self> {
        if input.len() > LONGEST_INPUT {
            return None;
        }
        let code: String = input
            .chars()
            .filter(|letter| !letter.is_whitespace() && !is_dash(*letter))
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let known = |letter: u8| ALPHABET.contains(&letter);
        (code.len() == LENGTH && code.bytes().all(known)).then_some(Self(code))
    }

    /// What is shown to the person, once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(DOMAIN, &self.0)
    }
}

/// The hyphen and those that word processors make of it.
fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn drawn(bytes: &mut impl Iterator<Item = u8>) -> String {
        let code = LinkCode::from_bytes(|| bytes.next().ok_or("no byte left"));
        code.expect("bytes").expose().to_owned()
    }

    #[test]
    fn no_character_is_likelier_than_another() {
        let mut bytes = 0..248;
        let mut seen: HashMap<char, usize> = HashMap::new();
        for letter in (0..31).flat_map(|_| drawn(&mut bytes).into_bytes()) {
            *seen.entry(letter.into()).or_default() += 1;
        }
        assert_eq!(seen.len(), 31);
        assert!(seen.values().all(|count| *count == 8), "{seen:?}");
    }

    #[test]
    fn bytes_that_would_favour_some_characters_are_thrown_away() {
        let mut bytes = (248..=255).chain([0; 8]);
        assert_eq!(drawn(&mut bytes), "22222222");
    }

    #[test]
    fn random_codes_read_back_and_differ() {
        let [one, two] = [(); 2].map(|()| LinkCode::random().expect("randomness"));
        assert!(one != two && one.hash() != two.hash());
        let read = LinkCode::parse(one.expose()).expect("a code");
        assert_eq!(read.hash(), one.hash());
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for typed in [
            "ABCD2345",
            "abcd2345",
            " abcd-2345\n",
            "AB CD 23 45",
            "A-B-C-D-2-3-4-5",
            "abcd\u{2013}2345",
            "abcd\u{a0}2345",
        ] {
            let code = LinkCode::parse(typed).map(|code| code.expose().to_owned());
            assert_eq!(code.as_deref(), Some("ABCD2345"), "{typed:?}");
        }
    }

    #[test]
    fn what_can_be_no_code_is_refused() {
        let long = format!("ABCD2345{}", " ".repeat(57));
        for typed in [
            "",
            "ABCD234",
            "ABCD23456",
            "ABCD234O",
            "ABCD2340",
            "ABCD2341",
            "ABCDI345",
            "ABCDL345",
            "ABCD_2345",
            "ÄBCD234",
            "ABCD234\0",
            "Ａ2345678",
            &long,
        ] {
            assert!(LinkCode::parse(typed).is_none(), "{typed:?}");
        }
    }
}
