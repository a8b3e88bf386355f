//! The parameters of `qrcode-generate`, and the picture that they ask for.

use super::super::error::Error;
use super::target::{QRCODE_CONTENT, Target};
use crate::codec::{Matrix, encode, render};

/// Bytes of text, and width in pixels, that are drawn where the request is handled: a few milliseconds even in an
/// unoptimised build, where a long text or a large picture takes tens. So short ones are served while all threads read.
const SMALL: (usize, u32) = (64, 512);

/// White modules around a QR Code, by its standard. Where that leaves less than a pixel a module, fewer.
const QUIET_QR: u32 = 4;
/// White modules left and right of a bar code, by its standard.
const QUIET_BARS: u32 = 10;
/// The fewest white modules that still set a code apart.
const QUIET_LEAST: u32 = 1;

/// The parameters of `qrcode-generate`.
///
/// Documented: "Generating Image QR Codes", request parameters. Assumed: the bounds of `width`.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct QrcodeGenerate {
    /// `qrcode-content`: the text, taken literally.
    content: String,
    /// `mode`.
    mode: Mode,
    /// `width` of the picture in pixels.
    width: u32,
}

/// A picture that was drawn.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Picture {
    /// The file.
    pub(in super::super) png: Vec<u8>,
    /// What became of its width, if that is another than was asked for.
    pub(in super::super) widened: Option<Widened>,
}

/// Widths in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Widened {
    asked: u32,
    drawn: u32,
}

impl Widened {
    /// Tells whoever reads the log.
    pub(in super::super) fn log(self) {
        tracing::info!(asked = self.asked, drawn = self.drawn, "a picture is wider than asked for");
    }
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// 0: a QR Code. Also where the parameter is absent or empty.
    Qr,
    /// 1: a bar code. Assumed: Code 128, the only common one that takes any ASCII text.
    Bars,
}

impl QrcodeGenerate {
    /// Reads the parameters; of a repeated one the last counts.
    pub(in super::super) fn parse(target: &Target<'_>, max_width: u32) -> Result<Self, Error> {
        let content = target.last(QRCODE_CONTENT).filter(|text| !text.is_empty()).ok_or(Error::InvalidContent)?;
        let mode = match target.last("mode") {
            None | Some("" | "0") => Mode::Qr,
            Some("1") => Mode::Bars,
            Some(_) => return Err(Error::InvalidMode),
        };
        let width = target.last("width").and_then(|text| width(text, max_width)).ok_or(Error::InvalidWidth)?;
        Ok(Self { content: content.to_owned(), mode, width })
    }

    /// Whether drawing takes too little time to be worth a thread.
    pub(in super::super) fn is_small(&self) -> bool {
        self.content.len() <= SMALL.0 && self.width <= SMALL.1
    }

    /// Bytes that drawing takes at most, about: a bit a pixel, since the compressor is given all rows at once, and a
    /// mebibyte for modules, the row of each band, and the file.
    pub(in super::super) fn memory(&self) -> u64 {
        u64::from(self.width) * u64::from(self.width) / 8 + (1 << 20)
    }

    /// Everything that the picture depends on, in one text.
    pub(in super::super) fn key(&self) -> String {
        let mode = match self.mode {
            Mode::Qr => "qr",
            Mode::Bars => "bars",
        };
        [mode, " ", &self.width.to_string(), " ", &self.content].concat()
    }

    /// The picture. It has exactly the width asked for wherever whole modules fit; otherwise it is wider, or refused where
    /// `strict`.
    pub(in super::super) fn draw(&self, strict: bool) -> Result<Picture, Error> {
        let (matrix, quiet) = self.matrix()?;
        let layout = render::fit(&matrix, self.width, quiet, QUIET_LEAST);
        if layout.widened && strict {
            return Err(Error::WidthTooSmall);
        }
        let bitmap = render::place(&matrix, layout.module_px, layout.width_px, layout.height_px);
        let widened = layout.widened.then_some(Widened { asked: self.width, drawn: layout.width_px });
        Ok(Picture { png: render::png(&bitmap), widened })
    }

