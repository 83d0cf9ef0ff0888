//! The `tributary` program: parses the command line and leaves the rest to the library.

fn main() {}
