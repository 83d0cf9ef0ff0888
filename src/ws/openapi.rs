//! The socket's part of `/openapi.json`: the frames' schemas, from the frames' own types.

use utoipa::OpenApi;

use super::{
    handshake,
    protocol::{ClientFrame, ServerFrame},
};

/// `GET /ws`, and the frames that pass on it.
#[derive(OpenApi)]
#[openapi(paths(handshake::open), components(schemas(ClientFrame, ServerFrame)))]
pub(super) struct Description;
