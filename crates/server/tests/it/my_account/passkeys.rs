//! Passkeys of somebody who has an account, answered by virtual keys.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::settings::Profile;
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use lockstep_engine::values;
use serde_json::{Value, json};

use super::{ALL, AUDIENCE, Account, METHODS, account, refused, tenant_on};
use crate::management::admin;
use crate::support::{Answer, Shared, TestApp, at_once, claims};

const GRANT: &str = "urn:okta:params:oauth:grant-type:webauthn";
const HERE: &str = "https://lockstep.test";
const BELOW: &str = "https://app.lockstep.test";
const REALM: &str = "Username-Password-Authentication";
const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// The tenant of the other tests, with passkeys, and an application `native` whose page is below the domain.
async fn tenant(factors: &[&str]) -> TestApp {
    let app = super::tenant(factors).await;
    let own = json!({"name": "native", "app_type": "native", "token_endpoint_auth_method": "none",
        "grant_types": [GRANT, "authorization_code"]});
    app.client("native", own, &json!({"oidc_conformant": true, "web_origins": [BELOW]})).await;
    let scopes: Vec<&str> = ALL.split(' ').filter(|scope| scope.contains(":me:")).collect();
    let grant = json!({"client_id": "native", "audience": AUDIENCE, "subject_type": "user", "scope": scopes});
    admin(&app).await.expect(201, "POST", "/client-grants", Some(grant)).await;
    passkeys(&app, true).await;
    app
}

/// Switches passkeys of the connection on or off.
async fn passkeys(app: &TestApp, enabled: bool) {
    let admin = admin(app).await;
    let all = admin.expect(200, "GET", &format!("/connections?name={REALM}"), None).await;
    let mut options = all[0]["options"].clone();
    options["authentication_methods"]["passkey"] = json!({"enabled": enabled});
    // They are added by the API here.
    options["passkey_options"]["progressive_enrollment_enabled"] = json!(false);
    let path = format!("/connections/{}", all[0]["id"].as_str().unwrap());
    admin.expect(200, "PATCH", &path, Some(json!({"options": options}))).await;
}

/// A passkey that is being made.
struct Begun {
    session: Value,
    options: Value,
}

impl Begun {
    #[track_caller]
    fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 202, "{}", answer.body);
        let body = answer.json();
        Self { session: body["auth_session"].clone(), options: body["authn_params_public_key"].clone() }
    }

    fn made_by(&self, key: &mut VirtualKey, page: &str) -> Value {
        let answer = key.create(&self.options, page, &mut SystemRng).unwrap();
        json!({"auth_session": self.session, "authn_response": answer})
    }
}

impl Begun {
    /// What a page would send that a browser let ask: without an attestation nothing signs the origin.
    fn made_on(&self, page: &str) -> Value {
        let mut body = self.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
        let said = body["authn_response"]["response"]["clientDataJSON"].as_str().unwrap();
        let mut said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap();
        said["origin"] = json!(page);
        body["authn_response"]["response"]["clientDataJSON"] =
            json!(URL_SAFE_NO_PAD.encode(said.to_string()));
        body
    }
}

impl Account<'_> {
    async fn begin_passkey(&self) -> Begun {
        Begun::read(&self.begin(json!({"type": "passkey"})).await)
    }

    async fn add_passkey(&self, model: Model) -> (VirtualKey, Value) {
        let begun = self.begin_passkey().await;
        let mut key = VirtualKey::new(model);
        let done = self.verify("passkey|new", begun.made_by(&mut key, HERE)).await;
        assert_eq!(done.status, 201, "{}", done.body);
        (key, done.json())
    }
}

/// Answers `/passkey/challenge` or `/passkey/register` and redeems the answer.
async fn redeem(app: &TestApp, key: &mut VirtualKey, new: Option<&str>) -> Answer {
    let (path, body) = match new {
        Some(email) => {
            ("/passkey/register", json!({"client_id": "native", "user_profile": {"email": email}}))
        }
        None => ("/passkey/challenge", json!({"client_id": "native"})),
    };
    let begun = app.json("POST", path, None, Some(body)).await.json();
    let options = &begun["authn_params_public_key"];
    let answer = match new {
        Some(_) => key.create(options, HERE, &mut SystemRng).unwrap(),
        None => key.get(options, HERE).unwrap(),
    };
    let body = json!({"grant_type": GRANT, "client_id": "native", "auth_session": begun["auth_session"],
        "authn_response": answer, "scope": ALL, "audience": AUDIENCE});
    app.json("POST", "/oauth/token", None, Some(body)).await
}

