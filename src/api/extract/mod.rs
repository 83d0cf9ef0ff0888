//! What a request brings, each part taken by its type. The first argument of a
//! handler is who is calling, so that a stranger learns nothing about the rest.

mod body;
mod bridge;
mod client_ip;
mod cursor;
mod id;
mod keys;
mod paging;
mod viewer;

pub use self::{
    body::JsonBody,
    bridge::BridgeId,
    client_ip::ClientIp,
    cursor::{Place, decode as decode_cursor, encode as encode_cursor},
    id::PathId,
    keys::{AdminKey, ManagerKey},
    paging::{Paging, PagingQuery},
    viewer::Viewer,
};
pub(super) use self::{body::LIMIT as BODY_LIMIT, id::parse as parse_id};
