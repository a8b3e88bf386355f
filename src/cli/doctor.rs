//! `qrstack doctor`: looks at this machine as a client of a running server would: is the server there, do the vendors' names
//! lead to it, is its authority trusted, do the clocks agree. Each thing that is wrong comes with the line that mends it.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::SettingsArguments;
use super::{ca, example, hosts};
use crate::clock::Clock;
use crate::config::Config;
use crate::fetch::probe::{self, Way};
use crate::fetch::{self, FetchError};
use crate::fetch::{Resolve, System};
use crate::tls::export;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// What signatures bear. Documented: five minutes at Tencent Cloud.
const CLOCK_TOLERANCE: i64 = 60;
/// The port of https.
const HTTPS: u16 = 443;
/// The first port that everybody may listen on.
const FREE_PORTS: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// What the system looks names up in first.
const HOSTS: &str = "/etc/hosts";
/// A server where the usual port is taken, or one that is somewhere else.
const OTHER_PORT: &str = "QRSTACK_LISTEN=127.0.0.1:8081 qrstack serve";
const OTHER_BASE: &str = "qrstack doctor --base http://HOST:PORT";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address of the server, where it is not the one of the settings.
    #[arg(long, value_name = "http://HOST:PORT")]
    base: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    lines: Vec<String>,
    problems: usize,
}

impl Findings {
    fn well(&mut self, about: &str, what: impl Display) {
        self.lines.push(format!("ok     {about:<7} {what}"));
    }

    /// Nothing wrong, but good to know.
    fn note(&mut self, about: &str, what: impl Display) {
        self.lines.push(format!("note   {about:<7} {what}"));
    }

    /// What is wrong, and commands of which each mends it.
    fn wrong(&mut self, about: &str, what: impl Display, fixes: &[&str]) {
        self.problems += 1;
        self.lines.push(format!("WRONG  {about:<7} {what}\n       fix:    {}", fixes.join("\n       or:     ")));
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let base = arguments.base.clone().unwrap_or_else(|| example::base(config.listen));
    super::exit(super::block_on(examine(&config, base.trim_end_matches('/'))).map(|findings| {
        for line in &findings.lines {
            println!("{line}");
        }
        if findings.problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }))
}

async fn examine(config: &Config, base: &str) -> Findings {
    let mut findings = Findings::default();
    if !server(&mut findings, base).await {
        return findings;
    }
    match ca::served(base).await {
        Ok(authority) => {
            trust(&mut findings, &authority, &format!("eval \"$(qrstack env --base {base})\""));
            names(&mut findings, config, base, &authority).await;
        }
        Err(why) => findings.note("trust", why),
    }
    findings
}

/// Whether the server is ready, and what time it has; false where it is not there, and there is nothing more to ask.
async fn server(findings: &mut Findings, base: &str) -> bool {
    match fetch::ask(&format!("{base}/_qrstack/version"), PATIENCE).await {
        Ok((200, body)) if is_ours(&body) => {}
        Ok((status, _)) => {
            let what = format!("another program answers at {base} (status {status})");
            findings.wrong("ports", what, &[OTHER_PORT, OTHER_BASE]);
            return false;
        }
        Err(FetchError::Unreachable(_)) if is_taken(base).await => {
            findings.wrong("ports", format!("another program has {base}"), &[OTHER_PORT, OTHER_BASE]);
            return false;
        }
        Err(error) => {
            findings.wrong("server", format!("{base}: {error}"), &["qrstack serve", OTHER_BASE]);
            return false;
        }
    }
    match fetch::ask(&format!("{base}/_qrstack/readyz"), PATIENCE).await {
        Ok((200, _)) => findings.well("server", format!("ready at {base}")),
        Ok((status, body)) => {
            findings.wrong("server", format!("{base} answers {status}: {}", body.trim()), &["look into its log"]);
        }
        Err(error) => findings.wrong("server", format!("{base}: {error}"), &["look into its log"]),
    }
    clock(findings, base).await;
    true
}

/// Whether somebody listens at `base`, whatever he speaks.
async fn is_taken(base: &str) -> bool {
    let Ok(url) = url::Url::parse(base) else { return false };
    let place = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    tokio::net::TcpStream::connect(place).await.is_ok()
}

/// Whether an answer to `/_qrstack/version` is this program's.
fn is_ours(version: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(version).is_ok_and(|version| version["name"] == env!("CARGO_PKG_NAME"))
}

/// Whether signatures made on this machine are in time for the server.
async fn clock(findings: &mut Findings, base: &str) {
    let date = probe::date(&format!("{base}/_qrstack/livez"), PATIENCE).await.ok();
    let theirs = date.and_then(|date| Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp().as_second()));
    let Some(theirs) = theirs else { return findings.note("clock", "the server's answers carry no date") };
    let apart = (Clock::system().unix_seconds() - theirs).abs();
    if apart <= CLOCK_TOLERANCE {
        return findings.well("clock", "the server's and this machine's agree");
    }
    let what = format!("the server's clock and this machine's are {apart} s apart; signatures live minutes");
    let moved = format!("{base}/_qrstack/v1/clock");
    match fetch::ask(&moved, PATIENCE).await {
        Ok((200, view)) if !is_real(&view) => findings.wrong(
            "clock",
            format!("{what}; a test has moved the server's"),
            &[&format!("curl -X DELETE {moved}")],
        ),
        _ => findings.wrong("clock", what, &["sudo timedatectl set-ntp true"]),
    }
}

