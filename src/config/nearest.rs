//! What somebody meant who wrote a key that does not exist.

use super::schema::{Key, Kind, join};

/// Names further apart than this are not mistakes in typing.
const CLOSE_ENOUGH: f64 = 0.8;

/// What would be right instead of `name` in the section at `parent`; `spelling` turns the
/// path of a key into what the operator has to write.
pub(super) fn remedy(
    root: &'static [Key],
    keys: &'static [Key],
    parent: &str,
    name: &str,
    spelling: fn(&str) -> String,
) -> String {
    if let Some(near) = nearest(keys, name) {
        return format!("`{}`", spelling(&join(parent, near)));
    }
    if let Some(elsewhere) = section_with(root, name) {
        return format!("`{}`", spelling(&elsewhere));
    }
    let names: Vec<_> = keys.iter().map(|key| key.name).collect();
    format!("one of: {}", names.join(", "))
}

fn nearest(keys: &'static [Key], name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_").to_lowercase();
    keys.iter()
        .map(|key| (strsim::jaro_winkler(key.name, &name), key.name))
        .filter(|(similarity, _)| *similarity >= CLOSE_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, near)| near)
}

/// The path of the only key with this name in any section.
fn section_with(root: &'static [Key], name: &str) -> Option<String> {
    let mut found = root.iter().filter_map(|section| match section.kind {
        Kind::Section(keys) if keys.iter().any(|key| key.name == name) => {
            Some(join(section.name, name))
        }
        _ => None,
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ROOT;

    fn remedy(keys: &'static [Key], parent: &str, name: &str) -> String {
        super::remedy(ROOT, keys, parent, name, str::to_owned)
    }

    fn section(name: &str) -> &'static [Key] {
        match ROOT.iter().find(|key| key.name == name).unwrap().kind {
            Kind::Section(keys) | Kind::Sections(keys) => keys,
            _ => panic!("{name} is no section"),
        }
    }

    #[test]
    fn a_typing_mistake_is_recognised() {
        let backfill = section("backfill");
        assert_eq!(remedy(backfill, "backfill", "dayz"), "`backfill.days`");
        assert_eq!(
            remedy(backfill, "backfill", "maxMessages"),
            "`backfill.max_messages`"
        );
        assert_eq!(remedy(ROOT, "", "websockets"), "`websocket`");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_sent_home() {
        assert_eq!(remedy(ROOT, "", "public_url"), "`server.public_url`");
    }

    #[test]
    fn otherwise_the_section_is_listed() {
        let remedy = remedy(section("log"), "log", "zzz");
        assert_eq!(remedy, "one of: format, filter");
    }
}
