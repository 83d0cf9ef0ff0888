//! Thumbnails: small pictures of large ones, made when they are asked for.
//!
//! Pictures come from strangers: a few kilobytes may claim to be a gigapixel. So what is
//! decoded is bounded before ([`draw`]), and how many are decoded at once ([`Studio`]).

mod bounds;
mod draw;
mod studio;

pub use self::{
    bounds::{Bounds, STEPS},
    draw::{LONGEST_SOURCE, NotDrawn, can_draw, media_type},
    studio::{Place, Studio},
};
