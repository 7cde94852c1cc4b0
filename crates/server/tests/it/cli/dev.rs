//! `lockstep dev`.

use serde_json::json;

use super::Place;

#[tokio::test]
async fn one_line_tells_everything_and_every_address_answers_over_tls_with_the_ca() {
    let place = Place::new();
    let twin = place.twin(&[]);
    let keys: Vec<&String> = twin.ready.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca", "clients", "http", "https", "issuer", "management", "users"]);
    assert_eq!(format!("{}/", twin.text("https")), twin.text("issuer"));
    let port = twin.text("https").rsplit_once(':').unwrap().1;
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        if host == "[::1]" && std::net::TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        let answer = twin.http().get(format!("https://{host}:{port}/health")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{host}");
        assert!(
            answer.headers().get("strict-transport-security").is_none(),
            "it would bind all of localhost"
        );
    }
    let plain = reqwest::get(format!("{}/health", twin.text("http"))).await.unwrap();
    assert_eq!(plain.status(), 200);
    let note = place.path(&format!("cache/running/{port}.json"));
    assert!(note.exists());
    assert_eq!(twin.stop(), (String::new(), 0), "nothing else is printed, and it ends in order");
    assert!(!note.exists());
}

#[tokio::test]
async fn a_restart_keeps_ca_and_signing_keys_so_that_trust_lasts() {
    let place = Place::new();
    let first = place.twin(&[]);
    let ca = std::fs::read(first.text("ca")).unwrap();
    let keys = std::fs::read(place.path("cache/signing-keys")).unwrap();
    first.stop();
    let second = place.twin(&[]);
    assert_eq!(std::fs::read(second.text("ca")).unwrap(), ca);
    assert_eq!(std::fs::read(place.path("cache/signing-keys")).unwrap(), keys);
    let told = place.run(&["trust", "--path"]);
    assert_eq!(told.out.trim(), second.text("ca"));
}

