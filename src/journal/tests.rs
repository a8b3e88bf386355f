//! The ring, what is masked in it, and what is found there.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use jiff::Timestamp;

use super::*;
use crate::underway::{Kept, Texts};

/// A request with its answer, as a whole.
struct Exchange {
    vendor: &'static str,
    operation: &'static str,
    code: &'static str,
    status: StatusCode,
    at: Timestamp,
    credential: &'static str,
    content: Texts,
    fault: Option<String>,
    request: Head,
    sent: Kept,
    answered: Bytes,
}

impl Exchange {
    fn record(self, journal: &Journal) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        journal.record(&Record {
            at: self.at,
            elapsed: Duration::from_millis(2),
            vendor: self.vendor,
            operation: self.operation,
            code: self.code,
            credential: Some(self.credential),
            content: &self.content,
            fault: self.fault.as_deref(),
            explanation: None,
            request: &self.request,
            request_body: &self.sent,
            status: self.status,
            headers: &headers,
            answer_body: Some(&self.answered),
        });
    }

    /// The entry that is made of it.
    fn entry(self) -> Entry {
        let journal = Journal::new(1, 1 << 20);
        self.record(&journal);
        journal.get(1).expect("it fits")
    }
}

/// A request with this head and these bodies.
fn exchange(method: &str, target: &str, headers: &[(&str, &str)], sent: &[u8], answered: &[u8]) -> Exchange {
    let request = Request::builder().method(method).uri(target).header("host", "h:1");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Exchange {
        vendor: "vendor",
        operation: "ask",
        code: "ok",
        status: StatusCode::OK,
        at: Timestamp::from_second(1_700_000_000).expect("a moment"),
        credential: "wx1",
        content: Texts::default(),
        fault: None,
        request: Head::of_request(&request.body(()).expect("valid").into_parts().0),
        sent: Kept::whole(Bytes::copy_from_slice(sent)),
        answered: Bytes::copy_from_slice(answered),
    }
}

fn asked(content: &str) -> Exchange {
    Exchange { content: Texts::from_iter([content]), ..exchange("GET", "/ask", &[], b"", b"{}") }
}

fn about(content: &str) -> Query {
    Query { content: Some(content.to_owned()), ..Query::default() }
}

fn ids(found: &Found) -> Vec<u64> {
    found.entries.iter().map(|entry| entry.id).collect()
}

#[test]
fn the_oldest_make_room() {
    let journal = Journal::new(3, 1 << 20);
    (0..5).for_each(|number| asked(&number.to_string()).record(&journal));
    let found = journal.find(&Query::default(), 10);
    assert_eq!((ids(&found), found.total), (vec![3, 4, 5], 3));
    let fill = journal.fill();
    assert_eq!((fill.entries, fill.recorded, fill.dropped), (3, 5, 2));
    assert_eq!(ids(&journal.find(&Query::default(), 2)), [4, 5]);
    assert!(journal.get(2).is_none() && journal.get(3).is_some());
}

#[test]
fn the_bytes_are_bounded_whatever_comes() {
    let journal = Journal::new(10_000, 1 << 20);
    let mut most = 0;
    for number in 0..2000_usize {
        // Bodies that are kept, bodies that are cut, and now and then one for which there is no room at all.
        let body = vec![number as u8; [10, 100_000, 250_000, 400_000][number % 4]];
        exchange("POST", "/ask", &[("x-long", &"a".repeat(number))], &body, &body).record(&journal);
        let fill = journal.fill();
        most = most.max(fill.bytes);
        assert!(fill.bytes <= fill.max_bytes);
        assert_eq!(journal.ring().counted(), fill.bytes);
    }
    assert!(most > 512 << 10, "{most}");
}

