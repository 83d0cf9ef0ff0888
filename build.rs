//! The migrations and the console are embedded by macros that cargo does not see through.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=web/console");
    let migrations =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("migrations");
    println!(
        "cargo::rustc-env=TRIBUTARY_MIGRATIONS={:016x}",
        hash(&migrations)?
    );
    Ok(())
}

/// What is embedded, in a word: a database that tests made by it is of these migrations.
fn hash(folder: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for migration in sorted(folder)? {
        for file in ["up.sql", "metadata.toml"] {
            if let Ok(content) = fs::read(migration.join(file)) {
                (migration.file_name(), file, content).hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = entries.collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
