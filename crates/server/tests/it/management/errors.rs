//! What is wrong is told in Auth0's words and shape.

use lockstep_core::ids::UserId;
use lockstep_core::model::user::User;
use lockstep_engine::store::users;
use serde_json::json;

use super::{admin, token};
use crate::support::TestApp;

#[tokio::test]
async fn a_malformed_header_and_an_unknown_route_have_their_own_answers() {
    let app = TestApp::new().await;
    let full = token(&app, &[]).await;
    let bad = app.send(
        http::Request::get("/api/v2/users").header("authorization", "Basic eDp5").body("".into()).unwrap(),
    );
    let bad = bad.await;
    assert_eq!((bad.status.as_u16(), bad.json()["errorCode"].as_str()), (400, Some("Bearer")));
    for (method, path) in [("GET", "/api/v2/nothing"), ("PUT", "/api/v2/users")] {
        let answer = app.json(method, path, Some(&full), None).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
        assert_eq!(answer.json()["statusCode"], 404, "{method} {path}");
    }
}

#[tokio::test]
async fn bad_ids_and_paging_are_named_and_unknown_users_are_404() {
    let app = TestApp::new().await;
    let full = token(&app, &[]).await;
    let get = async |path: &str| app.json("GET", path, Some(&full), None).await;
    let malformed = get("/api/v2/users/%7Bid%7D/enrollments").await;
    assert_eq!(
        (malformed.status.as_u16(), malformed.json()["errorCode"].as_str()),
        (400, Some("invalid_uri")),
        "{}",
        malformed.body
    );
    let message = malformed.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("{id}") && message.contains("on property id"), "{message}");
    assert_eq!(get("/api/v2/users//enrollments").await.json()["errorCode"], "invalid_uri");
    assert_eq!(get("/api/v2/users/%FF%FE").await.json()["errorCode"], "invalid_uri");
    let unknown = get("/api/v2/users/auth0%7Cnope/authentication-methods").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["errorCode"].as_str()),
        (404, Some("inexistent_user"))
    );
    for query in ["per_page=0", "per_page=101", "per_page=-1", "per_page=x", "page=-1"] {
        let answer = get(&format!("/api/v2/users?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["errorCode"].as_str()),
            (400, Some("invalid_query_string")),
            "{query}"
        );
        let named = query.split('=').next().unwrap();
        assert!(answer.json()["message"].as_str().unwrap().contains(named), "{}", answer.body);
    }
    app.user("ana@example.com").await;
    assert_eq!(get("/api/v2/users?nothing=1&q=").await.status, 200);
    let wrong = app.raw("/api/v2/users", "text/plain", "x", Some(&format!("Bearer {full}"))).await;
    assert!(matches!(wrong.status.as_u16(), 400 | 415));
    let broken = app
        .raw(
            "/api/v2/users",
            "application/json",
            "{\"email\":\"a@b.co\",\"email\":\"c@d.co\"}",
            Some(&format!("Bearer {full}")),
        )
        .await;
    assert_eq!(broken.status, 400, "{}", broken.body);
    let not_json =
        app.raw("/api/v2/users", "application/json", "{\"email\":", Some(&format!("Bearer {full}"))).await;
    let short = get("/api/v2/users/auth0%7Cana/authentication-methods/totp%7Cdev_short").await;
    assert!(matches!(short.status.as_u16(), 400 | 404), "{}", short.body);
    let method = app.json("PUT", "/api/v2/users/auth0%7Cana", Some(&full), None).await;
    assert_eq!(method.status, 404, "as at Auth0 (contract 1.4): {}", method.body);
    for answer in [malformed, unknown, wrong, broken, not_json, short] {
        let told = answer.json();
        assert_eq!(told["statusCode"], answer.status.as_u16(), "{told}");
        for field in ["error", "message", "errorCode"] {
            assert!(told[field].is_string(), "{field}: {told}");
        }
        assert!(!answer.body.contains(".rs") && !answer.body.contains("panicked"), "{told}");
    }
}

