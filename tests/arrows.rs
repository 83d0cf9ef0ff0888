//! The rooms of the house and the arrows between them: an arrow points from the
//! user to what it uses. One that is not declared here is a failure, and so is
//! one that is declared and no longer there.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which room may use which. A room may always use itself.
const ARROWS: [(&str, &[&str]); 31] = [
    (
        "accounts",
        &[
            "auth", "config", "db", "erasure", "ingest", "limits", "matrix", "model", "sessions",
        ],
    ),
    (
        "api",
        &[
            "accounts",
            "app",
            "auth",
            "config",
            "db",
            "ingest",
            "limits",
            "matrix",
            "media",
            "meters",
            "model",
            "operator",
            "search",
            "stream",
            "thumbnails",
        ],
    ),
    (
        "app",
        &[
            "accounts",
            "auth",
            "clock",
            "config",
            "db",
            "gauges",
            "health",
            "ingest",
            "limits",
            "matrix",
            "media",
            "operator",
            "sessions",
            "stream",
            "thumbnails",
        ],
    ),
    ("auth", &["clock", "config", "meters"]),
    ("backup", &["app", "config", "db", "media", "model"]),
    ("clock", &[]),
    (
        "commands",
        &[
            "auth",
            "backup",
            "clock",
            "config",
            "db",
            "doctor",
            "lifecycle",
            "matrix",
            "media",
            "model",
            "telemetry",
        ],
    ),
    ("config", &[]),
    ("db", &["config", "meters", "model"]),
    (
        "doctor",
        &["auth", "clock", "config", "db", "matrix", "media", "model"],
    ),
    ("erasure", &["db", "ingest"]),
    ("fold", &["model"]),
    ("gauges", &["clock", "db", "health", "meters"]),
    ("health", &[]),
    (
        "ingest",
        &["clock", "db", "fold", "matrix", "meters", "model", "stream"],
    ),
    (
        "jobs",
        &[
            "accounts", "app", "config", "db", "erasure", "fold", "ingest", "matrix", "media",
            "meters", "model", "search",
        ],
    ),
    (
        "lifecycle",
        &[
            "api", "app", "backup", "clock", "config", "db", "erasure", "jobs", "matrix", "meters",
            "server", "stream", "ws",
        ],
    ),
    ("limits", &["config", "meters"]),
    ("main", &[]),
    ("matrix", &["config", "meters", "model"]),
    ("media", &["config", "model"]),
    ("meters", &[]),
    ("model", &[]),
    ("operator", &["config", "db", "ingest", "model"]),
    ("search", &["db", "model"]),
    ("server", &["limits", "meters"]),
    ("sessions", &["auth", "clock", "config", "db", "stream"]),
    ("stream", &["db", "model"]),
    ("telemetry", &["config"]),
    ("thumbnails", &[]),
    (
        "ws",
        &["app", "auth", "db", "limits", "meters", "model", "stream"],
    ),
];

/// What a room must not know at all.
const STRANGERS: [(&str, &[&str]); 5] = [
    ("api", &["diesel::sql_query"]),
    ("db", &["axum"]),
    ("fold", &["axum", "diesel", "tokio", "chrono::Utc::now"]),
    ("model", &["axum", "diesel", "tokio"]),
    ("ws", &["diesel::sql_query"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn room_of(file: &Path, root: &Path) -> String {
    let first = file
        .strip_prefix(root)
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The first segments behind every `crate::` of a file, also within braces.
fn used_rooms(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(first_segments(group)),
            None => used.extend(word(rest)),
        }
    }
    used
}

/// The first segments of the items of a group, up to its closing brace.
fn first_segments(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut found) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.extend(word(std::mem::take(&mut item).trim())),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    found.extend(word(item.trim()));
    found
}

fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn the_arrows_are_those_that_are_declared() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let declared: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for file in sources(&root) {
        let user = room_of(&file, &root);
        if user == "lib" {
            continue;
        }
        let Some(may) = declared.get(user.as_str()) else {
            wrong.push(format!("the room {user} is not declared"));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for used in used_rooms(&text) {
            if used == user || !declared.contains_key(used.as_str()) {
                continue;
            }
            if !may.contains(&used.as_str()) {
                wrong.push(format!("{}: {user} -> {used}", file.display()));
            }
            seen.insert((user.clone(), used));
        }
    }
    for (user, may) in ARROWS {
        let unused = may
            .iter()
            .filter(|used| !seen.contains(&(user.to_owned(), (**used).to_owned())));
        wrong.extend(unused.map(|used| format!("{user} -> {used} is declared and not there")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rooms_stay_strangers_to_what_is_not_theirs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, strangers) in STRANGERS {
        for file in sources(&root.join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for stranger in strangers {
                assert!(
                    !text.contains(&format!("{stranger}::")),
                    "{}: {stranger}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn only_the_database_room_knows_diesel_queries() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let knows = text.contains("sql_query") || text.contains("RunQueryDsl");
        assert!(
            !knows || room_of(&file, &root) == "db",
            "{}",
            file.display()
        );
    }
}

#[test]
fn arrows_are_found_in_every_form() {
    let text =
        "use crate::{a::b, c::{d, e}, f};\nuse crate::g::h; // crate::no\nlet x = crate::i();";
    let found: Vec<_> = used_rooms(text).into_iter().collect();
    assert_eq!(found, ["a", "c", "f", "g", "i"]);
}
