//! The real program, started and used as its users do: command line, start, stop, store on disk.

mod alone;
mod compose;
mod doctor;
mod products;
#[allow(dead_code, reason = "tests/faults uses the rest")]
mod program;
mod shells;
mod tls;
mod workers;

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use program::{Program, qrstack};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    qrstack().args(arguments).envs(environment.iter().copied()).output().expect("the program runs")
}

#[test]
fn it_starts_without_anything_says_what_comes_next_and_stops_on_sigterm() {
    let program = Program::start(&[]);
    for expected in ["AKIDEMUexample0123456789ABCDEFGHIJKL", "wx0123456789abcdef", "Abc123456", " example cli-im "] {
        assert!(program.banner.contains(expected), "{expected} in {}", program.banner);
    }
    let (status, body) = program.get("/_qrstack/readyz");
    assert_eq!((status, body.as_str()), (200, r#"{"store":true,"workers":true,"listener":true}"#));
    assert_eq!(program.terminate().code(), Some(0));
}

#[test]
fn header_names_leave_as_the_vendors_spell_them() {
    let program = Program::start(&["--auth", "open"]);
    let heads = |request: &str| program.exchange(request, "").0;
    let create = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":7}}}"#;
    let head = format!("POST /cgi-bin/qrcode/create?access_token=x HTTP/1.1\r\nContent-Length: {}\r\n", create.len());
    let ticket = field(text(&program.request(&head, create).1), "ticket");
    for (request, names) in [
        (
            "GET /?ci-process=qrcode-generate&qrcode-content=a&width=200 HTTP/1.1\r\n",
            "Content-Type Content-Length Connection Date Server x-cos-request-id x-ci-request-id",
        ),
        (
            "GET /?ci-process=qrcode-generate HTTP/1.1\r\n",
            "Content-Type Content-Length Connection Date Server x-cos-request-id x-ci-request-id x-cos-trace-id",
        ),
        (
            "GET /?Action=QrcodeOCR HTTP/1.1\r\nx-tc-traceid: 1\r\n",
            "Content-Type Server X-TC-RequestId X-TC-TraceId Date Connection Content-Length",
        ),
        (
            &format!("GET /cgi-bin/showqrcode?ticket={ticket} HTTP/1.1\r\n"),
            "Accept-Ranges Cache-control Content-Type Date Expires Server Connection Content-Length",
        ),
    ] {
        let head = heads(request);
        let mut sent: Vec<_> = head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
        let mut expected: Vec<_> = names.split(' ').collect();
        sent.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sent, expected, "{request}");
    }
}

#[test]
fn the_log_has_one_line_a_request_and_no_secrets() {
    let program = Program::start(&["--log-format", "json", "--cli-im-keys", "marker-key"]);
    let answer = program.request(
        "POST /api/v1/qrcode/scan_url HTTP/1.1\r\nAuthorization: Bearer marker-wrong\r\nContent-Length: 0\r\n",
        "",
    );
    assert_eq!(answer.0, 401);
    let (code, log) = program.terminate_and_read_log();
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = lines.iter().find(|line| line["message"] == "answered").expect("a line for the request");
    assert_eq!((&line["provider"], &line["operation"]), (&"cli_im".into(), &"scan_url".into()));
    assert_eq!((&line["status"], &line["code"]), (&401.into(), &"401".into()));
    assert!(line["elapsed_ms"].is_number());
    assert!(!log.contains("marker"), "{log}");
}

#[test]
fn all_mistakes_in_the_settings_come_at_once_and_nothing_starts() {
    let output = run(&["serve", "--read-budget", "soon"], &[("QRSTACK_LISTEN", "here"), ("QRSTACK_COLOUR", "red")]);
    assert_eq!(output.status.code(), Some(2));
    for expected in ["--read-budget", "QRSTACK_LISTEN", "QRSTACK_COLOUR"] {
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn config_shows_values_and_sources_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("q.toml");
    fs::write(&file, "read_threads = 3\n").expect("written");
    let output = run(
        &["config", "--config", &file.display().to_string(), "--auth", "open"],
        &[("QRSTACK_CLI_IM_KEYS", "marker"), ("QRSTACK_LISTEN", "127.0.0.1:9")],
    );
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(shown.contains("auth = \"open\"  # flag"), "{shown}");
    assert!(shown.contains("listen = \"127.0.0.1:9\"  # environment"), "{shown}");
    assert!(shown.contains(&format!("read_threads = \"3\"  # file {}", file.display())), "{shown}");
    assert!(shown.contains("cli_im_keys = \"***\"  # environment"), "{shown}");
    assert!(!shown.contains("marker") && !shown.contains("EMUsecret"), "{shown}");
}

#[test]
fn a_request_on_standard_input_is_explained_by_text_and_exit_code() {
    const SIGNED: &str = "POST / HTTP/1.1\nHost: ocr.tencentcloudapi.com\nContent-Type: application/json\n\
        X-TC-Timestamp: 1700000000\nAuthorization: TC3-HMAC-SHA256 \
        Credential=AKIDEMUexample0123456789ABCDEFGHIJKL/2023-11-14/ocr/tc3_request, SignedHeaders=content-type;host, \
        Signature=4cc65f32c1d6dc263c94610577accdd967090a7f3ddc9b880ad7b26a883ad332\nContent-Length: 28\n\n\
        {\"BarCode\": \"6941858722888\"}\n";
    let explain = |request: &str, arguments: &[&str]| {
        let mut command = qrstack();
        command.arg("explain").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        child.stdin.take().expect("piped").write_all(request.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ended");
        (output.status.code(), text(&output.stdout).to_owned())
    };
    let at = ["--at", "1700000000"];
    let (code, told) = explain(SIGNED, &at);
    assert_eq!((code, told.as_str()), (Some(0), "tencent_ocr, TC3-HMAC-SHA256: the signature is right\n"));
    let (code, told) = explain(SIGNED, &[]);
    assert!(code == Some(1) && told.contains("\nskewed_clock: "), "{told}");
    let other = SIGNED.replace("Content-Type: application/json", "Content-Type: application/json; charset=utf-8");
    let (code, told) = explain(&other, &at);
    assert!(code == Some(1) && told.contains("\nother_content_type: ") && !told.contains("4cc65f32"), "{told}");
    let (code, told) = explain(&other, &[&at[..], &["--json"]].concat());
    assert!(code == Some(1) && told.contains("\"name\": \"other_content_type\""), "{told}");
    for request in ["", "hello", "GET / HTTP/1.1\n\n"] {
        assert_eq!(explain(request, &[]), (Some(2), String::new()), "{request}");
    }
}

#[test]
fn a_store_has_one_server() {
    let program = Program::start(&[]);
    let folder = program.data_dir().display().to_string();
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &folder], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("another qrstack"), "{}", text(&output.stderr));
}

#[test]
fn the_health_check_tells_a_running_server_from_none() {
    let program = Program::start(&[]);
    let listen = program.address().to_string();
    let ready = run(&["healthcheck", "--listen", &listen, "--wait", "5"], &[]);
    assert_eq!((ready.status.code(), text(&ready.stdout)), (Some(0), "ready\n"));
    assert_eq!(program.terminate().code(), Some(0));
    assert_eq!(run(&["healthcheck", "--listen", &listen], &[]).status.code(), Some(1));
}

#[test]
fn a_permanent_code_that_was_acknowledged_survives_a_sudden_death() {
    let program = Program::start(&[]);
    let (_, token) = program.get(
        "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef",
    );
    let token = field(&token, "access_token");
    let body = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":7}}}"#;
    let head =
        format!("POST /cgi-bin/qrcode/create?access_token={token} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    let ticket = field(text(&program.request(&head, body).1), "ticket");
    let show = format!("GET /cgi-bin/showqrcode?ticket={ticket} HTTP/1.1\r\n");
    let (status, picture) = program.request(&show, "");
    assert_eq!(status, 200);

    let folder = program.folder();
    program.kill();
    let again = Program::start_in(folder, &[]);
    assert_eq!(again.request(&show, ""), (200, picture));
    assert_eq!(
        field(text(&again.request(&head, body).1), "ticket"),
        ticket,
        "the token is known and the scene has one ticket"
    );
}

/// A text field of a JSON object.
fn field(json: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {json}")).to_owned()
}

#[test]
fn every_example_works_as_printed() {
    if run_shell("command -v curl").is_none() {
        eprintln!("skipped: there is no curl on this machine");
        return;
    }
    let program = Program::start(&[]);
    let base = format!("http://{}", program.address());
    let listed = run(&["example"], &[]);
    let names: Vec<_> = text(&listed.stdout).lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert!(names.contains(&"cli-im"), "{names:?}");
    for name in names {
        let printed = run(&["example", name, "--base", &base], &[]);
        let answer = run_shell(text(&printed.stdout)).unwrap_or_else(|| panic!("{name}: {}", text(&printed.stdout)));
        let expected = expected_in(name);
        assert!(answer.contains(expected), "{name}: {expected:?} in {answer}");
        let ran = run(&["example", name, "--run", "--base", &base], &[]);
        assert!(text(&ran.stdout).contains(expected), "{name}: {}", text(&ran.stdout));
    }
}

/// What the answer of an example must contain.
fn expected_in(example: &str) -> &'static str {
    match example {
        "ocr" => r#""Url":"Hello from qrstack""#,
        "barcode" => r#""BarCode":"06941858722888""#,
        "cos" => "<ResultImage>iVBORw0KGgo",
        "cli-im" => r#""content":"https://cli.im""#,
        "wechat-scan" => r#""data":"http:\/\/weixin.qq.com\/q\/02"#,
        "wechat-create" => r#""expire_seconds":604800,"url":"http:\/\/weixin.qq.com\/q\/02"#,
        other => panic!("no expectation for the example {other}"),
    }
}

/// What a POSIX shell prints for `command`, if it succeeds.
fn run_shell(command: &str) -> Option<String> {
    let output = std::process::Command::new("sh").arg("-c").arg(command).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
