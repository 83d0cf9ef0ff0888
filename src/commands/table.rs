//! Rows for people.

use std::io;

use serde_json::Value;

use super::output;

/// Prints rows under their titles, the columns as wide as what is in them.
pub(super) fn print(titles: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    for line in lines(titles, rows) {
        output::line(line)?;
    }
    Ok(())
}

fn lines(titles: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let titles: Vec<_> = titles.iter().map(|&title| title.to_owned()).collect();
    let all = || std::iter::once(&titles).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..titles.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// A field of an item, fit for a terminal; a dash for none.
pub(super) fn cell(item: &Value, field: &str) -> String {
    match &item[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => harmless(text),
        other => other.to_string(),
    }
}

/// Somebody else's text without what a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = vec![
            vec!["!ä:lab.local".to_owned(), "yes".to_owned()],
            vec!["!b".to_owned(), "-".to_owned()],
        ];
        let expected = ["room          on", "!ä:lab.local  yes", "!b            -"];
        assert_eq!(lines(&["room", "on"], &rows), expected);
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        let item = json!({"name": "a\u{1b}[2J\nb", "n": 5, "no": null});
        assert_eq!(cell(&item, "name"), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(
            (cell(&item, "n"), cell(&item, "no")),
            ("5".into(), "-".into())
        );
    }
}
