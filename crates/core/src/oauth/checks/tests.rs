//! The table, tried rule by rule.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::assurance::PAPE;
use crate::codes::OAuthCode;
use crate::ids::{ClientId, ResourceServerId};
use crate::model::{client, resource_server};
use crate::time::Timestamp;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn client(given: Value) -> Client {
    let mut data = json!({"name": "Shop", "callbacks": ["https://app.example/cb"]});
    data.as_object_mut().unwrap().extend(given.as_object().cloned().unwrap());
    Client {
        id: ClientId::trusted("web"),
        data: client::with_defaults(data.as_object().cloned().unwrap()),
        secret: Zeroizing::new("s".to_owned()),
        created_at: Timestamp::from_secs(0),
        updated_at: Timestamp::from_secs(0),
    }
}

fn api() -> ResourceServer {
    ResourceServer {
        id: ResourceServerId::trusted("r"),
        identifier: "https://api.example/".into(),
        data: resource_server::with_defaults(serde_json::Map::new()),
        created_at: Timestamp::from_secs(0),
        updated_at: Timestamp::from_secs(0),
    }
}

/// A good request with `changes`: a null removes, a text replaces.
fn ask_as(client: &Client, changes: &Value) -> Result<AuthorizeRequest, Box<Refused>> {
    let mut params: Params = [
        ("client_id", "web"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "S"),
    ]
    .into_iter()
    .collect();
    for (name, value) in changes.as_object().unwrap() {
        match value.as_str() {
            Some(text) => params.set(name, text),
            None => params.remove(name),
        }
    }
    let tenant = TenantSettings::default();
    let api = api();
    let audience = audience(&params, &tenant, "https://lockstep.test/userinfo");
    let loaded = Loaded {
        client,
        tenant: &tenant,
        api: (audience.as_deref() == Some("https://api.example/")).then_some(&api),
        client_grant: None,
        connections: &["Users".to_owned()],
        pushed: false,
    };
    parse(Endpoint::Authorize, &params, audience, loaded)
}

fn ask(changes: Value) -> Result<AuthorizeRequest, Box<Refused>> {
    ask_as(&client(json!({})), &changes)
}

#[test]
fn the_plain_request_passes() {
    let request = ask(json!({})).unwrap();
    assert_eq!(request.reply_to.mode, ResponseMode::Query);
    assert_eq!(request.reply_to.state.as_deref(), Some("S"));
    assert!(request.redirect_uri_sent && !request.asks_mfa() && !request.is_silent());
}

#[test]
fn until_the_callback_is_known_a_page_is_shown() {
    for changes in [
        json!({"redirect_uri": "https://evil.example/cb"}),
        json!({"redirect_uri": "https://app.example/cb", "response_mode": "web_message", "redirect_uri": "app://x/cb"}),
    ] {
        assert_eq!(ask(changes.clone()).unwrap_err().reply_to, None, "{changes}");
    }
    let two = client(json!({"callbacks": ["https://a.example/cb", "https://b.example/cb"]}));
    let refused = ask_as(&two, &json!({"redirect_uri": null})).unwrap_err();
    assert_eq!((refused.check, refused.reply_to), ("redirect_uri", None));
    assert!(!ask(json!({"redirect_uri": null})).unwrap().redirect_uri_sent);
    let global = client(json!({"global": true}));
    assert_eq!(ask_as(&global, &json!({})).unwrap_err().check, "client");
}

#[test]
fn from_then_on_errors_go_to_the_callback_with_the_state() {
    use OAuthCode::*;
    for (changes, check, code) in [
        (json!({"request": "eyJ"}), "request_object", RequestNotSupported),
        (json!({"request_uri": "urn:x"}), "request_object", InvalidRequestUri),
        (json!({"response_type": null}), "response_type", InvalidRequest),
        (json!({"response_type": "none"}), "response_type", UnsupportedResponseType),
        (json!({"response_mode": "smoke"}), "response_mode", UnsupportedResponseMode),
        (
            json!({"response_type": "token", "response_mode": "query"}),
            "response_mode",
            UnsupportedResponseMode,
        ),
        (json!({"code_challenge": CHALLENGE}), "pkce", InvalidRequest),
        (json!({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}), "pkce", InvalidRequest),
        (json!({"code_challenge": "short", "code_challenge_method": "S256"}), "pkce", InvalidRequest),
        (json!({"code_challenge_method": "S256"}), "pkce", InvalidRequest),
        (json!({"prompt": "none login"}), "prompt", InvalidRequest),
        (json!({"prompt": "maybe"}), "prompt", InvalidRequest),
        (json!({"max_age": "-1"}), "max_age", InvalidRequest),
        (json!({"max_age": "+5"}), "max_age", InvalidRequest),
        (json!({"max_age": "1.5"}), "max_age", InvalidRequest),
        (json!({"scope": "openid \"x"}), "scope", InvalidRequest),
        (json!({"response_type": "id_token", "nonce": "n", "scope": "email"}), "scope", InvalidRequest),
        (json!({"response_type": "id_token"}), "nonce", InvalidRequest),
        (json!({"audience": "https://nobody.example/"}), "audience", AccessDenied),
        (json!({"connection": "Other"}), "connection", InvalidRequest),
        (json!({"organization": "org_x"}), "connection", InvalidRequest),
    ] {
        let refused = ask(changes.clone()).unwrap_err();
        assert_eq!((refused.check, refused.error.code), (check, code), "{changes}");
        assert_eq!(refused.reply_to.unwrap().state.as_deref(), Some("S"), "{changes}");
    }
}

