//! `qrstack healthcheck`: asks a running server's own end points; the exit status is the answer.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::settings::SettingsArguments;
use crate::fetch;

/// How long one question may take, and the pause before the next.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How long to wait for a server that is still starting.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    #[command(flatten)]
    settings: SettingsArguments,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let base = super::example::base(config.listen);
    let until = Instant::now() + Duration::from_secs(arguments.wait);
    let ready = super::block_on(async {
        loop {
            match ask(&base).await {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() >= until => return Err(format!("{base} is not ready: {why}")),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    });
    super::exit(ready.map_err(|error| error.to_string()).flatten().map(|()| {
        println!("ready");
        ExitCode::SUCCESS
    }))
}

async fn ask(base: &str) -> Result<(), String> {
    for path in ["/_qrstack/livez", "/_qrstack/readyz"] {
        let (status, body) = fetch::ask(&format!("{base}{path}"), PATIENCE).await.map_err(|error| error.to_string())?;
        if status != 200 {
            return Err(format!("{path} answers {status}: {}", body.trim()));
        }
    }
    Ok(())
}
