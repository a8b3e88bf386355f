//! `qrstack env`: variables that make the common runtimes trust this installation's authority and use its proxy.
//!
//! Several of these variables replace what a runtime trusts, so the files that they name hold what this machine trusts
//! besides. The proxy refuses every host that is not a vendor's; `--trust-only` leaves it out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::SettingsArguments;
use super::{ca, example};
use crate::config::Config;
use crate::shell;
use crate::tls::export;

/// The folder of the files, within the data folder.
const FOLDER: &str = "trust";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that reads them.
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    shell: Shell,
    /// Address of the server, where it is not the one of the settings; its authority is asked for there, and not read from
    /// the data folder.
    #[arg(long, value_name = "http://HOST:PORT")]
    base: Option<String>,
    /// Folder for the files that they name [default: `trust` in the data folder]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Leave the proxy out, for clients that reach the server by name.
    #[arg(long)]
    trust_only: bool,
    /// Trust this authority and no other, not even those that this machine trusts.
    #[arg(long)]
    only_ours: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Sh,
    Fish,
    #[value(name = "powershell")]
    Power,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    match variables(&config, arguments) {
        Ok(variables) => {
            for (name, value) in variables {
                println!("{}", arguments.shell.line(name, &value));
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("qrstack: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What ends a text of PowerShell that begins with `'`, unless it stands there twice. Documented: `about_Quoting_Rules`, which
/// takes typographic marks for the plain one.
const POWER_QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

impl Shell {
    /// Sets one variable, for this shell and what it starts.
    fn line(self, name: &str, value: &str) -> String {
        match self {
            Self::Sh => format!("export {name}={}", shell::word(value)),
            Self::Fish => format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
            Self::Power => {
                let twice = |letter: char| std::iter::repeat_n(letter, 1 + usize::from(POWER_QUOTES.contains(&letter)));
                format!("$env:{name} = '{}'", value.chars().flat_map(twice).collect::<String>())
            }
        }
    }
}

/// Where the files are that variables name.
struct Files {
    /// The authority alone.
    ours: PathBuf,
    /// The authority and what else is trusted.
    bundle: PathBuf,
    store: PathBuf,
    php: PathBuf,
}

impl Files {
    fn of(folder: &Path) -> Self {
        Self {
            ours: folder.join("ca.pem"),
            bundle: folder.join("bundle.pem"),
            store: folder.join("bundle.p12"),
            php: folder.join("php"),
        }
    }

    fn write(&self, ours: &CertificateDer<'static>, only_ours: bool) -> Result<(), String> {
        // Where this shell has our bundle already, the machine seems to trust an authority that was replaced meanwhile.
        let former = CertificateDer::pem_file_iter(&self.ours).ok().and_then(|mut found| found.next()?.ok());
        let mut trusted = if only_ours { vec![ours.clone()] } else { export::bundle(ours) };
        trusted.retain(|certificate| certificate == ours || Some(certificate) != former.as_ref());
        let put = |path: &Path, bytes: &[u8]| {
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(path, bytes))
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        put(&self.ours, export::pem(ours).as_bytes())?;
        put(&self.bundle, trusted.iter().map(export::pem).collect::<String>().as_bytes())?;
        put(&self.store, &export::pkcs12(&trusted, export::PASSWORD).map_err(|error| error.to_string())?)?;
        let bundle = php_text(&self.bundle.display().to_string());
        let ini = format!("openssl.cafile={bundle}\ncurl.cainfo={bundle}\n");
        put(&self.php.join("qrstack.ini"), ini.as_bytes())
    }
}

fn variables(config: &Config, arguments: &Arguments) -> Result<Vec<(&'static str, String)>, String> {
    let given = arguments.base.as_deref().map(|base| base.trim_end_matches('/'));
    let ours = match given {
        Some(base) => super::block_on(ca::served(base)).map_err(|error| error.to_string())??,
        None => ca::certificate(config)?,
    };
    let folder = arguments.output.clone().unwrap_or_else(|| config.data_dir.join(FOLDER));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Clients run elsewhere.
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = Files::of(&folder);
    files.write(&ours, arguments.only_ours)?;
    let path = |path: &Path| path.display().to_string();
    let mut variables = vec![
        // OpenSSL and all that stands on it, Go, Ruby, .NET.
        ("SSL_CERT_FILE", path(&files.bundle)),
        // Python's requests, which brings its own list.
        ("REQUESTS_CA_BUNDLE", path(&files.bundle)),
        ("CURL_CA_BUNDLE", path(&files.bundle)),
        // Node.js adds these to its own list.
        ("NODE_EXTRA_CA_CERTS", path(&files.ours)),
        // A further folder of settings, after PHP's own.
        ("PHP_INI_SCAN_DIR", format!(":{}", path(&files.php))),
    ];
    let mut java = format!(
        "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword={} -Djavax.net.ssl.trustStoreType=PKCS12",
        quoted(&path(&files.store)),
        export::PASSWORD
    );
    if !arguments.trust_only {
        let base = given.map_or_else(|| example::base(config.listen), str::to_owned);
        let url = url::Url::parse(&base).map_err(|error| format!("--base: {base}: {error}"))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(format!("--base: {base}: there is no host in it"));
        };
        let proxy = |scheme: &str| format!(" -D{scheme}.proxyHost={host} -D{scheme}.proxyPort={port}");
        java.extend(["http", "https"].map(proxy));
        // Some runtimes know the small ones alone, others the capital ones.
        let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
        variables.extend(proxies.map(|name| (name, base.clone())));
        variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, "localhost,127.0.0.1,::1".to_owned())));
        // Node.js heeds proxies since 22.21 and 24.5, where it is told to.
        variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    }
    variables.push(("JAVA_TOOL_OPTIONS", java));
    Ok(variables)
}

/// Java splits the variable at white space; either kind of quotes holds together what is between, and nothing escapes them.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| !letter.is_whitespace() && letter != '"' && letter != '\'';
    if path.chars().all(is_plain) { path.to_owned() } else { format!("\"{}\"", path.replace('"', r#""'"'""#)) }
}

/// A text in PHP's settings: as it is within `'`, which it cannot hold itself; pieces are put together.
fn php_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_in_every_shell() {
        let value = r"a b'c\d$e";
        assert_eq!(Shell::Sh.line("N", value), r"export N='a b'\''c\d$e'");
        assert_eq!(Shell::Fish.line("N", value), r"set -gx N 'a b\'c\\d$e'");
        assert_eq!(Shell::Power.line("N", value), r"$env:N = 'a b''c\d$e'");
        assert_eq!(Shell::Power.line("N", "‘a’ ‚b‛ “c”"), "$env:N = '‘‘a’’ ‚‚b‛‛ “c”'");
    }

    #[test]
    fn a_path_is_one_value_for_java_and_php() {
        for (path, java, php) in [
            ("/a/b.p12", "/a/b.p12", "'/a/b.p12'"),
            ("/a b", "\"/a b\"", "'/a b'"),
            ("/it's", "\"/it's\"", r#"'/it'"'"'s'"#),
            (r#"/it's "b""#, r#""/it's "'"'"b"'"'"""#, r#"'/it'"'"'s "b"'"#),
            (r"/a\b${c}", r"/a\b${c}", r"'/a\b${c}'"),
        ] {
            assert_eq!((quoted(path).as_str(), php_text(path).as_str()), (java, php), "{path}");
        }
    }
}
