//! `multipart/form-data` as every SDK writes it: parts in order, with or without file name and type.

use axum::body::Bytes;
use futures_util::{FutureExt, stream};
use thiserror::Error;

/// Parts that one form may have; real ones have a handful.
const MAX_PARTS: usize = 64;

/// One part of a form.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name; empty where it has none.
    pub name: String,
    /// Whether the part has a file name.
    pub has_file_name: bool,
    /// Its own content type, without parameters, lower-case; empty where it has none.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Why a form could not be read.
#[derive(Debug, Error)]
pub enum FormError {
    /// The content type names no boundary.
    #[error("the content type has no boundary")]
    NoBoundary,
    /// The body does not follow the boundary, ends too early, or has broken part headers.
    #[error("the form is broken: {0}")]
    Broken(String),
    /// More parts than anybody needs.
    #[error("the form has more than {MAX_PARTS} parts")]
    TooManyParts,
}

/// The parts of a form whose body is already here and bounded. `content_type` is the whole header.
///
/// # Errors
/// Where the form cannot be read to its end.
pub fn parts(content_type: &str, body: Bytes) -> Result<Vec<Part>, FormError> {
    // Nothing waits, since the whole body is here.
    let read = read(content_type, body).now_or_never();
    read.unwrap_or_else(|| Err(FormError::Broken("it does not end".to_owned())))
}

async fn read(content_type: &str, body: Bytes) -> Result<Vec<Part>, FormError> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| FormError::NoBoundary)?;
    let whole = stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        if parts.len() == MAX_PARTS {
            return Err(FormError::TooManyParts);
        }
        let name = field.name().unwrap_or_default().to_owned();
        let has_file_name = field.file_name().is_some();
        let content_type = crate::intake::content_type(field.headers());
        let bytes = field.bytes().await.map_err(|error| broken(&error))?;
        parts.push(Part { name, has_file_name, content_type, bytes });
    }
    Ok(parts)
}

fn broken(error: &multer::Error) -> FormError {
    FormError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    #[test]
    fn parts_keep_their_order_names_and_types() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz\r\n\
                    Content-Type: image/PNG; q=1\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f\"\r\n\r\n\0\x01\r\n--xyz--\r\n";
        let parts = parts(TYPE, Bytes::from_static(body.as_bytes())).expect("a form");
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), parts[0].has_file_name, parts[0].bytes.as_ref()), ("a", false, &b"1"[..]));
        assert_eq!((parts[1].content_type.as_str(), parts[1].has_file_name), ("image/png", true));
    }

    #[test]
    fn an_unfinished_form_is_broken() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";
        assert!(matches!(parts(TYPE, Bytes::from_static(body.as_bytes())), Err(FormError::Broken(_))));
        assert!(matches!(parts("multipart/form-data", Bytes::new()), Err(FormError::NoBoundary)));
    }

    #[test]
    fn nobody_needs_that_many_parts() {
        let part = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        let body = part.repeat(MAX_PARTS + 1) + "--xyz--\r\n";
        assert!(matches!(parts(TYPE, Bytes::from(body)), Err(FormError::TooManyParts)));
    }
}
