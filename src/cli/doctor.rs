//! `qrstack doctor`: looks at this machine as a client of a running server would: is the server there, do the vendors' names
//! lead to it, is its authority trusted, do the clocks agree. Each thing that is wrong comes with the line that mends it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::SettingsArguments;
use super::{ca, example};
use crate::clock::Clock;
use crate::config::Config;
use crate::fetch;
use crate::fetch::probe::{self, Way};
use crate::fetch::{Resolve, System};
use crate::tls::export;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// What signatures bear. Documented: five minutes at Tencent Cloud.
const CLOCK_TOLERANCE: i64 = 60;
/// The port of https.
const HTTPS: u16 = 443;

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

    fn wrong(&mut self, about: &str, what: impl Display, fix: impl Display) {
        self.problems += 1;
        self.lines.push(format!("WRONG  {about:<7} {what}\n       fix:    {fix}"));
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
    match fetch::ask(&format!("{base}/_qrstack/readyz"), PATIENCE).await {
        Ok((200, _)) => findings.well("server", format!("ready at {base}")),
        Ok((status, body)) => {
            findings.wrong("server", format!("{base} answers {status}: {}", body.trim()), "look into its log");
        }
        Err(error) => {
            findings.wrong("server", format!("{base}: {error}"), "qrstack serve, or --base http://HOST:PORT");
            return false;
        }
    }
    let date = probe::date(&format!("{base}/_qrstack/livez"), PATIENCE).await.ok();
    let theirs = date.and_then(|date| Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp().as_second()));
    match theirs.map(|theirs| (Clock::system().unix_seconds() - theirs).abs()) {
        Some(apart) if apart <= CLOCK_TOLERANCE => findings.well("clock", "the server's and this machine's agree"),
        Some(apart) => findings.wrong(
            "clock",
            format!("the server's clock and this machine's are {apart} s apart; signatures live minutes"),
            "timedatectl set-ntp true, where the clock is wrong",
        ),
        None => findings.note("clock", "the server's answers carry no date"),
    }
    true
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
        _ => findings.wrong("trust", "the authority is not valid at this moment", "qrstack ca rotate"),
    }
    if export::machine().contains(authority) {
        findings.well("trust", "this machine (OpenSSL, Go, curl) trusts the authority");
    } else {
        findings.wrong("trust", "this machine (OpenSSL, Go, curl) does not trust the authority", fix);
    }
    for (variable, who) in [("REQUESTS_CA_BUNDLE", "Python's requests"), ("NODE_EXTRA_CA_CERTS", "Node.js")] {
        match std::env::var_os(variable) {
            None => findings.note("trust", format!("{who} is not told of it: {variable} is not set; {fix}")),
            Some(file) if holds(Path::new(&file), authority) => {
                findings.well("trust", format!("{who} trusts the authority ({variable})"));
            }
            Some(file) => {
                findings.wrong("trust", format!("{variable}: the authority is not in {}", file.display()), fix);
            }
        }
    }
    match std::env::var("JAVA_TOOL_OPTIONS") {
        Ok(options) if options.contains("javax.net.ssl.trustStore=") => {
            findings.well("trust", "Java has a trust store of its own (JAVA_TOOL_OPTIONS)");
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
    let mut strangers = Vec::new();
    for name in plain_names(config) {
        let outcome = match &proxy {
            Some(proxy) => by_proxy(proxy, &name, authority).await,
            None => by_name(&name, authority).await,
        };
        match outcome {
            Ok(how) => findings.well("names", format!("{name} leads to the server, {how}")),
            Err(why) => strangers.push((name, why)),
        }
    }
    let Some((name, why)) = strangers.first() else { return };
    let others = strangers.len() - 1;
    let what = if others == 0 { format!("{name}: {why}") } else { format!("{name} and {others} more: {why}") };
    match (&proxy, why) {
        (Some(_), _) => findings.wrong("proxy", what, format!("eval \"$(qrstack env --base {base})\"")),
        (None, Astray::NoPort(address)) => findings.wrong(
            "ports",
            what,
            format!("QRSTACK_TLS_LISTEN={address} qrstack serve (ports below 1024: sysctl net.ipv4.ip_unprivileged_port_start=443)"),
        ),
        (None, _) => findings.wrong(
            "names",
            what,
            format!("qrstack hosts | sudo tee -a /etc/hosts, or the proxy instead: eval \"$(qrstack env --base {base})\""),
        ),
    }
}

/// The names without places, and one for each family.
fn plain_names(config: &Config) -> Vec<String> {
    let first = |domain: &crate::domains::Domain, vendor: &crate::providers::Vendor| {
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
    #[error("nothing listens at {0}")]
    NoPort(SocketAddr),
    #[error("{0}")]
    Stranger(String),
}

async fn by_proxy(proxy: &str, name: &str, authority: &CertificateDer<'static>) -> Result<String, Astray> {
    let url = url::Url::parse(proxy).map_err(|error| Astray::Stranger(format!("the proxy {proxy}: {error}")))?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let greeted = probe::greet(Way::Proxy(&format!("{host}:{port}")), name, authority, PATIENCE).await;
    greeted.map(|()| format!("through the proxy {proxy}")).map_err(|error| Astray::Stranger(error.to_string()))
}

async fn by_name(name: &str, authority: &CertificateDer<'static>) -> Result<String, Astray> {
    let found = System::default().resolve(name).await.map_err(|error| Astray::Unknown(error.to_string()))?;
    let Some(ip) = found.first() else { return Err(Astray::Unknown("it has no address".to_owned())) };
    let address = SocketAddr::new(*ip, HTTPS);
    match probe::greet(Way::Direct(address), name, authority, PATIENCE).await {
        Ok(()) => Ok(format!("at {address}")),
        // The vendor's own servers listen.
        Err(_) if tokio::net::TcpStream::connect(address).await.is_err() => Err(Astray::NoPort(address)),
        Err(error) => Err(Astray::Stranger(format!("{address}: {error}"))),
    }
}
