//! A command for `qrstack example`.

use super::SAMPLE_PICTURE;
use crate::shell;
use crate::vendor::{Example, ExampleContext};

pub(super) const SCAN_URL: Example =
    Example { name: "cli-im", about: "read the QR code behind a picture address", command: scan_url };

fn scan_url(context: &ExampleContext<'_>) -> String {
    let key = context.config.cli_im_keys.first().map(crate::secret::Secret::expose).unwrap_or_default();
    format!(
        "curl -s {}/api/v1/qrcode/scan_url \\\n  -H {} \\\n  -H 'Content-Type: application/json' \\\n  -d {}",
        context.base,
        shell::word(&format!("Authorization: Bearer {key}")),
        shell::word(&format!(r#"{{"url": "{SAMPLE_PICTURE}"}}"#)),
    )
}
