//! What cli.im has on the wire, and how its `provider` is found.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::Error;
use crate::codec::Symbol;
use crate::config::ProviderSpelling;
use crate::intake::query;
use crate::shared::Outcome;

/// The request of `scan_url`.
///
/// Documented: "QR Code Scanning (via URL)", parameters.
#[derive(Debug, Deserialize)]
pub(super) struct ScanUrl {
    /// Public address of the picture, `http` or `https`.
    pub(super) url: String,
}

impl ScanUrl {
    /// Reads JSON, or `url=…` where the text is no JSON object.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii();
        let request = if body.starts_with(b"{") {
            serde_json::from_slice(body).ok()?
        } else {
            let pairs = query::pairs(std::str::from_utf8(body).ok()?).ok()?;
            Self { url: query::first(&pairs, "url")?.to_owned() }
        };
        (!request.url.trim().is_empty()).then_some(request)
    }
}

/// The frame of every answer.
///
/// Documented: keys in this order; `data` is null on failure.
#[derive(Debug, Serialize)]
pub(super) struct Envelope {
    pub(super) code: i64,
    pub(super) message: &'static str,
    pub(super) data: Option<Scanned>,
}

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).expect("texts and numbers are always JSON");
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// A code that was read.
#[derive(Debug, Serialize)]
pub(super) struct Scanned {
    /// The decoded text, untouched.
    content: String,
    /// Whose code it is.
    provider: &'static str,
}

impl Scanned {
    /// The first of `symbols`, which are in reading order: `scan_url` has room for one.
    pub(super) fn new(symbols: &[Symbol], spelling: ProviderSpelling) -> Result<Self, Error> {
        let content = symbols.first().ok_or(Error::NoCode)?.text.clone();
        let provider = Provider::of(&content).spelled(spelling);
        Ok(Self { content, provider })
    }
}

/// A successful answer.
pub(super) struct Reply(pub(super) Scanned);

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Envelope { code: 0, message: "ok", data: Some(self.0) }.into_response();
        response.extensions_mut().insert(Outcome::ok());
        response
    }
}

/// Whose code a text is.
///
/// Documented: the table of values. Assumed: which text belongs to whom, from public lists of the services' hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Alipay,
    WechatPay,
    WechatOfficialAccountPost,
    Jd,
    Caoliao,
    Other,
}

impl Provider {
    /// White space around the text does not count; scheme and host are compared without case.
    fn of(content: &str) -> Self {
        let content = content.trim();
        let Some((scheme, rest)) = content.split_once("://") else { return Self::Other };
        match scheme.to_ascii_lowercase().as_str() {
            "wxp" => Self::WechatPay,
            "weixin" if rest.to_ascii_lowercase().starts_with("wxpay/") => Self::WechatPay,
            "alipays" | "alipayqr" => Self::Alipay,
            "openapp.jdmobile" => Self::Jd,
            "http" | "https" => Url::parse(content).map_or(Self::Other, |url| Self::of_address(&url)),
            _ => Self::Other,
        }
    }

    fn of_address(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        // `example.com` itself, or a name that ends in `.example.com`; never a mere part of a name.
        let within = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|left| left.ends_with('.'));
        let any_within = |domains: &[&str]| domains.iter().any(|domain| within(domain));
        match host {
            "wx.tenpay.com" | "payapp.weixin.qq.com" | "action.weixin.qq.com" => Self::WechatPay,
            "mp.weixin.qq.com" if is_post(url) => Self::WechatOfficialAccountPost,
            "3.cn" => Self::Jd,
            "qr61.cn" | "h.qr61.cn" | "qr71.cn" | "qr69.cn" | "qr46.cn" => Self::Caoliao,
            _ if within("alipay.com") => Self::Alipay,
            _ if any_within(&["jd.com", "jd.hk"]) => Self::Jd,
            _ if any_within(&["cli.im", "clewm.net", "cliim.net", "2dcode.biz"]) => Self::Caoliao,
            _ => Self::Other,
        }
    }

    fn spelled(self, spelling: ProviderSpelling) -> &'static str {
        match (self, spelling) {
            (Self::Alipay, _) => "Alipay",
            (Self::WechatPay, _) => "WechatPay",
            (Self::WechatOfficialAccountPost, _) => "WechatOfficialAccountPost",
            (Self::Jd, _) => "JD",
            (Self::Caoliao, ProviderSpelling::Table) => "Caoliao",
            (Self::Caoliao, ProviderSpelling::Example) => "caoliao",
            (Self::Other, _) => "Other",
        }
    }
}

/// An article of an official account: `/s`, `/s/…` or `/s?__biz=…`.
fn is_post(url: &Url) -> bool {
    url.path() == "/s" || url.path().starts_with("/s/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_belong_to_their_providers() {
        for (content, expected) in [
            ("https://cli.im", "Caoliao"),
            ("https://qr61.cn/oEuE2E/vJ9AgZUD", "Caoliao"),
            ("https://h5.clewm.net/?url=qr61.cn/oEuE2E/vJ9AgZUD", "Caoliao"),
            ("https://qr46.cn/a/b", "Caoliao"),
            ("https://a.qr61.cn/", "Other"),
            ("HTTPS://QR.ALIPAY.COM/FKX00000000000000000", "Alipay"),
            ("https://qr.alipay.com.example.net/x", "Other"),
            ("alipays://platformapi/startapp?x=1", "Alipay"),
            ("wxp://f2f0AbCdEfGh", "WechatPay"),
            ("weixin://wxpay/bizpayurl?pr=AbCdEfG", "WechatPay"),
            ("weixin://dl/business", "Other"),
            ("https://payapp.weixin.qq.com/x", "WechatPay"),
            ("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUw", "WechatOfficialAccountPost"),
            ("https://mp.weixin.qq.com/s?__biz=MzA4&mid=1&idx=1&sn=0", "WechatOfficialAccountPost"),
            ("https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=x", "Other"),
            ("https://mp.weixin.qq.com/sx", "Other"),
            ("http://weixin.qq.com/q/02TestTempCode1Zz_-xy9", "Other"),
            ("https://item.jd.com/100012043978.html", "JD"),
            ("https://3.cn/1-AbCdEf", "JD"),
            ("https://notjd.com/", "Other"),
            ("openapp.jdmobile://virtual?params=1", "JD"),
            (" https://cli.im/ \n", "Caoliao"),
            ("Hello 世界", "Other"),
            ("", "Other"),
        ] {
            assert_eq!(Provider::of(content).spelled(ProviderSpelling::Table), expected, "{content:?}");
        }
        assert_eq!(Provider::of("https://cli.im").spelled(ProviderSpelling::Example), "caoliao");
    }

    #[test]
    fn a_body_is_json_or_urlencoded() {
        for (body, expected) in [
            (r#"{"url": "https:\/\/example.com\/q.png"}"#, Some("https://example.com/q.png")),
            ("\u{feff} {\"url\":\"x\",\"more\":[1]}\n", Some("x")),
            ("url=https%3A%2F%2Fexample.com%2Fq.png", Some("https://example.com/q.png")),
            (r#"{"url": ""}"#, None),
            (r#"{"url": 1}"#, None),
            (r#"{"url": null}"#, None),
            (r#"{"link": "x"}"#, None),
            (r#"{"url": "x""#, None),
            ("[]", None),
            ("", None),
            ("url=%zz", None),
        ] {
            assert_eq!(ScanUrl::parse(body.as_bytes()).map(|request| request.url).as_deref(), expected, "{body}");
        }
    }
}
