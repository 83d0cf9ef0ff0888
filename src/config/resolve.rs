//! From the layers to one tree of checked values: reads `*_file`, puts `${VARIABLE}` in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_yaml::{Mapping, Value};

use super::{
    convert::{self, Wrong},
    error::{Origins, Problem, file_name, unreadable},
    layers::{Given, Layer, variable_name},
    schema::{Key, Kind, join},
    tree::Tree,
};

/// What resolving needs and finds.
pub(super) struct Resolver<'a> {
    layer: Layer,
    environment: &'a BTreeMap<String, String>,
    folder: &'a Path,
    file: String,
    origins: Origins,
}

impl<'a> Resolver<'a> {
    /// Over a merged layer of the configuration file at `path`, in `folder`.
    pub(super) fn new(
        layer: Layer,
        environment: &'a BTreeMap<String, String>,
        path: &Path,
        folder: &'a Path,
    ) -> Self {
        Self {
            layer,
            environment,
            folder,
            file: file_name(path),
            origins: Origins::default(),
        }
    }

    /// The checked values, or everything that is wrong.
    pub(super) fn resolve(
        mut self,
        root: &'static [Key],
    ) -> Result<(Value, Origins), Vec<Problem>> {
        let value = self.section(root, "");
        if self.layer.problems.is_empty() {
            Ok((value, self.origins))
        } else {
            Err(self.layer.problems)
        }
    }

    fn section(&mut self, keys: &'static [Key], parent: &str) -> Value {
        let mut section = Mapping::new();
        for key in keys {
            let path = join(parent, key.name);
            let value = match key.kind {
                Kind::Section(below) => Some(self.section(below, &path)),
                Kind::Sections(below) => Some(self.list(key, below, &path)),
                _ => self.leaf(key, path),
            };
            if let Some(value) = value {
                section.insert(key.name.into(), value);
            }
        }
        section.into()
    }

    fn list(&mut self, key: &Key, keys: &'static [Key], path: &str) -> Value {
        let length = self.layer.lengths.get(path).copied().unwrap_or_default();
        if key.required && length == 0 {
            let needed = keys.iter().filter(|key| key.required);
            let names: Vec<_> = needed.map(|key| format!("{}: ...", key.name)).collect();
            let right = format!("at least one: `- {{ {} }}`", names.join(", "));
            let origin = self.file.clone();
            self.problem(path.to_owned(), origin, "is missing".to_owned(), right);
        }
        let items = 0..length;
        items
            .map(|index| self.section(keys, &format!("{path}[{index}]")))
            .collect()
    }

    fn leaf(&mut self, key: &Key, path: String) -> Option<Value> {
        let mut given = self.layer.given.remove(&path).unwrap_or_default();
        let Some(last) = given.pop() else {
            if key.required {
                let variable = variable_name(&path);
                let right = format!("give it in {}, or as `{variable}`", self.file);
                self.problem(path, self.file.clone(), "is missing".to_owned(), right);
            }
            return None;
        };
        let origin = last.origin.clone();
        if given.is_empty() {
            self.origins.insert(path.clone(), origin.clone());
        } else {
            let what = format!("is given twice, as `{0}` and `{0}_file`", key.name);
            self.problem(path, origin, what, "keep one of the two".to_owned());
            return None;
        }
        match self.value(key.kind, last) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.problem(path, origin, wrong.what, wrong.right);
                None
            }
        }
    }

    fn value(&self, kind: Kind, given: Given) -> Result<Value, Wrong> {
        let from_environment = given.from_environment;
        let tree = if from_environment {
            given.tree
        } else {
            self.substitute(given.tree)?
        };
        if given.in_file {
            return self.value_in_file(kind, tree);
        }
        match tree {
            // What a variable was put into is text too: `pool_size: ${POOL_SIZE}`.
            Tree::Text(text) => convert::from_text(kind, text),
            tree => convert::from_yaml(kind, tree),
        }
    }

    fn value_in_file(&self, kind: Kind, tree: Tree) -> Result<Value, Wrong> {
        let Tree::Text(path) = tree else {
            return Err(Wrong::new("names no file", "the path of a file, in quotes"));
        };
        let path = absolute(self.folder, Path::new(&path));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let what = format!("names a file that {}", unreadable(&error));
            Wrong::new(what, "a readable text file with the value in it")
        })?;
        if matches!(kind, Kind::Secrets) {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let keys: Vec<_> = lines.map(|line| Tree::Text(line.to_owned())).collect();
            if !keys.is_empty() {
                return convert::from_yaml(kind, Tree::List(keys));
            }
        }
        match text.trim() {
            "" => Err(Wrong::new(
                "names an empty file",
                "a file with the value in it",
            )),
            text => convert::from_text(kind, text.to_owned()),
        }
    }

    /// Puts the values of variables into every string.
    fn substitute(&self, tree: Tree) -> Result<Tree, Wrong> {
        match tree {
            Tree::Text(text) => self.substitute_text(&text).map(Tree::Text),
            Tree::List(items) => {
                let items = items.into_iter().map(|item| self.substitute(item));
                items.collect::<Result<_, _>>().map(Tree::List)
            }
            other => Ok(other),
        }
    }

    fn substitute_text(&self, text: &str) -> Result<String, Wrong> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, behind) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                result.extend([before, "${"]);
                rest = behind;
                continue;
            }
            let (name, after) = behind
                .split_once('}')
                .filter(|(name, _)| is_variable(name))
                .ok_or_else(|| {
                    let right = "`${NAME}` for an environment variable, `$${` for the characters";
                    Wrong::new("has a `${` that starts no variable", right)
                })?;
            let value = self.environment.get(name).ok_or_else(|| {
                let what = format!("needs the environment variable `{name}`, which is not set");
                Wrong::new(what, format!("set `{name}`, or write the value itself"))
            })?;
            result.extend([before, value]);
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    fn problem(&mut self, key: String, origin: String, what: String, right: String) {
        self.layer.problems.push(Problem {
            key,
            origin,
            what,
            right,
        });
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `path` as seen from `folder`, without a `.` in it.
pub(super) fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}
