//! Hands batches of log records to an operator's own HTTP endpoint (contract/management-api.md 15, streams of type `http`).

use lockstep_core::model::document::Document;
use lockstep_core::model::log_stream::format_batch;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::http_client;

/// Headers that are not an operator's to set: they say how the exchange itself goes.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Returns whether a name can be that of a custom header.
pub fn is_header_name(name: &str) -> bool {
    HeaderName::try_from(name).is_ok_and(|name| !RESERVED.contains(&name.as_str()))
}

/// Returns whether a text can be the value of a header.
pub fn is_header_value(text: &str) -> bool {
    HeaderValue::try_from(text).is_ok()
}

/// Posts a batch. `private`: whether private networks and plain http are allowed. The error says why it was not taken, without the
/// address and what it may hold.
pub async fn send(sink: &Document, envelopes: &[Value], private: bool) -> Result<(), String> {
    let url = sink.text("httpEndpoint").unwrap_or_default();
    let client = http_client::client(url, private).map_err(|error| error.to_string())?;
    let format = sink.text("httpContentFormat").unwrap_or("JSONLINES");
    let answer = client
        .post(url)
        .headers(headers(sink)?)
        .body(format_batch(format, envelopes))
        .send()
        .await
        .map_err(|error| http_client::unreachable(error).to_string())?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answered {}", status.as_u16())),
    }
}

fn headers(sink: &Document) -> Result<HeaderMap, String> {
    let value = |text: &str| {
        HeaderValue::try_from(text).map_err(|_| "a header has characters that it cannot have".to_owned())
    };
    let mut all = HeaderMap::new();
    for one in sink.at("httpCustomHeaders").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = HeaderName::try_from(text("header"))
            .map_err(|_| "a header has no name that it can have".to_owned())?;
        if !RESERVED.contains(&name.as_str()) {
            all.append(name, value(text("value"))?);
        }
    }
    all.insert(CONTENT_TYPE, value(sink.filled("httpContentType").unwrap_or("application/json"))?);
    if let Some(authorization) = sink.filled("httpAuthorization") {
        all.insert(AUTHORIZATION, value(authorization)?);
    }
    Ok(all)
}
