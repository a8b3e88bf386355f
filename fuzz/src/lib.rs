//! What all fuzz targets share: the targets themselves, which the tests of the program replay on their seeds, and the hook
//! that tells our panics from those of a decoder, which are caught and count as nothing found.

pub mod targets;

use std::sync::Once;

/// The sources whose panics do not reach our callers.
const CAUGHT: [&str; 2] = ["/rxing-", "/zune-jpeg-"];

/// Makes every panic the end of the process, but those inside `rxing` and the JPEG decoder: the reader and the loader catch
/// these, by design.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let caught = |file: &str| CAUGHT.iter().any(|decoder| file.contains(decoder));
            if !panic.location().is_some_and(|place| caught(place.file())) {
                end(panic);
                std::process::abort();
            }
        }));
    });
}
