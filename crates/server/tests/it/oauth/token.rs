//! `/oauth/token`.

use lockstep_core::time::Span;
use serde_json::json;

use crate::support::{API, Answer, CALLBACK, PASSWORD, TestApp, claims};

async fn app() -> TestApp {
    TestApp::new().await.with_apps().await
}

fn code_grant(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("redirect_uri", CALLBACK),
        ("code", code),
    ]
}

async fn code(app: &TestApp, more: &[(&str, &str)]) -> String {
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(more).await.password(&ana).await;
    browser.back_with_code()
}

#[tokio::test]
async fn a_code_is_good_once_and_its_second_use_ends_what_came_of_the_first() {
    let app = app().await;
    let code = code(&app, &[("scope", "openid offline_access")]).await;
    let first = app.form("/oauth/token", &code_grant(&code)).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let access = first.json()["access_token"].as_str().unwrap().to_owned();
    let second = app.form("/oauth/token", &code_grant(&code)).await;
    assert_eq!(second.status, 403);
    assert_eq!(
        second.json(),
        json!({"error": "invalid_grant", "error_description": "Invalid authorization code"})
    );
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", &refresh),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.status, 403);
    assert_eq!(app.json("GET", "/userinfo", Some(&access), None).await.status, 401);
}

#[tokio::test]
async fn a_code_lives_a_minute_and_belongs_to_its_client_and_callback() {
    let app = app().await;
    let late = code(&app, &[]).await;
    app.clock.advance(Span::seconds(61));
    assert_eq!(app.form("/oauth/token", &code_grant(&late)).await.json()["error"], "invalid_grant");
    let ben = app.user("ben@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ben).await;
    let code = browser.back_with_code();
    app.client(
        "other",
        json!({"name": "Other", "app_type": "regular_web"}),
        &json!({"callbacks": [CALLBACK]}),
    )
    .await;
    let mut other = code_grant(&code);
    other[1].1 = "other";
    other[2].1 = "other-secret";
    assert_eq!(
        app.form("/oauth/token", &other).await.json()["error_description"],
        "Invalid authorization code"
    );
    let mut elsewhere = code_grant(&code);
    elsewhere[3].1 = "https://app.example/other";
    let refused = app.form("/oauth/token", &elsewhere).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error"].as_str().unwrap().to_owned()),
        (403, "invalid_grant".to_owned())
    );
    assert_eq!(
        app.form("/oauth/token", &code_grant(&code)).await.status,
        403,
        "a failed binding burns the code"
    );
}

#[tokio::test]
async fn pkce_is_checked_and_cannot_be_stripped() {
    let app = app().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let unchallenged = browser.back_with_code();
    let mut with_verifier = code_grant(&unchallenged);
    with_verifier.push(("code_verifier", verifier));
    assert_eq!(
        app.form("/oauth/token", &with_verifier).await.json()["error_description"],
        "Failed to verify code verifier"
    );
    for (given, right) in [(None, false), (Some("x".repeat(43)), false), (Some(verifier.to_owned()), true)] {
        browser.authorize(&[("code_challenge", challenge), ("code_challenge_method", "S256")]).await;
        let code = browser.back_with_code();
        let mut fields = code_grant(&code);
        if let Some(given) = &given {
            fields.push(("code_verifier", given));
        }
        assert_eq!(app.form("/oauth/token", &fields).await.status == 200, right, "{given:?}");
    }
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_are_refused_alike() {
    let app = app().await;
    let mut answers = Vec::new();
    for (id, secret) in [("nobody", "x"), ("web", "wrong"), ("web", "")] {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("audience", API),
        ];
        let answer = app.form("/oauth/token", &fields).await;
        assert_eq!(answer.header("www-authenticate"), None);
        answers.push((answer.status.as_u16(), answer.json()));
    }
    assert!(
        answers
            .iter()
            .all(|a| *a == (401, json!({"error": "access_denied", "error_description": "Unauthorized"})))
    );
}

