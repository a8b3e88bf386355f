//! `qrstack doctor` on machines that are in order and on others: every check, and whether what it prints mends what it found.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use qrstack::clock::{Clock, Ids};
use qrstack::tls::{Authority, export};

use crate::alone::{alone, path};
use crate::program::{Program, qrstack};
use crate::text;

const VERSION: &str = concat!(r#"{"name":"qrstack","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// Variables that would tell the doctor of a machine's own trust and proxies.
const TOLD: [&str; 7] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "JAVA_TOOL_OPTIONS",
    "https_proxy",
    "HTTPS_PROXY",
];

/// Asks the doctor about the server at `base`, after the commands `before`; gives its exit code and what it says.
fn ask(base: &str, before: &str) -> (Option<i32>, String) {
    let script = format!("{before}\n\"$0\" doctor --base {base}");
    let mut sh = Command::new("sh");
    sh.args(["-c", &script, env!("CARGO_BIN_EXE_qrstack")]);
    for variable in TOLD {
        sh.env_remove(variable);
    }
    let output = sh.output().expect("sh runs");
    (output.status.code(), text(&output.stdout).to_owned())
}

/// The variables of `qrstack env` for the server `program`.
fn variables(program: &Program) -> String {
    let (base, folder) = (format!("http://{}", program.address()), program.data_dir().display().to_string());
    let output = qrstack().args(["env", "--base", &base, "--data-dir", &folder]).output().expect("the program runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// A server that has nothing but `pages`, and gives the moment `date`; it lives as long as the tests.
fn stub(pages: Vec<(&'static str, String)>, date: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address: SocketAddr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("accepted"));
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).expect("read") == 0 || line == "\r\n" {
                    break;
                }
                lines.push(line);
            }
            let asked = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            let (status, body) = pages
                .iter()
                .find(|(path, _)| *path == asked)
                .map_or(("404 Not Found", ""), |(_, body)| ("200 OK", body.as_str()));
            let head = format!("HTTP/1.1 {status}\r\nDate: {date}\r\nConnection: close\r\n");
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn trust_and_proxy_are_as_the_shell_has_them() {
    let program = Program::start(&[]);
    let base = format!("http://{}", program.address());
    let told = variables(&program);
    let (code, well) = ask(&base, &told);
    assert_eq!(code, Some(0), "{well}");
    assert!(!well.contains("WRONG") && well.contains("ok     clock"), "{well}");

    let fix = format!("fix:    eval \"$(qrstack env --base {base})\"\n");
    let (code, untold) = ask(&base, &format!("export https_proxy={base}"));
    assert_eq!(code, Some(1), "{untold}");
    assert!(untold.contains("WRONG  trust   this machine") && untold.contains(&fix), "{untold}");
    for variable in ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        let (code, misled) = ask(&base, &format!("{told}\nexport {variable}=/dev/null"));
        assert_eq!(code, Some(1), "{misled}");
        assert!(misled.contains(&format!("WRONG  trust   {variable}")) && misled.contains(&fix), "{misled}");
    }
    // A proxy that is another installation's is trusted no more than a stranger's, and one that is not there serves nobody.
    let other = Program::start(&[]);
    let gone = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
    for proxy in [other.address(), gone] {
        let (code, astray) = ask(&base, &format!("{told}\nexport https_proxy=http://{proxy}"));
        assert_eq!(code, Some(1), "{astray}");
        assert!(astray.contains("WRONG  proxy ") && astray.contains(&fix), "{astray}");
    }
    program.terminate();
    let (code, gone) = ask(&base, &told);
    assert_eq!(code, Some(1), "{gone}");
    assert!(gone.contains("WRONG  server") && gone.contains("fix:    qrstack serve\n"), "{gone}");
}

#[test]
fn a_clock_that_is_off_is_found_and_so_is_one_that_a_test_has_moved() {
    let page = |path, body: &str| (path, body.to_owned());
    let own = || vec![page("/_qrstack/version", VERSION), page("/_qrstack/readyz", "{}")];
    let now = Clock::system().http_date();
    for (date, expected) in
        [(&now, "ok     clock"), (&"Sat, 01 Jan 2000 00:00:00 GMT".to_owned(), "fix:    sudo timedatectl set-ntp true")]
    {
        let (_, said) = ask(&stub(own(), date.clone()), "");
        assert!(said.contains(expected), "{said}");
    }

    let program = Program::start(&[]);
    let base = format!("http://{}", program.address());
    let told = variables(&program);
    let moved = r#"{"advance": "2h"}"#;
    let head = format!(
        "POST /_qrstack/v1/clock HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        moved.len()
    );
    assert_eq!(program.request(&head, moved).0, 200);
    let (code, said) = ask(&base, &told);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("WRONG  clock") && said.contains("7200 s apart"), "{said}");
    assert!(said.contains(&format!("fix:    curl -X DELETE {base}/_qrstack/v1/clock\n")), "{said}");
    assert_eq!(program.request("DELETE /_qrstack/v1/clock HTTP/1.1\r\n", "").0, 200);
    assert_eq!(ask(&base, &told).0, Some(0));
}

