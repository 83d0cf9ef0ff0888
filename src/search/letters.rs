//! Letters as they are compared: without case, accents and compatibility forms, each with
//! the place in the text that it came from.

use unicode_normalization::char::decompose_compatible;

/// A letter, and what of the text it stands for, in UTF-16 code units: what JavaScript
/// counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) is: char,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The letters of a text. One of the text may be several (`ß`) or none (an accent of its own,
/// which belongs to the letter before it).
pub(super) fn letters(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    let mut at = 0;
    for c in text.chars() {
        let start = at;
        at += if c.len_utf16() == 2 { 2 } else { 1 };
        let before = letters.len();
        if c.is_ascii() {
            let is = c.to_ascii_lowercase();
            letters.push(Letter { is, start, end: at });
            continue;
        }
        fold(c, |is| letters.push(Letter { is, start, end: at }));
        if letters.len() == before
            && let Some(last) = letters.last_mut()
            && last.end == start
        {
            last.end = at;
        }
    }
    letters
}

fn fold(c: char, mut keep: impl FnMut(char)) {
    if is_hangul_syllable(c) {
        // Its parts are no letters of their own to whoever types them.
        return keep(c);
    }
    decompose_compatible(c, |part| {
        for lower in part.to_lowercase().filter(|lower| !is_accent(*lower)) {
            match lower {
                'ß' => ['s', 's'].into_iter().for_each(&mut keep),
                'æ' => ['a', 'e'].into_iter().for_each(&mut keep),
                'œ' => ['o', 'e'].into_iter().for_each(&mut keep),
                'þ' => ['t', 'h'].into_iter().for_each(&mut keep),
                other => keep(simple(other)),
            }
        }
    });
}

/// Letters that Unicode does not decompose, and that people type either way.
fn simple(c: char) -> char {
    match c {
        'ı' => 'i',
        'ø' => 'o',
        'đ' | 'ð' => 'd',
        'ł' => 'l',
        'ħ' => 'h',
        'ŧ' => 't',
        'ς' => 'σ',
        // Arabic: alef wasla, alef maksura, teh marbuta, and Persian kaf and yeh.
        '\u{671}' => '\u{627}',
        '\u{649}' | '\u{6cc}' => '\u{64a}',
        '\u{629}' => '\u{647}',
        '\u{6a9}' => '\u{643}',
        other => other,
    }
}

fn is_hangul_syllable(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}')
}

/// Marks that readers of a language leave out: accents, vowel points, variation selectors.
/// Those of Indic scripts, Thai and kana are letters in all but name, and stay.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}'
        | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{ad}' | '\u{200c}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        letters(text).iter().map(|letter| letter.is).collect()
    }

    #[test]
    fn what_people_type_either_way_is_one() {
        for (text, as_typed) in [
            ("Müller", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("GROẞ", "gross"),
            ("déjà Œuvre", "deja oeuvre"),
            ("İSTANBUL ılık", "istanbul ilik"),
            ("Łódź", "lodz"),
            ("Ελλάς", "ελλασ"),
            ("ﬁn Ｆｕｌｌ ①", "fin full 1"),
            ("أحمد", "احمد"),
            ("مُحَمَّد", "محمد"),
            ("مدرسة", "مدرسه"),
            ("שָׁלוֹם", "שלום"),
            ("한국", "한국"),
            ("नमस्ते", "नमस्ते"),
            ("ｶﾞ", "カ\u{3099}"),
            ("ガ", "カ\u{3099}"),
            ("❤\u{fe0f}", "❤"),
        ] {
            assert_eq!(folded(text), as_typed, "{text}");
        }
    }

    #[test]
    fn places_are_those_of_javascript() {
        let places: Vec<_> = letters("😀ße\u{301}x")
            .iter()
            .map(|letter| (letter.is, letter.start, letter.end))
            .collect();
        let expected = [
            ('😀', 0, 2),
            ('s', 2, 3),
            ('s', 2, 3),
            ('e', 3, 5),
            ('x', 5, 6),
        ];
        assert_eq!(places, expected);
    }
}
