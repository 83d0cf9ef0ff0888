// Made by `TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript` from the server's own types.
export {};
