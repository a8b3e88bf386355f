//! Feeds `targets::query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    qrstack_fuzz::prepare();
    qrstack_fuzz::targets::query(data);
});
