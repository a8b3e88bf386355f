//! Signs requests as the SDKs do, step by step and without the server's own code.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qrstack::signing::{hmac_sha1, hmac_sha256, percent_encode, sha256_hex};

use crate::support::{NOW, request};

pub const ID: &str = "AKIDEMUexample0123456789ABCDEFGHIJKL";
pub const KEY: &str = "EMUsecretExampleKey0123456789abcdefg";
pub const HOST: &str = "127.0.0.1:8080";

/// A call with TC3-HMAC-SHA256.
#[derive(Clone)]
pub struct Tc3 {
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// What is signed as the path; the target's own where it is empty.
    pub signed_path: &'static str,
    /// What is signed as the host.
    pub signed_host: &'static str,
    pub id: &'static str,
    pub key: &'static str,
    pub service: &'static str,
    pub timestamp: String,
    pub date: &'static str,
    pub content_type: String,
    pub signed_headers: &'static str,
    /// All other headers; a header that stands there twice counts as the last says.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Tc3 {
    /// A `POST` of JSON, as every SDK sends it by default.
    pub fn post(action: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: Method::POST,
            target: "/".to_owned(),
            signed_path: "",
            signed_host: HOST,
            id: ID,
            key: KEY,
            service: "ocr",
            timestamp: NOW.to_string(),
            date: "2023-11-14",
            content_type: "application/json".to_owned(),
            signed_headers: "content-type;host",
            headers: vec![
                ("Host", HOST.to_owned()),
                ("X-TC-Action", action.to_owned()),
                ("X-TC-Version", "2018-11-19".to_owned()),
                ("X-TC-Region", "ap-guangzhou".to_owned()),
            ],
            body: body.into(),
        }
    }

    /// A `GET` with the parameters in the query.
    pub fn get(action: &str, query: &str) -> Self {
        Self {
            method: Method::GET,
            target: format!("/?{query}"),
            content_type: "application/x-www-form-urlencoded".to_owned(),
            ..Self::post(action, "")
        }
    }

    /// With one header more, or another value of one.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// The header `Authorization`.
    pub fn authorization(&self) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let path = if self.signed_path.is_empty() { path } else { self.signed_path };
        let mut headers = String::new();
        for name in self.signed_headers.split(';') {
            let value = match name {
                "host" => self.signed_host,
                "content-type" => &self.content_type,
                _ => {
                    let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    found.map_or("", |(_, value)| value)
                }
            };
            headers.extend([name, ":", value, "\n"]);
        }
        let unsigned = self.headers.iter().any(|(_, value)| value == "UNSIGNED-PAYLOAD");
        let payload = if unsigned { b"UNSIGNED-PAYLOAD" } else { self.body.as_slice() };
        let canonical =
            format!("{}\n{path}\n{query}\n{headers}\n{}\n{}", self.method, self.signed_headers, sha256_hex(payload));
        let scope = format!("{}/{}/tc3_request", self.date, self.service);
        let string = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{}", self.timestamp, sha256_hex(canonical.as_bytes()));
        let day = hmac_sha256(format!("TC3{}", self.key).as_bytes(), self.date.as_bytes());
        let signing = hmac_sha256(&hmac_sha256(&day, self.service.as_bytes()), b"tc3_request");
        format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.id,
            self.signed_headers,
            hex::encode(hmac_sha256(&signing, string.as_bytes()))
        )
    }

    pub fn sign(self) -> Request<Body> {
        let authorization = self.authorization();
        self.header("Authorization", authorization).unsigned()
    }

    /// Without `Authorization`, unless a header gives one.
    pub fn unsigned(self) -> Request<Body> {
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("Content-Type", &self.content_type));
        headers.push(("X-TC-Timestamp", &self.timestamp));
        request(self.method.clone(), &self.target, &headers, self.body.clone())
    }
}

/// A call with HmacSHA1 or HmacSHA256.
#[derive(Clone)]
pub struct V1 {
    pub method: Method,
    pub path: &'static str,
    pub key: &'static str,
    pub content_type: &'static str,
    /// In the order in which they are sent.
    pub parameters: Vec<(&'static str, String)>,
}

impl V1 {
    pub fn new(method: Method, action: &str, parameters: &[(&'static str, &str)]) -> Self {
        let mut all: Vec<_> = parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        all.extend([
            ("Action", action.to_owned()),
            ("Nonce", "1234567890123456789".to_owned()),
            ("Timestamp", NOW.to_string()),
            ("Version", "2018-11-19".to_owned()),
            ("Region", "ap-guangzhou".to_owned()),
            ("SecretId", ID.to_owned()),
            ("SignatureMethod", "HmacSHA256".to_owned()),
        ]);
        Self { method, path: "/", key: KEY, content_type: "application/x-www-form-urlencoded", parameters: all }
    }

    /// With one parameter more, or another value of one.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value.to_owned()));
        self
    }

    /// Without a parameter.
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(known, _)| *known != name);
        self
    }

    pub fn sign(self) -> Request<Body> {
        let mut sorted = self.parameters.clone();
        sorted.sort();
        let joined: Vec<_> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let source = format!("{}{HOST}{}?{}", self.method, self.path, joined.join("&"));
        let sha256 = self.parameters.iter().any(|(_, value)| value == "HmacSHA256");
        let hmac = if sha256 { hmac_sha256 } else { hmac_sha1 };
        let signature = BASE64_STANDARD.encode(hmac(self.key.as_bytes(), source.as_bytes()));
        self.with("Signature", &signature).unsigned()
    }

    /// A `POST` of JSON whose common parameters stand in the query, as no SDK sends it.
    pub fn json_and_query() -> Request<Body> {
        let target = format!("/?Action=QueryBarCode&Version=2018-11-19&SecretId={ID}");
        request(Method::POST, &target, &[("Host", HOST), ("Content-Type", "application/json")], "{}")
    }

    /// Without `Signature`, unless a parameter gives one.
    pub fn unsigned(self) -> Request<Body> {
        let pairs: Vec<_> =
            self.parameters.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
        let encoded = pairs.join("&");
        let headers = [("Host", HOST), ("Content-Type", self.content_type)];
        if self.method == Method::GET {
            request(Method::GET, &format!("{}?{encoded}", self.path), &headers, "")
        } else {
            request(self.method, self.path, &headers, encoded)
        }
    }
}
