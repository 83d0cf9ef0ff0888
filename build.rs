//! The migrations and the console are embedded by macros that cargo does not see through.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=web/console");
}