#[tokio::test]
async fn kept_data_is_there_after_a_restart_and_belongs_to_its_issuer() {
    let place = Place::new();
    let twin = place.twin(&["--data", "twin"]);
    let (ca, issuer) = (twin.text("ca").to_owned(), twin.text("issuer").to_owned());
    assert!(ca.starts_with('/') && ca.ends_with("/twin/ca/ca.pem"), "{ca}");
    twin.stop();
    let again = place.twin(&["--data", "twin"]);
    assert_eq!((again.text("ca"), again.text("issuer")), (ca.as_str(), issuer.as_str()));
    drop(again);
    let told = place.run(&["dev", "--data", "twin", "--port", "1", "--no-http"]);
    assert_eq!(told.code, 1, "no start with another issuer: {}", told.err);
    use std::os::unix::fs::PermissionsExt as _;
    for secret in ["twin/master.key", "twin/lockstep.db", "twin/ca/ca.key"] {
        let mode = std::fs::metadata(place.path(secret)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
}

#[test]
fn a_name_that_the_local_ca_may_not_certify_is_refused() {
    let told = Place::new().run(&["dev", "--port", "0", "--host", "login.example.com"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("only certifies localhost"), "{}", told.err);
}

#[tokio::test]
async fn an_authenticator_app_shows_the_code_of_the_clock_that_was_set() {
    let place = Place::new();
    let twin = place.twin(&[]);
    let (status, _) = twin.post("/_dev/api/clock", json!({"set": 59_000, "freeze": true})).await;
    assert_eq!(status, 200);
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let (status, app) = twin.post("/_dev/api/authenticators", json!({"secret": secret})).await;
    // RFC 6238, appendix B.
    assert_eq!((status, app["code"].as_str()), (201, Some("287082")));
    twin.post("/_dev/api/clock", json!({"advance_ms": 1000})).await;
    let later = twin.get(&format!("/_dev/api/authenticators/{}/code", app["id"].as_str().unwrap())).await;
    assert_ne!(later["code"], app["code"]);
    assert_eq!(twin.get("/_dev/api/clock").await["now"], "1970-01-01T00:01:00.000Z");
    let (status, told) = twin.post("/_dev/api/clock", json!({"set": "soon"})).await;
    assert_eq!(status, 400);
    assert!(told["error"].as_str().unwrap().contains("ISO 8601"));
}

#[tokio::test]
async fn a_twin_that_takes_attested_keys_only_has_such_keys() {
    use lockstep_core::factors::webauthn::attestation::{Demand, Models};
    use lockstep_core::factors::webauthn::ceremony::{self, Expected};
    use lockstep_core::factors::{RelyingParty, UserVerification};
    use lockstep_core::time::Timestamp;
    let place = Place::new();
    let twin = place.twin(&["--profile", "assured", "--attested-keys"]);
    let challenge = "c29tZS1yYW5kb20tYnl0ZXM";
    let options = json!({
        "rp": {"id": "localhost", "name": "Twin"}, "challenge": challenge, "attestation": "direct",
        "user": {"id": "dXNlcg", "name": "ana", "displayName": "ana"},
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    });
    let (status, key) = twin.post("/_dev/api/keys", json!({"kind": "attested-key"})).await;
    assert_eq!((status, &key["attested"]), (201, &json!(true)));
    let path = format!("/_dev/api/keys/{}/create", key["id"].as_str().unwrap());
    let (_, new) = twin.post(&path, json!({"options": options})).await;
    let metadata = twin.get("/_dev/api/keys/metadata").await.to_string();
    let models = Models::read(&metadata, &[]).unwrap();
    let relying_party = RelyingParty::parse("localhost", &[twin.text("https")]).unwrap();
    let user_verification = UserVerification::Preferred;
    let expected = Expected { challenge, relying_party: &relying_party, user_verification };
    let demand = Some(Demand { models: &models, now: Timestamp::from_secs(0) });
    ceremony::register(&new.to_string(), expected, &[], demand).unwrap();
    let refused = place.run(&["dev", "--port", "0", "--attested-keys"]).err;
    assert!(refused.contains("--attested-keys needs --profile assured"), "{refused}");
}

#[tokio::test]
async fn virtual_keys_make_and_sign_what_the_server_accepts() {
    use lockstep_core::factors::webauthn::ceremony::{self, Expected, Known, Refused};
    use lockstep_core::factors::{RelyingParty, UserVerification};
    let place = Place::new();
    let twin = place.twin(&[]);
    let origin = twin.text("https").to_owned();
    let relying_party = RelyingParty::parse("localhost", &[origin.as_str()]).unwrap();
    let challenge = "c29tZS1yYW5kb20tYnl0ZXM";
    let user_verification = UserVerification::Preferred;
    let expected = Expected { challenge, relying_party: &relying_party, user_verification };
    for kind in ["security-key", "touch-only", "device", "synced"] {
        let (status, key) = twin.post("/_dev/api/keys", json!({"kind": kind})).await;
        assert_eq!((status, &key["held"]), (201, &json!(0)), "{kind}");
        let path = format!("/_dev/api/keys/{}", key["id"].as_str().unwrap());
        let options = json!({
            "rp": {"id": "localhost", "name": "Twin"}, "challenge": challenge,
            "user": {"id": "dXNlcg", "name": "ana", "displayName": "ana"},
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        });
        let (status, new) =
            twin.post(&format!("{path}/create"), json!({"options": {"publicKey": options}})).await;
        assert_eq!(status, 200, "{new}");
        let new = ceremony::register(&new.to_string(), expected, &[], None).unwrap();
        assert_eq!(new.state.user_verified, kind != "touch-only");
        assert_eq!(new.state.backup_eligible, kind == "synced");
        let (status, copy) = twin.post(&format!("{path}/copy"), json!({})).await;
        assert_eq!((status, &copy["held"]), (201, &json!(1)));
        let options = json!({"rpId": "localhost", "challenge": challenge});
        let (_, first) = twin.post(&format!("{path}/get"), json!({"options": options})).await;
        let mut known = Known {
            credential_id: new.credential_id,
            public_key: new.public_key,
            user_handle: Some("dXNlcg".into()),
            sign_count: Some(new.state.sign_count),
        };
        let right = ceremony::assert(&first.to_string(), expected, &known).unwrap();
        known.sign_count = Some(right.state.sign_count);
        let copied = format!("/_dev/api/keys/{}/get", copy["id"].as_str().unwrap());
        let (_, second) = twin.post(&copied, json!({"options": options})).await;
        let found = ceremony::assert(&second.to_string(), expected, &known);
        assert_eq!(matches!(found, Err(Refused::Counter { .. })), kind != "synced", "{kind}: {found:?}");
        let elsewhere = json!({"options": options, "origin": "https://evil.example"});
        let (status, told) = twin.post(&format!("{path}/get"), elsewhere).await;
        assert_eq!((status, &told["error"]), (400, &json!("SecurityError")));
    }
    assert_eq!(twin.get("/_dev/api/keys").await.as_array().map(Vec::len), Some(8));
    let (status, told) = twin.post("/_dev/api/keys", json!({"kind": "brass"})).await;
    assert!(status == 400 && told["error"].as_str().unwrap().contains("security-key"), "{told}");
    assert_eq!(twin.post("/_dev/api/keys/key_99/get", json!({"options": {}})).await.0, 404);
    twin.post("/_dev/api/reset", json!({})).await;
    assert_eq!(twin.get("/_dev/api/keys").await, json!([]));
}

#[tokio::test]
async fn a_reset_goes_back_and_the_clock_with_it() {
    let place = Place::new();
    let twin = place.twin(&[]);
    twin.post("/_dev/api/authenticators", json!({"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"})).await;
    twin.post("/_dev/api/clock", json!({"advance_ms": 86_400_000})).await;
    assert_eq!(twin.post("/_dev/api/snapshot", json!({"name": "later"})).await.0, 200);
    assert_eq!(twin.post("/_dev/api/reset", json!({"name": "later", "keep_clock": true})).await.0, 200);
    assert!(twin.get("/_dev/api/clock").await["ahead_ms"].as_i64().unwrap() > 86_000_000);
    assert_eq!(twin.post("/_dev/api/reset", json!({})).await.0, 200);
    assert_eq!(twin.get("/_dev/api/clock").await["ahead_ms"], 0);
    assert_eq!(twin.get("/_dev/api/authenticators").await, json!([]));
    assert_eq!(twin.post("/_dev/api/reset", json!({"name": "gone"})).await.0, 404);
}

#[tokio::test]
async fn a_page_of_another_origin_can_neither_drive_nor_read_the_twin() {
    let place = Place::new();
    let twin = place.twin(&[]);
    let http = twin.http();
    let form =
        http.post(twin.url("/_dev/api/reset")).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(form.status(), 403);
    let rebound = reqwest::Client::new()
        .get(format!("{}/_dev/api/outbox", twin.text("http")))
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), 421);
}
