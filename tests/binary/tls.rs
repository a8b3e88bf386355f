//! TLS and the proxy as clients of other makes meet them. A client that this machine does not have is left out, loudly.

use std::fs;
use std::process::{Command, Output};

use crate::alone::{alone, path};
use crate::program::{Program, qrstack};
use crate::text;

/// A program for Go that asks as any program would.
const GO: &str = r#"package main

import (
	"fmt"
	"io"
	"net/http"
)

func main() {
	answer, err := http.Get("https://api.weixin.qq.com/cgi-bin/token")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(string(body))
}
"#;

/// The same for Java.
const JAVA: &str = r#"
public class Ask {
    public static void main(String[] arguments) throws Exception {
        var connection = new java.net.URL("https://api.weixin.qq.com/cgi-bin/token").openConnection();
        System.out.println(new String(connection.getInputStream().readAllBytes(), "UTF-8"));
    }
}
"#;

/// The same for Node.js, which heeds no proxy by itself in every version: it dials the server and names the host.
const NODE: &str = r#"
const options = { host: "127.0.0.1", port: process.env.TLS_PORT, servername: "api.weixin.qq.com",
                  path: "/cgi-bin/token", headers: { Host: "api.weixin.qq.com" } };
require("https").get(options, (answer) => answer.on("data", (piece) => console.log(String(piece))));
"#;

/// PHP has two clients of its own. Streams heed no proxy by themselves, and dial the server.
const PHP: &str = r#"<?php
if ($argv[1] == "curl" && extension_loaded("curl")) {
    curl_exec(curl_init("https://api.weixin.qq.com/cgi-bin/token"));
} else {
    $context = stream_context_create(["ssl" => ["peer_name" => "api.weixin.qq.com"], "http" => ["header" => "Host: api.weixin.qq.com"]]);
    readfile("https://127.0.0.1:" . getenv("TLS_PORT") . "/cgi-bin/token", false, $context);
}
"#;

/// What each client must print once it has an answer.
const ANSWERED: &str = r#"{"errcode":41002"#;

/// Clients: the tool that must be there, what they are told beyond the variables of `qrstack env`, and what they print.
const CLIENTS: [(&str, &str, &str); 10] = [
    (
        "openssl",
        "openssl s_client -connect 127.0.0.1:$TLS_PORT -servername $BUCKET_HOST -verify_hostname $BUCKET_HOST \
         -verify_return_error -x509_strict -CAfile ca.pem </dev/null",
        "Verify return code: 0 (ok)",
    ),
    (
        "openssl",
        "openssl s_client -connect 127.0.0.1:$TLS_PORT -noservername -verify_ip 127.0.0.1 -tls1_2 \
         -verify_return_error -x509_strict -CAfile ca.pem </dev/null",
        "Verify return code: 0 (ok)",
    ),
    (
        "curl",
        "env -i PATH=\"$PATH\" curl -sS --cacert ca.pem --resolve api.weixin.qq.com:$TLS_PORT:127.0.0.1 \
         https://api.weixin.qq.com:$TLS_PORT/cgi-bin/token",
        ANSWERED,
    ),
    ("curl", "curl -sS https://api.weixin.qq.com/cgi-bin/token", ANSWERED),
    (
        "python3",
        "python3 -c 'import urllib.request as web; \
         print(web.urlopen(\"https://api.weixin.qq.com/cgi-bin/token\").read().decode())'",
        ANSWERED,
    ),
    ("node", "node ask.js", ANSWERED),
    ("go", "go run ask.go", ANSWERED),
    ("java", "java Ask.java", ANSWERED),
    ("php", "php ask.php curl", ANSWERED),
    ("php", "php ask.php stream", ANSWERED),
];

pub fn has(tool: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|output| output.status.success())
}

/// Runs our program on the data folder of `program`.
fn run(program: &Program, arguments: &[&str]) -> Output {
    let folder = program.data_dir().display().to_string();
    let output = qrstack().args(arguments).args(["--data-dir", &folder]).output().expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output
}