/// Logs in or signs up by a passkey, and returns the application with a token.
async fn account_by_passkey<'a>(app: &'a TestApp, key: &mut VirtualKey, new: Option<&str>) -> Account<'a> {
    let answer = redeem(app, key, new).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Account { app, token: answer.json()["access_token"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn a_passkey_is_made_by_its_answer_shown_whole_and_logs_its_owner_in() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let factors = own.call("GET", "/me/v1/factors", None).await.json();
    assert_eq!(
        factors["factors"],
        json!([{"type": "password", "usage": ["primary"]}, {"type": "passkey", "usage": ["primary"]},
            {"type": "totp", "usage": ["secondary"]}])
    );
    let answer = own.begin(json!({"type": "passkey", "connection": REALM, "identity_user_id": "ana"})).await;
    assert_eq!(answer.location(), format!("{HERE}{METHODS}/passkey%7Cnew"));
    let begun = Begun::read(&answer);
    assert_eq!(answer.json().as_object().unwrap().len(), 2, "no id: {}", answer.body);
    let (challenge, handle) = (&begun.options["challenge"], &begun.options["user"]["id"]);
    assert_eq!(
        begun.options,
        json!({
            "challenge": challenge, "timeout": 60000, "rp": {"id": "lockstep.test", "name": "Lockstep"},
            "user": {"id": handle, "name": "ana@example.com", "displayName": "ana@example.com"},
            "pubKeyCredParams": [
                {"type": "public-key", "alg": -8}, {"type": "public-key", "alg": -7},
                {"type": "public-key", "alg": -257},
            ],
            "authenticatorSelection": {"residentKey": "required", "userVerification": "preferred"},
        })
    );
    let mut key = VirtualKey::new(Model::SYNCED);
    let body = begun.made_by(&mut key, HERE);
    let done = own.verify("passkey|new", body.clone()).await;
    assert_eq!(done.status, 201, "{}", done.body);
    let passkey = done.json();
    let id = passkey["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("passkey|dev_"), "{id}");
    assert!(done.location().ends_with(&format!("{METHODS}/{}", id.replace('|', "%7C"))));
    assert_eq!(
        passkey,
        json!({
            "id": id, "type": "passkey", "usage": ["primary"], "confirmed": true,
            "created_at": passkey["created_at"], "key_id": body["authn_response"]["id"],
            "public_key": passkey["public_key"], "credential_device_type": "multi_device",
            "credential_backed_up": true, "identity_user_id": "ana", "user_handle": handle,
            "transports": ["internal"], "aaguid": "00000000-0000-0000-0000-000000000000",
            "relying_party_id": "lockstep.test",
        })
    );
    assert!(passkey["public_key"].as_str().unwrap().len() > 40);
    refused(&own.verify("passkey|new", body).await, 400, "The auth_session is invalid or has expired");
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(notice.text.contains("A passkey was added"), "{}", notice.text);
    // The management API shows the same one.
    let path = format!("/users/auth0%7Cana/authentication-methods/{}", id.replace('|', "%7C"));
    let managed = admin(&app).await.expect(200, "GET", &path, None).await;
    assert_eq!((&managed["key_id"], &managed["user_handle"]), (&passkey["key_id"], handle));
    let tokens = redeem(&app, &mut key, None).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(claims(tokens.json()["id_token"].as_str().unwrap())["sub"], "auth0|ana");
    let listed = own.call("GET", &format!("{METHODS}?type=passkey"), None).await.json();
    assert_eq!(listed["authentication_methods"].as_array().unwrap().len(), 1);
    assert!(listed["authentication_methods"][0]["last_auth_at"].is_string(), "{listed}");
    // A second one knows its owner by the same name.
    assert_eq!(own.begin_passkey().await.options["user"]["id"], *handle);
}

#[tokio::test]
async fn a_passkey_is_read_named_and_removed() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let (mut key, passkey) = own.add_passkey(Model::DEVICE).await;
    let one = format!("{METHODS}/{}", passkey["id"].as_str().unwrap().replace('|', "%7C"));
    let read = own.call("GET", &one, None).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, passkey.clone()));
    let named = own.call("PATCH", &one, Some(json!({"name": "Laptop <b>"}))).await;
    assert_eq!((named.status.as_u16(), &named.json()["name"]), (200, &json!("Laptop <b>")), "{}", named.body);
    assert_eq!(own.call("GET", &one, None).await.json()["name"], "Laptop <b>");
    let channel = own.call("PATCH", &one, Some(json!({"preferred_authentication_method": "sms"}))).await;
    refused(&channel, 400, "Invalid request body");
    // Nobody else's.
    let bob = app.user("bob@example.com").await;
    let stranger = account(&app, &bob, ALL, &[]).await;
    for (method, body) in [("GET", None), ("PATCH", Some(json!({"name": "x"}))), ("DELETE", None)] {
        assert_eq!(stranger.call(method, &one, body).await.status, 404, "{method}");
    }
    assert_eq!(own.call("DELETE", &one, None).await.status, 204);
    refused(&own.call("DELETE", &one, None).await, 404, "The authentication method was not found");
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(
        notice.text.contains("A passkey was removed") && notice.text.contains("Laptop <b>"),
        "{}",
        notice.text
    );
    assert!(!notice.html.unwrap().contains("<b>"), "what people call their keys is no markup");
    assert_eq!(redeem(&app, &mut key, None).await.status, 404, "it logs nobody in any more");
}

