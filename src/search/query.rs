//! What people type into a search field.
//!
//! Words that all have to be there, in any order; `"..."` for one behind the other;
//! `word*` for whatever begins so. The last word, while nothing follows it, is still being
//! typed. Nothing else is an operator: what is no letter only separates.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    letters::letters,
    words::{Look, Script, looks, spelt, words},
};

/// The longest query, in characters: a paragraph that somebody has pasted.
const LONGEST: usize = 1_000;
/// So many words are looked for: with those that follow hardly anything less would be found.
const MOST_WORDS: usize = 16;
/// And so many between quotes, which say that it is about each of them.
const MOST_QUOTED: usize = 64;
/// The index is asked for so many: what it names is read anyway.
const MOST_LOOKS: usize = 16;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) phrases: Vec<Phrase>,
}

/// Words one behind the other; mostly one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phrase {
    pub(super) words: Vec<Sought>,
    /// Whether the last word may go on.
    pub(super) is_prefix: bool,
}

/// A word of a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sought {
    pub(super) is_dense: bool,
    pub(super) spelt: Vec<char>,
}

/// Why a query is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("q has at most {LONGEST} characters")]
pub struct TooLong;

impl Query {
    /// Reads a query. One without a word is one that finds nothing; of one with very many
    /// the first ones count.
    ///
    /// # Errors
    ///
    /// When it is longer than what is read at all.
    pub fn parse(text: &str) -> Result<Self, TooLong> {
        if text.chars().count() > LONGEST {
            return Err(TooLong);
        }
        let mut phrases = BTreeSet::new();
        let mut left = [MOST_WORDS, MOST_QUOTED];
        for (n, part) in text.split(is_quote).enumerate() {
            // Every second part is between quotes; the last one maybe not yet closed.
            let is_quoted = n % 2 == 1;
            let read = if is_quoted {
                phrase(part, false).into_iter().collect()
            } else {
                bare(part)
            };
            let left = &mut left[usize::from(is_quoted)];
            for phrase in read {
                // Repeating oneself costs nothing.
                if !phrases.contains(&phrase) {
                    phrases.extend(phrase.within(left));
                }
            }
        }
        Ok(Self {
            phrases: phrases.into_iter().collect(),
        })
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// As Postgres reads a `tsquery`, with `@` where the conversation's name goes: what
    /// is in the index of every text that matches. Terms have neither quotes nor `@`.
    ///
    /// None when all that is known is a letter that words begin with: the index would have
    /// to collect a good part of itself.
    pub(super) fn to_tsquery(&self) -> Option<String> {
        let looks: BTreeSet<Look> = self.phrases.iter().flat_map(Phrase::looks).collect();
        let looks = looks.iter().filter(|look| !look.is_one_letter());
        let mut looks: Vec<_> = looks.collect();
        // Long words are rare.
        looks.sort_by_key(|look| Reverse(look.term.len()));
        looks.truncate(MOST_LOOKS);
        looks.sort_unstable();
        let looks = looks.into_iter().map(|look| {
            let prefix = if look.is_prefix { ":*" } else { "" };
            format!("'@{}'{prefix}", look.term)
        });
        let looks: Vec<_> = looks.collect();
        (!looks.is_empty()).then(|| looks.join(" & "))
    }
}

impl Phrase {
    /// As much of it as there is room for.
    fn within(mut self, left: &mut usize) -> Option<Self> {
        if self.words.len() > *left {
            self.words.truncate(*left);
            self.is_prefix = false;
        }
        *left -= self.words.len();
        (!self.words.is_empty()).then_some(self)
    }

