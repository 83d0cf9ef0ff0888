//! What of a text is a word, and which terms of it are in the index.
//!
//! In scripts without spaces (Chinese, Japanese, Thai and others; Korean too, whose words
//! carry particles) a run is found by any part of it: the index has its pairs of letters.

use std::{collections::BTreeSet, ops::Range};

use unicode_normalization::char::is_combining_mark;

use super::letters::Letter;

/// Letters of a word that are in the index: what is longer differs by them, or not at all.
const LONGEST: usize = 40;

/// How a script writes its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// One behind the other, with spaces between them.
    Spaced,
    /// Without spaces.
    Dense,
    /// A picture is a word.
    Picture,
}

/// A word, or a run of a dense script: a range of letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) script: Script,
    pub(super) at: Range<usize>,
}

impl Word {
    pub(super) fn is_dense(&self) -> bool {
        self.script == Script::Dense
    }
}

/// The words of a text.
pub(super) fn words(letters: &[Letter]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (n, letter) in letters.iter().enumerate() {
        let Some(script) = script(letter.is) else {
            continue;
        };
        match words.last_mut() {
            Some(last)
                if last.at.end == n && last.script == script && script != Script::Picture =>
            {
                last.at.end = n + 1;
            }
            // A mark goes with what it stands on.
            Some(last) if last.at.end == n && is_combining_mark(letter.is) => last.at.end = n + 1,
            _ => words.push(Word {
                script,
                at: n..n + 1,
            }),
        }
    }
    words
}

/// None between words.
fn script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric().then_some(Script::Spaced);
    }
    if is_dense(c) {
        return Some(Script::Dense);
    }
    if matches!(c, '\u{1f3fb}'..='\u{1f3ff}') {
        // The colour of a skin.
        return None;
    }
    if matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}') {
        return Some(Script::Picture);
    }
    (c.is_alphanumeric() || is_combining_mark(c)).then_some(Script::Spaced)
}

fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' // Thai
        | '\u{e81}'..='\u{ede}' // Lao
        | '\u{1000}'..='\u{1049}' | '\u{1050}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17d3}' // Khmer
        | '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}' // Korean
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // Japanese
        | '\u{3100}'..='\u{312f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' // Chinese
    )
}

/// The letters of a word.
pub(super) fn spelt(letters: &[Letter], word: &Word) -> Vec<char> {
    let letters = letters.get(word.at.clone()).unwrap_or_default();
    letters.iter().map(|letter| letter.is).collect()
}

/// A look into the index: a term, or whatever begins with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) term: String,
    pub(super) is_prefix: bool,
}

impl Look {
    /// Whether it is for whatever begins with one letter, other than of a dense script.
    pub(super) fn is_one_letter(&self) -> bool {
        let mut letters = self.term.chars();
        let first = letters.next();
        self.is_prefix
            && letters.next().is_none()
            && first.is_some_and(|c| c.is_alphanumeric() && !is_dense(c))
    }
}

/// The terms under which a text is in the index.
pub(super) fn terms(text: &str) -> BTreeSet<String> {
    let letters = super::letters::letters(text);
    let mut terms = BTreeSet::new();
    for word in words(&letters) {
        let spelt = spelt(&letters, &word);
        if word.is_dense() {
            terms.extend(spelt.windows(2).map(String::from_iter));
            // By which a single letter is found at the end, too.
            terms.extend(spelt.last().map(char::to_string));
        } else {
            terms.insert(cut(&spelt));
        }
    }
    terms
}

/// What has to be in the index of every text that has this word.
pub(super) fn looks(script: Script, spelt: &[char], is_prefix: bool) -> Vec<Look> {
    let exact = |term| Look {
        term,
        is_prefix: false,
    };
    match (script, spelt) {
        (Script::Dense, [alone]) => vec![Look {
            term: alone.to_string(),
            is_prefix: true,
        }],
        (Script::Dense, run) => run.windows(2).map(String::from_iter).map(exact).collect(),
        _ => vec![Look {
            term: cut(spelt),
            is_prefix,
        }],
    }
}

fn cut(spelt: &[char]) -> String {
    spelt.iter().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(text: &str) -> Vec<String> {
        terms(text).into_iter().collect()
    }

    #[test]
    fn a_text_is_in_the_index_by_its_words() {
        assert_eq!(
            indexed("Don't go, Zoë! https://a.example/x_1"),
            ["1", "a", "don", "example", "go", "https", "t", "x", "zoe"]
        );
        assert_eq!(indexed("?! … — \u{0} \u{fffd}"), [""; 0]);
        assert_eq!(indexed("ja 😀😀❤\u{fe0f}👍🏽"), ["ja", "❤", "👍", "😀"]);
    }

    #[test]
    fn a_run_without_spaces_is_by_its_pairs() {
        assert_eq!(indexed("我喜欢猫"), ["喜欢", "我喜", "欢猫", "猫"]);
        assert_eq!(indexed("猫"), ["猫"]);
        assert_eq!(indexed("abc中文"), ["abc", "中文", "文"]);
        assert_eq!(indexed("สวัสดี").len(), 6);
    }

    #[test]
    fn a_mark_does_not_end_a_word() {
        assert_eq!(indexed("नमस्ते दुनिया"), ["दुनिया", "नमस्ते"]);
        assert_eq!(indexed("café cafe\u{301}"), ["cafe"]);
    }

    #[test]
    fn a_long_word_is_cut() {
        assert_eq!(terms(&"x".repeat(60_000)).pop_first().unwrap().len(), 40);
    }
}
