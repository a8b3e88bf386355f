//! The front of the house: a request to a vendor's own name goes to that vendor's door and no other; all others go by path
//! and content, as [`super::root`] has it. Our own pages are there under every name.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::FutureExt;
use tower::Service;

use super::vendor_of;
use crate::intake::{named_host, without_port};

/// Decides by the name that a request was sent to.
#[derive(Clone)]
pub struct Front {
    /// For each vendor, in their order, what answers under its names.
    doors: Arc<[Router]>,
    house: Router,
}

impl Front {
    /// `doors` are in the order of the vendors; `house` answers what goes by path and content.
    pub(super) fn new(doors: Vec<Router>, house: Router) -> Self {
        Self { doors: doors.into(), house }
    }

    /// The same, where `routes` are in the house as well.
    pub(super) fn with(self, routes: Router) -> Self {
        Self { house: self.house.merge(routes), ..self }
    }

    /// The answer to a request.
    pub fn answer(&self, request: Request) -> impl Future<Output = Response> + use<> {
        let (parts, body) = request.into_parts();
        let door = addressee(&parts).and_then(|vendor| self.doors.get(vendor)).unwrap_or(&self.house);
        // A router is always ready.
        door.clone().call(Request::from_parts(parts, body)).map(|Ok(answer)| answer)
    }
}

impl From<Router> for Front {
    /// `house` answers under every name.
    fn from(house: Router) -> Self {
        Self::new(Vec::new(), house)
    }
}

/// The vendor whose name a request was sent to.
fn addressee(parts: &Parts) -> Option<usize> {
    let path = parts.uri.path();
    if path == "/_qrstack" || path.starts_with("/_qrstack/") || path.starts_with("/q/") {
        return None;
    }
    vendor_of(without_port(named_host(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::VENDORS;

    #[test]
    fn a_name_of_a_vendor_decides_and_no_other_does() {
        for (target, host, expected) in [
            ("/cgi-bin/x", "api.weixin.qq.com", Some("wechat")),
            ("/", "MP.weixin.qq.com:443", Some("wechat")),
            ("/cgi-bin/token", "ocr.tencentcloudapi.com", Some("tencent_ocr")),
            ("/", "ocr.ap-guangzhou.tencentcloudapi.com", Some("tencent_ocr")),
            ("/", "cvm.tencentcloudapi.com", None),
            ("/api/v1/x", "b-1250000000.cos.ap-beijing.myqcloud.com", Some("tencent_cos")),
            ("/x", "open.cli.im", Some("cli_im")),
            ("/x", "cli.im", None),
            // Documented: RFC 9112, 3.2.2: an absolute target counts, and not the header beside it.
            ("http://open.cli.im/x", "api.weixin.qq.com", Some("cli_im")),
            ("http://127.0.0.1:8080/x", "api.weixin.qq.com", None),
            ("/_qrstack/livez", "api.weixin.qq.com", None),
            ("/q/abc", "api.weixin.qq.com", None),
            ("/", "127.0.0.1:8080", None),
            ("/", "", None),
        ] {
            let request = Request::builder().uri(target).header("Host", host).body(()).expect(target);
            let found = addressee(&request.into_parts().0).map(|vendor| VENDORS[vendor].name);
            assert_eq!(found, expected, "{host} {target}");
        }
    }
}