    fn looks(&self) -> Vec<Look> {
        let last = self.words.len().saturating_sub(1);
        let of = |(n, word): (usize, &Sought)| {
            let script = if word.is_dense {
                Script::Dense
            } else {
                Script::Spaced
            };
            looks(script, &word.spelt, self.is_prefix && n == last)
        };
        self.words.iter().enumerate().flat_map(of).collect()
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '«' | '»')
}

/// The words outside quotes. What punctuation joins is a phrase: `foo-bar`, `l'amour`.
fn bare(part: &str) -> Vec<Phrase> {
    let words: Vec<_> = part
        .split(|c: char| c.is_whitespace() || c == '\0')
        .collect();
    // The last one is empty behind a space: nothing is being typed then.
    let last = words.len().saturating_sub(1);
    let read = words.iter().enumerate();
    read.filter_map(|(n, word)| phrase(word, n == last || word.ends_with('*')))
        .collect()
}

fn phrase(text: &str, is_prefix: bool) -> Option<Phrase> {
    let letters = letters(text);
    let sought = |word| Sought {
        is_dense: super::words::Word::is_dense(word),
        spelt: spelt(&letters, word),
    };
    let words: Vec<_> = words(&letters).iter().map(sought).collect();
    (!words.is_empty()).then_some(Phrase { words, is_prefix })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tsquery(text: &str) -> String {
        Query::parse(text).unwrap().to_tsquery().unwrap()
    }

    #[test]
    fn a_query_is_what_every_match_has_in_the_index() {
        for (text, looks) in [
            ("Café ", "'@cafe'"),
            ("caf", "'@caf':*"),
            ("an* b ", "'@an':* & '@b'"),
            ("a* b ", "'@b'"),
            ("b a b ", "'@a' & '@b'"),
            ("\"to be\" or ", "'@be' & '@or' & '@to'"),
            ("\"to b", "'@b' & '@to'"),
            ("foo-bar ", "'@bar' & '@foo'"),
            ("猫", "'@猫':*"),
            ("我喜欢", "'@喜欢' & '@我喜'"),
            ("😀 ", "'@😀'"),
            ("a' | !b & (c):* @\\ ", "'@a' & '@b'"),
        ] {
            assert_eq!(tsquery(text), looks, "{text}");
        }
    }

    #[test]
    fn for_one_letter_the_index_is_not_asked() {
        for text in ["x", "x*", "x* y"] {
            assert_eq!(Query::parse(text).unwrap().to_tsquery(), None, "{text}");
        }
    }

    #[test]
    fn what_has_no_word_looks_for_nothing() {
        for text in ["", "  ", "?!", "\"\"", "*", "\0", "' & |:* @", "\"\0\""] {
            assert!(Query::parse(text).unwrap().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn of_more_than_anybody_types_the_beginning_counts() {
        assert_eq!(Query::parse(&"a".repeat(1001)), Err(TooLong));
        let words: Vec<_> = (10..99).map(|n| n.to_string()).collect();
        let parse = |text: &str| Query::parse(text).unwrap();
        let first = |n: usize, between: &str| words[..n].join(between);
        assert_eq!(
            parse(&first(40, " ")),
            parse(&format!("{} ", first(16, " ")))
        );
        assert_eq!(
            parse(&first(40, "-")),
            parse(&format!("{} ", first(16, "-")))
        );
        // Between quotes it is about each of them.
        let quoted = parse(&format!("\"{}\"", first(60, " ")));
        assert_eq!(quoted.phrases[0].words.len(), 60);
        assert_eq!(quoted.to_tsquery().unwrap().matches('&').count(), 15);
        assert_eq!(
            parse(&format!("\"{}\"", first(80, " "))).phrases[0]
                .words
                .len(),
            64
        );
        // Repeating oneself is no crime.
        assert_eq!(parse(&format!("{}b ", "a ".repeat(128))), parse("a b "));
    }

    proptest! {
        #[test]
        fn no_query_gets_out_of_its_quotes(text in ".{0,60}") {
            let Ok(query) = Query::parse(&text) else { return Ok(()) };
            for term in query.phrases.iter().flat_map(Phrase::looks).map(|look| look.term) {
                prop_assert!(!term.contains(['\'', '\\', '@', '\0', ' ']), "{term:?}");
            }
        }
    }
}
