//! What COS has on the wire: the target of a request ([`Target`]), the parameters of `qrcode-generate`
//! ([`QrcodeGenerate`]), the frame of every answer ([`Frame`]).

mod answer;
mod picture;
mod target;

pub(super) use answer::{Frame, Server, Success};
pub(super) use picture::{QrcodeGenerate, Widened};
pub(super) use target::{CI_PROCESS, QRCODE_CONTENT, Target, check_bucket};
