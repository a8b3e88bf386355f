//! A client for load: whole requests in, status and body out, connections kept and used again.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Connections to one server that wait for their next request.
pub struct Pool {
    address: SocketAddr,
    idle: std::sync::Mutex<Vec<TcpStream>>,
    patience: Duration,
}

impl Pool {
    pub fn new(address: SocketAddr, patience: Duration) -> Self {
        Self { address, idle: std::sync::Mutex::default(), patience }
    }

    /// Sends a whole request on a free connection, or on a new one.
    pub async fn send(&self, request: &[u8]) -> io::Result<Answer> {
        tokio::time::timeout(self.patience, self.send_now(request)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn send_now(&self, request: &[u8]) -> io::Result<Answer> {
        let kept = self.idle.lock().expect("no holder panics").pop();
        if let Some(stream) = kept
            // The server may have ended a connection that was idle; the request was not looked at then.
            && let Ok(answer) = self.exchange(stream, request).await
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.exchange(stream, request).await
    }

    async fn exchange(&self, mut stream: TcpStream, request: &[u8]) -> io::Result<Answer> {
        stream.write_all(request).await?;
        let mut bytes = Vec::with_capacity(4096);
        let end = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = field("content-length:").and_then(|value| value.parse().ok()).unwrap_or_default();
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if field("connection:") != Some("close") {
            self.idle.lock().expect("no holder panics").push(stream);
        }
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        Ok(Answer { status, body: bytes.split_off(end) })
    }
}

/// A GET request.
pub fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// A POST request.
pub fn post(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    let head = format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
