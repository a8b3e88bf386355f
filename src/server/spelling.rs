//! The names of headers as the vendors spell them.
//!
//! HTTP compares names without case, and the library keeps them in lower case. On the wire hyper writes a capital after
//! each hyphen, as most servers do, unless an answer carries the spelling of a request that came with other capitals;
//! that is documented for proxies (`preserve_header_case`), and the only way to say it. So one request that spells the
//! vendors' names is read at start, and what hyper remembers of it goes with every answer that has one of them.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Extensions, HeaderName};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

/// Names of headers that leave as their vendor spells them.
pub(super) struct Spelling {
    names: Vec<HeaderName>,
    /// What an answer carries for them.
    learned: Extensions,
}

impl Spelling {
    /// Of these `names`, which are spelled as they leave.
    pub(super) async fn of(names: &[&str]) -> Self {
        let learned = learn(names).await;
        Self { names: names.iter().filter_map(|name| name.parse().ok()).collect(), learned }
    }

    /// Lets the names of an answer leave as they are spelled.
    pub(super) fn spell(&self, answer: &mut Response) {
        if self.names.iter().any(|name| answer.headers().contains_key(name)) {
            answer.extensions_mut().extend(self.learned.clone());
        }
    }
}

/// What hyper remembers of a request whose headers have these `names`.
async fn learn(names: &[&str]) -> Extensions {
    let mut request = "GET / HTTP/1.1\r\n".to_owned();
    for name in names {
        request.extend([*name, ": \r\n"]);
    }
    request.push_str("\r\n");
    let (mut client, server) = tokio::io::duplex(request.len());
    let learned = Arc::new(OnceLock::new());
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let _ = learned.set(request.into_parts().0.extensions);
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    let mut reader = hyper::server::conn::http1::Builder::new();
    reader.preserve_header_case(true).header_read_timeout(None);
    let reading = reader.serve_connection(TokioIo::new(server), service);
    // Neither can fail in memory; without the spelling names leave with their capitals.
    let _ = tokio::join!(reading, async {
        let sent = client.write_all(request.as_bytes()).await;
        drop(client);
        sent
    });
    learned.get().cloned().unwrap_or_default()
}
