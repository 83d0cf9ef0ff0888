//! What came out, beside what it should be: for people and for machines.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use serde_json::{Value, json};

/// A row of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) figure: f64,
    /// Whom it is compared with, and how those did.
    pub(crate) beside: Option<(&'static str, f64)>,
    pub(crate) target: Target,
    /// What else is known of it.
    pub(crate) details: Value,
}

/// Of the ratio, where there is something beside it, else of the figure.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// A limit of the machine.
    None,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.beside.map(|(_, beside)| self.figure / beside)
    }

    fn is_met(&self) -> Option<bool> {
        let figure = self.ratio().unwrap_or(self.figure);
        match self.target {
            Target::AtLeast(least) => Some(figure >= least),
            Target::AtMost(most) => Some(figure <= most),
            Target::None => None,
        }
    }

    /// As a line of the table.
    pub(crate) fn line(&self) -> String {
        let (name, beside) = self.beside.map_or((String::new(), String::new()), |it| {
            (it.0.to_owned(), number(it.1))
        });
        let target = match self.target {
            Target::AtLeast(least) => format!(">= {}", number(least)),
            Target::AtMost(most) => format!("<= {}", number(most)),
            Target::None => String::new(),
        };
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!(
            "{:46} {:>9} {:9} {:>9} {:6} {:>6} {:>8} {verdict}",
            self.what,
            number(self.figure),
            self.unit,
            beside,
            name,
            self.ratio().map(number).unwrap_or_default(),
            target,
        );
        line.trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let (least, most) = match self.target {
            Target::AtLeast(least) => (Some(least), None),
            Target::AtMost(most) => (None, Some(most)),
            Target::None => (None, None),
        };
        json!({
            "what": self.what, "unit": self.unit, "figure": rounded(self.figure),
            "beside": self.beside.map(|(name, figure)| json!({ "name": name, "figure": rounded(figure) })),
            "ratio": self.ratio().map(rounded), "atLeast": least, "atMost": most, "met": self.is_met(),
            "details": self.details,
        })
    }
}

pub(crate) const HEAD: &str = "                                                  figure             beside                 ratio   target";

/// Writes what a machine can read.
pub(crate) fn write(
    path: &Path,
    settings: &Value,
    rows: &[Row],
    failed: &[String],
) -> io::Result<()> {
    let rows: Vec<_> = rows.iter().map(Row::json).collect();
    let all = json!({ "bench": "targets", "settings": settings, "rows": rows, "failed": failed });
    let mut file = fs::File::create(path)?;
    serde_json::to_writer_pretty(&mut file, &all)?;
    writeln!(file)
}

/// A line to people.
pub(crate) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// As many digits as mean something.
fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        large if large >= 100.0 => 0,
        middling if middling >= 10.0 => 1,
        _ => 2,
    };
    format!("{figure:.digits$}")
}

fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
