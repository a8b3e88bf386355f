//! qrstack
fn main() {}
