//! The journal keeps what clients send, so that it must not grow with it.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use qrstack::clock::Clock;
use qrstack::journal::{Head, Journal, Query, Record};
use qrstack::underway::{Kept, Texts};

use crate::harness::{Check, check};
use crate::memory;

pub fn checks() -> Vec<Check> {
    vec![check("F54", "memory of the journal while requests come, large ones and many, within its bound and", bomb)]
}

/// Memory beyond the journal's own: a body on its way, and the lists.
const SLACK: usize = 8 << 20;

fn record(journal: &Journal, body: Vec<u8>) {
    let request = Request::builder().method("POST").uri("/a?b=c").header("host", "127.0.0.1:8080");
    journal.record(&Record {
        at: Clock::fixed(1_700_000_000).now(),
        elapsed: Duration::from_millis(1),
        vendor: "vendor",
        operation: "operation",
        code: "ok",
        credential: Some("credential"),
        content: &Texts::from_iter(["content"]),
        fault: None,
        explanation: None,
        request: &Head::of_request(&request.body(()).expect("valid").into_parts().0),
        request_body: &Kept::whole(Bytes::from(body)),
        status: StatusCode::OK,
        headers: &HeaderMap::new(),
        answer_body: Some(&Bytes::from_static(b"{}")),
    });
}

fn bomb() -> String {
    const BOUND: usize = 16 << 20;
    const MANY: usize = 100_000;
    const LARGE: usize = 100;
    let ((), most) = memory::peak(|| {
        let journal = Journal::new(1_000_000, BOUND);
        for number in 0..LARGE {
            record(&journal, vec![0; 3 << 20]);
            record(&journal, vec![0; 200 << 10]);
            assert!(journal.fill().bytes <= BOUND, "{number}");
        }
        for number in 0..MANY {
            record(&journal, vec![0; number % 2000]);
        }
        let fill = journal.fill();
        assert_eq!(fill.recorded as usize, MANY + 2 * LARGE);
        assert!(fill.bytes <= BOUND && fill.bytes > BOUND - (1 << 20), "{fill:?}");
        assert_eq!(journal.find(&Query::default(), 10).entries.len(), 10);
    });
    assert!(most < BOUND + SLACK, "{most}");
    format!("{} MiB", SLACK >> 20)
}
