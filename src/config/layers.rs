//! The two layers of the configuration: the file, and over it the environment.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::Problem,
    nearest,
    schema::{Key, Kind, Named, find, join},
    tree::{Tree, line_of},
};

/// What every overriding environment variable starts with.
const PREFIX: &str = "TRIBUTARY__";

/// A value as it was given, not yet checked.
pub(super) struct Given {
    /// The value.
    pub(super) tree: Tree,
    /// Whether it is the path of a file that holds the value (`<key>_file`).
    pub(super) in_file: bool,
    /// Where it came from.
    pub(super) origin: String,
    /// Whether it is from the environment: plain text, in which `${...}` means nothing.
    pub(super) from_environment: bool,
}

/// The values of one layer by the path of their key.
#[derive(Default)]
pub(super) struct Layer {
    /// Usually one value a key; two when the key and its `_file` form are both given.
    pub(super) given: BTreeMap<String, Vec<Given>>,
    /// The lengths of lists of sections by their path.
    pub(super) lengths: BTreeMap<String, usize>,
    /// What could not be placed.
    pub(super) problems: Vec<Problem>,
    /// Items of lists of sections that only the environment mentions, with an origin.
    items: BTreeMap<String, BTreeMap<usize, String>>,
    /// Lists that are given as a whole, so that nothing of the layer below is left.
    whole: BTreeSet<String>,
}

/// Where a tree was read from.
enum Source<'a> {
    File { name: &'a str, yaml: &'a str },
    Variable(&'a str),
}

impl Source<'_> {
    fn origin(&self, trail: &[usize]) -> String {
        match self {
            Self::File { name, yaml } => line_of(yaml, trail)
                .map_or_else(|| (*name).to_owned(), |line| format!("{name}, line {line}")),
            Self::Variable(name) => variable(name),
        }
    }
}

fn variable(name: &str) -> String {
    format!("environment variable {name}")
}

impl Layer {
    /// The layer of the file.
    pub(super) fn from_file(root: &'static [Key], name: &str, yaml: &str, tree: Tree) -> Self {
        let mut layer = Self::default();
        let source = Source::File { name, yaml };
        match tree {
            Tree::Null => {}
            Tree::Map(entries) => layer.section(root, root, "", entries, &source, &mut Vec::new()),
            _ => layer.problem(
                name,
                source.origin(&[]),
                "is no mapping",
                "`section: {key: value}`",
            ),
        }
        layer
    }

    /// The layer of the environment: every variable that starts with `TRIBUTARY__`.
    pub(super) fn from_environment(
        root: &'static [Key],
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let mut layer = Self::default();
        for (name, value) in environment {
            if let Some(path) = name.strip_prefix(PREFIX) {
                let path = path.to_lowercase();
                layer.place(root, name, &path.split("__").collect::<Vec<_>>(), value);
            }
        }
        layer
    }

    /// Lays `upper` over this one, key by key.
    pub(super) fn overridden_by(mut self, upper: Self) -> Self {
        for list in &upper.whole {
            let items = format!("{list}[");
            self.given.retain(|path, _| !path.starts_with(&items));
            self.lengths.remove(list);
        }
        self.given.extend(upper.given);
        self.lengths.extend(upper.lengths);
        self.problems.extend(upper.problems);
        for (list, items) in upper.items {
            self.extend_list(&list, items);
        }
        self
    }

    fn extend_list(&mut self, list: &str, items: BTreeMap<usize, String>) {
        for (index, origin) in items {
            let length = self.lengths.entry(list.to_owned()).or_default();
            if index > *length {
                let right = format!("number {length} comes next: items count from 0, without gaps");
                self.problem(&format!("{list}[{index}]"), origin, "leaves a gap", right);
                return;
            }
            *length = (*length).max(index + 1);
        }
    }

    fn section(
        &mut self,
        root: &'static [Key],
        keys: &'static [Key],
        parent: &str,
        entries: Vec<(String, Tree)>,
        source: &Source<'_>,
        trail: &mut Vec<usize>,
    ) {
        let mut seen = BTreeSet::new();
        for (number, (name, tree)) in entries.into_iter().enumerate() {
            trail.push(number);
            let path = join(parent, &name);
            if !seen.insert(name.clone()) {
                let what = "is given twice";
                self.problem(&path, source.origin(trail), what, "keep one of the two");
            } else if let Some(named) = find(keys, &name) {
                self.entry(root, named, parent, tree, source, trail);
            } else {
                let right = nearest::remedy(root, keys, parent, &name, str::to_owned);
                self.problem(&path, source.origin(trail), "is not a known key", right);
            }
            trail.pop();
        }
    }

    fn entry(
        &mut self,
        root: &'static [Key],
        named: Named,
        parent: &str,
        tree: Tree,
        source: &Source<'_>,
        trail: &mut Vec<usize>,
    ) {
        let path = join(parent, named.key.name);
        match (named.key.kind, tree) {
            (_, Tree::Null) => {}
            (Kind::Section(keys), Tree::Map(entries)) => {
                self.section(root, keys, &path, entries, source, trail);
            }
            (Kind::Section(_), _) => {
                let right = format!("`{path}: {{key: value}}`");
                self.problem(
                    &path,
                    source.origin(trail),
                    "is a section, not a value",
                    right,
                );
            }
            (Kind::Sections(keys), Tree::List(items)) => {
                self.lengths.insert(path.clone(), items.len());
                for (number, item) in items.into_iter().enumerate() {
                    trail.push(number);
                    self.item(
                        root,
                        keys,
                        &format!("{path}[{number}]"),
                        item,
                        source,
                        trail,
                    );
                    trail.pop();
                }
            }
            (Kind::Sections(_), _) => {
                let right = format!("`{path}: [{{key: value}}]`");
                self.problem(&path, source.origin(trail), "is no list", right);
            }
            (_, tree) => {
                let given = Given {
                    tree,
                    in_file: named.in_file,
                    origin: source.origin(trail),
                    from_environment: matches!(source, Source::Variable(_)),
                };
                self.given.entry(path).or_default().push(given);
            }
        }
    }

