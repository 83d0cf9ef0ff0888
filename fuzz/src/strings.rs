//! The strings in a value, read from its `Debug`.

use std::{fmt::Debug, str::Chars};

/// Every string in a value, with the name of the nearest field around it. Keys and
/// strings of JSON belong to the field that holds the JSON.
pub fn of(value: &impl Debug) -> Vec<(String, String)> {
    let text = format!("{value:?}");
    let (mut rest, mut word, mut field) = (text.chars(), String::new(), String::new());
    let mut found = Vec::new();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => found.push((field.clone(), literal(&mut rest))),
            ':' if !word.is_empty() => field = std::mem::take(&mut word),
            _ if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            _ => word.clear(),
        }
    }
    found
}

/// A string literal, behind its opening quote.
fn literal(rest: &mut Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => break,
            '\\' => text.extend(escaped(rest)),
            _ => text.push(letter),
        }
    }
    text
}

/// What an escape stands for, behind its backslash.
fn escaped(rest: &mut Chars<'_>) -> Option<char> {
    match rest.next()? {
        '0' => Some('\0'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'u' => {
            let digits: String = rest.skip(1).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
        }
        other => Some(other),
    }
}