#[test]
fn an_error_travels_by_the_mode_that_the_client_waits_for() {
    let mode = |changes| ask(changes).unwrap_err().reply_to.unwrap().mode;
    assert_eq!(mode(json!({"response_mode": "web_message", "prompt": "maybe"})), ResponseMode::WebMessage);
    assert_eq!(mode(json!({"response_type": "token", "response_mode": "query"})), ResponseMode::Fragment);
    assert_eq!(
        mode(json!({"response_type": "id_token token", "prompt": "maybe", "nonce": "n"})),
        ResponseMode::Fragment
    );
}

#[test]
fn a_public_client_cannot_leave_pkce_out() {
    let spa = client(json!({"app_type": "spa"}));
    assert_eq!(ask_as(&spa, &json!({})).unwrap_err().check, "pkce");
    let with = json!({"code_challenge": CHALLENGE, "code_challenge_method": "S256"});
    assert_eq!(ask_as(&spa, &with).unwrap().code_challenge.as_deref(), Some(CHALLENGE));
    assert!(ask_as(&spa, &json!({"response_type": "token"})).is_ok());
}

#[test]
fn response_types_need_their_grant() {
    let code_only = client(json!({"grant_types": ["authorization_code"]}));
    let refused = ask_as(&code_only, &json!({"response_type": "token"})).unwrap_err();
    assert_eq!(refused.error, OAuthError::grant_not_allowed("implicit"));
    let none = client(json!({"grant_types": []}));
    assert_eq!(ask_as(&none, &json!({})).unwrap_err().error.code, OAuthCode::UnauthorizedClient);
}

#[test]
fn a_client_that_requires_par_accepts_no_plain_request() {
    let strict = client(json!({"require_pushed_authorization_requests": true}));
    assert_eq!(ask_as(&strict, &json!({})).unwrap_err().check, "par");
}

#[test]
fn mfa_is_asked_by_acr_values_or_by_an_essential_claim() {
    let essential = |e: bool| json!({"id_token": {"acr": {"essential": e, "values": [PAPE]}}}).to_string();
    assert!(ask(json!({"acr_values": format!("urn:other {PAPE}")})).unwrap().asks_mfa());
    assert!(ask(json!({"claims": essential(true)})).unwrap().asks_mfa());
    assert!(!ask(json!({"claims": essential(false)})).unwrap().asks_mfa());
    assert!(!ask(json!({"claims": "{not json", "acr_values": "urn:other"})).unwrap().asks_mfa());
}

#[test]
fn a_web_message_goes_to_listed_origins_only() {
    let ok = ask(json!({"response_mode": "web_message"})).unwrap();
    assert_eq!(ok.reply_to.mode, ResponseMode::WebMessage);
    let native = client(json!({"callbacks": ["com.example://cb"]}));
    let changes = json!({"redirect_uri": "com.example://cb", "response_mode": "web_message"});
    assert_eq!(ask_as(&native, &changes).unwrap_err().check, "message_target");
}

#[test]
fn badly_shaped_extension_parameters_are_dropped() {
    let request =
        ask(json!({"ext-theme": "dark", "ext-": "x", "ext-bad": "<script>", "ext-a b": "x", "max_age": "0"}))
            .unwrap();
    assert_eq!(request.ext.into_iter().collect::<Vec<_>>(), [("ext-theme".to_owned(), "dark".to_owned())]);
    assert_eq!(request.max_age, Some(Span::ZERO));
}

#[test]
fn what_comes_twice_is_refused_and_never_echoed() {
    let client = client(json!({}));
    let tenant = TenantSettings::default();
    let loaded = Loaded {
        client: &client,
        tenant: &tenant,
        api: None,
        client_grant: None,
        connections: &[],
        pushed: false,
    };
    let ask = |query: &str| {
        let params = Params::from_form(query.as_bytes()).unwrap();
        *parse(Endpoint::Authorize, &params, None, loaded).unwrap_err()
    };
    let base = "client_id=web&redirect_uri=https://app.example/cb&response_type=code";
    let refused = ask(&format!("{base}&state=a&state=b"));
    assert_eq!((refused.check, refused.reply_to.unwrap().state), ("duplicates", None));
    let refused = ask(&format!("{base}&redirect_uri=https://evil.example/"));
    assert_eq!((refused.check, refused.reply_to), ("redirect_uri", None));
}

#[test]
fn requests_in_stored_transactions_read_back() {
    let request = ask(json!({"prompt": "login", "max_age": "5", "screen_hint": "signup"})).unwrap();
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<AuthorizeRequest>(&stored).unwrap(), request);
}
