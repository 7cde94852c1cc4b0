//! A tenant log record (contract/log-events.md): data for the tenant, apart from the server's own trace.

pub mod mfa;

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::ids::{ClientId, UserId};

/// Codes whose text names the factor.
const NAMES_FACTOR: &[&str] =
    &["gd_auth_succeed", "gd_auth_failed", "gd_auth_rejected", "gd_enrollment_complete"];

/// What a code says where the event has no words of its own (contract/log-events.md 4 and 5). Some say nothing: their text is empty at
/// Auth0 too.
fn usual_text(code: &str) -> &'static str {
    match code {
        "seacft" => "Authorization Code for Access Token",
        "ferrt" => "Unsuccessful Refresh Token exchange, reused refresh token detected",
        "slo" => "User successfully logged out",
        "mfar" => "Multi-factor authentication required",
        "gd_auth_succeed" => "Guardian - Second factor authentication succeed",
        "gd_auth_failed" => "Guardian - Second factor authentication failed",
        "gd_auth_rejected" => "Guardian - Second factor authentication rejected",
        "gd_start_auth" => "Guardian - Start second factor authentication",
        "gd_start_enroll" => "Guardian - Enrollment started",
        "gd_start_enroll_failed" => "Guardian - Enrollment start failed",
        "gd_enrollment_complete" => "Guardian - Enrollment complete",
        "gd_unenroll" => "Guardian - Unenroll device account",
        "gd_update_device_account" => "Guardian - Update device account",
        "gd_recovery_succeed" => "Guardian - Recovery succeed",
        "gd_recovery_failed" => "Guardian - Recovery failed",
        "gd_otp_rate_limit_exceed" | "gd_recovery_rate_limit_exceed" => "Guardian - Too many failures",
        "gd_tenant_update" => "Guardian - Updates tenant settings",
        _ => "",
    }
}

/// An event that becomes a log record once it has a date and an id.
#[derive(Clone, Debug, Default)]
pub struct LogEvent {
    /// The code: `s`, `fp`, `seacft` …
    pub code: &'static str,
    /// What happened, for people.
    pub description: String,
    /// The application.
    pub client: Option<ClientId>,
    /// The application's name.
    pub client_name: Option<String>,
    /// The user.
    pub user: Option<UserId>,
    /// The user's name; on failed logins what was typed.
    pub user_name: Option<String>,
    /// The connection's name.
    pub connection: Option<String>,
    /// The connection's id.
    pub connection_id: Option<String>,
    /// The audience of token events.
    pub audience: Option<String>,
    /// The scopes of token events, separated by blanks.
    pub scope: Option<String>,
    /// Code-specific details; never a secret.
    pub details: Option<Value>,
    /// How somebody proved who he is, where the path of the request does not say it: in records of second factors.
    pub strategy: Option<&'static str>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Whether an application's own server speaks for the person: then the address is that of many.
    pub of_server: bool,
    /// The end user's address.
    pub ip: Option<String>,
    /// The raw `User-Agent` header.
    pub user_agent: Option<String>,
    /// The host that was asked.
    pub hostname: Option<String>,
    /// The method of the request.
    pub method: Option<String>,
    /// The path of the request as it was sent, without its query.
    pub path: Option<String>,
    /// The decoded `Auth0-Client` header.
    pub auth0_client: Option<Value>,
    /// `X-Correlation-ID`, or `correlation_id` of `/authorize`.
    pub correlation_id: Option<String>,
    /// The raw `Accept-Language` header: what a message to the person speaks unless something says better.
    pub languages: Option<String>,
}

