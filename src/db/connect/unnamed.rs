//! Prepared statements without names, for transaction poolers.
//!
//! diesel prepares each statement under a name and runs it in a second round trip. Behind a
//! transaction pooler the second one may reach another session, which does not know the name;
//! and a name that was left behind in a session is taken when another client chooses it.
//! (`PgBouncer` knows better since 1.21; Debian 12 has 1.18.) So the names are taken out of
//! what is sent: each time that a statement is run it is parsed again, unnamed, right before.
//! The server answers that with a `ParseComplete` of which the client must not hear.
//!
//! The messages are those of PostgreSQL's documentation, "Message Formats".

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// A type and a length, which counts itself.
const HEADER: usize = 5;
/// What the server says to a `Parse`.
const PARSE_COMPLETE: u8 = b'1';
/// What it says when it is through with what was sent up to a `Sync` or as a simple query.
const READY: u8 = b'Z';

/// Takes the names out of one connection's messages.
#[derive(Debug)]
pub(super) struct Unnamed {
    /// What was sent and is no whole message yet.
    sending: BytesMut,
    has_begun: bool,
    /// By name, what `Parse` said behind it.
    statements: HashMap<Bytes, Bytes>,
    /// Whose each `Parse` was that is not answered yet: one list up to each [`READY`].
    parses: VecDeque<VecDeque<Whose>>,
    /// What was received of a header.
    header: [u8; HEADER],
    headed: usize,
    /// How much of the message in hand is still to come.
    to_come: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Clients,
    Ours,
}

impl Default for Unnamed {
    fn default() -> Self {
        Self {
            sending: BytesMut::new(),
            has_begun: false,
            statements: HashMap::new(),
            // The first is the beginning's, which is answered by a `READY` as well.
            parses: VecDeque::from([VecDeque::new(), VecDeque::new()]),
            header: [0; HEADER],
            headed: 0,
            to_come: 0,
        }
    }
}

impl Unnamed {
    /// Puts what is to be sent in place of `bytes` behind `into`.
    pub(super) fn sent(&mut self, bytes: &[u8], into: &mut BytesMut) -> io::Result<()> {
        self.sending.extend_from_slice(bytes);
        loop {
            // The first message alone has no type.
            let length_at = usize::from(self.has_begun);
            let Some(length) = self.sending.get(length_at..length_at + 4) else {
                return Ok(());
            };
            let whole = length_at + as_length(length)?;
            if self.sending.len() < whole {
                return Ok(());
            }
            let message = self.sending.split_to(whole).freeze();
            if self.has_begun {
                self.rename(&message, into)?;
            } else {
                self.has_begun = true;
                into.extend_from_slice(&message);
            }
        }
    }

    fn rename(&mut self, message: &Bytes, into: &mut BytesMut) -> io::Result<()> {
        let mut body = message.slice(HEADER..);
        match message[0] {
            b'P' => {
                let name = text(&mut body)?;
                self.note(Whose::Clients);
                parse(&body, into);
                self.statements.insert(name, body);
            }
            b'B' => {
                let portal = text(&mut body)?;
                let name = text(&mut body)?;
                if let Some(statement) = self.statements.get(&name).cloned() {
                    parse(&statement, into);
                    self.note(Whose::Ours);
                }
                put(b'B', &[&portal, b"\0\0", &body], into);
            }
            // Of a statement, not of a portal.
            kind @ (b'D' | b'C') if body.first() == Some(&b'S') => {
                body.advance(1);
                let name = text(&mut body)?;
                if kind == b'C' {
                    self.statements.remove(&name);
                }
                put(kind, &[b"S\0"], into);
            }
            kind => {
                if matches!(kind, b'S' | b'Q') {
                    self.parses.push_back(VecDeque::new());
                }
                into.extend_from_slice(message);
            }
        }
        Ok(())
    }

    fn note(&mut self, whose: Whose) {
        if let Some(parses) = self.parses.back_mut() {
            parses.push_back(whose);
        }
    }

    /// Puts what the client is to receive of `bytes` behind `into`.
    pub(super) fn received(&mut self, mut bytes: &[u8], into: &mut BytesMut) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.to_come > 0 {
                let (now, later) = bytes.split_at(self.to_come.min(bytes.len()));
                into.extend_from_slice(now);
                self.to_come -= now.len();
                bytes = later;
                continue;
            }
            self.header[self.headed] = bytes[0];
            self.headed += 1;
            bytes.advance(1);
            if self.headed == HEADER {
                self.headed = 0;
                self.to_come = as_length(&self.header[1..])? - 4;
                if self.is_for_client() {
                    into.extend_from_slice(&self.header);
                }
            }
        }
        Ok(())
    }

    /// Whether the client has asked for the message that begins.
    fn is_for_client(&mut self) -> bool {
        match self.header[0] {
            PARSE_COMPLETE => {
                let parses = self.parses.front_mut();
                parses.and_then(VecDeque::pop_front) != Some(Whose::Ours)
            }
            READY => {
                // What an error has kept from being answered goes with it.
                if self.parses.len() > 1 {
                    self.parses.pop_front();
                }
                true
            }
            _ => true,
        }
    }
}

/// `Parse`, without a name.
fn parse(statement: &[u8], into: &mut BytesMut) {
    put(b'P', &[b"\0", statement], into);
}

fn put(kind: u8, parts: &[&[u8]], into: &mut BytesMut) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    into.put_u8(kind);
    // What it is made of had a length of four bytes as well.
    into.put_u32(u32::try_from(length + 4).unwrap_or(u32::MAX));
    for part in parts {
        into.extend_from_slice(part);
    }
}

fn as_length(bytes: &[u8]) -> io::Result<usize> {
    let length = bytes.try_into().map(u32::from_be_bytes).ok();
    length
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length >= 4)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message without a length"))
}

/// The text up to the next zero, which is gone from `body` then.
fn text(body: &mut Bytes) -> io::Result<Bytes> {
    let end = body.iter().position(|byte| *byte == 0);
    let end =
        end.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a text without an end"))?;
    let text = body.split_to(end);
    body.advance(1);
    Ok(text)
}

#[cfg(test)]
mod tests;
