//! What the text of a setting means: one implementation of `Value` a type.
//!
//! Where the text comes from is `source.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use crate::secret::Secret;

/// A type that a setting can have.
pub trait Value: Sized {
    /// Whether the text must never be shown.
    const SECRET: bool = false;

    /// Reads the text, white space around it removed.
    ///
    /// # Errors
    /// What is wrong, without the setting's name and without any secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as one would write it, secrets as `***`.
    fn show(&self) -> String;

    /// The value as a number, where it is one: times in milliseconds.
    fn number(&self) -> Option<u64> {
        None
    }
}

macro_rules! by_from_str {
    ($($type:ty: $expected:literal,)+) => {
        $(impl Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("{text:?} is not {}", $expected))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

macro_rules! numbers {
    ($($type:ty)+) => {
        $(impl Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("{text:?} is not a whole number"))
            }

            fn show(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        })+
    };
}

numbers!(u32 u64 usize);

by_from_str! {
    SocketAddr: "an address with a port, such as 127.0.0.1:8080",
    bool: "true or false",
    IpNet: "a CIDR, such as 10.0.0.0/8",
    String: "a text",
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path is needed".to_owned()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time, such as 500ms or 2s");
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match unit {
            "ms" => Ok(Self::from_millis(number)),
            "s" => Ok(Self::from_secs(number)),
            "m" => Ok(Self::from_secs(number.saturating_mul(60))),
            _ => Err(wrong()),
        }
    }

    fn show(&self) -> String {
        if self.subsec_millis() == 0 { format!("{}s", self.as_secs()) } else { format!("{}ms", self.as_millis()) }
    }

    fn number(&self) -> Option<u64> {
        u64::try_from(self.as_millis()).ok()
    }
}

/// An empty text is none.
impl<T: Value> Value for Option<T> {
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(Value::number)
    }
}

impl<T: Value> Value for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        // What came from a file has an item a line, so that an item may hold a comma there.
        let divider = if text.contains('\n') { '\n' } else { ',' };
        text.split(divider).map(str::trim).filter(|item| !item.is_empty()).map(T::parse).collect()
    }

    fn show(&self) -> String {
        self.iter().map(Value::show).collect::<Vec<_>>().join(",")
    }
}

macro_rules! choices {
    ($($(#[doc = $about:literal])+ $type:ident { $($(#[doc = $meaning:literal])+ $variant:ident = $text:literal,)+ })+) => {
        $($(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[doc = $meaning])+ $variant,)+ }

        impl Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is none of {}", [$($text),+].join(", "))),
                }
            }

            fn show(&self) -> String {
                match self { $(Self::$variant => $text,)+ }.to_owned()
            }
        })+
    };
}

choices! {
    /// How credentials are treated.
    Auth {
        /// As the vendor does: signature, key, time, token.
        Verify = "verify",
        /// The shape is checked; signature, key and time are not.
        Accept = "accept",
        /// No credential is needed.
        Open = "open",
    }

    /// The form of the log.
    LogFormat {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        /// Text.
        Text = "text",
        /// A JSON object a line.
        Json = "json",
    }

    /// Where pictures are read.
    ReadIsolation {
        /// In worker processes.
        Process = "process",
        /// On threads of the server.
        Thread = "thread",
    }

    /// What QrcodeOCR answers to a picture without a code.
    NoCode {
        /// `FailedOperation.ImageNoText`.
        Error = "error",
        /// Success with an empty list.
        Empty = "empty",
    }

    /// What QueryBarCode answers to a code that is not in the catalogue.
    UnknownProduct {
        /// One record of empty fields, with `CheckResult` by the code's prefix.
        Record = "record",
        /// An empty list.
        Empty = "empty",
    }

    /// How cli.im spells `provider`.
    ProviderSpelling {
        /// As its table has it: `Caoliao`.
        Table = "table",
        /// As its examples have it: `caoliao`.
        Example = "example",
    }
}

/// What is logged: the least severe level for everything, and for modules that have one of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter(pub Targets);

