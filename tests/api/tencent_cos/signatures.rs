//! Who may ask: signatures in every form, tokens, times.

use super::*;
use crate::support::Log;

#[tokio::test]
async fn a_signature_may_stand_in_three_places_and_the_first_counts() {
    let server = Server::start().await;
    let call = call(&QR);
    let good = call.authorization();
    let bad = good.replace("q-signature=", "q-signature=0");
    let fields = |text: &str| {
        let pairs = text.split('&').map(|field| field.split_once('=').expect("a field"));
        query(&pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>())
    };
    let sign = |text: &str| format!("sign={}", percent_encode(text));
    for (name, header, extra, expected) in [
        ("fields", None, fields(&good), "ok"),
        ("bad fields", None, fields(&bad), "SignatureDoesNotMatch"),
        ("bare fields", None, good.clone(), "ok"),
        ("sign", None, sign(&good), "ok"),
        ("bad sign", None, sign(&bad), "SignatureDoesNotMatch"),
        ("header over fields", Some(&good), fields(&bad), "ok"),
        ("bad header over fields", Some(&bad), fields(&good), "SignatureDoesNotMatch"),
        ("empty header", Some(&String::new()), fields(&good), "ok"),
        ("fields over sign", None, format!("{}&{}", sign(&bad), fields(&good)), "ok"),
        ("bad fields over sign", None, format!("{}&{}", sign(&good), fields(&bad)), "SignatureDoesNotMatch"),
        ("half the fields", None, fields(good.split_once("&q-header-list").expect("a list").0), "AccessDenied"),
        ("empty sign", None, "sign=".to_owned(), "AccessDenied"),
        ("broken sign", None, "sign=abc".to_owned(), "AccessDenied"),
    ] {
        let mut headers = vec![("host", HOST)];
        if let Some(header) = header {
            headers.push(("authorization", header));
        }
        for target in [format!("{}&{extra}", call.target()), format!("/?{extra}&{}", query(&call.parameters))] {
            let answer = server.send(call.with(&target, &headers)).await;
            assert_eq!(answer.code, expected, "{name}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn of_a_repeated_field_of_the_signature_the_last_counts() {
    let server = Server::start().await;
    let call = call(&QR);
    let good = call.authorization();
    let sign = |text: &str| format!("sign={}", percent_encode(text));
    for (extra, expected) in [
        (format!("q-signature=0&{good}"), "ok"),
        (format!("{good}&q-signature=0"), "SignatureDoesNotMatch"),
        (format!("q-ak=AKIDnobody&{good}"), "ok"),
        (format!("{good}&q-ak=AKIDnobody"), "InvalidAccessKeyId"),
        (format!("sign=abc&{}", sign(&good)), "ok"),
        (format!("{}&sign=abc", sign(&good)), "AccessDenied"),
    ] {
        let answer = server.send(call.with(&format!("{}&{extra}", call.target()), &[("host", HOST)])).await;
        assert_eq!(answer.code, expected, "{extra}");
    }
}

#[tokio::test]
async fn what_the_lists_do_not_name_is_not_signed() {
    let server = Server::start().await;
    // Nothing at all is signed, as in the vendor's own example.
    let mut empty = call(&[]);
    empty.headers.clear();
    let authorization = empty.authorization();
    assert!(authorization.contains("q-header-list=&q-url-param-list=&"));
    let target = call(&QR).target();
    let answer = server.send(empty.with(&target, &[("host", HOST), ("authorization", &authorization)])).await;
    assert_eq!(answer.code, "ok", "{}", answer.text());
    // Further parameters and headers.
    let call = call(&QR);
    let authorization = call.authorization();
    let headers = [("host", HOST), ("authorization", &authorization), ("x-cos-sdk-retry", "true")];
    assert_eq!(server.send(call.with(&format!("{target}&extra=1"), &headers)).await.code, "ok");
    let bad = format!("{target}&width=201");
    assert_eq!(server.send(call.with(&bad, &headers)).await.code, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn listed_keys_that_are_absent_count_as_empty() {
    let server = Server::start().await;
    let mut more = call(&QR);
    more.parameters.push(("versionid".to_owned(), String::new()));
    more.headers.push(("range".to_owned(), String::new()));
    let authorization = more.authorization();
    let answer =
        server.send(more.with(&call(&QR).target(), &[("host", HOST), ("authorization", &authorization)])).await;
    assert_eq!(answer.code, "ok", "{}", answer.text());
}

#[tokio::test]
async fn repeated_keys_are_signed_once_or_all_of_them() {
    let server = Server::start().await;
    let twice = |signed: &[(&str, &str)], sent: &str| {
        let signed = call(signed);
        let list = "ci-process;mode;qrcode-content;width";
        let authorization = signed.authorization().replace("ci-process;mode;qrcode-content;width;width", list);
        let target = format!("/?ci-process=qrcode-generate&qrcode-content=abc&mode=0&{sent}");
        signed.with(&target, &[("host", HOST), ("authorization", &authorization)])
    };
    let base = [("ci-process", "qrcode-generate"), ("qrcode-content", "abc"), ("mode", "0")];
    let once = |width| [&base[..], &[("width", width)]].concat();
    let both = [&base[..], &[("width", "90"), ("width", "100")]].concat();
    for (name, signed, sent, expected) in [
        ("the last alone", once("100"), "width=90&width=100", Some(100)),
        ("the first alone", once("90"), "width=90&width=100", None),
        ("all", both.clone(), "width=90&width=100", Some(100)),
        ("all, sorted", both.clone(), "width=100&width=90", Some(90)),
        ("one of them changed", both, "width=91&width=100", None),
        ("another spelling before", once("100"), "Width=90&width=100", None),
        ("another spelling behind", once("100"), "width=90&Width=100", None),
    ] {
        let answer = server.send(twice(&signed, sent)).await;
        match expected {
            Some(width) => assert_eq!(read(&picture(&answer), Kind::QrCode).0, width, "{name}"),
            None => assert_eq!(answer.code, "SignatureDoesNotMatch", "{name}"),
        }
    }
}

#[tokio::test]
async fn the_host_may_be_signed_with_its_port_or_without() {
    let server = Server::with(&[("public_hosts", "public.example:9000")]).await;
    for (signed, target, sent, expected) in [
        ("h.example:8080", "/", "h.example:8080", "ok"),
        ("h.example", "/", "h.example:8080", "ok"),
        ("h.example:8080", "/", "h.example", "SignatureDoesNotMatch"),
        (HOST, "http://examplebucket-1250000000.cos.ap-beijing.myqcloud.com/", HOST, "ok"),
        (HOST, "http://examplebucket-1250000000.cos.ap-beijing.myqcloud.com:80/", "proxy:3128", "ok"),
        ("public.example", "/", "inner:1", "ok"),
        ("public.example:9000", "/", "inner:1", "ok"),
        ("elsewhere.example", "/", "inner:1", "SignatureDoesNotMatch"),
    ] {
        let mut call = call(&QR);
        call.headers = owned(&[("host", signed)]);
        let target = format!("{target}?{}", query(&call.parameters));
        let authorization = call.authorization();
        let answer = server.send(call.with(&target, &[("host", sent), ("authorization", &authorization)])).await;
        assert_eq!(answer.code, expected, "{signed} for {sent}");
    }
}

#[tokio::test]
async fn a_token_counts_where_the_key_has_one() {
    let with_token = [("tencent_credentials", &*format!("{ID}:{KEY}:tok+/=en"))];
    let (server, without) = (Server::with(&with_token).await, Server::start().await);
    for (name, header, parameter, expected) in [
        ("COS header", Some(("x-cos-security-token", "tok+/=en")), "", "ok"),
        ("CI header", Some(("x-ci-security-token", "tok+/=en")), "", "ok"),
        ("parameter", None, "&x-cos-security-token=tok%2B%2F%3Den", "ok"),
        ("none", None, "", "AccessDenied"),
        ("wrong header", Some(("x-cos-security-token", "tok+/=em")), "", "AccessDenied"),
        ("wrong parameter", None, "&x-cos-security-token=x", "AccessDenied"),
        ("empty header", Some(("x-cos-security-token", "")), "", "AccessDenied"),
    ] {
        let call = call(&QR);
        let authorization = call.authorization();
        let mut headers = vec![("host", HOST), ("authorization", authorization.as_str())];
        headers.extend(header);
        let target = format!("{}{parameter}", call.target());
        let answer = server.send(call.with(&target, &headers)).await;
        assert_eq!(answer.code, expected, "{name}");
        if expected != "ok" {
            assert_eq!(element(&answer, "Message"), Some("Access Denied."), "{name}");
        }
        assert_eq!(without.send(call.with(&target, &headers)).await.code, "ok", "a key without token, {name}");
    }
    // A wrong signature is told before a missing token.
    let answer = server.send(with(|call| call.key = "x")).await;
    assert_eq!(answer.code, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn one_key_may_have_several_secrets_and_tokens() {
    let credentials = format!("{ID}:other,{ID}:{KEY}:one,{ID}:{KEY}:two");
    let server = Server::with(&[("tencent_credentials", &credentials)]).await;
    let send = |key: &'static str, token: Option<&'static str>| {
        let call = Call { key, ..call(&QR) };
        let authorization = call.authorization();
        let mut headers = vec![("host", HOST), ("authorization", authorization.as_str())];
        headers.extend(token.map(|token| ("x-cos-security-token", token)));
        server.send(call.with(&call.target(), &headers))
    };
    for (key, token, expected) in [
        ("other", None, "ok"),
        (KEY, Some("one"), "ok"),
        (KEY, Some("two"), "ok"),
        (KEY, Some("three"), "AccessDenied"),
        (KEY, None, "AccessDenied"),
        ("third", Some("one"), "SignatureDoesNotMatch"),
    ] {
        assert_eq!(send(key, token).await.code, expected, "{key} {token:?}");
    }
}

#[tokio::test]
async fn of_two_token_headers_the_last_counts_as_it_does_in_the_signature() {
    let server = Server::with(&[("tencent_credentials", &*format!("{ID}:{KEY}:right"))]).await;
    for (sent, expected) in [(["wrong", "right"], "ok"), (["right", "wrong"], "AccessDenied")] {
        let mut call = call(&QR);
        call.headers.push(("x-cos-security-token".to_owned(), sent[1].to_owned()));
        let authorization = call.authorization();
        let tokens = sent.map(|token| ("x-cos-security-token", token));
        let headers = [("host", HOST), ("authorization", authorization.as_str()), tokens[0], tokens[1]];
        assert_eq!(server.send(call.with(&call.target(), &headers)).await.code, expected, "{sent:?}");
    }
}

#[tokio::test]
async fn the_log_shows_what_was_signed_and_nothing_secret() {
    let server = Server::with(&[("tencent_credentials", &*format!("{ID}:{KEY}:ownToken"))]).await;
    let mut call = call(&QR);
    call.parameters.extend(owned(&[("x-ci-security-token", "tok1"), ("sign", "tok2"), ("q-signature", "tok3")]));
    call.headers.extend(owned(&[("x-cos-security-token", "tok5"), ("cookie", "tok6"), ("range", "bytes=0-1")]));
    let right = call.authorization();
    call.key = "another";
    let wrong = call.authorization();
    let signature = |text: &str| text.rsplit_once("q-signature=").expect("a signature").1.to_owned();
    let headers = [
        ("host", HOST),
        ("authorization", wrong.as_str()),
        ("x-cos-security-token", "tok4"),
        ("x-cos-security-token", "tok5"),
        ("cookie", "tok6"),
        ("range", "bytes=0-1"),
    ];
    let log = Log::start();
    let answer = server.send(call.with(&call.target(), &headers)).await;
    assert_eq!(answer.code, "SignatureDoesNotMatch");
    let shown = format!(
        "get\n/\nci-process=qrcode-generate&mode=0&q-signature=***&qrcode-content=https%3A%2F%2Fwww.example.com&\
         sign=***&width=200&x-ci-security-token=***\n\
         cookie=***&host={HOST}&range=bytes%3D0-1&x-cos-security-token=***\n"
    );
    let (text, string_to_sign) = (log.text(), element(&answer, "StringToSign").expect("told"));
    assert!(text.contains(&shown) && text.contains(string_to_sign), "{text}");
    for secret in ["tok1", "tok2", "tok3", "tok4", "tok5", "tok6", "ownToken", KEY, "another"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for secret in [signature(&right), signature(&wrong)] {
        assert!(!text.contains(&secret), "{text}");
    }
}

#[tokio::test]
async fn times_hold_to_the_second() {
    let server = Server::start().await;
    for (start, end, expected) in [
        (NOW, NOW, "ok"),
        (NOW + 900, NOW + 1000, "ok"),
        (NOW + 901, NOW + 1000, "RequestTimeTooSkewed"),
        (NOW - 10, NOW - 1, "AccessDenied"),
    ] {
        let answer = server.send(with(|call| call.times = format!("{start};{end}"))).await;
        assert_eq!(answer.code, expected, "{start} {end}");
    }
}

#[tokio::test]
async fn authentication_can_be_loosened() {
    let accept = Server::with(&[("auth", "accept")]).await;
    let forged = with(|call| {
        call.id = "AKIDnobody";
        call.key = "x";
        call.times = "1;2".to_owned();
    });
    assert_eq!(accept.send(forged).await.code, "ok");
    assert_eq!(accept.send(authorized("q-ak=x")).await.code, "AccessDenied");
    assert_eq!(accept.send(unsigned(&call(&QR).target())).await.code, "AccessDenied");
    let open = Server::with(&[("auth", "open")]).await;
    assert_eq!(open.send(unsigned(&call(&QR).target())).await.code, "ok");
    assert_eq!(open.send(authorized("q-ak=x")).await.code, "ok");
}