#[tokio::test]
async fn user_ids_with_a_pipe_slash_or_colon_work_in_every_path() {
    let app = TestApp::new().await;
    let full = token(&app, &[]).await;
    for id in ["ana", "x/y", "eip155:5:0xAB", "a%20b", "a+b"] {
        let body = json!({"connection": "Username-Password-Authentication", "user_id": id, "email": format!("u{}@example.com", app.count()), "password": "Pw-ana-1!"});
        let made = app.json("POST", "/api/v2/users", Some(&full), Some(body)).await;
        assert_eq!(made.status, 201, "{id}: {}", made.body);
        let user_id = format!("auth0|{id}");
        assert_eq!(made.json()["user_id"], user_id.as_str());
        let encoded =
            percent_encoding::utf8_percent_encode(&user_id, percent_encoding::NON_ALPHANUMERIC).to_string();
        for path in ["", "/authentication-methods", "/enrollments", "/sessions", "/authenticators", "/roles"]
        {
            let answer = app.json("GET", &format!("/api/v2/users/{encoded}{path}"), Some(&full), None).await;
            assert_eq!(answer.status, 200, "{id}{path}: {}", answer.body);
        }
        let twice = encoded.replace('%', "%25");
        assert_eq!(
            app.json("GET", &format!("/api/v2/users/{twice}"), Some(&full), None).await.status,
            404,
            "{id}"
        );
    }
    assert_eq!(
        app.json("GET", "/api/v2/users/auth0|ana", Some(&full), None).await.json()["user_id"],
        "auth0|ana"
    );
    assert_eq!(
        app.json("GET", "/api/v2/users/..%2fclients", Some(&full), None).await.status.as_u16() / 100,
        4
    );
}

#[tokio::test]
async fn an_id_of_another_provider_is_the_same_however_it_is_encoded_and_never_another_resource() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let mut tx = app.app.db().write().await.unwrap();
    for id in ["auth0|ana", "waad|x/y", "oauth2|siwe|eip155:5:0xAB", "auth0|a%20b", "email|a+b"] {
        let user = User::new(UserId::parse(id).unwrap(), "Username-Password-Authentication", app.now());
        users::create(&mut tx, &user, None).await.unwrap();
    }
    tx.commit().await.unwrap();
    for (id, raw) in [
        ("auth0|ana", "auth0|ana"),
        ("waad|x/y", "waad|x%2Fy"),
        ("oauth2|siwe|eip155:5:0xAB", "oauth2|siwe|eip155:5:0xAB"),
        ("auth0|a%20b", "auth0|a%2520b"),
        ("email|a+b", "email|a+b"),
    ] {
        let whole = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string();
        for form in [raw.to_owned(), whole.clone(), whole.replace("%7C", "%7c"), raw.replace(':', "%3A")] {
            let user = admin.expect(200, "GET", &format!("/users/{form}"), None).await;
            assert_eq!(user["user_id"], id, "{form}");
            for path in ["/authentication-methods", "/enrollments", "/sessions", "/authenticators"] {
                admin.expect(200, "GET", &format!("/users/{form}{path}"), None).await;
            }
            admin.expect(200, "GET", &format!("/user-blocks/{form}"), None).await;
            let path = format!("/users/{form}/recovery-code-regeneration");
            let code = admin.expect(200, "POST", &path, Some(json!({}))).await;
            assert!(code["recovery_code"].is_string(), "{form}");
        }
        let twice = whole.replace('%', "%25");
        for path in ["", "/authentication-methods", "/enrollments", "/sessions"] {
            admin.expect(404, "GET", &format!("/users/{twice}{path}"), None).await;
        }
        admin.expect(404, "GET", &format!("/user-blocks/{twice}"), None).await;
    }
    for path in
        ["/users/..%2fclients", "/users/auth0%7Cana/..%2fsessions", "/users/..%2f..%2fapi%2fv2%2fusers"]
    {
        let (answer, body) = admin.call("GET", path, None).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {body}");
    }
    // A slash at the end is the same path or none, never the list or somebody else.
    let (answer, body) = admin.call("GET", "/users/auth0%7Cana/", None).await;
    assert!(answer.status == 404 || body["user_id"] == "auth0|ana", "{body}");
}
