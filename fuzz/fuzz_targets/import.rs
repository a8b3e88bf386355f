//! Feeds `targets::import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    qrstack_fuzz::prepare();
    qrstack_fuzz::targets::import(data);
});