    fn item(
        &mut self,
        root: &'static [Key],
        keys: &'static [Key],
        path: &str,
        item: Tree,
        source: &Source<'_>,
        trail: &mut Vec<usize>,
    ) {
        match item {
            Tree::Map(entries) => self.section(root, keys, path, entries, source, trail),
            _ => self.problem(
                path,
                source.origin(trail),
                "is no mapping",
                "`{key: value}`",
            ),
        }
    }

    /// Places one variable: `segments` are the parts of its name behind the prefix.
    fn place(&mut self, root: &'static [Key], name: &str, segments: &[&str], value: &str) {
        let (mut keys, mut parent, mut rest) = (root, String::new(), segments);
        while let Some((segment, behind)) = rest.split_first() {
            let Some(named) = find(keys, segment) else {
                let right = nearest::remedy(root, keys, &parent, segment, variable_name);
                let path = join(&parent, &rest.join("."));
                return self.problem(&path, variable(name), "is not a known key", right);
            };
            let path = join(&parent, named.key.name);
            match (named.key.kind, behind) {
                (Kind::Section(below), [_, ..]) => (keys, parent, rest) = (below, path, behind),
                (Kind::Section(_), []) => {
                    let right = format!("`{name}__KEY`, one variable for each key");
                    return self.problem(&path, variable(name), "is a section", right);
                }
                (Kind::Sections(below), [index, behind @ ..]) if !behind.is_empty() => {
                    let Some(item) = self.item_path(&path, index, name) else {
                        return;
                    };
                    (keys, parent, rest) = (below, item, behind);
                }
                (Kind::Sections(_), _) => return self.place_list(root, named, name, value),
                (Kind::Texts | Kind::Secrets, [index]) if !named.in_file => {
                    return self.place_element(&path, index, name, value);
                }
                (_, []) => return self.place_value(path, named.in_file, name, value),
                (_, [_, ..]) => {
                    let right = format!("`{}`", variable_name(&path));
                    return self.problem(&path, variable(name), "has no keys below it", right);
                }
            }
        }
    }

    fn item_path(&mut self, list: &str, index: &str, name: &str) -> Option<String> {
        let Some(index) = list_index(index) else {
            let right = format!("`{}__0__KEY`, counting from 0", variable_name(list));
            self.problem(list, variable(name), "is a list", right);
            return None;
        };
        let items = self.items.entry(list.to_owned()).or_default();
        items.entry(index).or_insert_with(|| variable(name));
        Some(format!("{list}[{index}]"))
    }

    fn place_value(&mut self, path: String, in_file: bool, name: &str, value: &str) {
        self.given.entry(path).or_default().push(Given {
            tree: Tree::Text(value.to_owned()),
            in_file,
            origin: variable(name),
            from_environment: true,
        });
    }

    /// Places the next element of a list; variables come sorted, so 0 comes first.
    fn place_element(&mut self, path: &str, index: &str, name: &str, value: &str) {
        let given = self.given.entry(path.to_owned()).or_default();
        if given.is_empty() {
            given.push(Given {
                tree: Tree::List(Vec::new()),
                in_file: false,
                origin: variable(name),
                from_environment: true,
            });
        }
        if let Some(Tree::List(list)) = given.last_mut().map(|given| &mut given.tree)
            && list_index(index) == Some(list.len())
        {
            list.push(Tree::Text(value.to_owned()));
        } else {
            let right = format!("`{}__0`, `__1` and so on", variable_name(path));
            self.problem(path, variable(name), "leaves a gap in a list", right);
        }
    }

    /// Places a whole list of sections, written as YAML.
    fn place_list(&mut self, root: &'static [Key], named: Named, name: &str, value: &str) {
        let tree = serde_yaml::from_str(value).unwrap_or(Tree::Other);
        self.whole.insert(named.key.name.to_owned());
        let source = Source::Variable(name);
        self.entry(root, named, "", tree, &source, &mut Vec::new());
    }

    fn problem(&mut self, key: &str, origin: String, what: &str, right: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            origin,
            what: what.to_owned(),
            right: right.into(),
        });
    }
}

/// An index of a list; as short as this, so that nobody asks for a list of millions.
fn list_index(text: &str) -> Option<usize> {
    text.parse().ok().filter(|index| *index < 1000)
}

/// The variable that overrides the key at `path`.
pub(super) fn variable_name(path: &str) -> String {
    let path = path.replace(['.', '['], "__").replace(']', "");
    format!("{PREFIX}{}", path.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_variable() {
        assert_eq!(
            variable_name("bridges[0].as_token"),
            "TRIBUTARY__BRIDGES__0__AS_TOKEN"
        );
    }
}