#[tokio::test]
async fn an_answer_that_does_not_hold_is_counted_and_makes_nothing() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let begun = own.begin_passkey().await;
    let mut key = VirtualKey::new(Model::SYNCED);
    let right = begun.made_by(&mut key, HERE);
    let id = "passkey|new";
    // What has not its shape is not counted.
    for (path, value, field) in [
        ("/auth_session", None, "auth_session"),
        ("/authn_response", None, "authn_response"),
        ("/authn_response/id", Some(json!("A".repeat(1365))), "authn_response.id"),
        ("/authn_response/type", Some(json!("password")), "authn_response.type"),
        (
            "/authn_response/response/attestationObject",
            Some(json!("A".repeat(2001))),
            "authn_response.response.attestationObject",
        ),
        (
            "/authn_response/response/clientDataJSON",
            Some(json!("A".repeat(1001))),
            "authn_response.response.clientDataJSON",
        ),
        ("/authn_response/response", Some(json!("x")), "authn_response.response"),
    ] {
        let mut body = right.clone();
        match value {
            Some(value) => *body.pointer_mut(path).unwrap() = value,
            None => drop(body.as_object_mut().unwrap().remove(path.trim_start_matches('/'))),
        }
        let answer = own.verify(id, body).await;
        refused(&answer, 400, "Invalid request body");
        assert_eq!(answer.json()["validation_errors"][0]["field"], field, "{}", answer.body);
    }
    let mut more = right.clone();
    more["x"] = json!(1);
    refused(&own.verify(id, more).await, 400, "Invalid request body");
    let mut foreign = right.clone();
    foreign["auth_session"] = json!("x");
    refused(&own.verify(id, foreign).await, 400, "The auth_session is invalid or has expired");
    // A page of somebody else, and one of another application on our domain.
    for page in ["https://lockstep.test.evil.example", BELOW, "http://lockstep.test"] {
        let answer = own.verify(id, begun.made_on(page)).await;
        refused(&answer, 400, "The passkey's answer is not valid");
    }
    let other = own.begin_passkey().await;
    let stale = own.verify(id, right).await;
    refused(&stale, 400, "The auth_session is invalid or has expired");
    let mut swapped = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    swapped["auth_session"] = other.session.clone();
    refused(&own.verify(id, swapped.clone()).await, 400, "The passkey's answer is not valid");
    for _ in 0..4 {
        own.verify(id, swapped.clone()).await;
    }
    let late = own.verify(id, other.made_by(&mut key, HERE)).await;
    refused(&late, 400, "The auth_session is invalid or has expired");
    let begun = own.begin_passkey().await;
    app.clock.advance(Span::minutes(10));
    let late = own.verify(id, begun.made_by(&mut key, HERE)).await;
    refused(&late, 400, "The auth_session is invalid or has expired");
    assert_eq!(own.types().await, ["password"]);
    // Ten minutes, not the five of a page.
    let begun = own.begin_passkey().await;
    app.clock.advance(Span::minutes(8));
    assert_eq!(own.verify(id, begun.made_by(&mut key, HERE)).await.status, 201);
}

