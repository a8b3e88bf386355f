//! A client that sends bytes as they stand and sees what comes back, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection. What does not come within a minute never comes.
pub struct Raw {
    stream: TcpStream,
    /// What came and was not asked for yet.
    unread: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head as it came, its status line included.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name as it is to be spelled.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
        stream.set_write_timeout(Some(Duration::from_mins(1))).expect("set");
        Self { stream, unread: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// Sends what the server may no longer want; gives whether it still took it.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer, whose length its head must tell.
    pub fn answer(&mut self) -> Answer {
        let end = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.more() > 0, "the connection ended within a head: {:?}", self.unread),
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("a head is text");
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("Content-Length").map_or(0, |length| length.parse().expect("a number"));
        while self.unread.len() < length {
            assert!(self.more() > 0, "the connection ended within a body");
        }
        answer.body = self.unread.drain(..length).collect();
        answer
    }

    /// Waits until the server ends the connection, which must come in good order, and nothing before it.
    pub fn ends(&mut self) {
        assert_eq!((self.more(), self.unread.len()), (0, 0), "the connection is still of use");
    }

    /// Whether the server ended the connection, in whatever order, once what it still sends is read.
    pub fn is_over(&mut self) -> bool {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        }
    }

    fn more(&mut self) -> usize {
        let mut piece = [0; 16 << 10];
        let count = self.stream.read(&mut piece).expect("received");
        self.unread.extend_from_slice(&piece[..count]);
        count
    }
}

/// Sends `bytes` on a connection of their own and gives the one answer, after which the server must end the connection.
pub fn last_answer(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut raw = Raw::connect(address);
    raw.send(bytes);
    let answer = raw.answer();
    raw.ends();
    answer
}