/// Whether the control API says that the server's time is the real one.
fn is_real(view: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(view).is_ok_and(|view| view["mode"] == "real")
}

/// Whether runtimes on this machine, started from this shell, trust the authority.
fn trust(findings: &mut Findings, authority: &CertificateDer<'static>, fix: &str) {
    let now = Clock::system().unix_seconds();
    let life = x509_parser::parse_x509_certificate(authority).map(|(_, parsed)| {
        let validity = parsed.validity();
        (validity.not_before.timestamp(), validity.not_after.timestamp())
    });
    match life {
        Ok((begins, ends)) if (begins..ends).contains(&now) => {
            findings.well("trust", format!("the authority lives {} days more", (ends - now) / (24 * 60 * 60)));
        }
        _ => findings.wrong("trust", "the authority is not valid at this moment", &["qrstack ca rotate"]),
    }
    if export::machine().contains(authority) {
        findings.well("trust", "this machine (OpenSSL, Go, curl) trusts the authority");
    } else {
        findings.wrong("trust", "this machine (OpenSSL, Go, curl) does not trust the authority", &[fix]);
    }
    for (variable, who) in [("REQUESTS_CA_BUNDLE", "Python's requests"), ("NODE_EXTRA_CA_CERTS", "Node.js")] {
        match std::env::var_os(variable) {
            None => findings.note("trust", format!("{who} is not told of it: {variable} is not set; {fix}")),
            Some(file) if holds(Path::new(&file), authority) => {
                findings.well("trust", format!("{who} trusts the authority ({variable})"));
            }
            Some(file) => {
                findings.wrong("trust", format!("{variable}: the authority is not in {}", file.display()), &[fix]);
            }
        }
    }
    match std::env::var("JAVA_TOOL_OPTIONS") {
        Ok(options) if options.contains("javax.net.ssl.trustStore=") => {
            findings.note("trust", "Java has a trust store of its own (JAVA_TOOL_OPTIONS), which is not looked into");
        }
        _ => findings.note("trust", format!("Java is not told of it: JAVA_TOOL_OPTIONS has no trust store; {fix}")),
    }
}

/// Whether a PEM file holds the certificate.
fn holds(file: &Path, authority: &CertificateDer<'static>) -> bool {
    CertificateDer::pem_file_iter(file)
        .is_ok_and(|mut found| found.any(|certificate| certificate.is_ok_and(|certificate| certificate == *authority)))
}

/// Whether the vendors' names lead to the server: through a proxy where one is set, else by what they resolve to.
async fn names(findings: &mut Findings, config: &Config, base: &str, authority: &CertificateDer<'static>) {
    let proxy = ["https_proxy", "HTTPS_PROXY"].iter().find_map(|name| std::env::var(name).ok());
    let own = addresses(base).await;
    let mut strangers = Vec::new();
    for name in plain_names(config) {
        let outcome = match &proxy {
            Some(proxy) => by_proxy(proxy, &name, authority).await,
            None => by_name(&name, &own, authority).await,
        };
        match outcome {
            Ok(how) => findings.well("names", format!("{name} leads to the server, {how}")),
            Err(why) => strangers.push((name, why)),
        }
    }
    let Some((name, why)) = strangers.first() else { return };
    let others = strangers.len() - 1;
    let what = if others == 0 { format!("{name}: {why}") } else { format!("{name} and {others} more: {why}") };
    let by_proxy = format!("eval \"$(qrstack env --base {base})\"");
    match why {
        Astray::Proxy(_) => findings.wrong("proxy", what, &[&by_proxy]),
        Astray::NoPort(address) => findings.wrong("ports", what, &[&serve_tls(*address), &by_proxy]),
        Astray::Taken(address, _) => {
            findings.wrong("ports", what, &[&format!("sudo ss -ltnp sport = :{}", address.port()), &by_proxy]);
        }
        Astray::Unknown(_) | Astray::Elsewhere(..) => {
            findings.wrong("names", what, &[&lead(&own, name), &by_proxy]);
        }
    }
}

/// The addresses of the server at `base`.
async fn addresses(base: &str) -> Vec<IpAddr> {
    match url::Url::parse(base).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
        Some(url::Host::Ipv4(ip)) => vec![ip.into()],
        Some(url::Host::Ipv6(ip)) => vec![ip.into()],
        Some(url::Host::Domain(name)) => System::default().resolve(&name).await.unwrap_or_default(),
        None => Vec::new(),
    }
}

