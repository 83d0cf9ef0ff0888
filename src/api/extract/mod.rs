//! What a request brings, each part taken by its type. The first argument of a
//! handler is who is calling, so that a stranger learns nothing about the rest.

mod body;
mod bridge;
mod client_ip;
mod cursor;
mod filter;
mod id;
mod keys;
mod paging;
mod room;
mod viewer;

pub use self::{
    body::{JsonBody, RawBody},
    bridge::BridgeId,
    client_ip::ClientIp,
    cursor::{Place, decode as decode_cursor, encode as encode_cursor},
    filter::{Filter, Options, Term},
    id::PathId,
    keys::{AdminKey, ManagerKey},
    paging::{Paging, PagingQuery},
    room::{PathRoom, is_storable as is_storable_id},
    viewer::Viewer,
};
pub(super) use self::{
    body::{LIMIT as BODY_LIMIT, read as read_body, read_within as read_body_within},
    id::parse as parse_id,
};