#[test]
fn memory_is_bounded_by_what_the_entries_take() {
    let journal = Journal::new(10_000, 1 << 20);
    for number in 0..3000_usize {
        // Neither does a page hold many of the longer ones, nor do those end with a page.
        let body = vec![number as u8; [10, 3000, 16_000][number % 3]];
        exchange("POST", "/ask", &[], &body, &body).record(&journal);
        if number % 7 == 0 {
            journal.find(&Query::default(), 1);
        }
        let ring = journal.ring();
        assert!(ring.memory() <= ring.bytes() + ring.bytes() / 8 + (2 << 16), "{number}: {}", ring.memory());
    }
    // What is left of many pages.
    let ids: Vec<_> = (0..3000).filter(|id| id % 50 != 0).collect();
    let mut ring = journal.ring();
    ring.forget(&ids);
    assert!(ring.len() > 0 && ring.memory() <= ring.bytes() + ring.bytes() / 8 + (2 << 16), "{}", ring.memory());
}

#[test]
fn what_is_looked_at_stays_as_it_was() {
    let journal = Journal::new(100, 1 << 20);
    let body = |number: usize| vec![number as u8; number % 40 * 100];
    let mut found = Vec::new();
    for number in 0..1000 {
        exchange("POST", &format!("/{number}"), &[], &body(number), &body(number + 1)).record(&journal);
        if number % 150 == 149 {
            found = journal.find(&Query::default(), 10).entries;
        }
        for entry in &found {
            let number = entry.id as usize - 1;
            assert_eq!(entry.request.line()[1], format!("/{number}"));
            assert_eq!(entry.request_body.joined(), body(number));
            assert_eq!(entry.answer_body.joined(), body(number + 1));
        }
    }
    let last = journal.find(&Query::default(), 1).entries.remove(0);
    assert_eq!((last.id, last.request_body.joined().len()), (1000, body(999).len()));
}

#[test]
fn a_journal_without_room_keeps_nothing() {
    for journal in [Journal::new(0, 1 << 20), Journal::new(10, 0)] {
        assert!(!journal.is_on());
        asked("x").record(&journal);
        assert_eq!((journal.fill().entries, journal.fill().recorded), (0, 0));
    }
    let small = Journal::new(10, 100);
    asked("x").record(&small);
    assert_eq!((small.fill().entries, small.fill().dropped), (0, 1));
}

#[test]
fn entries_are_found_by_every_field() {
    let journal = Journal::new(10, 1 << 20);
    exchange("POST", "/a/b?x=1", &[], b"{\"scene\":\"red\"}", b"{\"ticket\":\"T\"}").record(&journal);
    let mut other = asked("blue");
    (other.vendor, other.operation, other.status, other.code) = ("other", "tell", StatusCode::NOT_FOUND, "40001");
    other.credential = "wx2";
    other.at = Timestamp::from_second(1_700_000_100).expect("a moment");
    other.fault = Some("40001".to_owned());
    other.record(&journal);
    let text = |text: &str| Some(text.to_owned());
    let at = |seconds| Timestamp::from_second(seconds).ok();
    for (query, expected) in [
        (Query::default(), vec![1, 2]),
        (Query { vendor: text("other"), ..Query::default() }, vec![2]),
        (Query { operation: text("ask"), ..Query::default() }, vec![1]),
        (Query { method: text("post"), ..Query::default() }, vec![1]),
        (Query { path: text("/a/b"), ..Query::default() }, vec![1]),
        (Query { path: text("/a"), ..Query::default() }, vec![]),
        (Query { status: Some(404), ..Query::default() }, vec![2]),
        (Query { code: text("ok"), ..Query::default() }, vec![1]),
        (Query { credential: Some(vec!["wx1".into(), "wx3".into()]), ..Query::default() }, vec![1]),
        (Query { content: text("blu"), ..Query::default() }, vec![2]),
        (Query { text: text("\"red\""), ..Query::default() }, vec![1]),
        (Query { text: text("ticket"), ..Query::default() }, vec![1]),
        (Query { since: at(1_700_000_100), ..Query::default() }, vec![2]),
        (Query { until: at(1_700_000_100), ..Query::default() }, vec![1]),
        (Query { after: Some(1), ..Query::default() }, vec![2]),
        (Query { before: Some(2), ..Query::default() }, vec![1]),
        (Query { fault: Some(true), ..Query::default() }, vec![2]),
        (Query { fault: Some(false), ..Query::default() }, vec![1]),
    ] {
        assert_eq!(ids(&journal.find(&query, 10)), expected, "{query:?}");
    }
}

