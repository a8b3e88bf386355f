//! The doors: one folder a vendor, each with the same rooms. No door knows another.
//!
//! | room | holds |
//! |---|---|
//! | `mod.rs` | what the vendor documents, what is honoured, ignored and refused; its [`Vendor`](crate::vendor::Vendor) |
//! | `routes.rs` | one handler an operation |
//! | `wire.rs` | what is on the wire, and conversions from and to `codec` |
//! | `auth.rs` | credentials and signatures |
//! | `error.rs` | every answer the vendor can give, in one table |
//! | `example.rs` | freshly signed commands for `qrstack example` |
//!
//! To read first: `cli_im`, the smallest.

pub mod cli_im;
pub mod tencent_cos;
pub mod tencent_ocr;
pub mod wechat;
