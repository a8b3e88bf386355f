//! The journal keeps what clients send, so that it must not grow with it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use qrstack::clock::Clock;
use qrstack::journal::{Entry, Head, Journal, Kept, Query};

use crate::harness::{Check, check};
use crate::memory;

pub fn checks() -> Vec<Check> {
    vec![check("F54", "memory of the journal while requests come, large ones and many, within its bound and", bomb)]
}

/// Memory beyond the journal's own: a body on its way, and the lists.
const SLACK: usize = 8 << 20;

fn entry(body: Vec<u8>) -> Entry {
    let request = Request::builder().method("POST").uri("/a?b=c").header("host", "127.0.0.1:8080");
    let body = Kept::whole(Bytes::from(body));
    Entry {
        id: 0,
        at: Clock::fixed(1_700_000_000).now(),
        elapsed: Duration::from_millis(1),
        vendor: "vendor",
        operation: "operation",
        code: "ok".into(),
        status: 200,
        credential: Some("credential".into()),
        content: vec!["content".to_owned()],
        fault: None,
        explanation: None,
        request: Head::of_request(&request.body(()).expect("valid").into_parts().0),
        request_body: body,
        answer: Head::of_answer(&Response::new(Body::empty())),
        answer_body: Kept::whole(Bytes::from_static(b"{}")),
    }
}

fn bomb() -> String {
    const BOUND: usize = 16 << 20;
    const MANY: usize = 100_000;
    const LARGE: usize = 100;
    let ((), most) = memory::peak(|| {
        let journal = Journal::new(1_000_000, BOUND);
        for number in 0..LARGE {
            journal.record(entry(vec![0; 3 << 20]));
            journal.record(entry(vec![0; 200 << 10]));
            assert!(journal.fill().bytes <= BOUND, "{number}");
        }
        for number in 0..MANY {
            journal.record(entry(vec![0; number % 2000]));
        }
        let fill = journal.fill();
        assert_eq!(fill.recorded as usize, MANY + 2 * LARGE);
        assert!(fill.bytes <= BOUND && fill.bytes > BOUND - (1 << 20), "{fill:?}");
        assert_eq!(journal.find(&Query::default(), 10).entries.len(), 10);
    });
    assert!(most < BOUND + SLACK, "{most}");
    format!("{} MiB", SLACK >> 20)
}
