//! Passkeys as a first factor by the API (contract/oidc.md 12), answered by virtual keys.

use std::sync::Arc;

use lockstep_core::assurance::PAPE;
use lockstep_core::factors::UserHandle;
use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::device::{Model, Signing, VirtualKey};
use lockstep_core::factors::webauthn::passkey::{Registration, on_our_pages};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::settings::Profile;
use lockstep_core::random::{Rng, SystemRng};
use lockstep_core::time::Span;
use lockstep_engine::config::Config;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{Answer, TestApp, at_once, claims};

const GRANT: &str = "urn:okta:params:oauth:grant-type:webauthn";
const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const HERE: &str = "https://lockstep.test";
const REALM: &str = "Username-Password-Authentication";

/// A last change to what is signed.
type Change = Box<dyn FnMut(&mut Signing)>;

async fn tenant() -> TestApp {
    tenant_with(|_| {}).await
}

/// A tenant whose connection has passkeys, and its applications `native` and `native2`; `server` has a secret.
pub(super) async fn tenant_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::with(change).await.with_apps().await;
    let grants = json!([GRANT, OTP, "refresh_token", "authorization_code"]);
    for id in ["native", "native2"] {
        let own = json!({"name": id, "app_type": "native", "token_endpoint_auth_method": "none", "grant_types": grants});
        app.client(id, own, &json!({"oidc_conformant": true, "web_origins": ["https://app.lockstep.test"]}))
            .await;
    }
    let own = json!({"name": "server", "app_type": "regular_web", "grant_types": grants});
    app.client("server", own, &json!({"oidc_conformant": true})).await;
    passkeys(&app, json!({"passkey": {"enabled": true}}), false).await;
    app
}

/// Sets what the connection allows.
async fn passkeys(app: &TestApp, methods: Value, disable_signup: bool) {
    let admin = admin(app).await;
    let all = admin.expect(200, "GET", &format!("/connections?name={REALM}"), None).await;
    let mut options = all[0]["options"].clone();
    for (name, value) in methods.as_object().unwrap() {
        options["authentication_methods"][name] = value.clone();
    }
    options["disable_signup"] = json!(disable_signup);
    let path = format!("/connections/{}", all[0]["id"].as_str().unwrap());
    admin.expect(200, "PATCH", &path, Some(json!({"options": options}))).await;
}

pub(super) async fn post(app: &TestApp, path: &str, client: &str, more: Value) -> Answer {
    let mut body = json!({"client_id": client});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.json("POST", path, None, Some(body)).await
}

/// Begins something, and returns the session and the options.
#[track_caller]
pub(super) fn begun(answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    (body["auth_session"].as_str().unwrap().to_owned(), body["authn_params_public_key"].clone())
}

async fn challenge(app: &TestApp) -> (String, Value) {
    begun(&post(app, "/passkey/challenge", "native", json!({})).await)
}

async fn register(app: &TestApp, email: &str) -> (String, Value) {
    begun(&post(app, "/passkey/register", "native", json!({"user_profile": {"email": email}})).await)
}

pub(super) async fn redeem(app: &TestApp, session: &str, answer: &Value) -> Answer {
    redeem_as(app, "native", session, answer, json!({})).await
}

