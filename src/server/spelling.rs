//! The names of headers as the vendors spell them.
//!
//! HTTP compares names without case, and the library keeps them in lower case. On the wire hyper writes a capital after
//! each hyphen, as most servers do, unless an answer carries the spelling of a request that came with other capitals;
//! that is documented for proxies (`preserve_header_case`), and the only way to say it. So one request that spells the
//! vendors' names is read at start, and what hyper remembers of it goes with every answer.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::Extensions;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

/// What an answer carries so that these `names` leave as they are spelled here.
pub(super) async fn learn(names: impl IntoIterator<Item = &str>) -> Extensions {
    let request: String = names.into_iter().map(|name| format!("{name}: \r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\n{request}\r\n");
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
