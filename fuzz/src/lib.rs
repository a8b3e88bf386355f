//! What all fuzz targets share: the targets themselves, which the tests of the program replay on their seeds, and the hook
//! that tells our panics from those of a decoder, which are caught and count as nothing found.

pub mod targets;

use std::sync::Once;

/// Makes every panic the end of the process, but those inside `rxing`: the reader catches these, by design.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/rxing-")) {
                end(panic);
                std::process::abort();
            }
        }));
    });
}
