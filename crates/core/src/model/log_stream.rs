//! Log streams: which records go out, and what of them (contract/log-events.md 10, contract/management-api.md 15).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::document::Document;
use crate::crypto::xxhash::xxh64;
use crate::ids::LogStreamId;
use crate::time::Timestamp;

/// The categories of events by which a stream is filtered, each with its codes. What is in none of them is `other`.
const CATEGORIES: &[(&str, &[&str])] = &[
    ("auth.login.fail", &["f", "fc", "fco", "fcoa", "fens", "fp", "fu"]),
    ("auth.login.notification", &["w", "scv"]),
    ("auth.login.success", &["s", "scoa", "sens", "sdel"]),
    (
        "auth.logout.fail",
        &["flo", "oidc_backchannel_logout_failed", "federated_logout_failed", "universal_logout_failed"],
    ),
    ("auth.logout.success", &["slo", "oidc_backchannel_logout_succeeded", "universal_logout_succeeded"]),
    ("auth.signup.fail", &["fs"]),
    ("auth.signup.success", &["ss"]),
    ("auth.silent_auth.fail", &["fsa", "fdelsa"]),
    ("auth.silent_auth.success", &["ssa", "sdelsa"]),
    (
        "auth.token_exchange.fail",
        &[
            "feacft",
            "feccft",
            "fede",
            "feoobft",
            "feotpft",
            "fepft",
            "fepotpft",
            "fercft",
            "ferrt",
            "fertft",
            "fecte",
            "ciba_exchange_failed",
            "idjag_exchange_failed",
            "jwt_bearer_exchange_failed",
            "fdeleacft",
            "failed_on_behalf_of_token_exchange",
        ],
    ),
    (
        "auth.token_exchange.success",
        &[
            "seacft",
            "seccft",
            "sede",
            "seoobft",
            "seotpft",
            "sepft",
            "sepkoobft",
            "sepkotpft",
            "sepkrcft",
            "sercft",
            "sertft",
            "secte",
            "seta",
            "feta",
            "ciba_exchange_succeeded",
            "idjag_exchange_succeeded",
            "sdeleacft",
            "success_on_behalf_of_token_exchange",
        ],
    ),
    ("management.fail", &["fapi"]),
    ("management.success", &["sapi", "mgmt_api_read"]),
    ("scim.event", &["sscim", "fscim"]),
    (
        "system.notification",
        &[
            "api_limit",
            "api_limit_warning",
            "appi",
            "acul_sdk_notice",
            "custom_domain_verification_failed",
            "depnote",
            "fcpro",
            "fui",
            "limit_delegation",
            "limit_mu",
            "limit_phone",
            "limit_wc",
            "coff",
            "con",
            "admin_update_launch",
        ],
    ),
    (
        "user.fail",
        &[
            "fce",
            "fcp",
            "fcph",
            "fcpn",
            "fcpr",
            "fcu",
            "fd",
            "fdeaz",
            "fdecc",
            "fdu",
            "fn",
            "fv",
            "fvr",
            "ss_sso_failure",
            "my_account_authentication_method_failed",
        ],
    ),
    (
        "user.notification",
        &[
            "cs",
            "gd_enrollment_complete",
            "gd_start_enroll",
            "gd_unenroll",
            "gd_update_device_account",
            "ss_sso_info",
            "ublkdu",
        ],
    ),
    (
        "user.success",
        &[
            "sce",
            "scp",
            "scpn",
            "scpr",
            "scu",
            "sd",
            "sdu",
            "srrt",
            "sui",
            "sv",
            "svr",
            "ss_sso_success",
            "my_account_authentication_method_succeeded",
        ],
    ),
    ("actions", &["actions_execution_failed"]),
    ("other", &[]),
];

/// The names of the categories, as filters give them.
pub const CATEGORY_NAMES: &[&str] = &[
    "auth.login.fail",
    "auth.login.notification",
    "auth.login.success",
    "auth.logout.fail",
    "auth.logout.success",
    "auth.signup.fail",
    "auth.signup.success",
    "auth.silent_auth.fail",
    "auth.silent_auth.success",
    "auth.token_exchange.fail",
    "auth.token_exchange.success",
    "management.fail",
    "management.success",
    "scim.event",
    "system.notification",
    "user.fail",
    "user.notification",
    "user.success",
    "actions",
    "other",
];

/// What a prioritised stream carries (`security`): attacks, and what holds them off. Auth0 does not publish its list; this is ours.
const SECURITY: &[&str] = &[
    "limit_wc",
    "limit_mu",
    "limit_sul",
    "limit_phone",
    "limit_delegation",
    "pwd_leak",
    "signup_pwd_leak",
    "reset_pwd_leak",
    "pla",
    "ublkdu",
    "ferrt",
    "gd_otp_rate_limit_exceed",
    "gd_recovery_rate_limit_exceed",
    "api_limit",
];

/// Returns the category of an event code.
pub fn category(code: &str) -> &'static str {
    CATEGORIES.iter().find(|(_, codes)| codes.contains(&code)).map_or("other", |(name, _)| name)
}