#[test]
fn clients_of_other_makes_trust_the_authority_and_reach_the_vendors_names() {
    let program = Program::start(&["--tls-listen", "127.0.0.1:0"]);
    let base = format!("http://{}", program.address());
    fs::write(program.path("ca.pem"), run(&program, &["ca"]).stdout).expect("written");
    for (file, source) in [("ask.go", GO), ("Ask.java", JAVA), ("ask.js", NODE), ("ask.php", PHP)] {
        fs::write(program.path(file), source).expect("written");
    }
    let variables = run(&program, &["env", "--base", &base]).stdout;
    let mut answered = 0;
    for (tool, script, expected) in CLIENTS {
        if !has(tool) {
            eprintln!("skipped: there is no {tool} on this machine");
            continue;
        }
        let output = Command::new("sh")
            .args(["-c", &format!("{}\n{script}", text(&variables))])
            .current_dir(program.folder().path())
            .env("TLS_PORT", program.tls_address().port().to_string())
            .env("BUCKET_HOST", "examplebucket-1250000000.cos.ap-beijing.myqcloud.com")
            .output()
            .expect("sh runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(expected), "{script}: {said} {}", String::from_utf8_lossy(&output.stderr));
        answered += 1;
    }
    eprintln!("{answered} of {} clients answered", CLIENTS.len());
}

#[test]
fn java_reads_the_trust_store() {
    if !has("keytool") {
        eprintln!("skipped: there is no keytool on this machine");
        return;
    }
    let program = Program::start(&[]);
    let store = program.path("ca.p12").display().to_string();
    run(&program, &["ca", "--format", "p12", "--password", "a secret", "--output", &store]);
    let listed =
        Command::new("keytool").args(["-list", "-keystore", &store, "-storepass", "a secret"]).output().expect("runs");
    assert!(text(&listed.stdout).contains("trustedCertEntry"), "{}", text(&listed.stdout));
}

#[test]
fn the_authority_is_printed_as_it_is_served_and_replaced_where_that_is_asked_for() {
    let program = Program::start(&[]);
    let printed = run(&program, &["ca"]).stdout;
    assert_eq!(program.request("GET /_qrstack/ca.pem HTTP/1.1\r\n", "").1, printed);
    let der = run(&program, &["ca", "--format", "der"]).stdout;
    assert_eq!(program.request("GET /_qrstack/ca.der HTTP/1.1\r\n", "").1, der);
    let replaced = run(&program, &["ca", "rotate"]).stdout;
    assert_ne!(replaced, printed);
    assert_eq!(program.request("GET /_qrstack/ca.pem HTTP/1.1\r\n", "").1, replaced);
}

#[test]
fn an_authority_that_was_replaced_is_in_no_bundle_any_more() {
    let program = Program::start(&[]);
    let folder = program.data_dir().display().to_string();
    let bundle = program.data_dir().join("trust/bundle.pem");
    let holds = |certificate: &[u8]| fs::read_to_string(&bundle).expect("the bundle").contains(text(certificate));
    let old = run(&program, &["ca"]).stdout;
    run(&program, &["env"]);
    let new = run(&program, &["ca", "rotate"]).stdout;
    assert!(holds(&old) && !holds(&new));
    // From a shell that has the variables.
    let again = qrstack().args(["env", "--data-dir", &folder]).env("SSL_CERT_FILE", &bundle).output().expect("it runs");
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(holds(&new) && !holds(&old));
}

#[test]
fn pictures_are_fetched_from_neither_of_our_own_listeners() {
    let program =
        Program::start(&["--tls-listen", "127.0.0.1:0", "--fetch-allow", "127.0.0.1", "--log-format", "json"]);
    let head = "POST /api/v1/qrcode/scan_url HTTP/1.1\r\nAuthorization: Bearer Abc123456\r\nContent-Type: application/json\r\n";
    for url in [format!("http://{}/a", program.address()), format!("https://{}/b", program.tls_address())] {
        let body = format!(r#"{{"url": "{url}"}}"#);
        let answer = program.request(&format!("{head}Content-Length: {}\r\n", body.len()), &body).1;
        assert!(text(&answer).contains(r#""code":1031"#), "{url}: {}", text(&answer));
    }
    let (_, log) = program.terminate_and_read_log();
    let refused = log.lines().filter(|line| line.contains("is this server itself")).count();
    assert_eq!(refused, 2, "{log}");
}

#[test]
fn lines_for_a_hosts_file_name_buckets_and_regions() {
    let output = qrstack()
        .args(["hosts", "--address", "192.0.2.1", "--bucket", "a-1250000000,b-1250000000", "--region", "ap-x"])
        .output()
        .expect("the program runs");
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    for expected in [
        "192.0.2.1 api.weixin.qq.com",
        "192.0.2.1 mp.weixin.qq.com",
        "192.0.2.1 open.cli.im",
        "192.0.2.1 ocr.tencentcloudapi.com",
        "192.0.2.1 a-1250000000.cos.ap-x.myqcloud.com",
        "192.0.2.1 b-1250000000.cos.ap-x.myqcloud.com",
    ] {
        assert!(lines.contains(&format!("{expected} # qrstack").as_str()), "{expected} in {lines:?}");
    }
}

#[test]
fn a_certificate_without_its_key_is_a_mistake() {
    let output = qrstack().args(["serve", "--tls-cert", "x.pem"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("tls_key is missing"), "{}", text(&output.stderr));
}

/// The README's block of commands behind a mark.
fn snippet(way: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let rest = readme.split_once(&format!("<!-- way in: {way} -->\n```sh\n")).expect("the mark").1;
    rest.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn the_ways_in_of_the_readme_work_as_printed() {
    for way in ["names", "proxy"] {
        let folder = tempfile::tempdir().expect("a folder");
        // A reader of the README sees the server start, and ends it himself.
        let start = if way == "names" { "" } else { "qrstack serve &\n" };
        let commands = format!("{start}{}", snippet(way))
            .replace("sudo ", "")
            .replace("&\n", ">/dev/null 2>log & server=$!\nqrstack healthcheck --wait 20 >/dev/null\n");
        let script = format!("export PATH='{}'\n{commands}\nkill $server; wait $server", path());
        let Some(said) = alone(folder.path(), &script) else { return };
        assert!(said.contains("\"access_token\":"), "{way}: {said}");
    }
}
