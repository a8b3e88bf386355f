//! Everything over HTTP, against the router in this process: one file a provider.

mod cli_im;
mod readme;
mod replay;
mod server;
// The faults use more of it.
#[allow(dead_code, reason = "each test program needs a part")]
mod support;
mod tencent_cos;
mod tencent_ocr;
mod wechat;
