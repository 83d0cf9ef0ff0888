//! A WebSocket whose frames are made by hand (RFC 6455 section 5.2).

use tokio::io::AsyncWriteExt as _;

use super::{
    house::House,
    wire::{PATIENCE, Wire, find},
};
use crate::support::{app::session, within};

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
/// The last fragment of a message.
pub(super) const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A frame of a client's: its first byte, and what it holds.
pub(super) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = head(first, MASKED, payload.len() as u64);
    frame.extend(KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// One that is not masked, as only a server's are.
pub(super) fn unmasked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut frame = head(first, 0, payload.as_ref().len() as u64);
    frame.extend(payload.as_ref());
    frame
}

/// The beginning of a frame that is said to be so long.
pub(super) fn promise(first: u8, length: u64) -> Vec<u8> {
    let mut frame = head(first, MASKED, length);
    frame.extend(KEY);
    frame
}

/// A message in fragments of so many bytes.
pub(super) fn fragments(opcode: u8, payload: impl AsRef<[u8]>, each: usize) -> Vec<u8> {
    let mut pieces: Vec<_> = payload.as_ref().chunks(each).collect();
    let last = pieces.pop().unwrap();
    let opcodes = std::iter::once(opcode).chain(std::iter::repeat(CONTINUATION));
    let mut all: Vec<u8> = pieces
        .iter()
        .zip(opcodes)
        .flat_map(|(piece, opcode)| frame(opcode, piece))
        .collect();
    let opcode = if pieces.is_empty() {
        opcode
    } else {
        CONTINUATION
    };
    all.extend(frame(FIN | opcode, last));
    all
}

fn head(first: u8, mask: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    if let Ok(length @ ..=125) = u8::try_from(length) {
        head.push(mask + length);
    } else if let Ok(length) = u16::try_from(length) {
        head.push(mask + 126);
        head.extend(length.to_be_bytes());
    } else {
        head.push(mask + 127);
        head.extend(length.to_be_bytes());
    }
    head
}

/// A socket that is live.
pub(super) struct Socket {
    pub(super) wire: Wire,
    read: Vec<u8>,
}

/// What became of a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The code of the close frame: none if it has none, 1006 if there is no frame.
    pub(super) code: Option<u16>,
    /// What its pongs held.
    pub(super) pongs: Vec<Vec<u8>>,
}

impl Socket {
    /// Opens one, as often as it has to: while Postgres is slow to answer there are none.
    pub(super) async fn open(house: &House) -> Self {
        within(PATIENCE, "a socket", || Self::opened(house)).await
    }

    async fn opened(house: &House) -> Option<Self> {
        let mut wire = Wire::open(house).await;
        let token = session(&house.alice.user_id);
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-extensions: permessage-deflate\r\n\r\n"
        );
        assert!(wire.say(request).await);
        let status = wire.status().await;
        if status == 503 {
            return None;
        }
        assert_eq!(status, 101);
        let read = wire.rest();
        let mut socket = Self { wire, read };
        loop {
            let (_, payload) = socket.next().await.expect("a frame");
            if find(&payload, br#""live""#).is_some() {
                return Some(socket);
            }
        }
    }

    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.say(bytes).await
    }

    /// Says it byte by byte.
    pub(super) async fn spell(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.wire.stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    }

    /// Reads to the end.
    pub(super) async fn ended(&mut self) -> Ended {
        let (mut code, mut pongs) = (Some(1006), Vec::new());
        while let Some((opcode, payload)) = self.next().await {
            match opcode {
                PONG => pongs.push(payload),
                CLOSE => {
                    let bytes = payload.first_chunk();
                    code = bytes.map(|&bytes| u16::from_be_bytes(bytes));
                    break;
                }
                _ => {}
            }
        }
        Ended { code, pongs }
    }

    /// The opcode and the payload of the next frame, or none at the end.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.whole() {
                return Some(frame);
            }
            self.wire.more().await?;
            self.read.extend(self.wire.rest());
        }
    }

    fn whole(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.read.first()?, *self.read.get(1)?);
        let (at, length) = match second {
            126 => {
                let bytes = self.read.get(2..4)?.try_into().unwrap();
                (4, usize::from(u16::from_be_bytes(bytes)))
            }
            length => (2, usize::from(length)),
        };
        if self.read.len() < at + length {
            return None;
        }
        let frame: Vec<_> = self.read.drain(..at + length).collect();
        Some((first & 0x0f, frame[at..].to_vec()))
    }
}