impl LogEvent {
    /// Returns an event of this code and description.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), ..Self::default() }
    }

    /// Returns the text of the record: the event's own, or what its code always says.
    pub fn text(&self) -> Cow<'_, str> {
        if !self.description.is_empty() {
            return Cow::Borrowed(&self.description);
        }
        let text = usual_text(self.code);
        if !NAMES_FACTOR.contains(&self.code) {
            return Cow::Borrowed(text);
        }
        let factor = self.details.as_ref().and_then(|details| details.pointer("/authenticator/type"));
        match factor.and_then(Value::as_str) {
            Some(factor) => Cow::Owned(format!("{text} ({factor})")),
            None => Cow::Borrowed(text),
        }
    }

    /// Adds the user.
    #[must_use]
    pub fn user(mut self, id: &UserId, name: &str) -> Self {
        self.user = Some(id.clone());
        self.user_name = Some(name.to_owned());
        self
    }

    /// Adds the application.
    #[must_use]
    pub fn client(mut self, id: &ClientId, name: &str) -> Self {
        self.client = Some(id.clone());
        self.client_name = Some(name.to_owned());
        self
    }

    /// Adds where the request came from.
    #[must_use]
    pub fn from(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        self
    }

    /// Adds code-specific details.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds what went wrong, where `error` is all that the details have to tell (contract/log-events.md 3.4).
    #[must_use]
    pub fn error(self, message: &str) -> Self {
        self.details(json!({"error": {"message": message}}))
    }

    /// Returns the details of the wire.
    pub fn wire_details(&self) -> Option<Cow<'_, Value>> {
        if self.code.starts_with("gd_") && self.code != "gd_tenant_update" {
            return Some(Cow::Owned(mfa::details(self)));
        }
        self.details.as_ref().map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_without_words_says_what_its_code_says_with_the_factor() {
        let event = LogEvent::new("gd_auth_succeed", "").details(json!({"authenticator": {"type": "totp"}}));
        assert_eq!(event.text(), "Guardian - Second factor authentication succeed (totp)");
        assert_eq!(
            LogEvent::new("gd_auth_failed", "").text(),
            "Guardian - Second factor authentication failed"
        );
        assert_eq!(LogEvent::new("gd_auth_failed", "why").text(), "why");
        assert_eq!(LogEvent::new("ss", "").text(), "");
    }

    #[test]
    fn a_record_of_a_second_factor_tells_the_request_the_authenticator_and_what_failed() {
        let origin = Origin {
            method: Some("POST".to_owned()),
            path: Some("/u/mfa-otp-challenge".to_owned()),
            user_agent: Some("Mozilla/5.0".to_owned()),
            ip: Some("203.0.113.24".to_owned()),
            ..Origin::default()
        };
        let user = UserId::parse("auth0|ana").unwrap();
        let about = json!({"authenticator": {"id": "totp|dev_1", "type": "totp", "phone_number": null}, "note": "odd"});
        let event = LogEvent::new("gd_auth_failed", "").user(&user, "ana").details(about).from(&origin);
        assert_eq!(
            *event.wire_details().unwrap(),
            json!({
                "request": {
                    "method": "POST", "path": "/u/mfa-otp-challenge", "query": {}, "userAgent": "Mozilla/5.0",
                    "ip": "203.0.113.24", "body": {"code": "********"},
                    "auth": {"subject": null, "strategy": "universal_login", "scopes": []},
                },
                "response": {"statusCode": null, "body": {}},
                "authenticator": {"id": "totp|dev_1", "type": "totp", "phone_number": null},
                "enrollment": {"_id": "dev_1", "identifier": null, "name": null, "phone_number": null,
                               "tenant": "lockstep", "user_id": "auth0|ana"},
                "session_id": null, "first_factor": false, "note": "odd",
                "failure_details": {"errorCode": "invalid_otp", "message": "Invalid OTP code"},
            })
        );
        let at_the_api = |path: &str, strategy| {
            let origin = Origin { path: Some(path.to_owned()), ..origin.clone() };
            let event = LogEvent { strategy, ..LogEvent::new("gd_auth_succeed", "").from(&origin) };
            event.wire_details().unwrap()["request"]["auth"]["strategy"].clone()
        };
        for (path, strategy) in [
            ("/oauth/token", "mfa_token"),
            ("/u/enroll", "ticket"),
            ("/me/v1/authentication-methods", "access_token"),
        ] {
            assert_eq!(at_the_api(path, None), strategy);
        }
        assert_eq!(at_the_api("/mfa/associate", Some("access_token")), "access_token");
        assert_eq!(LogEvent::new("limit_wc", "").wire_details(), None);
    }
}
