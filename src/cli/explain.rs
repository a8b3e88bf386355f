//! `qrstack explain`: why the signature of a request is refused, without a server.
//!
//! Exit code 0 when nothing is wrong with the signature, 1 when it is refused, 2 when there is no signature to explain.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use jiff::Timestamp;

use super::WRONG_USAGE;
use super::settings::SettingsArguments;
use crate::clock::{Clock, Motion};
use crate::credentials::Credentials;
use crate::explain::{Context, Difference, Explained, Explanation};
use crate::server::VENDORS;
use crate::vendor;

/// Bytes of a request.
const MAX_REQUEST: u64 = 16 << 20;

/// Arguments of `qrstack explain`, which reads a request as it is on the wire from standard input.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// When the request is judged: RFC 3339 or Unix seconds. By default now.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let moment = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).map_err(|error| error.to_string()),
        Err(_) => text.parse::<Timestamp>().map_err(|error| error.to_string()),
    };
    let is_shown = |moment: &Timestamp| (Motion::EARLIEST..=Motion::LATEST).contains(moment);
    moment.and_then(|moment| Some(moment).filter(is_shown).ok_or("not between 1970 and 2106".to_owned()))
}

/// Runs `qrstack explain`.
pub fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let mut raw = Vec::new();
    if let Err(error) = io::stdin().lock().take(MAX_REQUEST).read_to_end(&mut raw) {
        eprintln!("qrstack explain: standard input: {error}");
        return WRONG_USAGE.into();
    }
    let clock = arguments.at.map_or_else(Clock::system, |moment| Clock::fixed(moment.as_second()));
    let credentials = Credentials::new(&config);
    let context = Context { config: &config, credentials: &credentials, clock: &clock };
    let explained = match vendor::explain(VENDORS, &raw, &context) {
        Ok(explained) => explained,
        Err(reason) => {
            eprintln!("qrstack explain: {reason}");
            return WRONG_USAGE.into();
        }
    };
    let text = if arguments.json { json(&explained) } else { plain(&explained) };
    // A reader that has seen enough closes the pipe; that is no failure.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    if explained.explanation.right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn json(explained: &Explained) -> String {
    serde_json::to_string_pretty(explained).expect("texts and numbers are always JSON") + "\n"
}

fn plain(explained: &Explained) -> String {
    let Explained { provider, explanation } = explained;
    let Explanation { scheme, right, ours, theirs, difference, mistakes } = explanation;
    let mut text = format!("{provider}, {scheme}: the signature is {}\n", if *right { "right" } else { "refused" });
    for mistake in mistakes {
        text.extend(["\n", mistake.name, ": ", &mistake.about, "\n"]);
    }
    if !right && mistakes.is_empty() {
        text.push_str(
            "\nNone of the usual mistakes gives this signature: compare what you sign with what is signed here.\n",
        );
    }
    if let Some(difference) = difference {
        let place = difference.place.replace('_', " ");
        let Difference { byte, line, ours, theirs, .. } = difference;
        let told = format!("differs at byte {byte}, line {line}:\n  here   {ours:?}\n  client {theirs:?}\n");
        text.extend(["\nThe ", &place, " ", &told]);
    }
    let sides = [("here", ours.as_ref()), ("by the client", theirs.as_ref())];
    for (side, canonical) in sides.into_iter().filter_map(|(side, canonical)| Some((side, canonical?))) {
        if *right {
            continue;
        }
        text.extend(["\nCanonical request, ", side, ":\n", &shown(&canonical.canonical_request), "\n"]);
        if canonical.string_to_sign != canonical.canonical_request {
            text.extend(["\nString to sign, ", side, ":\n", &shown(&canonical.string_to_sign), "\n"]);
        }
    }
    text
}

/// Line by line, what could steer a terminal escaped.
fn shown(text: &str) -> String {
    let line =
        |line: &str| format!("  | {}", line.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"));
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_request_from_a_terminal_is_explained() {
        let config = Config::defaults();
        let credentials = Credentials::new(&config);
        let clock = Clock::fixed(1_700_000_000);
        let context = Context { config: &config, credentials: &credentials, clock: &clock };
        let request = |signature: &str| {
            format!(
                "POST / HTTP/1.1\nHost: ocr.tencentcloudapi.com\nContent-Type: application/json\nX-TC-Action: QueryBarCode\n\
                 X-TC-Version: 2018-11-19\nX-TC-Timestamp: 1700000000\nAuthorization: TC3-HMAC-SHA256 \
                 Credential=AKIDEMUexample0123456789ABCDEFGHIJKL/2023-11-14/ocr/tc3_request, \
                 SignedHeaders=content-type;host, Signature={signature}\nContent-Length: 28\n\n{{\"BarCode\": \"6941858722888\"}}\n"
            )
        };
        let right = request("4cc65f32c1d6dc263c94610577accdd967090a7f3ddc9b880ad7b26a883ad332");
        let right = vendor::explain(VENDORS, right.as_bytes(), &context).expect("a signature");
        assert!(right.explanation.right, "{right:?}");
        assert!(plain(&right).starts_with("tencent_ocr, TC3-HMAC-SHA256: the signature is right"));
        let wrong = vendor::explain(VENDORS, request("00").as_bytes(), &context).expect("a signature");
        let text = plain(&wrong);
        assert!(!wrong.explanation.right && text.contains("  | content-type:application/json\n"), "{text}");
        assert!(!text.contains("EMUsecret"), "{text}");
        assert!(vendor::explain(VENDORS, b"GET / HTTP/1.1\n\n", &context).is_err());
        assert_eq!(shown("a\u{1b}[2J\n\"b\""), "  | a\\u{1b}[2J\n  | \"b\"");
    }
}
