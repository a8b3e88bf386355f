//! What COS answers where it does not succeed.

use super::*;

#[tokio::test]
async fn a_wrong_signature_is_answered_with_ours_to_the_byte() {
    let mut wrong = call(&QR);
    wrong.key = "another";
    let answer = Server::start().await.send(wrong.signed()).await;
    let (id, trace) = (answer.header("x-cos-request-id"), answer.header("x-cos-trace-id"));
    let format = format!(
        "get\n/\nci-process=qrcode-generate&mode=0&qrcode-content=https%3A%2F%2Fwww.example.com&width=200\nhost={HOST}\n"
    );
    assert_eq!(
        answer.text(),
        format!(
            "<?xml version='1.0' encoding='utf-8' ?>\n<Error>\n\
             \t<Code>SignatureDoesNotMatch</Code>\n\
             \t<Message>The Signature you specified is invalid.</Message>\n\
             \t<StringToSign>sha1\n{};{}\n{}\n</StringToSign>\n\
             \t<FormatString>{}</FormatString>\n\
             \t<Resource>{HOST}</Resource>\n\
             \t<RequestId>{id}</RequestId>\n\
             \t<TraceId>{trace}</TraceId>\n\
             </Error>\n",
            NOW - 60,
            NOW + 600,
            sha1_hex(format.as_bytes()),
            format.replace('&', "&amp;"),
        )
    );
    assert_eq!(answer.status.as_u16(), 403);
    assert_eq!(
        headers(&answer),
        [
            ("content-type", "application/xml"),
            ("content-length", answer.body.len().to_string().as_str()),
            ("connection", "keep-alive"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("server", "tencent-cos"),
            ("x-cos-request-id", id),
            ("x-ci-request-id", id),
            ("x-cos-trace-id", trace),
        ]
    );
}

/// One row a documented failure that an input produces: name, settings, request, and what comes out.
type Failure = (&'static str, &'static [(&'static str, &'static str)], Request<Body>, u16, &'static str, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn failures() -> Vec<Failure> {
    const INVALID: &str = "InvalidArgument";
    let whole = call(&QR).authorization();
    let no_host = Request::builder().uri("/?ci-process=qrcode-generate").body(Body::empty()).expect("valid");
    vec![
        ("no content", &[], parameter("qrcode-content", None), 400, INVALID, "qrcode-content is invalid"),
        ("empty content", &[], parameter("qrcode-content", Some("")), 400, INVALID, "qrcode-content is invalid"),
        (
            "long content",
            &[],
            parameter("qrcode-content", Some(&"a".repeat(2954))),
            400,
            INVALID,
            "qrcode-content is too long",
        ),
        (
            "Chinese bars",
            &[],
            with(|call| {
                call.parameters = owned(&[
                    ("ci-process", "qrcode-generate"),
                    ("qrcode-content", "你"),
                    ("mode", "1"),
                    ("width", "200"),
                ]);
            }),
            400,
            INVALID,
            "qrcode-content has characters that a barcode cannot carry",
        ),
        ("mode", &[], parameter("mode", Some("2")), 400, INVALID, "mode is invalid"),
        ("no width", &[], parameter("width", None), 400, INVALID, "width is invalid"),
        ("width 0", &[], parameter("width", Some("0")), 400, INVALID, "width is invalid"),
        ("wide", &[], parameter("width", Some("4097")), 400, INVALID, "width is invalid"),
        (
            "wider than set",
            &[("cos_max_width", "100")],
            parameter("width", Some("101")),
            400,
            INVALID,
            "width is invalid",
        ),
        (
            "narrow",
            &[("cos_strict_width", "true")],
            parameter("width", Some("26")),
            400,
            INVALID,
            "width is too small for the content",
        ),
        ("another feature", &[], parameter("ci-process", Some("QRcode")), 400, INVALID, "ci-process is invalid"),
        ("letter case", &[], parameter("ci-process", Some("QRCODE-GENERATE")), 400, INVALID, "ci-process is invalid"),
        ("no feature", &[], parameter("ci-process", Some("")), 400, INVALID, "ci-process is invalid"),
        (
            "broken escape",
            &[],
            unsigned("/?ci-process=qrcode-generate&qrcode-content=%zz"),
            400,
            "InvalidURI",
            "Could not parse the specified URI.",
        ),
        (
            "not UTF-8",
            &[],
            unsigned("/?ci-process=qrcode-generate&qrcode-content=%ff"),
            400,
            "InvalidURI",
            "Could not parse the specified URI.",
        ),
        (
            "broken path",
            &[],
            unsigned("/%?ci-process=qrcode-generate"),
            400,
            "InvalidURI",
            "Could not parse the specified URI.",
        ),
        (
            "long target",
            &[],
            unsigned(&format!("/?ci-process=qrcode-generate&a={}", "x".repeat(59_970))),
            400,
            "InvalidURI",
            "Could not parse the specified URI.",
        ),
        ("no host", &[], no_host, 400, "MissingSecurityHeader", "Your request is missing a required header."),
        (
            "strange host",
            &[("cos_strict_host", "true")],
            with(|call| call.headers = owned(&[("host", "127.0.0.1:8080")])),
            400,
            "InvalidHost",
            "Host verify failed",
        ),
        ("no signature", &[], unsigned(&call(&QR).target()), 403, "AccessDenied", "Access Denied."),
        ("empty header", &[], authorized(""), 403, "AccessDenied", "Access Denied."),
        ("another scheme", &[], authorized("Basic eDp5"), 403, "AccessDenied", "Access Denied."),
        ("SHA-256", &[], authorized(&whole.replace("sha1", "sha256")), 403, "AccessDenied", "Access Denied."),
        ("no list", &[], authorized(&whole.replace("q-header-list=host&", "")), 403, "AccessDenied", "Access Denied."),
        (
            "end before start",
            &[],
            with(|call| call.times = format!("{};{}", NOW, NOW - 1)),
            403,
            "AccessDenied",
            "Access Denied.",
        ),
        (
            "expired",
            &[],
            with(|call| call.times = format!("{};{}", NOW - 600, NOW - 1)),
            403,
            "AccessDenied",
            "Request has expired",
        ),
        (
            "ahead",
            &[],
            with(|call| call.times = format!("{};{}", NOW + 901, NOW + 2000)),
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        (
            "unknown key",
            &[],
            with(|call| call.id = "AKIDnobody"),
            403,
            "InvalidAccessKeyId",
            "The Access Key Id you provided does not exist in our records",
        ),
        (
            "unknown key, expired too",
            &[],
            with(|call| {
                call.id = "AKIDnobody";
                call.times = "1;2".into();
            }),
            403,
            "InvalidAccessKeyId",
            "The Access Key Id you provided does not exist in our records",
        ),
        (
            "malformed key",
            &[],
            with(|call| call.id = "AK/ID"),
            403,
            "InvalidAccessKeyId",
            "The access key Id format you provided is invalid.",
        ),
        (
            "wrong key",
            &[],
            with(|call| call.key = "another"),
            403,
            "SignatureDoesNotMatch",
            "The Signature you specified is invalid.",
        ),
        (
            "wrong key, bad parameter",
            &[],
            with(|call| {
                call.key = "another";
                call.parameters[3].1 = "0".into();
            }),
            403,
            "SignatureDoesNotMatch",
            "The Signature you specified is invalid.",
        ),
        (
            "unknown bucket",
            &[("cos_buckets", "other-1250000000")],
            call(&QR).signed(),
            404,
            "NoSuchBucket",
            "The specified bucket does not exist.",
        ),
        (
            "unknown default bucket",
            &[("cos_buckets", "other-1250000000")],
            with(|call| call.headers = owned(&[("host", "127.0.0.1:8080")])),
            404,
            "NoSuchBucket",
            "The specified bucket does not exist.",
        ),
        (
            "PUT",
            &[],
            with(|call| call.method = "PUT"),
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        ),
        (
            "an object",
            &[],
            unsigned("/picture.png"),
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented.",
        ),
        (
            "a signed object",
            &[],
            request(Method::PUT, "/picture.png", &[("authorization", &whole)], "bytes"),
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented.",
        ),
    ]
}

/// What every failure has, whatever it is.
fn check_failure(name: &str, answer: &Answer, expected: (u16, &str, &str)) {
    let (status, code, message) = expected;
    assert_eq!(
        (answer.status.as_u16(), element(answer, "Code"), element(answer, "Message")),
        (status, Some(code), Some(message)),
        "{name}: {}",
        answer.text()
    );
    assert_eq!(answer.code, code, "{name}");
    assert_eq!(answer.header("content-type"), "application/xml", "{name}");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{name}");
    assert_eq!(element(answer, "RequestId"), Some(answer.header("x-cos-request-id")), "{name}");
    assert_eq!(element(answer, "TraceId"), Some(answer.header("x-cos-trace-id")), "{name}");
    assert!(element(answer, "Resource").is_some_and(|resource| !resource.is_empty()), "{name}");
    let server = if code == "InvalidArgument" { "tencent-ci" } else { "tencent-cos" };
    assert_eq!(answer.header("server"), server, "{name}");
    roundtrip(answer.text());
}

/// Fails unless `document` is well-formed.
fn roundtrip(document: &str) {
    let mut reader = quick_xml::Reader::from_str(document);
    while reader.read_event().expect("well-formed") != quick_xml::events::Event::Eof {}
}

#[tokio::test]
async fn every_failure_has_its_status_code_and_text() {
    for (name, settings, request, status, code, message) in failures() {
        let server = Server::with(settings).await;
        check_failure(name, &server.send(request).await, (status, code, message));
    }
}

#[tokio::test]
async fn every_failure_can_be_forced() {
    let failures = (VENDOR.failures)();
    assert_eq!(failures.len(), 1);
    for code in failures[0].codes() {
        let server = Server::with(&[("force_error", &format!("qrcode-generate={code}"))]).await;
        assert_eq!(server.send(call(&QR).signed()).await.code, code);
    }
}

#[tokio::test]
async fn a_forced_failure_waits_for_the_signature_unless_it_is_about_that() {
    let server = Server::with(&[("force_error", "qrcode-generate=NoSuchBucket")]).await;
    assert_eq!(server.send(unsigned(&call(&QR).target())).await.code, "AccessDenied");
    let server = Server::with(&[("force_error", "qrcode-generate=ExpiredToken")]).await;
    assert_eq!(server.send(unsigned(&call(&QR).target())).await.code, "ExpiredToken");
    assert_eq!(server.send(unsigned("/object")).await.code, "NotImplemented");
}

/// The codes of the vendor's pages ("Error codes" of COS and of Cloud Infinite) that this operation can meet.
const DOCUMENTED: [&str; 15] = [
    "InvalidArgument",
    "InvalidRequest",
    "InvalidURI",
    "MissingSecurityHeader",
    "InvalidHost",
    "AccessDenied",
    "RequestTimeTooSkewed",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "NoSuchBucket",
    "MethodNotAllowed",
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
];

/// The code for calls of COS that do not exist here.
const OURS: [&str; 1] = ["NotImplemented"];

/// Codes that need more than a request and a setting: `overload_asks…` and `our_own_defects…`.
const ELSEWHERE: [&str; 2] = ["SlowDown", "InternalError"];

/// Codes without a natural cause: by force alone.
const FORCED: [&str; 3] = ["ServiceUnavailable", "InvalidRequest", "ExpiredToken"];

#[tokio::test]
async fn no_documented_code_is_without_a_case() {
    let expected: BTreeSet<&str> = DOCUMENTED.into_iter().chain(OURS).collect();
    let met = failures().into_iter().map(|failure| failure.4).chain(ELSEWHERE).chain(FORCED);
    assert_eq!(met.collect::<BTreeSet<_>>(), expected);
    assert_eq!((VENDOR.failures)()[0].codes().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn time_failures_and_anonymous_denials_tell_the_time() {
    let server = Server::start().await;
    for (name, request, expected) in [
        ("anonymous", unsigned(&call(&QR).target()), true),
        ("expired", with(|call| call.times = "1;2".to_owned()), true),
        ("ahead", with(|call| call.times = format!("{};{}", NOW + 901, NOW + 902)), true),
        ("malformed", authorized("x"), false),
        ("wrong", with(|call| call.key = "x"), false),
    ] {
        let answer = server.send(request).await;
        let time = element(&answer, "ServerTime");
        assert_eq!(time, expected.then_some("2023-11-14T22:13:20Z"), "{name}");
        if expected {
            assert!(answer.text().contains("</Message>\n\t<ServerTime>"), "{name}");
            assert!(answer.text().contains("</ServerTime>\n\t<Resource>"), "{name}");
        }
    }
}

#[tokio::test]
async fn the_resource_is_host_and_path_as_sent() {
    let server = Server::start().await;
    for (target, host, expected) in [
        ("/?ci-process=x", HOST, HOST),
        ("/a%20b/%E4%BD%A0?ci-process=x", "h:1", "h:1/a%20b/%E4%BD%A0"),
        ("http://other.example/?ci-process=x", HOST, "other.example"),
    ] {
        let answer = server.send(request(Method::GET, target, &[("host", host)], "")).await;
        assert_eq!(element(&answer, "Resource"), Some(expected), "{target}");
    }
}

#[tokio::test]
async fn every_other_method_is_refused_with_whatever_body() {
    let server = Server::start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        for (kind, body) in [("application/json", "{"), ("multipart/form-data; boundary=x", "--x"), ("x", "\0")] {
            let headers = [("host", HOST), ("content-type", kind)];
            let sent = request(method.parse().expect("a method"), &call(&QR).target(), &headers, body);
            let answer = server.send(sent).await;
            assert_eq!((answer.status.as_u16(), answer.code.as_str()), (405, "MethodNotAllowed"), "{method} {kind}");
        }
    }
}

#[tokio::test]
async fn characters_that_xml_lacks_leave_the_document_well_formed() {
    let server = Server::start().await;
    let call = call(&QR);
    let authorization = call.authorization().replace("q-signature=", "q-signature=0");
    for path in ["/%00%01%0B%1F", "/%EF%BF%BF%EF%BF%BE", "/%3C%26%5D%5D%3E%0D%0A", "/%22%27%C2%85"] {
        let target = format!("{path}?{}", query(&call.parameters));
        let answer = server.send(call.with(&target, &[("host", HOST), ("authorization", &authorization)])).await;
        assert_eq!(answer.code, "SignatureDoesNotMatch", "{path}");
        roundtrip(answer.text());
        assert!(answer.text().chars().all(|c| c >= ' ' || c == '\n' || c == '\t'), "{path}");
        assert!(!answer.text().contains(['\u{fffe}', '\u{ffff}']), "{path}");
    }
}

#[tokio::test]
async fn overload_asks_to_slow_down() {
    let server = Server::with(&[("read_threads", "1"), ("read_queue", "0")]).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (started, on_start) = tokio::sync::oneshot::channel();
    let work = server.shared().work().clone();
    let busy = tokio::spawn(async move {
        work.run(0, move || {
            let _ = started.send(());
            let _ = gate.recv();
        })
        .await
    });
    on_start.await.expect("the thread is taken");
    let answer = server.send(parameter("width", Some("4096"))).await;
    check_failure("overload", &answer, (503, "SlowDown", "Please reduce your request rate."));
    assert_eq!(server.send(call(&QR).signed()).await.code, "ok", "a small picture needs no thread");
    release.send(()).expect("the job waits");
    busy.await.expect("joined").expect("done");
    assert_eq!(server.send(parameter("width", Some("4096"))).await.code, "ok");
}

#[tokio::test]
async fn our_own_defects_leave_in_the_vendors_shape() {
    let server = Server::start().await;
    let door = (VENDOR.open)(server.shared());
    let answer = Answer::of((door.defect)(server.shared())).await;
    check_failure("defect", &answer, (500, "InternalError", "We encountered an internal error. Please try again."));
}
