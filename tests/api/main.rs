//! Everything over HTTP, against the router in this process: one file a provider.

mod cli_im;
mod control;
mod explain;
mod faults;
mod journal;
mod pictures;
mod readme;
mod replay;
mod scan;
mod server;
#[allow(dead_code, reason = "tests/faults uses the rest")]
mod support;
mod tencent_cos;
mod tencent_ocr;
mod tls;
mod wechat;
