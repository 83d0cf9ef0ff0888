//! Whether a text has what is searched for, where, and how well.
//!
//! The index only says what may match. This decides, on what the viewer is shown.

use super::{
    letters::{Letter, letters},
    query::{Phrase, Query, Sought},
    words::{Word, words},
};
use crate::model::search::Range;

/// Places of one text that are told.
const MOST_RANGES: usize = 100;
/// Occurrences of one phrase that count.
const MOST_OCCURRENCES: usize = 3;

/// A text with what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Match {
    /// How well, compared with other texts and the same query.
    pub(super) score: u32,
    /// Where, for each of the texts; in order and apart.
    pub(super) ranges: Vec<Vec<Range>>,
}

/// A text that is read.
struct Read {
    letters: Vec<Letter>,
    words: Vec<Word>,
}

/// An occurrence: letters, and whether they are whole words.
struct Occurrence {
    from: usize,
    to: usize,
    is_whole: bool,
}

impl Query {
    /// What of the query is in these texts, if each phrase of it is in one of them.
    pub(super) fn find(&self, texts: &[&str]) -> Option<Match> {
        if self.is_empty() {
            return None;
        }
        let read: Vec<_> = texts.iter().map(|text| Read::of(text)).collect();
        let mut found = Match {
            score: 0,
            ranges: vec![Vec::new(); texts.len()],
        };
        for phrase in &self.phrases {
            let mut points = 0;
            for (text, ranges) in read.iter().zip(&mut found.ranges) {
                let occurrences = text.occurrences(phrase);
                points += occurrences
                    .iter()
                    .take(MOST_OCCURRENCES)
                    .map(|o| phrase.points(o))
                    .sum::<u32>();
                ranges.extend(occurrences.iter().filter_map(|o| text.range(o)));
            }
            if points == 0 {
                return None;
            }
            found.score += points;
        }
        // What says little else is about it.
        let words: usize = read.iter().map(|text| text.words.len()).sum();
        found.score = found.score * 1000 / u32::try_from(words + 10).unwrap_or(u32::MAX);
        found.ranges = found.ranges.into_iter().map(apart).collect();
        Some(found)
    }
}

impl Phrase {
    fn points(&self, occurrence: &Occurrence) -> u32 {
        let words = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        words * if occurrence.is_whole { 4 } else { 2 }
    }
}

impl Read {
    fn of(text: &str) -> Self {
        let letters = letters(text);
        let words = words(&letters);
        Self { letters, words }
    }

    fn occurrences(&self, phrase: &Phrase) -> Vec<Occurrence> {
        let length = phrase.words.len();
        let at = self.words.windows(length);
        at.flat_map(|words| self.occurrences_at(words, phrase))
            .take(MOST_RANGES)
            .collect()
    }

    /// Of a single run of a dense script there may be several in one word.
    fn occurrences_at(&self, words: &[Word], phrase: &Phrase) -> Vec<Occurrence> {
        if let ([word], [sought]) = (words, phrase.words.as_slice())
            && sought.is_dense
        {
            return self.within(word, sought);
        }
        let last = phrase.words.len().saturating_sub(1);
        let mut whole = (usize::MAX, 0, true);
        for (n, (word, sought)) in words.iter().zip(&phrase.words).enumerate() {
            let (is_first, is_last) = (n == 0, n == last);
            let Some((from, to)) =
                self.compare(word, sought, (is_first, is_last), phrase.is_prefix)
            else {
                return Vec::new();
            };
            let is_whole = (from, to) == (word.at.start, word.at.end);
            whole = (whole.0.min(from), to, whole.2 && is_whole);
        }
        let (from, to, is_whole) = whole;
        vec![Occurrence { from, to, is_whole }]
    }

    /// The letters of a word that a word of a phrase is.
    fn compare(
        &self,
        word: &Word,
        sought: &Sought,
        (is_first, is_last): (bool, bool),
        is_prefix: bool,
    ) -> Option<(usize, usize)> {
        if word.is_dense() != sought.is_dense {
            return None;
        }
        let (start, end, length) = (word.at.start, word.at.end, sought.spelt.len());
        let same = word.at.len() == length;
        // A phrase may begin within a run, and end within one.
        let from = if sought.is_dense && is_first && !is_last {
            end.checked_sub(length).filter(|from| *from >= start)?
        } else {
            start
        };
        let may_go_on = is_last && (is_prefix || sought.is_dense);
        let fits = same || from > start || may_go_on && word.at.len() > length;
        (fits && self.is(from, &sought.spelt)).then_some((from, from + length))
    }

    fn within(&self, word: &Word, sought: &Sought) -> Vec<Occurrence> {
        let length = sought.spelt.len();
        if !word.is_dense() || word.at.len() < length {
            return Vec::new();
        }
        let starts = word.at.start..=word.at.end - length;
        starts
            .filter(|from| self.is(*from, &sought.spelt))
            .map(|from| Occurrence {
                from,
                to: from + length,
                is_whole: word.at.len() == length,
            })
            .collect()
    }

    fn is(&self, from: usize, spelt: &[char]) -> bool {
        let letters = self.letters.get(from..from + spelt.len());
        letters.is_some_and(|letters| {
            letters
                .iter()
                .map(|letter| letter.is)
                .eq(spelt.iter().copied())
        })
    }

