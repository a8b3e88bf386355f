//! Every setting once: its meaning, unit, default and names. All of them are checked at start, all mistakes at once.
//!
//! The table below makes everything else: the field of [`Config`], the environment variable (`QRSTACK_` and the name
//! in capitals), the flag (`--` and the name with hyphens), the key of the TOML file (the name), the help text and the
//! README's table. Kinds of values are in `value.rs`, where they come from in `source.rs`.

mod source;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use source::{CONFIG_VARIABLE, Mistake, Raw, Source};
pub use value::{
    AllowRule, Auth, ForcedError, LogFilter, LogFormat, NoCode, ProviderSpelling, ReadIsolation, StandIn,
    TencentCredential, UnknownProduct, WechatApp, WechatCallback, WechatToken,
};

use crate::secret::Secret;
use ipnet::IpNet;
use source::{Bounds, Layers};
pub(crate) use value::Value;

/// What is known of a setting before any value is.
#[derive(Debug)]
pub struct Setting {
    /// Field of [`Config`], and key of the TOML file.
    pub name: &'static str,
    /// What it does, with its unit.
    pub about: &'static str,
    /// Its default, as one would write it.
    pub default: &'static str,
    /// Whether it holds secrets; then a second setting `<name>_file` names a file that holds the value.
    pub secret: bool,
}

impl Setting {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("QRSTACK_{}", self.name.to_uppercase())
    }

    /// The flag, without the leading hyphens.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $name:ident: $type:ty = $default:literal,)+) => {
        /// The effective settings.
        #[derive(Clone)]
        pub struct Config {
            $($(#[doc = $about])+ pub $name: $type,)+
            sources: BTreeMap<&'static str, Source>,
        }

        /// The table of all settings, in the order of the README.
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                name: stringify!($name),
                about: concat!($($about),+),
                default: $default,
                secret: <$type as Value>::SECRET,
            },)+
        ];

        impl Config {
            /// Takes each setting from the strongest layer of `raw` that has it, the default last.
            ///
            /// # Errors
            /// All mistakes at once: values that do not parse, unknown names, files that cannot be read.
            pub fn from_raw(raw: Raw) -> Result<Self, Vec<Mistake>> {
                let mut layers = raw.check(SETTINGS, BOUNDS);
                $(let $name: Option<$type> = layers.take(stringify!($name), $default);)+
                let Layers { sources, mistakes, .. } = layers;
                if !mistakes.is_empty() {
                    return Err(mistakes);
                }
                match ($($name,)+) {
                    ($(Some($name),)+) => Ok(Self { $($name,)+ sources }),
                    _ => Err(mistakes),
                }
            }

            /// Every setting with its effective value, secrets as `***`, and where the value came from.
            pub fn shown(&self) -> Vec<(&'static str, String, &Source)> {
                vec![$(self.row(stringify!($name), &self.$name),)+]
            }
        }
    };
}

