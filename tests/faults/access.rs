//! Who reaches the control API, which can change whatever the server answers: not the pages in a developer's browser, and
//! no other machine.

use qrstack::Emulator;

use crate::harness::{Check, block_on, check};
use crate::raw::{Answer, Raw};

pub fn checks() -> Vec<Check> {
    vec![
        check("F34", "requests of foreign pages to the control API, each refused before anything is done", pages),
        check(
            "F34",
            "requests to a control API that other machines can reach, each refused for want of its token",
            others,
        ),
    ]
}

/// Asks for a reset of everything, with these further headers.
fn reset(server: &Emulator, host: &str, headers: &str, body: &str) -> Answer {
    let head = format!("POST /_qrstack/v1/reset HTTP/1.1\r\nHost: {host}\r\n{headers}");
    let mut raw = Raw::connect(std::net::SocketAddr::from(([127, 0, 0, 1], server.address().port())));
    raw.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    raw.answer()
}

fn pages() -> String {
    const JSON: &str = "Content-Type: application/json\r\n";
    let server = block_on(Emulator::start());
    let own = format!("127.0.0.1:{}", server.address().port());
    let port = server.address().port();
    let mut refused = 0;
    for (host, headers, status) in [
        // A page elsewhere, by `fetch` or a form.
        (own.as_str(), "Origin: https://evil.test\r\n", 403),
        (&own, "Origin: null\r\n", 403),
        (&own, "Origin: http://localhost\r\n", 403),
        (&own, "Origin: http://127.0.0.1:1\r\n", 403),
        (&own, "Sec-Fetch-Site: cross-site\r\n", 403),
        (&own, "Sec-Fetch-Site: same-site\r\n", 403),
        // A page whose name was bound to this machine once it was loaded.
        (&format!("evil.test:{port}"), &format!("Origin: http://evil.test:{port}\r\n"), 403),
        (&format!("evil.test:{port}"), "", 403),
        (&format!("localhost.evil.test:{port}"), "", 403),
        (&format!("127.0.0.1.evil.test:{port}"), "", 403),
        // What a form can send without being asked, from wherever.
        (&own, "Content-Type: text/plain\r\n", 415),
        (&own, "Content-Type: application/x-www-form-urlencoded\r\n", 415),
    ] {
        let headers = if status == 403 { format!("{JSON}{headers}") } else { headers.to_owned() };
        let answer = reset(&server, host, &headers, "{}");
        assert_eq!(answer.status, status, "{host} {headers}: {answer:?}");
        assert!(answer.json()["error"]["code"].is_string(), "{answer:?}");
        assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{answer:?}");
        refused += 1;
    }
    // The same server's own page, and a program.
    for headers in [format!("Origin: http://{own}\r\nSec-Fetch-Site: same-origin\r\n{JSON}"), JSON.to_owned()] {
        assert_eq!(reset(&server, &own, &headers, "{}").status, 204, "{headers}");
    }
    refused.to_string()
}

fn others() -> String {
    let mut refused = 0;
    let start = |token: &str| {
        let builder = Emulator::builder().setting("listen", "0.0.0.0:0").setting("control_token", token);
        block_on(builder.start()).unwrap_or_else(|error| panic!("{error}"))
    };
    let (open, guarded) = (start(""), start("right"));
    for (server, headers, status) in [
        (&open, "", 403),
        (&open, "Authorization: Bearer x\r\n", 403),
        (&guarded, "", 401),
        (&guarded, "Authorization: Bearer wrong\r\n", 401),
        (&guarded, "Authorization: Bearer \r\n", 401),
        (&guarded, "Authorization: Basic right\r\n", 401),
        (&guarded, "Cookie: right\r\n", 401),
    ] {
        let answer = reset(server, "127.0.0.1", headers, "");
        assert_eq!(answer.status, status, "{headers}: {answer:?}");
        refused += 1;
    }
    assert_eq!(reset(&guarded, "qrstack:8080", "Authorization: Bearer right\r\n", "").status, 204);
    refused.to_string()
}
