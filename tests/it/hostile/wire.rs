//! Bytes on a connection, whatever they are.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::house::House;

/// How long anything may take: much more than the longest deadline that is waited for, 10 s.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// A connection.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(super) async fn open(house: &House) -> Self {
        Self {
            stream: TcpStream::connect(house.address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// Writes as much as is taken: who refuses does not read to the end.
    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = timeout(PATIENCE, self.stream.write_all(bytes.as_ref()));
        written.await.expect("it is taken or refused").is_ok()
    }

    /// The status of the next answer, whose body is of a length that it says.
    pub(super) async fn status(&mut self) -> u16 {
        self.answer().await.expect("an answer")
    }

    /// The same, or none when the connection ends instead.
    pub(super) async fn answer(&mut self) -> Option<u16> {
        let (status, length) = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head: Vec<_> = self.read.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap().to_lowercase();
                let length = head.split("content-length: ").nth(1);
                let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
                break (head[9..12].parse().unwrap(), length.unwrap_or(0));
            }
            self.more().await?;
        };
        while self.read.len() < length {
            self.more().await?;
        }
        self.read.drain(..length);
        Some(status)
    }

    /// What has come after the last answer.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    /// Reads something, unless it has ended.
    pub(super) async fn more(&mut self) -> Option<()> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read));
        // Closed with something unread, it is reset.
        let read = read.await.expect("something or the end").unwrap_or(0);
        (read > 0).then_some(())
    }
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|at| at == wanted)
}
