//! What can go wrong in the workshop, with the numbers. No status, no vendor code, no advice.

use thiserror::Error;

/// Why bytes did not become grey pixels.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There are no bytes.
    #[error("the picture is empty")]
    Empty,
    /// More bytes than the limit.
    #[error("the picture has {found} bytes, the limit is {limit}")]
    TooManyBytes {
        /// The limit in bytes.
        limit: usize,
        /// The bytes received.
        found: usize,
    },
    /// The header announces a longer side than the limit.
    #[error("the picture is {width} × {height}, the limit is {limit} pixels a side")]
    SideTooLong {
        /// The limit in pixels.
        limit: u32,
        /// Width from the header.
        width: u32,
        /// Height from the header.
        height: u32,
    },
    /// The header announces more pixels than the limit.
    #[error("the picture has {found} pixels, the limit is {limit}")]
    TooManyPixels {
        /// The limit in pixels.
        limit: u64,
        /// Width × height from the header.
        found: u64,
    },
    /// Not PNG, JPEG, GIF, WebP or BMP.
    #[error("not a picture format that is read here")]
    UnknownFormat,
    /// The format is known, the data is broken.
    #[error("broken {format} data: {reason}")]
    Broken {
        /// Name of the format.
        format: &'static str,
        /// The decoder's words.
        reason: String,
    },
}

/// Why text did not become modules.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// There is nothing to encode.
    #[error("the text is empty")]
    Empty,
    /// The text does not fit the largest symbol.
    #[error("the text is too long: {found}, the limit is {limit}")]
    TooLong {
        /// The limit: bytes for QR Code, characters for the others.
        limit: usize,
        /// What was given.
        found: usize,
    },
    /// A character that the symbology cannot carry.
    #[error("the symbology has no {character:?}")]
    NoSuchCharacter {
        /// The first such character.
        character: char,
    },
}
