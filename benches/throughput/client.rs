//! A client of HTTP/1.1 that costs little: requests are bytes made beforehand, answers are counted and not parsed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::operations::Operation;

/// What came back.
pub struct Answer {
    pub status: u16,
    /// Without those that say how long the answer is.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What one slice showed.
#[derive(Default)]
pub struct Sample {
    /// In µs.
    pub latencies: Vec<u32>,
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        Self { stream, buffer: vec![0; 64 * 1024] }
    }

    /// Sends a request and takes its answer whole; gives the lengths of head and body, which lie in the buffer.
    async fn exchange(&mut self, request: &[u8]) -> (usize, usize) {
        self.stream.write_all(request).await.expect("sent");
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let body = content_length(&self.buffer[..head]);
        if self.buffer.len() < head + body {
            self.buffer.resize(head + body, 0);
        }
        while filled < head + body {
            filled += self.read(filled).await;
        }
        assert_eq!(filled, head + body, "more than was asked for");
        (head, body)
    }

    async fn read(&mut self, from: usize) -> usize {
        let read = self.stream.read(&mut self.buffer[from..]).await.expect("received");
        assert!(read > 0, "the server hung up");
        read
    }

    /// Sends a request and gives its answer.
    pub async fn answer(&mut self, request: &[u8]) -> Answer {
        let (head, body) = self.exchange(request).await;
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let (status_line, headers) = text.trim_end().split_once("\r\n").expect("headers");
        let headers = headers.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.filter(|(name, _)| {
            !["content-length", "transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str())
        });
        Answer {
            status: status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: self.buffer[head..head + body].to_vec(),
        }
    }
}

/// What `Content-Length` says in a head, 0 where it says nothing.
fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"\ncontent-length:";
    let Some(at) = head.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME)) else { return 0 };
    let value = head[at + NAME.len()..].iter().skip_while(|byte| **byte == b' ');
    value.take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

/// Sends `operation` over so many connections for so long; `numbers` counts the requests that must differ, all of them in
/// one sequence, as clients count up the numbers of their customers.
pub async fn drive(
    address: SocketAddr,
    operation: &Operation,
    numbers: &Arc<AtomicU32>,
    connections: usize,
    time: Duration,
) -> Sample {
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (mut requests, numbers) = (operation.requests(), Arc::clone(numbers));
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut latencies = Vec::with_capacity(1 << 15);
                loop {
                    let started = Instant::now();
                    if started >= until {
                        break;
                    }
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let (head, body) = connection.exchange(requests.of(number)).await;
                    let answer = &connection.buffer[..head + body];
                    // WeChat fails with 200.
                    let failed = answer[head..].starts_with(b"{\"errcode\":") && answer.get(head + 11) != Some(&b'0');
                    let fine = answer.starts_with(b"HTTP/1.1 200") && !failed;
                    assert!(fine, "{}", String::from_utf8_lossy(answer));
                    latencies.push(started.elapsed().as_micros() as u32);
                }
                latencies
            })
        })
        .collect();
    let mut sample = Sample::default();
    for task in tasks {
        sample.latencies.extend(task.await.expect("a connection does not fail"));
    }
    sample
}