#[tokio::test]
async fn who_waits_is_told_when_there_are_enough() {
    let journal = Journal::new(10, 1 << 20);
    let long = Duration::from_hours(1);
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(&about("red"), 2, 10, long).await }
    });
    for content in ["red", "blue", "red"] {
        tokio::task::yield_now().await;
        asked(content).record(&journal);
    }
    let woken =
        tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("woken long before the time is over");
    assert_eq!(ids(&woken.expect("no panic")), [1, 3]);
    let none = journal.wait(&about("green"), 1, 10, Duration::from_millis(1)).await;
    assert_eq!(none.total, 0);
    let enough = journal.wait(&about("blue"), 0, 10, long).await;
    assert_eq!(enough.total, 1);
    let stopped = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(&about("green"), 1, 10, long).await }
    });
    journal.end();
    assert_eq!(stopped.await.expect("no panic").total, 0);
}

#[tokio::test]
async fn who_follows_sees_every_entry_once_until_the_server_stops() {
    let journal = Journal::new(10, 1 << 20);
    asked("before").record(&journal);
    let (mut all, mut new) = (journal.follow(Some(0)), journal.follow(None));
    asked("first").record(&journal);
    asked("second").record(&journal);
    journal.end();
    let mut seen = [Vec::new(), Vec::new()];
    for (following, seen) in [&mut all, &mut new].into_iter().zip(&mut seen) {
        while let Some(entry) = following.next().await {
            seen.push(entry.id);
        }
    }
    assert_eq!(seen, [vec![1, 2, 3], vec![2, 3]]);
}

#[test]
fn the_order_of_requests_can_be_asked_about() {
    let journal = Journal::new(10, 1 << 20);
    for content in ["token", "create", "show", "create"] {
        asked(content).record(&journal);
    }
    for (order, came) in [
        (vec!["token", "create", "show"], 3),
        (vec!["token", "show", "create"], 3),
        (vec!["create", "create"], 2),
        (vec!["show", "token"], 1),
        (vec!["scan"], 0),
    ] {
        let queries: Vec<_> = order.iter().map(|content| about(content)).collect();
        assert_eq!(journal.in_order(&queries), came, "{order:?}");
    }
}

#[test]
fn clearing_forgets_what_matches_alone() {
    let journal = Journal::new(10, 1 << 20);
    for content in ["red", "blue", "red"] {
        asked(content).record(&journal);
    }
    assert_eq!(journal.clear(&about("red")), 2);
    let fill = journal.fill();
    assert_eq!((fill.entries, fill.recorded), (1, 3));
    assert_eq!(fill.bytes, journal.ring().counted());
    assert_eq!(journal.clear(&Query::default()), 1);
    assert_eq!(journal.fill().bytes, 0);
}