#[tokio::test]
async fn grants_that_are_off_unknown_or_not_built_say_which() {
    let app = app().await;
    let ask = async |grant: &str| {
        let fields = [
            ("grant_type", grant),
            ("client_id", "web"),
            ("client_secret", "web-secret"),
            ("username", "ana@example.com"),
        ];
        let answer = app.form("/oauth/token", &fields).await;
        (answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned())
    };
    for off in ["password", "http://auth0.com/oauth/grant-type/mfa-otp"] {
        assert_eq!(ask(off).await, (403, "unauthorized_client".to_owned()), "{off}");
    }
    for not_built in ["urn:openid:params:grant-type:ciba", "made-up"] {
        assert_eq!(ask(not_built).await, (400, "unsupported_grant_type".to_owned()), "{not_built}");
    }
    assert_eq!(ask("magic").await, (400, "unsupported_grant_type".to_owned()));
    let answer = app.form("/oauth/token", &[("client_id", "web")]).await;
    assert_eq!(
        answer.json(),
        json!({"error": "invalid_request", "error_description": "Missing required parameter: grant_type"})
    );
    for path in ["/oauth/ro", "/oauth/access_token", "/delegation", "/tokeninfo"] {
        assert_eq!(app.form(path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_machine_gets_a_token_for_what_it_was_granted_and_nothing_of_mfa_in_it() {
    let app = app().await;
    let fields = |scope: &'static str| {
        vec![
            ("grant_type", "client_credentials"),
            ("client_id", "web"),
            ("client_secret", "web-secret"),
            ("audience", API),
            ("scope", scope),
        ]
    };
    let refused = app.form("/oauth/token", &fields("")).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str().unwrap()), (403, "access_denied"));
    app.grant("web", API, &["read:a"]).await;
    let answer = app.form("/oauth/token", &fields("read:a transfer:b")).await.json();
    assert_eq!(answer["scope"], "read:a");
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(86_400)));
    assert!(answer.get("id_token").is_none() && answer.get("refresh_token").is_none());
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(
        (&token["sub"], &token["gty"], &token["aud"]),
        (&json!("web@clients"), &json!("client-credentials"), &json!(API))
    );
    for claim in ["acr", "amr", "auth_time"] {
        assert!(token.get(claim).is_none(), "{claim}");
    }
    let unknown = [
        ("grant_type", "client_credentials"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("audience", "https://no.example/"),
    ];
    assert_eq!(
        app.form("/oauth/token", &unknown).await.json()["error_description"],
        "Service not found: https://no.example/"
    );
}

#[tokio::test]
async fn json_bodies_nulls_and_basic_headers_work_and_doubles_do_not() {
    let app = app().await;
    app.grant("web", API, &["read:a"]).await;
    let body = json!({"grant_type": "client_credentials", "client_id": "web", "client_secret": "web-secret", "audience": API, "scope": "", "realm": null});
    assert_eq!(app.json("POST", "/oauth/token", None, Some(body)).await.status, 200);
    let doubled = format!(
        "grant_type=client_credentials&client_id=web&client_secret=web-secret&audience={API}&audience={API}"
    );
    let answer = app.raw("/oauth/token", "application/x-www-form-urlencoded", &doubled, None).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str().unwrap()), (400, "invalid_request"));
    let basic = |pair: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    let form = format!("grant_type=client_credentials&audience={API}");
    let right = app
        .raw("/oauth/token", "application/x-www-form-urlencoded", &form, Some(&basic("web:web-secret")))
        .await;
    assert_eq!(right.status, 200);
    let encoded = app
        .raw("/oauth/token", "application/x-www-form-urlencoded", &form, Some(&basic("web:web%2Dsecret")))
        .await;
    assert_eq!(encoded.status, 200);
    let wrong =
        app.raw("/oauth/token", "application/x-www-form-urlencoded", &form, Some(&basic("web:no"))).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("www-authenticate").is_some()), (401, true));
}

