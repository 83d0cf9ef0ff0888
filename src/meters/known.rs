//! Metrics with labels, whose values are known beforehand or bounded in number.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// A metric for each value of one label.
#[derive(Debug)]
pub struct By<T> {
    pub(super) values: &'static [&'static str],
    pub(super) handles: Vec<T>,
}

impl<T> By<T> {
    /// The one of a value; that of the last value, `other` where others may come, if it is
    /// none of them.
    #[must_use]
    pub fn of(&self, value: &str) -> &T {
        &self.handles[place(self.values, value)]
    }

    /// All of them, with their values.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &T)> {
        self.values.iter().copied().zip(&self.handles)
    }
}

/// A metric for each pair of values of two labels.
#[derive(Debug)]
pub struct ByBoth<T> {
    pub(super) first: &'static [&'static str],
    pub(super) second: &'static [&'static str],
    pub(super) handles: Vec<T>,
}

impl<T> ByBoth<T> {
    /// The one of a pair of values, as [`By::of`] finds it.
    #[must_use]
    pub fn of(&self, first: &str, second: &str) -> &T {
        let row = place(self.first, first);
        &self.handles[row * self.second.len() + place(self.second, second)]
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.handles.iter()
    }
}

fn place(values: &[&str], value: &str) -> usize {
    let found = values.iter().position(|known| *known == value);
    found.unwrap_or(values.len() - 1)
}

/// What somebody's name is made into.
type Make<T> = Box<dyn Fn(&str) -> T + Send + Sync>;

/// Metrics of what the router or the configuration names: made when first asked for, and
/// beyond a number of them all others are `other`.
pub struct ByName<T> {
    make: Make<T>,
    made: RwLock<HashMap<String, Arc<T>>>,
}

/// More routes and bridges than there will be.
const MOST: usize = 128;
const OTHER: &str = "other";

impl<T> ByName<T> {
    pub(super) fn new(make: impl Fn(&str) -> T + Send + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            made: RwLock::default(),
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn of(&self, name: &str) -> Arc<T> {
        // A panic elsewhere leaves the map whole: each change of it is one insert.
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = made.get(name) {
            return Arc::clone(found);
        }
        drop(made);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        let name = if made.len() < MOST { name } else { OTHER };
        if let Some(found) = made.get(name) {
            return Arc::clone(found);
        }
        let new = Arc::new((self.make)(name));
        made.insert(name.to_owned(), Arc::clone(&new));
        new
    }
}

impl<T> fmt::Debug for ByName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nobody_knows_is_the_last_one() {
        let by = By {
            values: &["a", "b", "other"],
            handles: vec![1, 2, 3],
        };
        assert_eq!(
            ["a", "b", "other", "@who:lab"].map(|v| *by.of(v)),
            [1, 2, 3, 3]
        );
        let both = ByBoth {
            first: &["a", "other"],
            second: &["x", "y"],
            handles: vec![1, 2, 3, 4],
        };
        assert_eq!((*both.of("a", "y"), *both.of("?", "x")), (2, 3));
    }

    #[test]
    fn however_many_names_there_are_few_are_made() {
        let by = ByName::new(str::to_owned);
        assert_eq!(*by.of("/a"), "/a");
        for n in 0..1000 {
            let _ = by.of(&format!("/{n}"));
        }
        assert_eq!(*by.of("/a"), "/a");
        assert_eq!(*by.of("/999"), "other");
        assert_eq!(by.made.read().unwrap().len(), MOST + 1);
    }
}