    /// The modules, and how many white ones belong beside them.
    fn matrix(&self) -> Result<(Matrix, u32), Error> {
        match self.mode {
            Mode::Qr => Ok((encode::qr(&self.content, &encode::QrOptions::default())?, QUIET_QR)),
            Mode::Bars => Ok((encode::code128(&self.content)?, QUIET_BARS)),
        }
    }
}

/// Digits alone: no sign, no space, no fraction; zeros in front do not count.
fn width(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let width = if digits { text.parse().ok() } else { None };
    width.filter(|width| (1..=max).contains(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<QrcodeGenerate, Error> {
        let uri = format!("/?{query}").parse().expect("a target");
        QrcodeGenerate::parse(&Target::parse(&uri)?, 4096)
    }

    #[test]
    fn parameters_have_their_defaults_and_bounds() {
        let asks = |content: &str, mode, width| Ok(QrcodeGenerate { content: content.to_owned(), mode, width });
        for (query, expected) in [
            ("qrcode-content=a&width=1", asks("a", Mode::Qr, 1)),
            ("qrcode-content=a&width=4096&mode=", asks("a", Mode::Qr, 4096)),
            ("qrcode-content=%3Ca%3E&width=0200&mode=0", asks("<a>", Mode::Qr, 200)),
            ("qrcode-content=+&width=7&mode=1", asks(" ", Mode::Bars, 7)),
            ("qrcode-content=a&qrcode-content=b&width=1&width=2", asks("b", Mode::Qr, 2)),
            ("width=1", Err(Error::InvalidContent)),
            ("qrcode-content=&width=1", Err(Error::InvalidContent)),
            ("qrcode-content", Err(Error::InvalidContent)),
            ("QRCODE-content=a&width=1", Err(Error::InvalidContent)),
            ("qrcode-content=a&width=1&mode=2", Err(Error::InvalidMode)),
            ("qrcode-content=a&width=1&mode=00", Err(Error::InvalidMode)),
            ("qrcode-content=a&width=1&mode=1.0", Err(Error::InvalidMode)),
            ("qrcode-content=a", Err(Error::InvalidWidth)),
        ] {
            assert_eq!(parse(query), expected, "{query}");
        }
        for width in
            ["", "0", "000", "4097", "-1", "%2B1", "+1", "1+", "1.5", "1e2", "0x10", "99999999999", "٣", "200px"]
        {
            assert_eq!(parse(&format!("qrcode-content=a&width={width}")), Err(Error::InvalidWidth), "{width:?}");
        }
    }

    #[test]
    fn a_setting_refuses_what_would_be_wider_than_asked_for() {
        // A short text has 21 modules: 23 pixels hold it with one module of white on each side.
        for (width, strict, expected) in
            [(23, true, Ok(23)), (22, true, Err(Error::WidthTooSmall)), (22, false, Ok(29)), (1, false, Ok(29))]
        {
            let asked = QrcodeGenerate { content: "a".to_owned(), mode: Mode::Qr, width };
            let drawn =
                asked.draw(strict).map(|Picture { png, .. }| u32::from_be_bytes([png[16], png[17], png[18], png[19]]));
            assert_eq!(drawn, expected, "{width} {strict}");
        }
    }

    #[test]
    fn what_does_not_fit_a_code_is_refused() {
        let draw = |content: String, mode| QrcodeGenerate { content, mode, width: 300 }.draw(false).map(drop);
        for (content, mode, expected) in [
            ("a".repeat(2953), Mode::Qr, Ok(())),
            ("a".repeat(2954), Mode::Qr, Err(Error::ContentTooLong)),
            ("你".repeat(984), Mode::Qr, Ok(())),
            ("你".repeat(985), Mode::Qr, Err(Error::ContentTooLong)),
            ("\0\u{7f}\t~".to_owned(), Mode::Bars, Ok(())),
            ("a".repeat(80), Mode::Bars, Ok(())),
            ("a".repeat(81), Mode::Bars, Err(Error::ContentTooLong)),
            ("é".to_owned(), Mode::Bars, Err(Error::ContentNotAscii)),
        ] {
            assert_eq!(draw(content.clone(), mode), expected, "{} bytes, {mode:?}", content.len());
        }
    }
}
