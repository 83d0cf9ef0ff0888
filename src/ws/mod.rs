//! The WebSocket.
