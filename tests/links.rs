//! Every relative link of the documents leads to a file that is there, and every anchor to a
//! heading of it.

#![cfg(test)]

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use regex::Regex;

/// Where documents are; other people's are below `node_modules`.
const PLACES: [&str; 8] = [
    ".", "docs", "contrib", "web", "tests", "benches", "fuzz", "docker",
];
const NOT_OURS: [&str; 4] = ["node_modules", "target", "build", "dist"];

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let broken: Vec<_> = documents
        .iter()
        .flat_map(|(path, text)| {
            links(text)
                .into_iter()
                .filter(|link| !leads_somewhere(path, link, &documents))
                .map(move |link| format!("{}: {link}", path.display()))
        })
        .collect();
    assert!(documents.len() > 25, "{}", documents.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_document_is_in_the_index() {
    let readme = fs::read_to_string("README.md").unwrap();
    let linked = links(&readme);
    for document in fs::read_dir("docs").unwrap() {
        let path = document.unwrap().path();
        let is_linked = linked.iter().any(|link| Path::new(link) == path);
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        assert!(is_linked || !is_page, "{}", path.display());
    }
}

#[test]
fn anchors_are_made_as_they_are_shown() {
    let text = "# The `as_token`, and *why*\n## A\n```sh\n# no heading\n```\n## A\n";
    assert_eq!(anchors(text), ["the-as_token-and-why", "a", "a-1"]);
}

#[test]
fn what_is_code_is_no_link() {
    let text = "[a](b.md) `[c](d.md)` [e](https://f.g)\n```\n[h](i.md)\n```\n";
    assert_eq!(links(text), ["b.md"]);
}

fn documents() -> HashMap<PathBuf, String> {
    let mut found = HashMap::new();
    for place in PLACES {
        read(Path::new(place), place != ".", &mut found);
    }
    found
}

fn read(folder: &Path, deeper: bool, found: &mut HashMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && deeper && !NOT_OURS.contains(&name) {
            read(&path, deeper, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(plain(&path), fs::read_to_string(&path).unwrap());
        }
    }
}

/// The targets of the relative links.
fn links(text: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let code = Regex::new(r"`[^`\n]*`").unwrap();
    let prose = outside_of_fences(text).join("\n");
    link.captures_iter(&code.replace_all(&prose, "`code`"))
        .map(|found| found[1].to_owned())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

fn leads_somewhere(from: &Path, link: &str, documents: &HashMap<PathBuf, String>) -> bool {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (link, None),
    };
    let target = if file.is_empty() {
        from.to_owned()
    } else {
        plain(&from.parent().unwrap().join(file))
    };
    let has = |anchor: &str| {
        documents
            .get(&target)
            .is_some_and(|text| anchors(text).iter().any(|known| known == anchor))
    };
    target.exists() && anchor.is_none_or(has)
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut times = HashMap::<String, usize>::new();
    outside_of_fences(text)
        .into_iter()
        .filter_map(|line| {
            line.trim_start_matches('#')
                .strip_prefix(' ')
                .filter(|_| line.starts_with('#'))
        })
        .map(|heading| {
            let words = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
            let slug: String = words
                .replace_all(heading.trim(), "$1")
                .to_lowercase()
                .chars()
                .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'))
                .map(|it| if it == ' ' { '-' } else { it })
                .collect();
            let before = times.entry(slug.clone()).or_default();
            *before += 1;
            if *before == 1 {
                slug
            } else {
                format!("{slug}-{}", *before - 1)
            }
        })
        .collect()
}

fn outside_of_fences(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    text.lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            is_inside ^= is_fence;
            !is_fence && !is_inside
        })
        .collect()
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