#[tokio::test]
async fn a_session_ends_only_by_who_began_it() {
    let app = tenant(&["otp"]).await;
    let (ana, bob) = (app.user("ana@example.com").await, app.user("bob@example.com").await);
    let (own, stranger) = (account(&app, &ana, ALL, &[]).await, account(&app, &bob, ALL, &[]).await);
    let begun = own.begin_passkey().await;
    let body = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    refused(
        &stranger.verify("passkey|new", body.clone()).await,
        404,
        "The authentication method was not found",
    );
    // Her own other application does not end it either.
    let mut key = own.add_passkey(Model::SYNCED).await.0;
    let native = account_by_passkey(&app, &mut key, None).await;
    let begun = own.begin_passkey().await;
    let body = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    assert_eq!(native.verify("passkey|new", body.clone()).await.status, 404);
    assert_eq!(own.verify("passkey|new", body).await.status, 201);
}

#[tokio::test]
async fn of_ten_answers_at_once_one_makes_a_passkey_and_no_key_is_two_peoples() {
    let app = tenant(&["otp"]).await;
    let (ana, bob) = (app.user("ana@example.com").await, app.user("bob@example.com").await);
    let own = account(&app, &ana, ALL, &[]).await;
    let begun = own.begin_passkey().await;
    let body = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    let path = format!("{METHODS}/passkey%7Cnew/verify");
    app.clock.advance(Span::minutes(2));
    let answers =
        at_once((0..10).map(|_| app.json("POST", &path, Some(&own.token), Some(body.clone())))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert!(answers.iter().all(|a| matches!(a.status.as_u16(), 201 | 400 | 429)), "no 500");
    assert_eq!(own.types().await, ["password", "passkey"]);
    // A key with an identifier that exists already: an import, or a broken authenticator.
    let stored = own.list().await[1].clone();
    let stranger = account(&app, &bob, ALL, &[]).await;
    let begun = stranger.begin_passkey().await;
    let mut twin = VirtualKey::new(Model::SYNCED);
    let taken = begun.made_by(&mut twin, HERE);
    let import = json!({"type": "passkey", "key_id": taken["authn_response"]["id"],
        "public_key": stored["public_key"], "relying_party_identifier": "lockstep.test"});
    let path = "/users/auth0%7Cana/authentication-methods";
    admin(&app).await.expect(201, "POST", path, Some(import)).await;
    refused(
        &stranger.verify("passkey|new", taken).await,
        409,
        "This authentication method is already enrolled",
    );
    assert_eq!(stranger.types().await, ["password"]);
}

#[tokio::test]
async fn where_passkeys_are_off_none_is_begun_or_made() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    for (body, field) in [
        (json!({"type": "passkey", "connection": "elsewhere"}), "connection"),
        (json!({"type": "passkey", "connection": "a b"}), "connection"),
        (json!({"type": "passkey", "identity_user_id": "bob"}), "identity_user_id"),
        (json!({"type": "passkey", "name": "x"}), ""),
    ] {
        let answer = own.begin(body).await;
        refused(&answer, 400, "Invalid request body");
        assert_eq!(answer.json()["validation_errors"][0]["field"], field, "{}", answer.body);
    }
    let begun = own.begin_passkey().await;
    passkeys(&app, false).await;
    let off = "This authentication method is not available";
    refused(&own.begin(json!({"type": "passkey"})).await, 403, off);
    let body = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    refused(&own.verify("passkey|new", body).await, 403, off);
    let factors = own.call("GET", "/me/v1/factors", None).await.json();
    assert!(!factors.to_string().contains("passkey"), "{factors}");
}

#[tokio::test]
async fn somebody_with_a_factor_changes_passkeys_after_a_fresh_second_factor_only() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let weak = account(&app, &ana, ALL, &[]).await;
    let strong = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    let (_, passkey) = strong.add_passkey(Model::SYNCED).await;
    let one = format!("{METHODS}/{}", passkey["id"].as_str().unwrap().replace('|', "%7C"));
    let begun = strong.begin_passkey().await;
    let body = begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE);
    for (method, path, body) in [
        ("POST", METHODS.to_owned(), Some(json!({"type": "passkey"}))),
        ("POST", format!("{METHODS}/passkey%7Cnew/verify"), Some(body.clone())),
        ("PATCH", one.clone(), Some(json!({"name": "x"}))),
        ("DELETE", one.clone(), None),
    ] {
        let answer = weak.call(method, &path, body).await;
        refused(&answer, 403, "Recent multi-factor authentication is required");
        assert!(answer.header("www-authenticate").unwrap().contains("max_age=\"900\""));
    }
    assert_eq!(strong.verify("passkey|new", body).await.status, 201);
}