/// The command that makes a server listen at `address`.
fn serve_tls(address: SocketAddr) -> String {
    let first = std::fs::read_to_string(FREE_PORTS).ok().and_then(|first| first.trim().parse().ok()).unwrap_or(0);
    let allow = if address.port() < first {
        format!("sudo sysctl net.ipv4.ip_unprivileged_port_start={} && ", address.port())
    } else {
        String::new()
    };
    format!("{allow}QRSTACK_TLS_LISTEN={address} qrstack serve")
}

/// The command that leads the vendors' names to the server at one of `own`.
fn lead(own: &[IpAddr], name: &str) -> String {
    let option = match own.first() {
        Some(ip) if !ip.is_loopback() => format!(" --address {ip}"),
        _ => String::new(),
    };
    let lines = format!("qrstack hosts{option} | sudo tee -a {HOSTS}");
    // The first line of a name counts.
    let known = std::fs::read_to_string(HOSTS).unwrap_or_default();
    match line_of(&known, name) {
        None => lines,
        Some(line) if line.ends_with(hosts::MARK) => format!("sudo sed -i '/{}$/d' {HOSTS}; {lines}", hosts::MARK),
        Some(line) => format!("remove `{line}` and the like from {HOSTS}, then {lines}"),
    }
}

/// The line that a hosts file has for `name`.
fn line_of<'a>(known: &'a str, name: &str) -> Option<&'a str> {
    known.lines().map(str::trim).find(|line| {
        let told = line.split('#').next().unwrap_or_default();
        told.split_whitespace().skip(1).any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// The names without places, and one for each family.
fn plain_names(config: &Config) -> Vec<String> {
    let first = |domain: &crate::domains::Domain, vendor: &crate::vendor::Vendor| {
        domain.names(|place| (vendor.places)(config, place).into_iter().take(1).collect())
    };
    crate::server::VENDORS
        .iter()
        .flat_map(|vendor| vendor.domains.iter().take(2).flat_map(move |domain| first(domain, vendor)))
        .collect()
}

/// Why a name does not lead to the server.
#[derive(Debug, thiserror::Error)]
enum Astray {
    #[error("it is not known: {0}")]
    Unknown(String),
    #[error("it leads to {0}: {1}")]
    Elsewhere(IpAddr, String),
    #[error("nothing listens at {0}")]
    NoPort(SocketAddr),
    #[error("another program, or another installation, has {0}: {1}")]
    Taken(SocketAddr, String),
    #[error("{0}")]
    Proxy(String),
}

async fn by_proxy(proxy: &str, name: &str, authority: &CertificateDer<'static>) -> Result<String, Astray> {
    let failed = |why: &dyn Display| Astray::Proxy(format!("the proxy {proxy}: {why}"));
    let url = url::Url::parse(proxy).map_err(|error| failed(&error))?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let greeted = probe::greet(Way::Proxy(&format!("{host}:{port}")), name, authority, PATIENCE).await;
    greeted.map(|()| format!("through the proxy {proxy}")).map_err(|error| failed(&error))
}

async fn by_name(name: &str, own: &[IpAddr], authority: &CertificateDer<'static>) -> Result<String, Astray> {
    let found = System::default().resolve(name).await.map_err(|error| Astray::Unknown(error.to_string()))?;
    let Some(ip) = found.first() else { return Err(Astray::Unknown("it has no address".to_owned())) };
    let address = SocketAddr::new(*ip, HTTPS);
    let is_own = own.iter().any(|own| own == ip || (own.is_loopback() && ip.is_loopback()));
    match probe::greet(Way::Direct(address), name, authority, PATIENCE).await {
        Ok(()) => Ok(format!("at {address}")),
        Err(error) if !is_own => Err(Astray::Elsewhere(*ip, error.to_string())),
        Err(_) if tokio::net::TcpStream::connect(address).await.is_err() => Err(Astray::NoPort(address)),
        Err(error) => Err(Astray::Taken(address, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_hosts_file_tells_the_names_behind_its_address() {
        let known = "127.0.0.1 localhost\n# 192.0.2.1 api.example.com\n192.0.2.1\tA.example.com b.example.com # c.example.com\n";
        let (first, last) = ("127.0.0.1 localhost", "192.0.2.1\tA.example.com b.example.com # c.example.com");
        for (name, expected) in [
            ("localhost", Some(first)),
            ("a.example.com", Some(last)),
            ("b.example.com", Some(last)),
            ("api.example.com", None),
            ("c.example.com", None),
            ("192.0.2.1", None),
            ("example.com", None),
        ] {
            assert_eq!(line_of(known, name), expected, "{name}");
        }
    }

    #[test]
    fn names_are_led_to_where_the_server_is() {
        let lead = |own: &str| lead(&[own.parse().expect("an address")], "name.invalid");
        assert_eq!(lead("127.0.0.1"), "qrstack hosts | sudo tee -a /etc/hosts");
        assert_eq!(lead("192.0.2.1"), "qrstack hosts --address 192.0.2.1 | sudo tee -a /etc/hosts");
    }
}