#[test]
fn an_authority_that_ended_and_a_port_that_another_program_has_are_found() {
    let now = Clock::system().http_date();
    let ended = Clock::fixed(Clock::system().unix_seconds() - 20 * 365 * 24 * 60 * 60);
    let authority = Authority::make(&qrstack::server::domains(), &ended, &Ids::system()).expect("made");
    let pages = vec![
        ("/_qrstack/version", VERSION.to_owned()),
        ("/_qrstack/readyz", "{}".to_owned()),
        ("/_qrstack/ca.pem", export::pem(authority.certificate())),
    ];
    let base = stub(pages, now.clone());
    // Through a proxy, so that no name is looked up.
    let (code, said) = ask(&base, &format!("export https_proxy={base}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("WRONG  trust   the authority is not valid") && said.contains("qrstack ca rotate"), "{said}");

    let mute = TcpListener::bind("127.0.0.1:0").expect("bound");
    let base = format!("http://{}", mute.local_addr().expect("an address"));
    // Accepts and says nothing that is HTTP.
    std::thread::spawn(move || {
        mute.incoming().for_each(|stream| drop(stream.map(|mut stream| stream.write_all(b"hello\n"))));
    });
    let (code, said) = ask(&base, "");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("WRONG  ports   another program has {base}")), "{said}");

    for pages in [Vec::new(), vec![("/_qrstack/version", "{}".to_owned())]] {
        let base = stub(pages, now.clone());
        let (code, said) = ask(&base, "");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("WRONG  ports   another program answers at {base}")), "{said}");
        assert!(said.contains("fix:    QRSTACK_LISTEN=127.0.0.1:8081 qrstack serve"), "{said}");
    }
}

/// What the shell of a namespace knows: `examine NAME` asks the doctor, `mend` does what he said last, `serve` what starts a
/// server, and `stop` ends it.
const SHELL: &str = r#"
unset https_proxy HTTPS_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS JAVA_TOOL_OPTIONS
examine() {
  code=0
  qrstack doctor >last || code=$?
  echo "== $1"; cat last; echo "exit $code"
}
fix() { sed -n 's/^       fix: *//; T; s/sudo //g; p; q' last; }
mend() { fix >mend.sh; . ./mend.sh; }
serve() { "$@" >/dev/null 2>>log & server=$!; qrstack healthcheck --wait 20 >/dev/null; }
stop() { kill "$server"; wait "$server"; }
"#;

#[test]
fn names_and_ports_are_found_wrong_one_after_the_other_and_mended_by_what_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        r#"export PATH='{}'
{SHELL}
examine nobody
serve sh -c "exec $(fix)"
examine untrusted
mend
examine proxy
unset https_proxy HTTPS_PROXY http_proxy HTTP_PROXY
cp /etc/hosts before
examine unnamed
mend >/dev/null
examine portless
stop
serve sh -c "$(fix | sed 's/QRSTACK/exec env &/')"
examine named
stop
serve qrstack serve
qrstack serve --listen 127.0.0.1:8082 --tls-listen 127.0.0.1:443 --data-dir other >/dev/null 2>>log & other=$!
qrstack healthcheck --listen 127.0.0.1:8082 --wait 20 >/dev/null
examine taken
cat before >/etc/hosts
qrstack hosts --address 192.0.2.1 >>/etc/hosts
examine elsewhere
kill $other; wait $other
stop
serve sh -c "QRSTACK_TLS_LISTEN=127.0.0.1:443 exec qrstack serve"
mend >/dev/null
examine returned
sed 's/ # qrstack//; s/^127.0.0.1 /192.0.2.1 /' /etc/hosts >by-hand
cat by-hand >/etc/hosts
examine by-hand
stop
"#,
        path()
    );
    let Some(said) = alone(folder.path(), &script) else { return };
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let found: Vec<_> = said.split("== ").skip(1).collect();
    let proxy = r#"       or:     eval "$(qrstack env --base http://127.0.0.1:8080)""#;
    let expected: [(&str, &str, &[&str]); 10] = [
        ("nobody", "exit 1", &["WRONG  server  http://127.0.0.1:8080", "fix:    qrstack serve\n"]),
        ("untrusted", "exit 1", &["WRONG  trust   this machine"]),
        ("proxy", "exit 0", &["ok     names   api.weixin.qq.com leads to the server, through the proxy"]),
        ("unnamed", "exit 1", &["WRONG  names   examplebucket", "fix:    qrstack hosts | sudo tee", proxy]),
        ("portless", "exit 1", &["WRONG  ports ", "nothing listens at 127.0.0.1:443", proxy]),
        ("named", "exit 0", &["ok     names   open.cli.im leads to the server, at 127.0.0.1:443"]),
        ("taken", "exit 1", &["WRONG  ports ", "fix:    sudo ss -ltnp sport = :443\n", proxy]),
        ("elsewhere", "exit 1", &["WRONG  names ", "leads to 192.0.2.1", "fix:    sudo sed -i", proxy]),
        ("returned", "exit 0", &["ok     names   api.weixin.qq.com leads to the server, at 127.0.0.1:443"]),
        ("by-hand", "exit 1", &["WRONG  names ", "fix:    remove `192.0.2.1 examplebucket", proxy]),
    ];
    assert_eq!(found.len(), expected.len(), "{said}\n{}", log());
    for (found, (name, end, parts)) in found.iter().zip(expected) {
        assert!(found.starts_with(name) && found.trim_end().ends_with(end), "{name}, {end}: {found}\n{}", log());
        for part in parts {
            assert!(found.contains(part), "{part} in {found}");
        }
    }
}
