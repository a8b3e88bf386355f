//! Writes the seeds of every target into `fuzz/corpus/<target>/`, where the fuzzer begins.

use std::path::Path;

fn main() -> std::io::Result<()> {
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