impl Value for LogFilter {
    fn parse(text: &str) -> Result<Self, String> {
        let mut targets = Targets::new();
        for item in text.split(',') {
            let (module, level) =
                item.split_once('=').map_or((None, item), |(module, level)| (Some(module.trim()), level));
            // An empty level would be read as `error`.
            let known = Some(level.trim()).filter(|level| !level.is_empty()).and_then(|level| level.parse().ok());
            let known: LevelFilter =
                known.ok_or_else(|| format!("{level:?} is not `error`, `warn`, `info`, `debug`, `trace` or `off`"))?;
            targets = match module {
                None => targets.with_default(known),
                Some("") => return Err(format!("{item:?} names no module")),
                Some(module) => targets.with_target(module, known),
            };
        }
        Ok(Self(targets))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// A key pair of Tencent Cloud, with the temporary token that must come with it, if it is a temporary one.
#[derive(Clone)]
pub struct TencentCredential {
    /// `SecretId`; public.
    pub id: String,
    /// `SecretKey`.
    pub key: Secret,
    /// The token of a temporary key.
    pub token: Option<Secret>,
}

impl Value for TencentCredential {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(id), Some(key), token) if !id.is_empty() && !key.is_empty() => {
                Ok(Self { id: id.to_owned(), key: Secret::new(key), token: token.map(Secret::new) })
            }
            _ => Err("each credential is SecretId:SecretKey or SecretId:SecretKey:token".to_owned()),
        }
    }

    fn show(&self) -> String {
        let token = if self.token.is_some() { ":***" } else { "" };
        format!("{}:***{token}", self.id)
    }
}

/// A WeChat account.
#[derive(Clone)]
pub struct WechatApp {
    /// `appid`; public.
    pub appid: String,
    /// `secret`.
    pub secret: Secret,
}

impl Value for WechatApp {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let (appid, secret) = pair(text, ':').ok_or("each account is appid:secret")?;
        Ok(Self { appid: appid.to_owned(), secret: Secret::new(secret) })
    }

    fn show(&self) -> String {
        format!("{}:***", self.appid)
    }
}

/// A WeChat access token that never expires.
#[derive(Clone)]
pub struct WechatToken {
    /// The account that it belongs to.
    pub appid: String,
    /// The token.
    pub token: Secret,
}

impl Value for WechatToken {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let (appid, token) = pair(text, ':').ok_or("each token is appid:token")?;
        Ok(Self { appid: appid.to_owned(), token: Secret::new(token) })
    }

    fn show(&self) -> String {
        format!("{}:***", self.appid)
    }
}

/// Where a WeChat account is told of scans.
#[derive(Clone)]
pub struct WechatCallback {
    /// The account.
    pub appid: String,
    /// The address of its application.
    pub url: Url,
    /// What the messages are signed with.
    pub token: Secret,
    /// `EncodingAESKey`: what they are encrypted with, if they are.
    pub aes_key: Option<Secret>,
}

impl Value for WechatCallback {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let form = "each callback is appid=url|token or appid=url|token|EncodingAESKey";
        let (appid, rest) = pair(text, '=').ok_or(form)?;
        let parts: Vec<_> = rest.split('|').collect();
        let (url, token, aes_key) = match parts.as_slice() {
            [url, token] => (url, token, None),
            [url, token, key] => (url, token, Some(*key)),
            _ => return Err(form.to_owned()),
        };
        let url = Url::parse(url).map_err(|error| format!("the address of {appid}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the address of {appid} is neither http nor https"));
        }
        // Documented: 3 to 32 letters and digits. Not insisted on: test servers have other ones.
        if token.is_empty() {
            return Err(format!("the token of {appid} is empty"));
        }
        let is_key = |key: &str| key.len() == 43 && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !aes_key.is_none_or(is_key) {
            return Err(format!("the EncodingAESKey of {appid} is not 43 letters and digits"));
        }
        Ok(Self { appid: appid.to_owned(), url, token: Secret::new(*token), aes_key: aes_key.map(Secret::new) })
    }

    fn show(&self) -> String {
        let key = if self.aes_key.is_some() { "|***" } else { "" };
        format!("{}={}|***{key}", self.appid, self.url)
    }
}

impl Value for Secret {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }

    fn show(&self) -> String {
        "***".to_owned()
    }
}

/// A place that remote pictures may come from besides public addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowRule {
    /// A host by name, lower-case, whatever address it resolves to.
    Host(String),
    /// A range of addresses.
    Net(IpNet),
}

impl Value for AllowRule {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let host = text.trim_end_matches('.').to_lowercase();
        if !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
            return Ok(Self::Host(host));
        }
        Err(format!("{text:?} is neither a host name nor a CIDR"))
    }

    fn show(&self) -> String {
        match self {
            Self::Host(host) => host.clone(),
            Self::Net(net) => net.to_string(),
        }
    }
}

/// A picture that is answered from a file instead of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The address as clients send it.
    pub url: Url,
    /// The file that holds the picture.
    pub file: PathBuf,
}

