//! Why a socket is closed.

use axum::extract::ws::{CloseFrame, Utf8Bytes};

/// Why Tributary closes a socket, and the code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The token expired beyond the grace.
    Expired,
    /// The session was ended at Clerk.
    Revoked,
    /// The renewing token is of another user or session, or no token at all.
    NotRenewed,
    /// Too many frames wait for it, or it answers no pings; resuming works.
    TooSlow,
    /// The user opened too many others since.
    TooMany,
    /// Tributary stops.
    Restarting,
    /// A frame that is none of the protocol's.
    Malformed,
    /// More frames than a client has to say anything in.
    TooMuch,
    /// A frame that is too long.
    TooLong,
    /// Broken WebSocket framing (RFC 6455 section 7.4.1).
    Broken,
    /// Text that is no UTF-8 (RFC 6455 section 8.1).
    NotUtf8,
}

impl Close {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Expired | Self::Revoked | Self::NotRenewed => 4401,
            Self::TooSlow => 4408,
            Self::TooMany => 4429,
            Self::Restarting => 1012,
            Self::Malformed | Self::TooMuch => 1008,
            Self::TooLong => 1009,
            Self::Broken => 1002,
            Self::NotUtf8 => 1007,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Expired => "the token expired",
            Self::Revoked => "the session ended",
            Self::NotRenewed => "not a token of this session",
            Self::TooSlow => "too slow",
            Self::TooMany => "too many sockets",
            Self::Restarting => "restarting",
            Self::Malformed => "malformed frame",
            Self::TooMuch => "too many frames",
            Self::TooLong => "frame too long",
            Self::Broken => "protocol error",
            Self::NotUtf8 => "not UTF-8",
        }
    }
}

impl From<Close> for CloseFrame {
    fn from(close: Close) -> Self {
        Self {
            code: close.code(),
            reason: Utf8Bytes::from_static(close.reason()),
        }
    }
}