/// Whether a stream is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Active,
    /// Somebody stopped it, or it is of a type that is stored only.
    Paused,
    /// The other side has refused for too long.
    Suspended,
}

impl Status {
    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
        }
    }

    /// Returns the status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Suspended].into_iter().find(|status| status.as_str() == name)
    }
}

/// A log stream.
#[derive(Clone, Debug, PartialEq)]
pub struct LogStream {
    /// Its id.
    pub id: LogStreamId,
    /// Its unique name.
    pub name: String,
    /// Where to: `http`, `splunk` …
    pub kind: String,
    /// Whether it is served.
    pub status: Status,
    /// `filters`, `pii_config`, `isPriority`.
    pub data: Document,
    /// Address and credentials of the other side; stored sealed.
    pub sink: Document,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The type of streams that are delivered.
pub const HTTP: &str = "http";

impl LogStream {
    /// Returns whether streams of this type are delivered; others are stored only.
    pub fn is_delivered(&self) -> bool {
        self.kind == HTTP
    }

    fn is_priority(&self) -> bool {
        self.data.flag("isPriority") == Some(true)
    }

    /// Returns the object of the wire, with the secrets of its sink: tools read them back.
    pub fn to_json(&self) -> Value {
        let mut sink = self.sink.0.clone();
        if let Some(password) = sink.get_mut(MIXPANEL_PASSWORD) {
            *password = HIDDEN.into();
        }
        let mut out = json!({
            "id": self.id, "name": self.name, "type": self.kind, "status": self.status, "sink": sink,
            "isPriority": self.is_priority()
        });
        let filters = match self.is_priority() {
            true => Some(json!([{"type": "category", "name": "security"}])),
            false => {
                self.data.at("filters").cloned().filter(|list| list.as_array().is_some_and(|l| !l.is_empty()))
            }
        };
        if let Some(filters) = filters {
            out["filters"] = filters;
        }
        if let Some(pii) = self.data.at("pii_config") {
            out["pii_config"] = pii.clone();
        }
        out
    }

    /// Returns whether a record with this code goes out.
    pub fn carries(&self, code: &str) -> bool {
        if self.is_priority() {
            return SECURITY.contains(&code);
        }
        let filters =
            self.data.at("filters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        filters.is_empty() || filters.iter().any(|filter| filter["name"] == category(code))
    }

    /// Returns a record as it goes out: in its envelope, personal data masked or hashed as the stream says.
    pub fn envelope(&self, mut record: Value) -> Value {
        if let Some(Value::Bool(mobile)) = record.get("isMobile").cloned() {
            // The published schema of streams has this name, answers of the API the other.
            record["is_mobile"] = mobile.into();
        }
        let fields: Vec<&str> = self.data.texts("pii_config.log_fields").collect();
        if !fields.is_empty() {
            let hash = self.data.text("pii_config.method") == Some("hash");
            Hider { fields: &fields, hash }.object(&mut record);
        }
        json!({"log_id": record["log_id"], "data": record})
    }
}

/// A secret that never comes back.
pub const MIXPANEL_PASSWORD: &str = "mixpanelServiceAccountPassword";
/// What is shown in its place.
pub const HIDDEN: &str = "********";

/// Hides personal data in a record.
struct Hider<'f> {
    fields: &'f [&'f str],
    hash: bool,
}

impl Hider<'_> {
    fn hides(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }

    /// Which kind of personal data a property holds whole.
    fn field_of(key: &str) -> Option<&'static str> {
        Some(match key {
            "first_name" | "given_name" => "first_name",
            "last_name" | "family_name" => "last_name",
            "username" | "user_name" => "username",
            "email" => "email",
            "phone" | "phone_number" => "phone",
            "address" => "address",
            _ => return None,
        })
    }

    fn object(&self, value: &mut Value) {
        match value {
            Value::Object(map) => map.iter_mut().for_each(|(key, inner)| match Self::field_of(key) {
                Some(field) if self.hides(field) => self.whole(inner),
                _ => self.object(inner),
            }),
            Value::Array(items) => items.iter_mut().for_each(|item| self.object(item)),
            Value::String(text) => *text = self.words(text),
            _ => {}
        }
    }

    /// Hides everything that a property holds.
    fn whole(&self, value: &mut Value) {
        match value {
            Value::String(text) if !text.is_empty() => *text = self.hidden(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.whole(item)),
            Value::Object(map) => map.iter_mut().for_each(|(_, inner)| self.whole(inner)),
            _ => {}
        }
    }

    /// Hides mail addresses and telephone numbers wherever they stand in a text: descriptions and names have them too.
    fn words(&self, text: &str) -> String {
        if !(self.hides("email") && text.contains('@') || self.hides("phone") && text.contains('+')) {
            return text.to_owned();
        }
        let separates = |c: char| c.is_whitespace() || "\"'<>(),;:[]{}".contains(c);
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        for c in text.chars().chain(['\u{0}']) {
            if c != '\u{0}' && !separates(c) {
                word.push(c);
                continue;
            }
            out.push_str(&self.word(&word));
            word.clear();
            if c != '\u{0}' {
                out.push(c);
            }
        }
        out
    }

    fn word(&self, word: &str) -> String {
        let mail = word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        let digits =
            word.strip_prefix('+').is_some_and(|d| d.len() >= 6 && d.bytes().all(|b| b.is_ascii_digit()));
        let hide = mail && self.hides("email") || digits && self.hides("phone");
        if hide { self.hidden(word) } else { word.to_owned() }
    }

    fn hidden(&self, text: &str) -> String {
        if self.hash { format!("{:016x}", xxh64(text.as_bytes())) } else { "*****".to_owned() }
    }
}