    fn range(&self, occurrence: &Occurrence) -> Option<Range> {
        let letters = self.letters.get(occurrence.from..occurrence.to)?;
        Some(Range {
            start: letters.first()?.start,
            end: letters.last()?.end,
        })
    }
}

/// In order, and those that touch or overlap as one.
fn apart(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart.truncate(MOST_RANGES);
    apart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::words::terms;

    /// The text with brackets around what was found.
    fn found(query: &str, text: &str) -> Option<String> {
        let found = Query::parse(query).unwrap().find(&[text])?;
        let mut units: Vec<u16> = text.encode_utf16().collect();
        for range in found.ranges[0].iter().rev() {
            units.insert(range.end as usize, u16::from(b']'));
            units.insert(range.start as usize, u16::from(b'['));
        }
        Some(String::from_utf16(&units).unwrap())
    }

    #[test]
    fn what_was_found_is_marked_where_it_is() {
        for (query, text, marked) in [
            ("muller ", "Herr Müller!", Some("Herr [Müller]!")),
            ("mull ", "Herr Müller!", None),
            ("mull", "Herr Müller!", Some("Herr [Müll]er!")),
            ("mull* herr ", "Herr Müller!", Some("[Herr] [Müll]er!")),
            ("strasse ", "😀 die Straße", Some("😀 die [Straße]")),
            ("\"to be\"", "be to to be", Some("be to [to be]")),
            ("\"to be\"", "to, be", Some("[to, be]")),
            ("\"to be\"", "to bees", None),
            ("\"to b", "to bees", None),
            ("be to ", "to be", Some("[to] [be]")),
            ("l'amour ", "l’amour", Some("[l’amour]")),
            ("foo-bar ", "bar foo", None),
            ("猫 ", "我喜欢猫和猫", Some("我喜欢[猫]和[猫]")),
            ("喜欢 ", "我喜欢猫", Some("我[喜欢]猫")),
            ("欢我 ", "我喜欢猫", None),
            ("学校 ", "学 校", None),
            ("학교 ", "학교에서", Some("[학교]에서")),
            ("สวัสดี ", "สวัสดีครับ", Some("[สวัสดี]ครับ")),
            ("版本15 ", "新版本15了", Some("新[版本15]了")),
            ("cafe ", "cafe\u{301}!", Some("[cafe\u{301}]!")),
            ("احمد ", "يا أَحمَد", Some("يا [أَحمَد]")),
            ("😀", "ok😀", Some("ok[😀]")),
            ("a b ", "a", None),
        ] {
            assert_eq!(found(query, text).as_deref(), marked, "{query} in {text}");
        }
    }

    #[test]
    fn words_may_be_in_either_text() {
        let query = Query::parse("invoice may ").unwrap();
        let found = query.find(&["from May", "Invoice.pdf"]).unwrap();
        assert_eq!(found.ranges[0], [Range { start: 5, end: 8 }]);
        assert_eq!(found.ranges[1], [Range { start: 0, end: 7 }]);
        assert_eq!(query.find(&["from May", ""]), None);
    }

    #[test]
    fn what_is_about_it_is_better() {
        let score = |text| Query::parse("pizza").unwrap().find(&[text]).unwrap().score;
        assert!(score("pizza") > score("pizzas"));
        assert!(score("pizza!") > score("we could have pizza or something else tonight"));
        assert!(score("pizza pizza, yes") > score("pizza or not, yes"));
    }

    proptest! {
        /// The index must have whatever matches, or it would not be found.
        #[test]
        fn what_matches_is_in_the_index(
            text in "([a-cA-Cäéß我喜欢猫สวัไ한국 '😀.]|\u{301}){0,12}",
            from in 0..12usize, length in 1..6usize, tail in "[ *\"]?",
        ) {
            let part: String = text.chars().skip(from).take(length).collect();
            let query = Query::parse(&format!("{part}{tail}")).unwrap();
            if query.is_empty() || query.find(&[&text]).is_none() { return Ok(()) }
            let terms = terms(&text);
            let Some(tsquery) = query.to_tsquery() else { return Ok(()) };
            for look in tsquery.split(" & ") {
                let (term, is_prefix) = match look.strip_suffix(":*") {
                    Some(look) => (look, true),
                    None => (look, false),
                };
                let term = term.trim_start_matches("'@").trim_end_matches('\'');
                let is_there = terms.iter().any(|t| t == term || is_prefix && t.starts_with(term));
                prop_assert!(is_there, "{look} of {query:?} in {terms:?}");
            }
        }

        /// A word of a text is found in it.
        #[test]
        fn every_word_finds_its_text(text in "\\PC{0,40}") {
            for word in text.split_whitespace() {
                let word = word.replace(['"', '*', '“', '”', '„', '«', '»'], " ");
                // Signs part words: one without a space may be more than a query may have.
                let Ok(query) = Query::parse(&format!("{word} ")) else { continue };
                if !query.is_empty() {
                    prop_assert!(query.find(&[&text]).is_some(), "{word:?} in {text:?}");
                }
            }
        }
    }
}