impl Value for StandIn {
    fn parse(text: &str) -> Result<Self, String> {
        // An address may hold `=` itself (in its query), a path rarely does: the last one divides.
        let (url, file) = text.rsplit_once('=').ok_or("each stand-in is url=file")?;
        let url = Url::parse(url).map_err(|error| format!("{url:?}: {error}"))?;
        Ok(Self { url, file: PathBuf::parse(file)? })
    }

    fn show(&self) -> String {
        format!("{}={}", self.url, self.file.display())
    }
}

/// An error that an operation answers with whatever the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedError {
    /// The operation as its vendor calls it: `QrcodeOCR`, `qrcode/create`, `qrcode-generate` …
    pub operation: String,
    /// The vendor's code.
    pub code: String,
}

impl Value for ForcedError {
    fn parse(text: &str) -> Result<Self, String> {
        let (operation, code) = pair(text, '=').ok_or("each forced error is operation=code")?;
        Ok(Self { operation: operation.to_owned(), code: code.to_owned() })
    }

    fn show(&self) -> String {
        format!("{}={}", self.operation, self.code)
    }
}

fn pair(text: &str, divider: char) -> Option<(&str, &str)> {
    text.split_once(divider).filter(|(left, right)| !left.is_empty() && !right.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("2s", Some(Duration::from_secs(2))),
            ("3m", Some(Duration::from_mins(3))),
            ("2", None),
            ("s", None),
            ("-1s", None),
            ("2h", None),
        ] {
            assert_eq!(Duration::parse(text).ok(), expected, "{text}");
        }
        assert_eq!(Duration::from_millis(1500).show(), "1500ms");
    }

    #[test]
    fn hosts_and_ranges_are_told_apart() {
        assert_eq!(AllowRule::parse("MinIO."), Ok(AllowRule::Host("minio".to_owned())));
        assert_eq!(AllowRule::parse("10.0.0.0/8").map(|rule| rule.show()), Ok("10.0.0.0/8".to_owned()));
        assert_eq!(AllowRule::parse("127.0.0.1").map(|rule| rule.show()), Ok("127.0.0.1/32".to_owned()));
        assert!(AllowRule::parse("http://minio").is_err());
    }

    #[test]
    fn a_log_filter_is_a_list_of_levels() {
        for (text, expected) in [
            ("info", Ok("info")),
            ("OFF", Ok("off")),
            ("warn, hyper=debug,qrstack::fetch = trace", Ok("qrstack::fetch=trace,hyper=debug,warn")),
            ("hyper=debug", Ok("hyper=debug")),
            ("", Err("\"\" is not `error`, ")),
            ("info,", Err("\"\" is not `error`, ")),
            ("inof", Err("\"inof\" is not `error`, ")),
            ("hyper=", Err("\"\" is not `error`, ")),
            ("=debug", Err("\"=debug\" names no module")),
            ("a=b=c", Err("\"b=c\" is not `error`, ")),
        ] {
            match (LogFilter::parse(text).map(|filter| filter.show()), expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{text}"),
                (Err(why), Err(start)) => assert!(why.starts_with(start), "{text}: {why}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_callback_has_an_address_a_token_and_maybe_a_key() {
        let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
        let callback = WechatCallback::parse("wx1=http://app:3000/wx?a=b|secret").unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((callback.appid.as_str(), callback.url.as_str()), ("wx1", "http://app:3000/wx?a=b"));
        assert_eq!(callback.show(), "wx1=http://app:3000/wx?a=b|***");
        let callback =
            WechatCallback::parse(&format!("wx1=https://app/|secret|{key}")).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(callback.show(), "wx1=https://app/|***|***");
        for text in ["wx1", "wx1=http://app", "wx1=app|t", "wx1=ftp://app/|t", "wx1=http://app/|", "=http://app/|t"] {
            assert!(WechatCallback::parse(text).is_err(), "{text}");
        }
        let why = WechatCallback::parse("wx1=http://app/|token|short").err().expect("a mistake");
        assert!(why.contains("EncodingAESKey") && !why.contains("short"), "{why}");
    }

    #[test]
    fn a_stand_in_may_have_a_query() {
        let stand_in = StandIn::parse("http://example.com/a?b=c=/tmp/x.png").expect("valid");
        assert_eq!(stand_in.url.as_str(), "http://example.com/a?b=c");
        assert_eq!(stand_in.file, PathBuf::from("/tmp/x.png"));
    }
}
