//! Reading `multipart/form-data`: texts, and one file that is text.

use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::{Map, Value};

/// The longest text that is no file, in bytes.
const MAX_TEXT: u64 = 4096;

/// Why a form is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    /// It is larger than it may be.
    #[error("the body is too large")]
    TooLarge,
    /// Its content type is another one.
    #[error("the body is not multipart/form-data")]
    NotForm,
    /// It cannot be parsed.
    #[error("{0}")]
    Malformed(String),
}

impl From<multer::Error> for FormError {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
                Self::TooLarge
            }
            // The text of others may quote the body.
            multer::Error::IncompleteStream => Self::Malformed("it ends in the middle".to_owned()),
            _ => Self::Malformed("it is no multipart/form-data".to_owned()),
        }
    }
}

/// Reads a form as an object of texts. The first of `parts` may be a file of up to `max` bytes; others than those are refused.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    parts: &'static [&'static str],
    max: usize,
) -> Result<Value, FormError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| FormError::NotForm)?;
    let max = max as u64;
    let mut limits = SizeLimit::new().whole_stream(max + 64 * 1024).per_field(MAX_TEXT);
    if let Some(file) = parts.first() {
        limits = limits.for_field(*file, max);
    }
    let constraints = Constraints::new().size_limit(limits);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let mut read = Map::new();
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(name) = parts.iter().find(|part| **part == name) else {
            return Err(FormError::Malformed("it has a part that is not known".to_owned()));
        };
        let bytes = field.bytes().await?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| FormError::Malformed(format!("{name} is not UTF-8")))?;
        if read.insert((*name).to_owned(), Value::String(text.to_owned())).is_some() {
            return Err(FormError::Malformed(format!("{name} is there twice")));
        }
    }
    Ok(Value::Object(read))
}