/// Returns a batch in one of the formats of `httpContentFormat`.
pub fn format_batch(format: &str, envelopes: &[Value]) -> String {
    match format {
        "JSONARRAY" => Value::from(envelopes.to_vec()).to_string(),
        "JSONOBJECT" => {
            Value::Object(Map::from_iter([("logs".to_owned(), envelopes.to_vec().into())])).to_string()
        }
        _ => envelopes.iter().map(|envelope| format!("{envelope}\n")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRng;

    fn stream(data: Value) -> LogStream {
        LogStream {
            id: LogStreamId::new(&mut SystemRng),
            name: "siem".to_owned(),
            kind: HTTP.to_owned(),
            status: Status::Active,
            data: serde_json::from_value(data).unwrap(),
            sink: Document::default(),
            created_at: Timestamp::from_secs(0),
        }
    }

    #[test]
    fn every_category_has_its_name_and_no_code_is_in_two() {
        let names: Vec<&str> = CATEGORIES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, CATEGORY_NAMES);
        let mut codes: Vec<&str> = CATEGORIES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
        for (code, name) in
            [("fp", "auth.login.fail"), ("sapi", "management.success"), ("gd_auth_succeed", "other")]
        {
            assert_eq!(category(code), name);
        }
    }

    #[test]
    fn filters_choose_categories_and_a_prioritised_stream_carries_attacks_alone() {
        assert!(stream(json!({})).carries("gd_auth_failed") && stream(json!({"filters": []})).carries("s"));
        let filtered = stream(json!({"filters": [{"type": "category", "name": "auth.login.fail"}]}));
        assert!(filtered.carries("fp") && !filtered.carries("s") && !filtered.carries("gd_auth_failed"));
        let other = stream(json!({"filters": [{"type": "category", "name": "other"}]}));
        assert!(other.carries("gd_auth_failed") && other.carries("no_such_code") && !other.carries("fp"));
        let urgent = stream(json!({"isPriority": true, "filters": [{"type": "category", "name": "other"}]}));
        assert!(urgent.carries("limit_wc") && !urgent.carries("mfar") && !urgent.carries("s"));
        assert_eq!(urgent.to_json()["filters"], json!([{"type": "category", "name": "security"}]));
    }

    #[test]
    fn personal_data_is_masked_or_hashed_where_the_stream_says_so_and_nowhere_else() {
        let record = json!({
            "log_id": "9", "isMobile": false, "description": "To: ana@example.com, or +15551230000", "user_name": "ana",
            "user_id": "auth0|1", "details": {"to": ["ana@example.com"], "given_name": "Ana", "phone_number": "XXXX0000"}
        });
        let config =
            |fields: Value, method: &str| json!({"pii_config": {"log_fields": fields, "method": method}});
        let sent = stream(config(json!(["email", "first_name", "phone"]), "mask")).envelope(record.clone());
        assert_eq!(sent["data"]["description"], "To: *****, or *****");
        assert_eq!(
            sent["data"]["details"],
            json!({"to": ["*****"], "given_name": "*****", "phone_number": "*****"})
        );
        assert_eq!(
            (&sent["data"]["user_name"], &sent["data"]["user_id"]),
            (&json!("ana"), &json!("auth0|1"))
        );
        assert_eq!((&sent["log_id"], &sent["data"]["is_mobile"]), (&json!("9"), &json!(false)));
        let hashed = stream(config(json!(["username"]), "hash")).envelope(record.clone());
        assert_eq!(hashed["data"]["user_name"], format!("{:016x}", xxh64(b"ana")));
        assert_eq!(hashed["data"]["description"], record["description"]);
        assert_eq!(stream(json!({})).envelope(record.clone())["data"]["details"], record["details"]);
    }

    #[test]
    fn a_batch_is_lines_an_array_or_an_object() {
        let batch = [json!({"a": 1}), json!({"a": 2})];
        assert_eq!(format_batch("JSONLINES", &batch), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(format_batch("JSONARRAY", &batch), r#"[{"a":1},{"a":2}]"#);
        assert_eq!(format_batch("JSONOBJECT", &batch), r#"{"logs":[{"a":1},{"a":2}]}"#);
    }
}