#[tokio::test]
async fn long_and_odd_input_costs_nothing() {
    let app = app().await;
    let scopes = "x ".repeat(50_000);
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("scope", &scopes),
    ];
    assert!(app.form("/oauth/token", &fields).await.status.is_client_error());
    let levels = "urn:x ".repeat(6_000);
    let answer = app.get(&crate::support::authorize(&[("acr_values", levels.trim())])).await;
    assert!(answer.status.as_u16() < 500, "{}", answer.status);
    let levels = "urn:x ".repeat(17_000);
    let long = [
        ("client_id", "web"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("acr_values", &levels),
    ];
    let answer = app.form("/authorize", &long).await;
    assert!(answer.status.as_u16() < 500, "{}", answer.status);
    let deep = format!("{{\"grant_type\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(app.raw("/oauth/token", "application/json", &deep, None).await.status, 400);
    let many: String = (0..5000).map(|n| format!("p{n}=1&")).collect();
    assert_eq!(app.raw("/oauth/token", "application/x-www-form-urlencoded", &many, None).await.status, 400);
    let huge = format!("grant_type={}", "a".repeat(2 * 1024 * 1024));
    assert_eq!(app.raw("/oauth/token", "application/x-www-form-urlencoded", &huge, None).await.status, 413);
    for odd in ["{", "[]", "null", "\"x\"", "{\"grant_type\": {\"$gt\": \"\"}}", "{\"a\":1,\"a\":2}"] {
        let answer = app.raw("/oauth/token", "application/json", odd, None).await;
        assert_eq!(answer.status, 400, "{odd}: {}", answer.body);
        assert_eq!(answer.json()["error"], "invalid_request", "{odd}");
    }
}

#[tokio::test]
async fn a_blocked_user_cannot_redeem_what_was_issued_before() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    let scope = ("scope", "openid offline_access");
    let tokens = app.log_in(&mut browser, &ana, &[scope]).await;
    browser.authorize(&[]).await;
    let code = browser.back_with_code();
    app.block(&ana, true).await;
    let refused = app.form("/oauth/token", &code_grant(&code)).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error_description"].as_str().unwrap()),
        (401, "user is blocked")
    );
    let refresh = tokens.answer["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", refresh),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.json()["error_description"], "user is blocked");
    let access = tokens.answer["access_token"].as_str().unwrap();
    assert_eq!(app.json("GET", "/userinfo", Some(access), None).await.status, 401);
    app.block(&ana, false).await;
    assert_eq!(app.form("/oauth/token", &code_grant(&code)).await.status, 403, "the code stays dead");
    assert_eq!(app.form("/oauth/token", &fields).await.status, 200, "the refresh token works again");
}

/// Asks with a password in each way a client may send it.
async fn ask_with_password(app: &TestApp, client: &str, fields: &[(&str, &str)]) -> Vec<Answer> {
    use base64::Engine as _;
    let form = |fields: &[(&str, &str)]| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    let secret = format!("{client}-secret");
    let whole = [fields, &[("client_id", client), ("client_secret", &secret)]].concat();
    let object: serde_json::Map<_, _> = whole.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}"));
    let urlencoded = "application/x-www-form-urlencoded";
    vec![
        app.json("POST", "/oauth/token", None, Some(object.into())).await,
        app.raw("/oauth/token", urlencoded, &form(&whole), None).await,
        app.raw("/oauth/token", urlencoded, &form(fields), Some(&format!("Basic {basic}"))).await,
    ]
}

#[tokio::test]
async fn a_password_alone_gets_no_token_whatever_its_wrapping() {
    let app = app().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    app.user_with_totp("ana@example.com").await;
    app.user("cy@example.com").await;
    let grants = ["password", "http://auth0.com/oauth/grant-type/password-realm"];
    let data = json!({"name": "Ropg", "app_type": "regular_web", "grant_types": grants});
    app.client("ropg", data, &json!({})).await;
    let realm = "Username-Password-Authentication";
    let extras =
        [None, Some(("scope", "openid offline_access")), Some(("audience", API)), Some(("realm", realm))];
    let mut answers = Vec::new();
    for user in ["ana@example.com", "cy@example.com"] {
        for grant in grants {
            for extra in extras {
                let mut fields = vec![("grant_type", grant), ("username", user), ("password", PASSWORD)];
                fields.extend(extra);
                for client in ["ropg", "web"] {
                    answers.extend(ask_with_password(&app, client, &fields).await);
                }
            }
        }
    }
    assert_eq!(answers.len(), 96);
    for answer in answers {
        let told = answer.json();
        // Neither has an MFA grant, `web` not even that of passwords; without a realm there is no directory.
        let error = told["error"].as_str().unwrap();
        assert!(["unauthorized_client", "invalid_request", "server_error"].contains(&error), "{told}");
        assert!(answer.status.is_client_error(), "{told}");
        for token in ["access_token", "id_token", "refresh_token", "mfa_token"] {
            assert!(told.get(token).is_none(), "{token}");
        }
    }
    let body = json!({"client_id": "web", "username": "ana@example.com", "password": PASSWORD, "realm": realm,
                      "credential_type": grants[1]});
    assert_eq!(app.json("POST", "/co/authenticate", None, Some(body)).await.status, 404);
    let mut browser = app.browser();
    browser.authorize(&[("login_ticket", "made-up")]).await;
    assert_eq!(browser.screen(), "login");
}