pub(super) async fn redeem_as(
    app: &TestApp,
    client: &str,
    session: &str,
    answer: &Value,
    more: Value,
) -> Answer {
    let mut body = json!({"grant_type": GRANT, "auth_session": session, "authn_response": answer,
        "scope": "openid profile email"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post(app, "/oauth/token", client, body).await
}

/// Signs somebody up.
async fn sign_up(app: &TestApp, email: &str, model: Model) -> (VirtualKey, Answer) {
    let (session, options) = register(app, email).await;
    let mut key = VirtualKey::new(model);
    let made = key.create(&options, HERE, &mut SystemRng).unwrap();
    let answer = redeem(app, &session, &made).await;
    (key, answer)
}

async fn log_in(app: &TestApp, key: &mut VirtualKey) -> Answer {
    log_in_but(app, key, &mut |_| {}).await
}

async fn log_in_but(app: &TestApp, key: &mut VirtualKey, change: &mut dyn FnMut(&mut Signing)) -> Answer {
    let (session, options) = challenge(app).await;
    let answer = key.get_but(&options, HERE, change).unwrap();
    redeem(app, &session, &answer).await
}

#[track_caller]
fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[track_caller]
fn id_token(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    claims(answer.json()["id_token"].as_str().unwrap())
}

async fn log_types(app: &TestApp) -> Vec<String> {
    let logs = admin(app).await.expect(200, "GET", "/logs?per_page=100", None).await;
    logs.as_array().unwrap().iter().map(|log| log["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_new_passkey_makes_the_account_with_its_answer_and_logs_in_ever_after() {
    let app = tenant().await;
    let profile =
        json!({"email": " New@Example.com", "given_name": "New", "picture": "https://example.com/p.png"});
    let body = json!({"realm": REALM, "user_profile": profile, "user_metadata": {"plan": "gold"}});
    let (session, options) = begun(&post(&app, "/passkey/register", "native", body).await);
    assert_eq!(options["rp"], json!({"id": "lockstep.test", "name": "Lockstep"}));
    assert_eq!((&options["user"]["name"], &options["timeout"]), (&json!("new@example.com"), &json!(60000)));
    let admin = admin(&app).await;
    let found = admin.expect(200, "GET", "/users-by-email?email=new@example.com", None).await;
    assert_eq!(found, json!([]), "nobody is made before the answer");
    let mut key = VirtualKey::new(Model::SYNCED);
    let made = key.create(&options, HERE, &mut SystemRng).unwrap();
    let first = id_token(&redeem(&app, &session, &made).await);
    assert_eq!((&first["amr"], first.get("acr")), (&json!(["pop", "swk"]), None));
    assert_eq!((&first["email"], &first["email_verified"]), (&json!("new@example.com"), &json!(false)));
    assert_eq!((&first["given_name"], &first["nickname"]), (&json!("New"), &json!("new")));
    let again = id_token(&log_in(&app, &mut key).await);
    assert_eq!(again["sub"], first["sub"]);
    let id = first["sub"].as_str().unwrap().replace('|', "%7C");
    let user = admin.expect(200, "GET", &format!("/users/{id}"), None).await;
    assert_eq!((&user["user_metadata"]["plan"], &user["logins_count"]), (&json!("gold"), &json!(2)));
    let methods = admin.expect(200, "GET", &format!("/users/{id}/authentication-methods"), None).await;
    let passkey = &methods[0];
    assert_eq!((methods.as_array().unwrap().len(), &passkey["type"]), (1, &json!("passkey")));
    assert_eq!(passkey["relying_party_identifier"], "lockstep.test");
    assert_eq!(
        (&passkey["credential_device_type"], &passkey["credential_backed_up"]),
        (&json!("multi_device"), &json!(true))
    );
    assert_eq!((&passkey["user_handle"], &passkey["key_id"]), (&options["user"]["id"], &made["id"]));
    assert_eq!(passkey["identity_user_id"], first["sub"].as_str().unwrap().split('|').nth(1).unwrap());
    let types = log_types(&app).await;
    for (kind, times) in [("passkey_challenge_started", 2), ("ss", 1), ("s", 2)] {
        assert_eq!(types.iter().filter(|t| *t == kind).count(), times, "{kind}: {types:?}");
    }
}

#[tokio::test]
async fn a_device_bound_passkey_is_hardware() {
    let app = tenant().await;
    let (mut key, made) = sign_up(&app, "ana@example.com", Model::DEVICE).await;
    assert_eq!(id_token(&made)["amr"], json!(["pop", "hwk"]));
    assert_eq!(id_token(&log_in(&app, &mut key).await)["amr"], json!(["pop", "hwk"]));
}

#[tokio::test]
async fn a_challenge_tells_nothing_of_anybody_and_never_comes_twice() {
    let app = tenant().await;
    let (_, before) = challenge(&app).await;
    sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let (_, after) = challenge(&app).await;
    assert_ne!(before["challenge"], after["challenge"]);
    for options in [before, after] {
        let challenge = options["challenge"].clone();
        let whole = json!({"challenge": challenge, "timeout": 60000, "rpId": "lockstep.test", "userVerification": "preferred"});
        assert_eq!(options, whole);
    }
    // A name that is sent along changes nothing.
    let named = json!({"username": "ana@example.com", "email": "ana@example.com"});
    let (_, options) = begun(&post(&app, "/passkey/challenge", "native", named).await);
    assert_eq!(options.get("allowCredentials"), None);
}

#[tokio::test]
async fn a_session_is_used_once_and_only_by_who_began_it() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    let foreign = redeem_as(&app, "native2", &session, &answer, json!({})).await;
    assert_eq!(told(&foreign), (403, "invalid_grant".into()));
    let realm = redeem_as(&app, "native", &session, &answer, json!({"realm": "other"})).await;
    assert_eq!(told(&realm), (403, "invalid_grant".into()));
    assert_eq!(redeem(&app, &session, &answer).await.status, 200, "it was not spent by others");
    assert_eq!(told(&redeem(&app, &session, &answer).await), (403, "invalid_grant".into()));
    // A wrong answer spends it too.
    let (session, options) = challenge(&app).await;
    let right = key.get(&options, HERE).unwrap();
    let mut wrong = right.clone();
    wrong["response"]["signature"] = json!("AAAA");
    assert_eq!(told(&redeem(&app, &session, &wrong).await), (403, "invalid_grant".into()));
    assert_eq!(told(&redeem(&app, &session, &right).await), (403, "invalid_grant".into()));
    let (session, options) = challenge(&app).await;
    let late = key.get(&options, HERE).unwrap();
    app.clock.advance(Span::minutes(5));
    assert_eq!(told(&redeem(&app, &session, &late).await), (403, "invalid_grant".into()));
    assert_eq!(told(&redeem(&app, "unknown", &late).await), (403, "invalid_grant".into()));
}

#[tokio::test]
async fn of_twenty_answers_at_once_one_counts() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    let answers = at_once((0..20).map(|_| redeem(&app, &session, &answer))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert!(answers.iter().all(|a| matches!(a.status.as_u16(), 200 | 403 | 429)));
    // The same of a sign-up: one account.
    let (session, options) = register(&app, "ben@example.com").await;
    let made = VirtualKey::new(Model::SYNCED).create(&options, HERE, &mut SystemRng).unwrap();
    app.clock.advance(Span::minutes(2));
    let answers = at_once((0..10).map(|_| redeem(&app, &session, &made))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    let found = admin(&app).await.expect(200, "GET", "/users-by-email?email=ben@example.com", None).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_thing_that_an_answer_may_be_wrong_in_is_refused() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let client = |name: &'static str, value: &'static str| {
        move |signing: &mut Signing| signing.client_data[name] = json!(value)
    };
    let flags = |set: u8| move |signing: &mut Signing| signing.authenticator_data[32] = set;
    let mut changes: Vec<Change> = vec![
        Box::new(client("origin", "https://lockstep.test.evil.example")),
        Box::new(client("origin", "https://evil.example")),
        Box::new(client("challenge", "AAAAAAAAAAAAAAAAAAAAAA")),
        Box::new(client("type", "webauthn.create")),
        Box::new(|signing: &mut Signing| signing.client_data["crossOrigin"] = json!(true)),
        Box::new(|signing: &mut Signing| signing.authenticator_data[0] ^= 1),
        Box::new(flags(0)),
        Box::new(flags(1 | 1 << 4)),
    ];
    for (at, change) in changes.iter_mut().enumerate() {
        let answer = log_in_but(&app, &mut key, change.as_mut()).await;
        assert_eq!(told(&answer), (403, "invalid_grant".into()), "change {at}: {}", answer.body);
        app.clock.advance(Span::seconds(10));
    }
    // The page of an application on the domain may ask.
    let page = |signing: &mut Signing| signing.client_data["origin"] = json!("https://app.lockstep.test");
    assert_eq!(log_in_but(&app, &mut key, &mut { page }).await.status, 200);
    // A key that is nobody's.
    let (session, options) = challenge(&app).await;
    let mut answer = key.get(&options, HERE).unwrap();
    for name in ["id", "rawId"] {
        answer[name] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    }
    assert_eq!(told(&redeem(&app, &session, &answer).await), (404, "invalid_grant".into()));
    let broken =
        [json!({}), json!({"id": 1}), json!({"id": "x", "rawId": "x", "type": "public-key", "response": {}})];
    for broken in broken {
        let (session, _) = challenge(&app).await;
        assert_eq!(told(&redeem(&app, &session, &broken).await), (400, "invalid_request".into()));
    }
    let (session, options) = challenge(&app).await;
    for broken in [json!("text"), json!(["list"]), Value::Null] {
        assert_eq!(told(&redeem(&app, &session, &broken).await), (400, "invalid_request".into()));
    }
    let answer = key.get(&options, HERE).unwrap();
    assert_eq!(redeem(&app, &session, &answer).await.status, 200, "what was no answer spent nothing");
}

#[tokio::test]
async fn a_registration_with_a_wrong_answer_makes_nobody() {
    let app = tenant().await;
    let changes: [fn(&mut Signing); 3] = [
        |signing| signing.client_data["origin"] = json!("https://evil.example"),
        |signing| signing.client_data["challenge"] = json!("AAAA"),
        |signing| signing.authenticator_data[0] ^= 1,
    ];
    for mut change in changes {
        let (session, options) = register(&app, "ana@example.com").await;
        let mut key = VirtualKey::new(Model::SYNCED);
        let made = key.create_but(&options, HERE, &mut SystemRng, &mut change).unwrap();
        assert_eq!(told(&redeem(&app, &session, &made).await), (403, "invalid_grant".into()));
    }
    let found = admin(&app).await.expect(200, "GET", "/users-by-email?email=ana@example.com", None).await;
    assert_eq!(found, json!([]));
}

#[tokio::test]
async fn a_name_is_taken_once_also_by_two_who_began_at_the_same_time() {
    let app = tenant().await;
    let (first, second) = (register(&app, "ana@example.com").await, register(&app, "ana@example.com").await);
    let mut key = VirtualKey::new(Model::SYNCED);
    let made = key.create(&first.1, HERE, &mut SystemRng).unwrap();
    assert_eq!(redeem(&app, &first.0, &made).await.status, 200);
    let late = VirtualKey::new(Model::SYNCED).create(&second.1, HERE, &mut SystemRng).unwrap();
    let refused = redeem(&app, &second.0, &late).await;
    assert_eq!(told(&refused), (400, "invalid_request".into()));
    assert_eq!(refused.json()["error_description"], "The user already exists.");
    let body = json!({"user_profile": {"email": "ANA@example.com"}});
    let third = post(&app, "/passkey/register", "native", body).await;
    assert_eq!(third.json()["error_description"], "The user already exists.");
    // Her password's owner is not replaced either.
    app.user("bob@example.com").await;
    let body = json!({"user_profile": {"email": "bob@example.com"}});
    assert_eq!(told(&post(&app, "/passkey/register", "native", body).await), (400, "invalid_request".into()));
    // Nor does a key that is hers become another's.
    let (session, mut options) = register(&app, "cy@example.com").await;
    let challenge = options["challenge"].as_str().unwrap().to_owned();
    options["challenge"] = first.1["challenge"].clone();
    let mut stolen = made;
    let client_data =
        json!({"type": "webauthn.create", "challenge": challenge, "origin": HERE, "crossOrigin": false});
    stolen["response"]["clientDataJSON"] =
        json!(data_encoding::BASE64URL_NOPAD.encode(client_data.to_string().as_bytes()));
    let refused = redeem(&app, &session, &stolen).await;
    assert_eq!(refused.json()["error_description"], "The passkey is registered already.", "{}", refused.body);
    assert!(log_types(&app).await.iter().any(|t| t == "passkey_challenge_failed"));
}

#[tokio::test]
async fn a_step_up_after_a_passkey_asks_for_mfa_and_counts_it_once_passed() {
    let app = tenant().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let (mut key, refused) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    assert_eq!(told(&refused), (403, "mfa_required".into()));
    assert_eq!(refused.json()["mfa_requirements"], json!({"enroll": [{"type": "otp"}]}));
    let token = refused.json()["mfa_token"].as_str().unwrap().to_owned();
    let body = json!({"authenticator_types": ["otp"]});
    let begun = app.json("POST", "/mfa/associate", Some(&token), Some(body)).await.json();
    let phone = AuthenticatorApp::scan(begun["secret"].as_str().unwrap()).unwrap();
    let pass = async |token: &str| {
        let body = json!({"grant_type": OTP, "mfa_token": token, "otp": phone.code_at(app.now())});
        post(&app, "/oauth/token", "native", body).await
    };
    let done = pass(&token).await;
    assert_eq!(id_token(&done)["amr"], json!(["pop", "swk", "mfa", "otp"]));
    app.clock.advance(Span::minutes(2));
    let refused = log_in(&app, &mut key).await;
    assert_eq!(told(&refused), (403, "mfa_required".into()));
    let token = refused.json()["mfa_token"].as_str().unwrap().to_owned();
    let done = id_token(&pass(&token).await);
    assert_eq!((&done["amr"], &done["acr"]), (&json!(["pop", "swk", "mfa", "otp"]), &json!(PAPE)));
    let types = log_types(&app).await;
    assert_eq!(types.iter().filter(|t| *t == "sepkotpft").count(), 2, "{types:?}");
    // The policy off, the request may ask by itself.
    app.mfa(&["otp"], &[]).await;
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    let asked = redeem_as(&app, "native", &session, &answer, json!({"acr_values": PAPE})).await;
    assert_eq!(told(&asked), (403, "mfa_required".into()));
    assert_eq!(log_in(&app, &mut key).await.status, 200);
}

#[tokio::test]
async fn a_passkey_is_mfa_where_the_tenant_says_so_and_only_if_it_verified_its_user() {
    let unset: fn(&mut Config) = |_| {};
    let assured: fn(&mut Config) = |config| config.profile = Profile::Assured;
    let yes: fn(&mut Config) = |config| config.passkey_satisfies_mfa = Some(true);
    let assured_no: fn(&mut Config) = |config| {
        config.profile = Profile::Assured;
        config.passkey_satisfies_mfa = Some(false);
    };
    for (change, satisfies) in [(unset, false), (assured, true), (yes, true), (assured_no, false)] {
        let app = tenant_with(change).await;
        app.mfa(&["otp"], &["all-applications"]).await;
        let (mut key, made) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
        for answer in [made, log_in(&app, &mut key).await] {
            if satisfies {
                let token = id_token(&answer);
                assert_eq!((&token["amr"], &token["acr"]), (&json!(["pop", "swk", "mfa"]), &json!(PAPE)));
            } else {
                assert_eq!(told(&answer), (403, "mfa_required".into()));
            }
        }
        let (mut touched, made) = sign_up(&app, "ben@example.com", Model::TOUCH_ONLY).await;
        for answer in [made, log_in(&app, &mut touched).await] {
            assert_eq!(told(&answer), (403, "mfa_required".into()), "without verification it is one factor");
        }
    }
}

#[tokio::test]
async fn a_copied_passkey_is_refused_and_its_owner_is_told_once() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::DEVICE).await;
    let mut copy = key.clone();
    assert_eq!(log_in(&app, &mut key).await.status, 200);
    assert_eq!(log_in(&app, &mut key).await.status, 200);
    for _ in 0..2 {
        let refused = log_in(&app, &mut copy.clone()).await;
        assert_eq!(told(&refused), (403, "invalid_grant".into()));
        assert!(refused.body.contains("counter"), "{}", refused.body);
    }
    let notices = app.outbox().await.into_iter().filter(|m| m.kind == MessageKind::NoticeEmail).count();
    assert_eq!(notices, 1);
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("passkey"));
    assert_eq!(log_in(&app, &mut key).await.status, 200, "the real one goes on");
    assert_eq!(log_in(&app, &mut copy).await.status, 403);
}

#[tokio::test]
async fn a_blocked_person_gets_no_token_and_the_session_is_spent() {
    let app = tenant().await;
    let (mut key, made) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let admin = admin(&app).await;
    let path = format!("/users/{}", id_token(&made)["sub"].as_str().unwrap().replace('|', "%7C"));
    admin.expect(200, "PATCH", &path, Some(json!({"blocked": true}))).await;
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    let refused = redeem(&app, &session, &answer).await;
    assert_eq!(
        (told(&refused), &refused.json()["error_description"]),
        ((401, "unauthorized".into()), &json!("user is blocked"))
    );
    admin.expect(200, "PATCH", &path, Some(json!({"blocked": false}))).await;
    assert_eq!(told(&redeem(&app, &session, &answer).await), (403, "invalid_grant".into()));
    assert_eq!(log_in(&app, &mut key).await.status, 200);
    // What is deleted logs nobody in.
    admin.expect(204, "DELETE", &path, None).await;
    assert_eq!(told(&log_in(&app, &mut key).await).0, 404);
}

/// A passkey that was made elsewhere for this domain, and what a tool brings along of it.
fn made_elsewhere(app: &TestApp, model: Model) -> (VirtualKey, Value) {
    let mut env = app.app.env();
    let party = on_our_pages(app.app.issuer()).unwrap();
    let handle = UserHandle::new(&mut SystemRng as &mut dyn Rng);
    let registration = Registration::draw(party, handle, &mut env);
    let mut key = VirtualKey::new(model);
    let answer = key.create(&registration.options("Elsewhere", "ana"), HERE, &mut SystemRng).unwrap();
    let data = registration.answer(&answer.to_string(), &env).unwrap().data;
    (key, json!({"type": "passkey", "key_id": data["key_id"], "public_key": data["public_key"]}))
}

#[tokio::test]
async fn an_imported_passkey_logs_in_and_learns_and_there_are_twenty_at_most() {
    let app = tenant().await;
    let (ana, _ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let admin = admin(&app).await;
    let path = "/users/auth0%7Cana/authentication-methods";
    let (mut key, body) = made_elsewhere(&app, Model::SYNCED);
    admin.expect(201, "POST", path, Some(body.clone())).await;
    admin.expect(409, "POST", path, Some(body.clone())).await;
    let of_ben = "/users/auth0%7Cben/authentication-methods";
    admin.expect(409, "POST", of_ben, Some(body)).await;
    let token = id_token(&log_in(&app, &mut key).await);
    assert_eq!((&token["sub"], &token["amr"]), (&json!(ana.id), &json!(["pop", "swk"])));
    let methods = admin.expect(200, "GET", path, None).await;
    assert_eq!(methods[0]["credential_device_type"], "multi_device");
    for _ in 1..20 {
        let (_, body) = made_elsewhere(&app, Model::SYNCED);
        admin.expect(201, "POST", path, Some(body)).await;
    }
    let (mut last, body) = made_elsewhere(&app, Model::SYNCED);
    admin.expect(403, "POST", path, Some(body)).await;
    assert_eq!(told(&log_in(&app, &mut last).await).0, 404);
    // Taken away, it is known no more.
    let id = methods[0]["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(204, "DELETE", &format!("{path}/{id}"), None).await;
    assert_eq!(told(&log_in(&app, &mut key).await).0, 404);
}

#[tokio::test]
async fn who_may_not_begin_is_told_why() {
    let app = tenant().await;
    let profile = json!({"email": "ana@example.com"});
    let with = |more: Value| {
        let mut body = json!({"user_profile": profile});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (client, more, status, error) in [
        ("nobody", json!({}), 401, "invalid_client"),
        ("server", json!({}), 401, "invalid_client"),
        ("server", json!({"client_secret": "wrong"}), 401, "invalid_client"),
        ("server", json!({"client_secret": "server-secret"}), 200, ""),
        ("spa", json!({}), 403, "unauthorized_client"),
        ("native", json!({"realm": "nowhere"}), 400, "invalid_request"),
        ("native", json!({"realm": [REALM]}), 400, "invalid_request"),
        ("native", json!({"organization": "org_x"}), 400, "invalid_request"),
        ("native", json!({"client_id": null}), 400, "invalid_request"),
        ("native", json!({"realm": REALM}), 200, ""),
    ] {
        for path in ["/passkey/challenge", "/passkey/register"] {
            let answer = post(&app, path, client, with(more.clone())).await;
            assert_eq!(told(&answer), (status, error.to_owned()), "{path} {client} {more}");
            app.clock.advance(Span::seconds(60));
        }
    }
    let as_spa = json!({"grant_type": GRANT, "auth_session": "x", "authn_response": {}});
    let answer = post(&app, "/oauth/token", "spa", json!({})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(told(&post(&app, "/oauth/token", "spa", as_spa).await), (403, "unauthorized_client".into()));
    let form = [("client_id", "native")];
    assert_eq!(app.form("/passkey/challenge", &form).await.status, 200, "a form has what it needs");
}

#[tokio::test]
async fn bad_profiles_are_refused() {
    let app = tenant().await;
    for body in [
        json!({}),
        json!({"user_profile": "ana"}),
        json!({"user_profile": {}}),
        json!({"user_profile": {"email": "no address"}}),
        json!({"user_profile": {"email": ["a@example.com"]}}),
        json!({"user_profile": {"email": "a@example.com", "name": "x".repeat(301)}}),
        json!({"user_profile": {"email": "a@example.com", "name": "a\nb"}}),
        json!({"user_profile": {"email": "a@example.com", "picture": "javascript:alert(1)"}}),
        json!({"user_profile": {"email": "a@example.com", "username": "ana"}}),
        json!({"user_profile": {"phone_number": "+12025550143"}}),
        json!({"user_profile": {"email": "a@example.com"}, "user_metadata": {"a": {"b": 1}}}),
        json!({"user_profile": {"email": "a@example.com"}, "user_metadata": "x"}),
        json!({"user_profile": {"email": "a@example.com"}, "user_metadata": ["x"]}),
    ] {
        let answer = post(&app, "/passkey/register", "native", body.clone()).await;
        assert_eq!(told(&answer), (400, "invalid_request".into()), "{body}");
        app.clock.advance(Span::seconds(60));
    }
}

#[tokio::test]
async fn passkeys_that_are_switched_off_log_nobody_in_also_in_the_middle() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    let (new_session, new_options) = register(&app, "ben@example.com").await;
    passkeys(&app, json!({}), true).await;
    let made = VirtualKey::new(Model::SYNCED).create(&new_options, HERE, &mut SystemRng).unwrap();
    assert_eq!(told(&redeem(&app, &new_session, &made).await), (400, "invalid_request".into()), "no sign-up");
    let body = json!({"user_profile": {"email": "cy@example.com"}});
    assert_eq!(told(&post(&app, "/passkey/register", "native", body).await), (400, "invalid_request".into()));
    assert_eq!(log_in(&app, &mut key).await.status, 200);
    passkeys(&app, json!({"passkey": {"enabled": false}}), false).await;
    assert_eq!(told(&redeem(&app, &session, &answer).await), (400, "invalid_request".into()));
    let refused = post(&app, "/passkey/challenge", "native", json!({})).await;
    assert_eq!(told(&refused), (400, "invalid_request".into()));
    // That passwords may sign nobody up says nothing of passkeys.
    let password = json!({"enabled": true, "api_behavior": "required", "signup_behavior": "block"});
    passkeys(&app, json!({"passkey": {"enabled": true}, "password": password}), false).await;
    assert_eq!(sign_up(&app, "dan@example.com", Model::SYNCED).await.1.status, 200);
}

#[tokio::test]
async fn who_asks_or_guesses_too_often_waits() {
    let app = tenant().await;
    let (mut key, _) = sign_up(&app, "ana@example.com", Model::SYNCED).await;
    let mut allowed = 0;
    loop {
        let answer = post(&app, "/passkey/challenge", "native", json!({})).await;
        if answer.status != 200 {
            assert_eq!(told(&answer), (429, "too_many_requests".into()));
            break;
        }
        allowed += 1;
    }
    assert_eq!(allowed, 30);
    app.clock.advance(Span::seconds(2));
    let (session, options) = challenge(&app).await;
    let answer = key.get(&options, HERE).unwrap();
    for _ in 0..15 {
        assert_eq!(redeem(&app, "guess", &answer).await.status, 403);
    }
    assert_eq!(told(&redeem(&app, &session, &answer).await), (429, "too_many_requests".into()));
    app.clock.advance(Span::seconds(4));
    assert_eq!(redeem(&app, &session, &answer).await.status, 200, "waiting spent nothing");
}

#[tokio::test]
async fn web_pages_may_call_from_an_applications_origin() {
    let app = tenant().await;
    for path in ["/passkey/challenge", "/passkey/register"] {
        for (origin, allowed) in [("https://app.lockstep.test", true), ("https://evil.example", false)] {
            let request = http::Request::builder()
                .method("OPTIONS")
                .uri(path)
                .header("host", "lockstep.test")
                .header("origin", origin)
                .header("access-control-request-method", "POST");
            let answer = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 204);
            assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{path}");
        }
    }
}

#[tokio::test]
async fn where_certain_models_are_allowed_a_new_passkey_has_to_prove_its_own() {
    let app = tenant_with(|config| {
        config.profile = Profile::Assured;
        let metadata = virtual_maker::metadata().to_string();
        config.key_models = Some(Arc::new(Models::read(&metadata, &[]).unwrap()));
    })
    .await;
    let (_, options) = register(&app, "any@example.com").await;
    assert_eq!(
        (&options["attestation"], &options["attestationFormats"]),
        (&json!("direct"), &json!(["packed"]))
    );
    for (model, why) in [
        (Model::SYNCED, "does not prove of which model it is"),
        (Model { self_attests: true, ..Model::SECURITY_KEY }, "vouches for itself"),
    ] {
        let (_, answer) = sign_up(&app, "ana@example.com", model).await;
        assert_eq!(told(&answer), (403, "invalid_grant".to_owned()), "{}", answer.body);
        let text = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(text.starts_with("The passkey cannot be used here: ") && text.contains(why), "{text}");
    }
    let (mut key, answer) = sign_up(&app, "ana@example.com", Model::ATTESTED).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(log_in(&app, &mut key).await.status, 200);
}