settings! {
    /// Address and port to listen on; port 0 picks a free one.
    listen: SocketAddr = "127.0.0.1:8080",
    /// Address and port to listen on with TLS, for clients that know the vendors' names alone; none means no such listener.
    tls_listen: Option<SocketAddr> = "",
    /// File with a certificate of your own and its chain (PEM), instead of those that this server makes by name.
    tls_cert: Option<PathBuf> = "",
    /// File with the key of that certificate (PEM).
    tls_key: Option<PathBuf> = "",
    /// Folder of the store (tickets, tokens, products) and of the certificate authority; made if it is missing.
    data_dir: PathBuf = "./qrstack-data",
    /// Time from the answer with a permanent ticket until that outlasts a power failure too; `0s` answers only then.
    store_sync: Duration = "20ms",
    /// `verify` checks credentials as the vendors do; `accept` checks their shape alone; `open` asks for none.
    auth: Auth = "verify",
    /// Keys of COS and Tencent Cloud: `SecretId:SecretKey[:token],…`.
    tencent_credentials: Vec<TencentCredential> =
        "AKIDEMUexample0123456789ABCDEFGHIJKL:EMUsecretExampleKey0123456789abcdefg",
    /// WeChat accounts: `appid:secret,…`.
    wechat_apps: Vec<WechatApp> = "wx0123456789abcdef:0123456789abcdef0123456789abcdef",
    /// WeChat access tokens that never expire: `appid:token,…`.
    wechat_tokens: Vec<WechatToken> = "",
    /// Where scans of codes are told, in the clear or encrypted: `appid=url|token[|EncodingAESKey],…`.
    wechat_callbacks: Vec<WechatCallback> = "",
    /// Keys of cli.im: `key,…`.
    cli_im_keys: Vec<Secret> = "Abc123456",
    /// Whether other hosts are asked for pictures and told of scans at all; stand-ins are answered in any case.
    fetch_enabled: bool = "true",
    /// Hosts and CIDRs that may be reached for pictures and callbacks besides public addresses: `minio,10.0.0.0/8,…`.
    fetch_allow: Vec<AllowRule> = "",
    /// Pictures answered from files instead of the network: `url=file,…`.
    fetch_stand_ins: Vec<StandIn> = "",
    /// Memory for all remote pictures under way at the same time, in MiB.
    fetch_memory_mib: u32 = "256",
    /// Memory for the pictures that the picture lab has drawn, in MiB; the oldest make room.
    pictures_memory_mib: u32 = "64",
    /// Further host names tried when a signature is verified, for servers behind a proxy: `name,…`.
    public_hosts: Vec<String> = "",
    /// CIDRs of proxies whose `X-Forwarded-Host` counts.
    trusted_proxies: Vec<IpNet> = "",
    /// Errors to answer once a request is authenticated, or before where they are about that: `operation=code,…`.
    force_error: Vec<ForcedError> = "",
    /// Whether the control API under `/_qrstack/v1/` is there, for tests: clock, credentials, faults, journal.
    control: bool = "true",
    /// Token that the control API asks for, as `Authorization: Bearer …`; needed where others can reach the address.
    control_token: Secret = "",
    /// Requests that the journal keeps; 0 keeps none.
    journal_entries: usize = "1000",
    /// Memory for the journal, in MiB; 0 keeps none.
    journal_mib: usize = "64",
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`; for single modules `module=level`, with commas between.
    log: LogFilter = "info",
    /// How it is logged: `auto` (text on a terminal, JSON elsewhere), `text` or `json`.
    log_format: LogFormat = "auto",
    /// Pictures read at the same time; 0 means one a core.
    read_threads: usize = "0",
    /// Pictures that may wait to be read; past that the vendor's throttling answer goes out at once.
    read_queue: usize = "64",
    /// Memory for all pictures being read at the same time, in MiB.
    read_memory_mib: u32 = "1024",
    /// CPU time for the reading of one picture.
    read_budget: Duration = "2s",
    /// Where pictures are read: `process` (worker processes without files, network or secrets) or `thread`.
    read_isolation: ReadIsolation = "process",
    /// Time without a picture after which a worker process ends.
    read_worker_idle: Duration = "1m",
    /// Longest time for one request, from its head to its answer.
    request_timeout: Duration = "30s",
    /// Connections at the same time; further ones wait, and idle ones make room.
    max_connections: usize = "1024",
    /// Longest time for the head of a request, and for a new connection to begin one.
    head_timeout: Duration = "10s",
    /// Longest time that a connection may stay idle between two requests.
    idle_timeout: Duration = "60s",
    /// Longest time for the body of a request to arrive.
    body_timeout: Duration = "20s",
    /// Memory for all large bodies at the same time, in MiB; past that the vendor's throttling answer goes out at once.
    body_memory_mib: u32 = "256",
    /// Longest time for a client to take an answer.
    write_timeout: Duration = "20s",
    /// Time after SIGTERM in which requests are still let in while `readyz` says no, for load balancers to look away.
    drain_delay: Duration = "0s",
    /// Longest time for requests under way to finish after SIGTERM; a second SIGTERM ends at once.
    drain_timeout: Duration = "8s",
    /// Pixels a picture may have.
    max_pixels: u64 = "50000000",
    /// Pixels a picture may have a side (Tencent Cloud: never more than 10000).
    max_side: u32 = "16384",
    /// COS: largest `width` in pixels.
    cos_max_width: u32 = "4096",
    /// COS: answers `InvalidArgument` where `width` is too small for whole modules, instead of a wider picture.
    cos_strict_width: bool = "false",
    /// COS: buckets that exist, `name-appid,…`; none means any.
    cos_buckets: Vec<String> = "",
    /// COS: bucket of requests whose host does not name one.
    cos_default_bucket: String = "examplebucket-1250000000",
    /// COS: refuses hosts that are not `<bucket>.cos.<region>.…` with `InvalidHost`.
    cos_strict_host: bool = "false",
    /// Tencent Cloud: largest base64 text of a picture in characters (newer models of the API: 7340032, 10485760).
    ocr_max_base64: usize = "3145728",
    /// Tencent Cloud: answer to a picture without a code: `error` (`FailedOperation.ImageNoText`) or `empty`.
    ocr_no_code: NoCode = "error",
    /// Tencent Cloud: answer to an unknown product: `record` (one record of empty fields with `CheckResult`) or `empty`.
    ocr_unknown_product: UnknownProduct = "record",
    /// Tencent Cloud: accepts every region name.
    ocr_any_region: bool = "false",
    /// Tencent Cloud: refuses unknown parameters, and v1 requests over 1 MiB, as the real gateway does.
    ocr_strict: bool = "false",
    /// Tencent Cloud: calls a second, key and action; 0 means any number (real: 5).
    ocr_rate_limit: u64 = "0",
    /// WeChat: temporary `scene_str` may be longer than 64 characters, as reports say of the real service.
    wechat_long_scene_str: bool = "false",
    /// WeChat: permanent codes an account may have.
    wechat_permanent_limit: u64 = "100000",
    /// WeChat: calls of `/cgi-bin/token` a day and account; 0 means any number (real: 2000).
    wechat_token_daily_limit: u64 = "0",
    /// WeChat: calls of `/cgi-bin/stable_token` a minute and account; 0 means any number (real: 10000).
    wechat_stable_token_minute_limit: u64 = "0",
    /// WeChat: calls of `/cgi-bin/stable_token` a day and account; 0 means any number (real: 500000).
    wechat_stable_token_daily_limit: u64 = "0",
    /// WeChat: refreshes by `force_refresh` a day and account; 0 means any number (real: 20).
    wechat_force_refresh_daily_limit: u64 = "0",
    /// WeChat: calls of `/cgi-bin/qrcode/create` a day and account; 0 means any number (real: 100000).
    wechat_create_daily_limit: u64 = "0",
    /// WeChat: CIDRs that may ask for tokens, others get 40164; none means all.
    wechat_ip_allow: Vec<IpNet> = "",
    /// cli.im: spelling of `provider`: `table` (`Caoliao`, as the vendor's table has it) or `example` (`caoliao`).
    cli_im_provider: ProviderSpelling = "table",
}

/// Bounds of the numbers that have any; times in milliseconds.
const BOUNDS: &[Bounds] = &[
    ("store_sync", 0..=60_000),
    ("read_threads", 0..=1024),
    ("read_queue", 0..=1_000_000),
    ("read_memory_mib", 16..=1 << 20),
    ("fetch_memory_mib", 16..=1 << 20),
    ("pictures_memory_mib", 1..=1 << 20),
    ("journal_entries", 0..=1_000_000),
    ("journal_mib", 0..=1 << 20),
    ("read_budget", 1..=600_000),
    ("read_worker_idle", 100..=86_400_000),
    ("request_timeout", 1..=600_000),
    ("max_connections", 1..=1_000_000),
    ("head_timeout", 10..=600_000),
    ("idle_timeout", 10..=3_600_000),
    ("body_timeout", 10..=600_000),
    ("body_memory_mib", 16..=1 << 20),
    ("write_timeout", 10..=600_000),
    ("drain_delay", 0..=600_000),
    ("drain_timeout", 0..=600_000),
    ("max_pixels", 1..=1 << 32),
    ("max_side", 1..=65_535),
    ("cos_max_width", 1..=4096),
    ("ocr_max_base64", 1..=10_485_760),
];

impl Config {
    fn row(&self, name: &'static str, value: &impl Value) -> (&'static str, String, &Source) {
        (name, value.show(), self.source(name))
    }

    /// All defaults: what a server without flags, variables or file runs with.
    ///
    /// # Panics
    /// Never: a test parses every default.
    pub fn defaults() -> Self {
        match Self::from_raw(Raw::default()) {
            Ok(config) => config,
            Err(mistakes) => unreachable!("the defaults are valid: {mistakes:?}"),
        }
    }

    /// Where the value of the setting `name` came from.
    pub fn source(&self, name: &str) -> &Source {
        self.sources.get(name).unwrap_or(&Source::Default)
    }

    /// The settings that still hold the public demo credentials.
    pub fn demo_credentials(&self) -> Vec<&'static str> {
        ["tencent_credentials", "wechat_apps", "cli_im_keys"]
            .into_iter()
            .filter(|name| *self.source(name) == Source::Default)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Raw {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Raw { environment: pairs.collect(), ..Raw::default() }
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = Config::defaults();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.demo_credentials(), ["tencent_credentials", "wechat_apps", "cli_im_keys"]);
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_name_their_setting() {
        let raw = environment(&[
            ("QRSTACK_LISTEN", "nowhere"),
            ("QRSTACK_AUTH", "maybe"),
            ("QRSTACK_READ_BUDGET", "fast"),
            ("QRSTACK_COLOUR", "red"),
            ("QRSTACK_PORT", "9090"),
            ("QRSTACK_COS_MAX_WIDTH", "4097"),
            ("QRSTACK_LOG", "a=b=c"),
            ("HOME", "/tmp"),
            // What Kubernetes puts into every container beside a service called `qrstack`.
            ("QRSTACK_SERVICE_HOST", "10.0.0.1"),
            ("QRSTACK_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ]);
        let mistakes: Vec<String> =
            Config::from_raw(raw).err().expect("mistakes").iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 7, "{mistakes:?}");
        for name in [
            "QRSTACK_LISTEN",
            "QRSTACK_AUTH",
            "QRSTACK_READ_BUDGET",
            "QRSTACK_COLOUR",
            "QRSTACK_PORT",
            "QRSTACK_COS_MAX_WIDTH",
            "QRSTACK_LOG",
        ] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(name)), "{name}: {mistakes:?}");
        }
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let mut raw = environment(&[("QRSTACK_LISTEN", "127.0.0.1:2"), ("QRSTACK_AUTH", "open")]);
        raw.flags.insert("listen".to_owned(), "127.0.0.1:1".to_owned());
        raw.file = Some(("q.toml".into(), "listen = '127.0.0.1:3'\nauth = 'accept'\nread_threads = 4\n".to_owned()));
        let config = Config::from_raw(raw).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.auth, Auth::Open);
        assert_eq!(config.read_threads, 4);
        assert_eq!(*config.source("listen"), Source::Flag);
        assert_eq!(*config.source("auth"), Source::Environment);
        assert_eq!(*config.source("read_threads"), Source::File("q.toml".into()));
        assert_eq!(*config.source("log"), Source::Default);
    }

    #[test]
    fn an_unknown_key_of_the_file_is_a_mistake() {
        let raw = Raw { file: Some(("q.toml".into(), "lissten = '127.0.0.1:3'\n".to_owned())), ..Raw::default() };
        let mistakes = Config::from_raw(raw).err().expect("a mistake");
        assert!(mistakes[0].to_string().contains("lissten"), "{mistakes:?}");
    }

    #[test]
    fn secrets_are_never_shown() {
        let raw = environment(&[
            ("QRSTACK_TENCENT_CREDENTIALS", "AKID1:marker-key:marker-token"),
            ("QRSTACK_WECHAT_APPS", "wx1:marker-secret"),
            ("QRSTACK_WECHAT_TOKENS", "wx1:marker-fixed"),
            ("QRSTACK_CLI_IM_KEYS", "marker-api-key"),
        ]);
        let config = Config::from_raw(raw).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let shown = format!("{:?}", config.shown());
        assert!(!shown.contains("marker"), "{shown}");
        assert!(shown.contains("AKID1:***:***"), "{shown}");
        assert!(config.demo_credentials().is_empty());
    }

    #[test]
    fn credentials_may_come_from_a_file_with_a_line_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, "# production\nAKID1:key,1\n\nAKID2:key2\n").expect("written");
        let raw = environment(&[("QRSTACK_TENCENT_CREDENTIALS_FILE", &path.display().to_string())]);
        let config = Config::from_raw(raw).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let ids: Vec<_> = config.tencent_credentials.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(ids, ["AKID1", "AKID2"]);
        assert!(config.tencent_credentials[0].key.matches("key,1"));
        let raw = environment(&[("QRSTACK_CLI_IM_KEYS_FILE", "/nonexistent/keys")]);
        let mistakes = Config::from_raw(raw).err().expect("a mistake");
        assert!(mistakes[0].to_string().contains("QRSTACK_CLI_IM_KEYS_FILE"), "{mistakes:?}");
    }
}
