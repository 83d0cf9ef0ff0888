//! Who is calling.
//!
//! - [`bridge_people`]: Matrix ids that are nobody's account
//! - [`bearer`], [`api_keys`], [`hs_token`]: shared secrets in a request's header
//! - [`codes`]: what a person copies from the desktop program to the web page

pub mod api_keys;
pub mod bearer;
pub mod bridge_people;
pub mod codes;
mod digest;
pub mod hs_token;
