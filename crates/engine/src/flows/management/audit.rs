//! The audit trail: `sapi`, `fapi` and `mgmt_api_read` records (contract/log-events.md 3.3). Secrets never get into one.

use lockstep_core::model::log_event::LogEvent;
use serde_json::{Map, Value, json};

use super::Call;

/// What a request asked and what it was answered.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// The operation's title: `Create a User`.
    pub title: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The raw query string.
    pub query: Option<&'a str>,
    /// The body.
    pub body: Option<&'a Value>,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: Option<&'a Value>,
    /// The secrets that a GET gave away.
    pub secrets: &'a [&'static str],
}

/// Writes what the audit trail has to know of an exchange, if anything.
pub fn record(call: &Call, exchange: &Exchange<'_>) {
    let read = exchange.method == "GET";
    let success = exchange.status < 300;
    let code = match (read, success) {
        (true, true) if !exchange.secrets.is_empty() => "mgmt_api_read",
        (true, _) => return,
        (false, true) => "sapi",
        (false, false) => "fapi",
    };
    let user = call.caller.user.as_ref().map_or_else(|| json!({}), |user| json!({"user_id": user}));
    let mut details = json!({
        "request": {
            "auth": {
                "credentials": {"jti": call.caller.jti, "scopes": call.caller.scopes},
                "strategy": "jwt", "user": user
            },
            "method": exchange.method.to_lowercase(), "path": exchange.path, "query": query(exchange.query),
            "body": exchange.body.map_or_else(|| json!({}), masked), "channel": "api",
            "ip": call.origin.ip, "userAgent": call.origin.user_agent
        },
        "response": {"statusCode": exchange.status, "body": exchange.answer.map_or_else(|| json!({}), masked)}
    });
    if code == "mgmt_api_read" {
        details["accessedSecrets"] = json!(exchange.secrets);
        // The answer of a read is what the record exists to protect.
        details["response"]["body"] = json!({});
    }
    let mut event = LogEvent::new(code, exchange.title).from(&call.origin).details(details);
    event.origin.hostname = None;
    event.client = Some(call.caller.client.clone());
    event.client_name = Some(String::new());
    event.user.clone_from(&call.caller.user);
    call.app.log(&call.env, &event);
}

/// Properties whose value is a secret, or opens a door.
const SECRET: &[&str] = &[
    "client_secret",
    "auth_token",
    "skey",
    "aws_secret_access_key",
    "server_key",
    "server_credentials",
    "p12",
    "totp_secret",
    "recovery_code",
    "pem",
    "signing_secret",
    "secret",
    "api_key",
    "private_key",
    "encryption_key",
    "key",
    "access_token",
    "refresh_token_value",
    "ticket_id",
    "ticket_url",
    "ticket",
    "token",
    "link_with",
    "httpAuthorization",
    "password_hash",
    "custom_password_hash",
    "smtp_pass",
    "credentials",
    "configuration",
    "client_secrets",
    "secrets",
    "sink",
    "code",
];

/// Returns a body with the values of secrets replaced.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, inner)| {
                    let shown = match name.as_str() {
                        "password" if !inner.is_object() => json!("*****"),
                        name if SECRET.contains(&name) && !inner.is_null() => hidden(name, inner),
                        _ => masked(inner),
                    };
                    (name.clone(), shown)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}

/// Lists of references (`credentials: [{"id"}]`) are looked into; everything else is hidden.
fn hidden(name: &str, value: &Value) -> Value {
    match value {
        Value::Array(_) if name == "credentials" => masked(value),
        _ => json!("[REDACTED]"),
    }
}

fn query(raw: Option<&str>) -> Value {
    let pairs = url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
    Value::Object(pairs.map(|(k, v)| (k.into_owned(), Value::String(v.into_owned()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_gets_into_a_record() {
        let body = json!({
            "email": "ana@example.com", "password": "hunter2", "deep": [{"client_secret": "s3"}],
            "options": {"configuration": {"API": "s4"}, "authentication_methods": {"password": {"enabled": true}}},
            "client_authentication_methods": {"private_key_jwt": {"credentials": [{"id": "cred_1", "pem": "s5"}]}},
            "totp_secret": "s6", "recovery_code": "s7", "ticket_url": "s8"
        });
        let text = masked(&body).to_string();
        for secret in ["hunter2", "s3", "s4", "s5", "s6", "s7", "s8"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(masked(&body)["password"], "*****");
        assert_eq!(masked(&body)["options"]["authentication_methods"]["password"]["enabled"], true);
        assert!(text.contains("ana@example.com") && text.contains("cred_1"));
    }
}
