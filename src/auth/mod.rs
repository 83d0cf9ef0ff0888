//! Who is calling: Clerk session tokens, Matrix OpenID proofs, keys and codes.
//!
//! - [`clerk`]: the session tokens of the web app's users
//! - [`dev`]: session tokens for development, signed with a key of one's own
//! - [`dev_pass`]: what gets such tokens for a page, again and again
//! - [`openid`]: a Matrix user's proof of being one
//! - [`bearer`], [`api_keys`], [`hs_token`]: shared secrets in a request's header
//! - [`svix`]: the signatures of Clerk's webhooks
//! - [`tickets`]: what an `<img>` shows instead of a token
//! - [`codes`]: what a person copies from the desktop program to the web page
//!
//! Checks are pure; [`fetch`] is the only file that opens a connection.

pub mod api_keys;
pub mod bearer;
pub mod clerk;
pub mod codes;
pub mod dev;
pub mod dev_pass;
mod digest;
pub mod fetch;
pub mod hs_token;
pub mod openid;
mod rsa;
pub mod svix;
pub mod tickets;

#[cfg(test)]
mod testing;
