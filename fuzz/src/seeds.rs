//! Writes the seeds of every target into `fuzz/corpus/<target>/`, where the fuzzer begins. A fuzzer itself, that ends
//! before it begins: what is instrumented links with nothing but libFuzzer.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(init: write_and_end(), |_data: &[u8]| {});

fn write_and_end() {
    write().expect("the folders of the corpus can be written");
    std::process::exit(0)
}

fn write() -> std::io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in qrstack_fuzz::targets::ALL {
        let folder = fuzz.join("corpus").join(name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in qrstack_fuzz::targets::seeds(&fuzz.join("../fixtures"), name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}
