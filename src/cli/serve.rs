//! `qrstack serve`: starts the server, says what a new user needs next, and ends cleanly on SIGTERM.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::settings::SettingsArguments;
use super::{example, logging};
use crate::clock::{Clock, Ids};
use crate::config::{Auth, Config};
use crate::server;
use crate::store::Access;

pub(super) fn run(settings: &SettingsArguments) -> ExitCode {
    let config = match settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    logging::start(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("qrstack: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(config));
    // Jobs that outlive the drain are not waited for: a reader that does not come back keeps nobody from ending.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("qrstack: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let stop = stop_on_signals()?;
    // Before the store: a process that is being started holds on to its lock for a moment, also where this one dies.
    let work = server::configured_work(&config, None).await.map_err(|error| {
        format!("worker processes cannot be started (read_isolation = thread does without): {error}")
    })?;
    let store = server::open_store(&config, Access::Alone).await?;
    let app = server::open_with(work, config, store, Clock::system(), Ids::system())?;
    let tls = server::configured_tls(app.shared.config())?;
    let app = app.with_tls(tls);
    let shared = app.shared.clone();
    let config = shared.config();
    let refused = |setting: &'static str, address: SocketAddr| {
        move |error: std::io::Error| format!("{setting}: {address} cannot be listened on: {error}")
    };
    let mut listener = server::bind(config.listen).await.map_err(refused("listen", config.listen))?;
    if let Some(address) = config.tls_listen {
        listener = listener.and_tls(address).await.map_err(refused("tls_listen", address))?;
    }
    let (address, tls_address) = (listener.address(), listener.tls_address());
    for own in [Some(address), tls_address].into_iter().flatten() {
        shared.fetch().own_listener(own);
        warn_of_demo_credentials(config, own);
    }
    print!("{}", banner(config, address));
    // Whoever starts this program and waits reads until the last line.
    if let Some(address) = tls_address {
        println!("listening on https://{address}");
    }
    println!("listening on http://{address}");

    listener.serve(app, stop).await;
    shared.work().close().await;
    shared.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Ends with the first SIGTERM or SIGINT; the second ends the program at once, whatever is under way. The store bears a
/// sudden end.
fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        let mut signalled = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        signalled().await;
        tracing::info!("stopping: requests under way finish, new ones are refused");
        stopped.cancel();
        signalled().await;
        tracing::warn!("stopping at once: requests under way are given up");
        std::process::exit(1);
    });
    Ok(stop)
}

fn warn_of_demo_credentials(config: &Config, address: SocketAddr) {
    let demo = config.demo_credentials();
    if !demo.is_empty() && !address.ip().is_loopback() {
        tracing::warn!(%address, settings = demo.join(", "), "the public demo credentials are active on an address that others can reach");
    }
    if config.auth != Auth::Verify {
        tracing::warn!("auth is not `verify`: requests are answered whoever signed them");
    }
}

/// What a new user needs next. Demo credentials are public and shown; configured ones never are.
fn banner(config: &Config, address: SocketAddr) -> String {
    let demo = config.demo_credentials();
    let shown = |setting: &str, demo_value: String| {
        if demo.contains(&setting) { demo_value } else { format!("configured ({})", config.source(setting)) }
    };
    let tencent = config.tencent_credentials.first().map_or(String::new(), |credential| {
        format!("SecretId {}  SecretKey {}", credential.id, credential.key.expose())
    });
    let wechat = config
        .wechat_apps
        .first()
        .map_or(String::new(), |app| format!("appid {}  secret {}", app.appid, app.secret.expose()));
    let cli_im = config.cli_im_keys.first().map_or(String::new(), |key| format!("API key {}", key.expose()));
    // The next command knows the default address, and no other.
    let base = example::base(address);
    let option = if address == Config::defaults().listen { String::new() } else { format!(" --base {base}") };
    let program = std::env::args().next().unwrap_or_else(|| "qrstack".to_owned());
    let examples: Vec<_> = example::all()
        .map(|item| format!("  {program} example {:<14}{option}  # {}\n", item.name, item.about))
        .collect();
    format!(
        "qrstack {}\n\n  address        {}\n  data           {}\n  Tencent Cloud  {}\n  WeChat         {}\n  cli.im         {}\n\n\
         Try it from another terminal (each prints a curl command, --run runs it):\n{}\n",
        env!("CARGO_PKG_VERSION"),
        base,
        config.data_dir.display(),
        shown("tencent_credentials", tencent),
        shown("wechat_apps", wechat),
        shown("cli_im_keys", cli_im),
        examples.concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Raw;

    #[test]
    fn the_banner_shows_demo_credentials_and_no_others() {
        let address = "127.0.0.1:8080".parse().expect("an address");
        let text = banner(&Config::defaults(), address);
        for expected in ["AKIDEMUexample0123456789ABCDEFGHIJKL", "wx0123456789abcdef", "Abc123456", " example cli-im "]
        {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let flags = [("cli_im_keys", "marker"), ("tencent_credentials", "a:marker"), ("wechat_apps", "b:marker")];
        let flags = flags.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        assert!(!banner(&config, address).contains("marker"));
    }
}