#[test]
fn bounds_hold_or_do_not() {
    for (bounds, count, holds) in [
        (r"{}", 0, false),
        (r"{}", 3, true),
        (r#"{"exactly":2}"#, 2, true),
        (r#"{"exactly":2}"#, 3, false),
        (r#"{"at_least":2,"at_most":3}"#, 3, true),
        (r#"{"at_least":2,"at_most":3}"#, 4, false),
        (r#"{"at_most":0}"#, 0, true),
    ] {
        let parsed: Bounds = serde_json::from_str(bounds).expect("bounds");
        assert_eq!(parsed.hold(count), holds, "{bounds} {count}");
    }
    assert!(serde_json::from_str::<Bounds>(r#"{"atleast":2}"#).is_err());
}

/// Everything that can be seen of an entry.
fn shown(entry: &Entry) -> String {
    let view = serde_json::to_string(&View::of(entry)).expect("JSON");
    let summary = serde_json::to_string(&Summary::of(entry)).expect("JSON");
    [view, summary, archive([entry]).to_string(), curl(entry)].join("\n")
}

#[test]
fn no_secret_can_be_seen() {
    const SECRET: &str = "MARKERsecret0123456789";
    let json = [("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let part = format!("--x\r\nContent-Disposition: form-data; name=\"Token\"\r\n\r\n{SECRET}\r\n--x--\r\n");
    let answer = format!(r#"{{"access_token":"{SECRET}","expires_in":7200}}"#);
    for (method, target, headers, sent, answered) in [
        ("GET", format!("/token?appid=wx1&secret={SECRET}"), &[][..], String::new(), answer.clone()),
        ("POST", format!("/create?access_token={SECRET}"), &json[..], "{}".to_owned(), format!("no {SECRET}")),
        ("POST", "/stable".to_owned(), &json[..], format!(r#"{{"secret": "{SECRET}"}}"#), answer.clone()),
        ("POST", "/".to_owned(), &form[..], format!("Action=x&Token={SECRET}&Signature={SECRET}"), String::new()),
        ("POST", "/".to_owned(), &multipart[..], part, String::new()),
    ] {
        let mut exchange = exchange(method, &target, headers, sent.as_bytes(), answered.as_bytes());
        exchange.content = Texts::from_iter([format!("http://h/?token={SECRET}").as_str()]);
        let shown = shown(&exchange.entry());
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
    for authorization in [
        format!("Bearer {SECRET}"),
        SECRET.to_owned(),
        format!("TC3-HMAC-SHA256 Credential=AKID/x, SignedHeaders=host, Signature={SECRET}"),
        format!("q-sign-algorithm=sha1&q-ak=AKID&q-signature={SECRET}"),
    ] {
        let headers = [("authorization", authorization.as_str()), ("x-cos-security-token", SECRET)];
        let entry = exchange("GET", "/", &headers, b"", format!("you signed {SECRET}").as_bytes()).entry();
        let shown = shown(&entry);
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn bodies_are_shown_as_far_as_they_can_be_read() {
    let picture = b"\x89PNG\r\n\x1a\n\xff\xfe";
    let part = |name: &str, extra: &str, body: &[u8]| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n");
        [head.as_bytes(), body, b"\r\n"].concat()
    };
    let form = [
        part("img", "; filename=\"a.png\"\r\nContent-Type: image/png", picture),
        part("a", "", b"text"),
        b"--x--\r\n".to_vec(),
    ];
    let entry =
        exchange("POST", "/", &[("content-type", "multipart/form-data; boundary=x")], &form.concat(), picture).entry();
    let view = serde_json::to_value(View::of(&entry)).expect("JSON");
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(picture));
    let parts = &view["request"]["body"]["parts"];
    assert_eq!((&parts[0]["name"], &parts[0]["sha256"]), (&"img".into(), &digest.clone().into()));
    assert_eq!((&parts[1]["text"], &parts[1]["is_file"]), (&"text".into(), &false.into()));
    assert_eq!(view["answer"]["body"]["sha256"], digest);
    let command = curl(&entry);
    let file = format!("-F 'img=@body-{}'", &digest[..12]);
    assert!(command.contains(&file) && command.contains("--form-string 'a=text'"), "{command}");
}

#[test]
fn a_command_sends_the_request_again() {
    let headers = [("content-type", "application/json"), ("content-length", "13")];
    let entry = exchange("POST", "/a?b=c'd", &headers, b"{\"a\":\"it's\"}", b"{}").entry();
    let expected = r#"curl -sS -X 'POST' 'http://h:1/a?b=c'\''d' -H 'content-type: application/json' --data-raw '{"a":"it'\''s"}'"#;
    assert_eq!(curl(&entry), expected);
}

#[test]
fn an_archive_has_what_readers_of_archives_need() {
    let entry = exchange("POST", "/a?b=c", &[("content-type", "application/json")], b"{\"a\":1}", b"{\"b\":2}").entry();
    let archive = archive([&entry]);
    let log = &archive["log"];
    assert_eq!(log["version"], "1.2");
    let entry = &log["entries"][0];
    assert_eq!(entry["startedDateTime"], "2023-11-14T22:13:20Z");
    assert_eq!(entry["request"]["url"], "http://h:1/a?b=c");
    assert_eq!(entry["request"]["queryString"][0]["name"], "b");
    assert_eq!(entry["request"]["postData"]["text"], "{\"a\":1}");
    assert_eq!(entry["response"]["content"]["text"], "{\"b\":2}");
    for field in ["cache", "timings", "time"] {
        assert!(!entry[field].is_null(), "{field}");
    }
}