#[tokio::test]
async fn the_last_way_to_begin_a_login_stays() {
    let app = tenant(&["otp"]).await;
    let mut key = VirtualKey::new(Model::SYNCED);
    let own = account_by_passkey(&app, &mut key, Some("new@example.com")).await;
    assert_eq!(own.types().await, ["passkey"], "there is no password to show");
    let first = own.list().await[0]["id"].as_str().unwrap().replace('|', "%7C");
    let last = own.call("DELETE", &format!("{METHODS}/{first}"), None).await;
    refused(&last, 409, "The passkey cannot be removed: it is the last way to begin a login");
    // The application's own page is below our domain.
    let begun = own.begin_passkey().await;
    let done = own.verify("passkey|new", begun.made_by(&mut VirtualKey::new(Model::DEVICE), BELOW)).await;
    assert_eq!(done.status, 201, "{}", done.body);
    assert_eq!(own.call("DELETE", &format!("{METHODS}/{first}"), None).await.status, 204);
    assert_eq!(own.types().await, ["passkey"]);
    let second = own.list().await[0]["id"].as_str().unwrap().replace('|', "%7C");
    assert_eq!(own.call("DELETE", &format!("{METHODS}/{second}"), None).await.status, 409);
    // Nor are there more than twenty of all.
    for n in 0..19 {
        own.add_passkey(Model::SYNCED).await;
        assert_eq!(own.list().await.len(), n + 2);
    }
    refused(
        &own.begin(json!({"type": "passkey"})).await,
        409,
        "No more authentication methods can be enrolled",
    );
}

#[tokio::test]
async fn of_two_last_passkeys_that_are_removed_at_once_at_two_servers_one_stays() {
    for shared in Shared::each().await {
        let apps = [tenant_on(shared.server().await, &["otp"]).await, shared.server().await];
        apps[0].passkeys(json!({})).await;
        for round in 0..10 {
            let ana = apps[0].user(&format!("ana{round}@example.com")).await;
            apps[0].with_passkey(&ana, Model::SYNCED).await;
            apps[0].with_passkey(&ana, Model::DEVICE).await;
            let own = account(&apps[0], &ana, ALL, &[]).await;
            let mut conn = apps[0].app.db().write().await.unwrap();
            let sql = "update users set password_hash = null where user_id = $1";
            conn.execute(sql, values![ana.id]).await.unwrap();
            conn.commit().await.unwrap();
            let ids: Vec<String> = own.list().await.iter().map(|m| m["id"].to_string()).collect();
            assert_eq!(ids.len(), 2, "{ids:?}");
            let answers = at_once(ids.iter().zip(&apps).map(|(id, app)| {
                let path = format!("{METHODS}/{}", id.trim_matches('"').replace('|', "%7C"));
                let token = own.token.clone();
                async move { app.json("DELETE", &path, Some(&token), None).await }
            }))
            .await;
            let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [204, 409], "round {round}, PostgreSQL: {}", shared.is_postgres());
            assert_eq!(own.types().await, ["passkey"]);
        }
    }
}

#[tokio::test]
async fn where_certain_models_are_allowed_a_passkey_that_proves_none_is_told_why_not() {
    let certain = TestApp::with(|config| {
        config.profile = Profile::Assured;
        let metadata = virtual_maker::metadata().to_string();
        config.key_models = Some(Arc::new(Models::read(&metadata, &[]).unwrap()));
    });
    let app = tenant_on(certain.await, &["otp"]).await;
    app.passkeys(json!({"progressive_enrollment_enabled": false})).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let begun = own.begin_passkey().await;
    assert_eq!(begun.options["attestation"], "direct");
    let answer = own.verify("passkey|new", begun.made_by(&mut VirtualKey::new(Model::SYNCED), HERE)).await;
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("The passkey cannot be used here: the key does not prove"), "{detail}");
    let begun = own.begin_passkey().await;
    let body = begun.made_by(&mut VirtualKey::new(Model::ATTESTED), HERE);
    assert_eq!(own.verify("passkey|new", body).await.status, 201);
}
