//! Each record of the tenant's log against its contract: what happened is done over HTTP, and what the log tells of it is compared field by
//! field.

use lockstep_core::model::message::MessageKind;
use serde_json::{Value, json};

use super::{admin, logged};
use crate::support::{API, CALLBACK, PASSWORD, TestApp};

/// What every record has, whatever it tells.
const FIELDS: &[&str] = &[
    "_id",
    "log_id",
    "date",
    "type",
    "description",
    "connection",
    "connection_id",
    "strategy",
    "strategy_type",
    "organization_id",
    "organization_name",
    "client_id",
    "client_name",
    "user_id",
    "user_name",
    "ip",
    "client_ip",
    "hostname",
    "user_agent",
    "isMobile",
    "audience",
    "scope",
    "location_info",
    "security_context",
    "details",
    "tenant_name",
    "environment_name",
    "$event_schema",
];

/// What the details of a code have (contract/log-events.md 3). A path leads into objects.
const DETAILS: &[(&str, &[&str])] = &[
    (
        "s",
        &[
            "prompts",
            "initiatedAt",
            "completedAt",
            "elapsedTime",
            "session_id",
            "stats.loginsCount",
            "actions.executions",
        ],
    ),
    ("ssa", &["prompts", "completedAt", "session_id"]),
    ("fsa", &["error.message", "error.oauthError", "session_id"]),
    ("f", &["error.message"]),
    ("fp", &["error.message"]),
    ("fu", &["error.message"]),
    ("fs", &["error.message"]),
    ("ss", &["authentication_methods", "body.tenant", "body.client_id", "body.is_signup", "body.connection"]),
    ("slo", &["return_to", "allowed_logout_url", "session_id", "initiated_by", "protocol"]),
    ("flo", &["return_to", "allowed_logout_url", "session_id", "initiated_by", "protocol"]),
    ("seacft", &["code", "access_token_jti"]),
    ("feacft", &["code"]),
    ("seccft", &["access_token_jti"]),
    ("feccft", &["error.message"]),
    ("sertft", &["familyId", "tokenCounter", "access_token_jti"]),
    ("fertft", &["failure_reason"]),
    ("ferrt", &["familyId", "latestCounter", "tokenCounter"]),
    ("sepft", &["access_token_jti"]),
    ("fepft", &["error.message"]),
    ("seotpft", &["access_token_jti"]),
    ("feotpft", &["error.message"]),
    ("mfar", &["grant_type", "confidence", "version", "assessments"]),
    (
        "srrt",
        &[
            "credential_id",
            "grant_id",
            "audience",
            "session_id",
            "method",
            "host",
            "origin",
            "originalUrl",
            "xhr",
        ],
    ),
    ("fpar", &["error.message", "qs"]),
    (
        "gd_start_auth",
        &[
            "request.method",
            "request.path",
            "request.auth.strategy",
            "authenticator.id",
            "authenticator.type",
            "enrollment._id",
        ],
    ),
    (
        "gd_auth_succeed",
        &[
            "request.body",
            "request.auth.strategy",
            "authenticator.id",
            "enrollment.user_id",
            "session_id",
            "response.statusCode",
        ],
    ),
    (
        "gd_auth_failed",
        &[
            "request.body",
            "request.ip",
            "authenticator.id",
            "failure_details.errorCode",
            "failure_details.message",
        ],
    ),
    ("gd_start_enroll", &["request.path", "request.auth.strategy"]),
    ("gd_enrollment_complete", &["authenticator.id", "authenticator.phone_number", "enrollment.tenant"]),
    ("gd_unenroll", &["authenticator.id", "enrollment._id", "request.path"]),
    ("gd_recovery_failed", &["failure_details.errorCode", "authenticator.type"]),
    ("gd_recovery_succeed", &["authenticator.id", "enrollment.user_id"]),
    ("gd_send_sms", &["to", "authenticator.type", "authenticator.phone_number", "request.path"]),
    ("limit_phone", &["delivery_method", "type", "trigger_time", "reset_time", "body"]),
    ("seoobft", &["access_token_jti"]),
    ("sercft", &["access_token_jti"]),
    ("fercft", &["error.message"]),
    ("gd_otp_rate_limit_exceed", &["request.path", "authenticator.type"]),
    (
        "sapi",
        &[
            "request.auth.credentials.scopes",
            "request.auth.strategy",
            "request.method",
            "request.path",
            "request.query",
            "request.body",
            "request.channel",
            "request.ip",
            "request.userAgent",
            "response.statusCode",
            "response.body",
        ],
    ),
    ("fapi", &["request.path", "response.statusCode"]),
    ("mgmt_api_read", &["request.path", "accessedSecrets"]),
    ("gd_tenant_update", &["update"]),
    ("scp", &["title", "email", "query", "body.password"]),
    ("fcp", &["error.message"]),
    ("scpr", &["body.client_id", "body.connection", "body.email", "resetUrl"]),
    ("fcpr", &["error.message", "body.email"]),
    ("sce", &["body.email"]),
    ("sdu", &["body.user_id"]),
    ("ublkdu", &["email", "title", "query", "request", "response"]),
];

/// Codes whose details are null.
const BARE: &[&str] = &["limit_wc"];

/// Returns everything that is in the log, the oldest first.
async fn everything(app: &TestApp) -> Vec<Value> {
    let mut all = Vec::new();
    let admin = admin(app).await;
    for page in 0..10 {
        let path = format!("/logs?per_page=100&page={page}&sort=date:1");
        let found = admin.expect(200, "GET", &path, None).await;
        let found = found.as_array().unwrap();
        all.extend(found.iter().cloned());
        if found.len() < 100 {
            break;
        }
    }
    all
}

fn has(details: &Value, path: &str) -> bool {
    let mut at = details;
    path.split('.').all(|name| match at.get(name) {
        Some(inner) => {
            at = inner;
            true
        }
        None => false,
    })
}

/// Compares all records of the log with the contract, and returns which codes there were.
async fn compare(app: &TestApp) -> Vec<String> {
    let mut codes = Vec::new();
    for record in everything(app).await {
        let code = record["type"].as_str().unwrap().to_owned();
        for field in FIELDS {
            assert!(record.get(*field).is_some(), "{code} has no {field}: {record}");
        }
        assert_eq!(record["security_context"], json!({"ja3": "", "ja4": ""}), "{code}");
        let agent = record["user_agent"].as_str().unwrap();
        if !code.starts_with("gd_") {
            let parts: Vec<&str> = agent.split(" / ").collect();
            assert_eq!(parts.len(), 2, "{code}: {agent}");
            for part in parts {
                let version = part.rsplit(' ').next().unwrap();
                assert_eq!(
                    version.split('.').filter(|n| n.parse::<u64>().is_ok()).count(),
                    3,
                    "{code}: {agent}"
                );
            }
        }
        if BARE.contains(&code.as_str()) {
            assert_eq!(record["details"], Value::Null, "{code}");
        }
        if let Some((_, paths)) = DETAILS.iter().find(|(name, _)| *name == code) {
            for path in *paths {
                assert!(has(&record["details"], path), "{code} has no details.{path}: {record}");
            }
        }
        codes.push(code);
    }
    codes
}

/// Checks that all of these codes were written, and looks at each record.
async fn tells(app: &TestApp, expected: &[&str]) {
    let codes = compare(app).await;
    for code in expected {
        assert!(codes.iter().any(|written| written == code), "{code} was not written, but {codes:?}");
    }
}

#[tokio::test]
async fn logins_on_the_pages_are_told_as_the_contract_says() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[("scope", "openid")]).await.password(&ana).await;
    browser.code("000000").await;
    let code = app.code(&ana);
    browser.code(&code).await;
    let code = browser.back_with_code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.status, 200);
    assert_eq!(app.form("/oauth/token", &fields).await.status, 403);
    browser.authorize(&[("prompt", "none")]).await;
    app.browser().authorize(&[("prompt", "none")]).await;
    app.browser()
        .authorize(&[("redirect_uri", "https://evil.example/"), ("id_token_hint", "s3cr3t-t0ken")])
        .await;
    let mut wrong = app.browser();
    wrong.authorize(&[]).await.submit(&[("username", &ana.email), ("password", "not-hers")]).await;
    wrong.submit(&[("username", "nobody@example.com"), ("password", "not-hers")]).await;
    let cy = app.user("cy@example.com").await;
    let mut first = app.browser();
    first.authorize(&[]).await.password(&cy).await;
    tells(
        &app,
        &[
            "gd_start_auth",
            "gd_auth_failed",
            "gd_auth_succeed",
            "s",
            "seacft",
            "feacft",
            "ssa",
            "fsa",
            "f",
            "fp",
            "fu",
            "gd_start_enroll",
        ],
    )
    .await;

    let login = &logged(&app, "s").await[0];
    assert_eq!(
        (&login["user_agent"], &login["isMobile"]),
        (&json!("Firefox 140.0.0 / Linux 0.0.0"), &json!(false))
    );
    assert_eq!((&login["strategy"], &login["strategy_type"]), (&json!("auth0"), &json!("database")));
    let prompts = login["details"]["prompts"].as_array().unwrap();
    let names: Vec<&Value> = prompts.iter().map(|prompt| &prompt["name"]).collect();
    assert_eq!(names, ["prompt-authenticate", "login", "mfa"]);
    assert_eq!(prompts[0]["connection"], login["connection"]);
    assert_eq!(prompts[0]["stats"], json!({"loginsCount": 0}));
    assert_eq!(login["details"]["stats"], json!({"loginsCount": 1}));
    for name in ["initiatedAt", "completedAt", "elapsedTime"] {
        assert!(
            prompts[0].get(name).is_some() && prompts[1][name].is_i64() && prompts[2][name].is_i64(),
            "{name}"
        );
    }
    assert_eq!(prompts[1]["timers"], json!({"rules": 0}));
    let code_told = &logged(&app, "seacft").await[0];
    assert_eq!(code_told["details"]["code"], format!("{}...", &code[..3]));
    let failed = &logged(&app, "gd_auth_failed").await[0];
    assert_eq!(failed["details"]["request"]["path"], "/u/mfa-otp-challenge");
    assert_eq!(failed["details"]["request"]["body"], json!({"code": "********"}));
    assert_eq!(failed["details"]["request"]["auth"]["strategy"], "universal_login");
    assert!(failed["user_agent"].as_str().unwrap().starts_with("Mozilla/5.0"), "the header as it came");
    let refused = &logged(&app, "f").await[0];
    assert_eq!((&refused["client_id"], &refused["client_name"]), (&json!("web"), &json!("Web")));
    assert_eq!(refused["details"]["qs"]["redirect_uri"], "https://evil.example/");
    assert_eq!(refused["details"]["qs"]["id_token_hint"], "[REDACTED]");
    assert!(!refused.to_string().contains("s3cr3t-t0ken"));
}

#[tokio::test]
async fn a_step_up_tells_the_second_factor_alone() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    app.clock.advance(lockstep_core::time::Span::minutes(1));
    browser.authorize(&[crate::support::ACR]).await;
    app.clock.advance(lockstep_core::time::Span::seconds(15));
    let code = app.code(&ana);
    browser.code(&code).await;
    browser.back_with_code();
    let login = &logged(&app, "s").await[0];
    let prompts = login["details"]["prompts"].as_array().unwrap();
    assert_eq!((prompts.len(), &prompts[0]["name"]), (1, &json!("mfa")));
    assert_eq!(prompts[0]["connection"], login["connection"]);
    assert_eq!(prompts[0]["elapsedTime"], 15_000);
    assert_eq!(login["details"]["elapsedTime"], 15_000);
    assert_eq!(login["details"]["stats"], json!({"loginsCount": 1}), "it is the same login");
}

#[tokio::test]
async fn token_requests_are_told_as_the_contract_says() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ask = async |client: &str, fields: &[(&str, &str)]| {
        let secret = format!("{client}-secret");
        let mut all = vec![("client_id", client), ("client_secret", &secret)];
        all.extend_from_slice(fields);
        app.form("/oauth/token", &all).await
    };
    let password = [
        ("grant_type", "password"),
        ("username", ana.email.as_str()),
        ("password", PASSWORD),
        ("scope", "openid offline_access"),
        ("audience", API),
    ];
    let first = ask("ropg", &password).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh =
        |token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())];
    let renew = async |token: &str| {
        let fields = refresh(token);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ask("ropg", &fields).await
    };
    let second = renew(&first).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(renew(&first).await.status, 403);
    assert_eq!(renew(&second).await.status, 403);
    assert_eq!(renew("nothing").await.status, 403);
    let third = ask("ropg", &password).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let revoke = [("client_id", "ropg"), ("client_secret", "ropg-secret"), ("token", third.as_str())];
    assert_eq!(app.form("/oauth/revoke", &revoke).await.status, 200);
    let nothing = [("grant_type", "client_credentials"), ("audience", "https://nowhere.example/")];
    ask("web", &nothing).await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let asked = ask("ropg", &password).await.json();
    let token = asked["mfa_token"].as_str().unwrap();
    let challenge = json!({"mfa_token": token, "client_id": "ropg", "client_secret": "ropg-secret"});
    assert_eq!(app.json("POST", "/mfa/challenge", None, Some(challenge)).await.status, 200);
    let otp = "http://auth0.com/oauth/grant-type/mfa-otp";
    ask("ropg", &[("grant_type", otp), ("mfa_token", token), ("otp", "000000")]).await;
    let code = app.code(&ana);
    let done = ask("ropg", &[("grant_type", otp), ("mfa_token", token), ("otp", &code)]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let cy = app.user("cy@example.com").await;
    let cys = [("grant_type", "password"), ("username", cy.email.as_str()), ("password", PASSWORD)];
    let cys = ask("ropg", &cys).await.json();
    let types = json!({"authenticator_types": ["otp"]});
    let begun = app.json("POST", "/mfa/associate", cys["mfa_token"].as_str(), Some(types)).await;
    assert_eq!(begun.status, 200);
    let mails = json!({"authenticator_types": ["oob"], "oob_channels": ["email"]});
    app.json("POST", "/mfa/associate", cys["mfa_token"].as_str(), Some(mails)).await;
    tells(
        &app,
        &[
            "sepft",
            "sertft",
            "ferrt",
            "fertft",
            "srrt",
            "feccft",
            "mfar",
            "gd_start_auth",
            "gd_auth_failed",
            "feotpft",
            "gd_auth_succeed",
            "seotpft",
            "gd_start_enroll",
            "gd_start_enroll_failed",
            "seccft",
        ],
    )
    .await;
    let machine = &logged(&app, "seccft").await[0];
    assert_eq!((&machine["description"], &machine["user_id"]), (&json!(""), &Value::Null));
    let reused = &logged(&app, "ferrt").await[0];
    assert_eq!(reused["description"], "Unsuccessful Refresh Token exchange, reused refresh token detected");
    assert_eq!(
        (&reused["details"]["tokenCounter"], &reused["details"]["latestCounter"]),
        (&json!(0), &json!(1))
    );
    let reasons: Vec<Value> =
        logged(&app, "fertft").await.iter().map(|r| r["details"]["failure_reason"].clone()).collect();
    assert!(
        reasons.contains(&json!("invalid_token")) && reasons.contains(&json!("grant_revoked")),
        "{reasons:?}"
    );
    let failed = &logged(&app, "gd_auth_failed").await[0]["details"];
    assert_eq!(failed["request"]["auth"]["strategy"], "mfa_token");
    assert_eq!(failed["request"]["body"], json!({"otp": "********"}));
    assert!(failed["authenticator"]["id"].as_str().unwrap().starts_with("totp|dev_"));
    let order: Vec<String> =
        everything(&app).await.iter().map(|r| r["type"].as_str().unwrap().to_owned()).collect();
    let at = |code: &str| order.iter().position(|written| written == code).unwrap();
    assert!(at("mfar") < at("gd_start_auth") && at("gd_auth_succeed") < at("seotpft"), "{order:?}");
}

#[tokio::test]
async fn ten_failures_are_told_with_one_block_and_each_try_behind_it() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for _ in 0..13 {
        browser.submit(&[("username", "ana@example.com"), ("password", "wrong")]).await;
    }
    let codes = compare(&app).await;
    let count = |code: &str| codes.iter().filter(|written| *written == code).count();
    assert_eq!((count("fp"), count("limit_wc"), count("f")), (10, 1, 3), "{codes:?}");
    let block = &logged(&app, "limit_wc").await[0];
    assert_eq!((&block["user_name"], &block["details"]), (&json!("ana@example.com"), &Value::Null));
}

#[tokio::test]
async fn ten_wrong_codes_are_told_one_by_one_and_then_the_limit() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    for n in 0..11 {
        browser.code(&format!("0000{n:02}")).await;
    }
    let codes = compare(&app).await;
    let count = |code: &str| codes.iter().filter(|written| *written == code).count();
    assert_eq!((count("gd_auth_failed"), count("gd_otp_rate_limit_exceed")), (10, 1), "{codes:?}");
    let limit = &logged(&app, "gd_otp_rate_limit_exceed").await[0];
    assert_eq!(limit["description"], "Guardian - Too many failures");
}

#[tokio::test]
async fn what_an_administrator_does_is_told_as_the_contract_says() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let user = json!({"connection": "Username-Password-Authentication", "email": "new@example.com",
                      "password": "Secret-Passw0rd"});
    let made = admin.expect(201, "POST", "/users", Some(user)).await;
    let user = format!("/users/{}", made["user_id"].as_str().unwrap().replace('|', "%7C"));
    let totp = json!({"type": "totp", "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "name": "a"});
    let method = admin.expect(201, "POST", &format!("{user}/authentication-methods"), Some(totp)).await;
    let method = method["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(204, "DELETE", &format!("{user}/authentication-methods/{method}"), None).await;
    admin.expect(200, "PATCH", &user, Some(json!({"password": "Another-Passw0rd"}))).await;
    admin.expect(200, "PATCH", &user, Some(json!({"email": "newer@example.com"}))).await;
    admin.expect(204, "DELETE", &format!("/user-blocks/{}", &user["/users/".len()..]), None).await;
    admin.expect(200, "PUT", "/guardian/policies", Some(json!(["all-applications"]))).await;
    admin.expect(400, "POST", "/users", Some(json!({"connection": 7}))).await;
    admin.expect(200, "GET", "/clients/web", None).await;
    admin.expect(204, "DELETE", &user, None).await;
    tells(
        &app,
        &[
            "sapi",
            "ss",
            "gd_unenroll",
            "scp",
            "sce",
            "ublkdu",
            "gd_tenant_update",
            "fapi",
            "mgmt_api_read",
            "sdu",
        ],
    )
    .await;
    let made = &logged(&app, "ss").await[0];
    assert_eq!(
        (&made["description"], &made["details"]["authentication_methods"]),
        (&json!(""), &json!(["pwd"]))
    );
    assert_eq!(made["details"]["body"]["password"], "*****");
    let gone = &logged(&app, "gd_unenroll").await[0];
    assert_eq!(gone["description"], "Guardian - Unenroll device account");
    assert_eq!(gone["details"]["request"]["path"], format!("/api/v2{user}/authentication-methods/{method}"));
    for record in everything(&app).await {
        let text = record.to_string();
        for secret in ["Secret-Passw0rd", "Another-Passw0rd", "JBSWY3DPEHPK3PXP", "web-secret"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn sign_up_reset_and_logout_are_told_as_the_contract_says() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let mut new = app.browser();
    new.authorize(&[("screen_hint", "signup")]).await;
    new.submit(&[("email", "new@example.com"), ("password", "short")]).await;
    new.submit(&[("email", "new@example.com"), ("password", PASSWORD)]).await;
    new.back_with_code();
    for email in ["ana@example.com", "nobody@example.com"] {
        let mut forgetful = app.browser();
        forgetful.authorize(&[]).await;
        let state = forgetful.query("state").unwrap();
        let page = "/u/reset-password/request/Username-Password-Authentication";
        forgetful.goto(&format!("{page}?state={state}")).await.submit(&[("email", email)]).await;
    }
    let mail = app.message(MessageKind::ResetEmail).await;
    let link = mail.text.lines().find(|line| line.starts_with("https://")).unwrap();
    let mut reader = app.browser();
    reader.goto(link).await;
    for password in ["weak", "New-password-1"] {
        reader.submit(&[("password", password), ("re-enter-password", password)]).await;
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await.submit(&[("username", &ana.email), ("password", "New-password-1")]).await;
    browser.back_with_code();
    browser.goto("/v2/logout?client_id=web&returnTo=https%3A%2F%2Fevil.example").await;
    browser.goto("/v2/logout?client_id=web&returnTo=https%3A%2F%2Fapp.example%2Fout").await;
    let pushed =
        [("client_id", "web"), ("client_secret", "web-secret"), ("redirect_uri", "https://evil.example/")];
    assert_eq!(app.form("/oauth/par", &pushed).await.status, 400);
    tells(&app, &["ss", "fs", "scpr", "fcpr", "fcp", "scp", "s", "flo", "slo", "fpar"]).await;
    let out = &logged(&app, "slo").await[0];
    assert_eq!(out["description"], "User successfully logged out");
    assert_eq!((&out["user_name"], &out["details"]["protocol"]), (&json!("ana@example.com"), &json!("v2")));
    assert_eq!(out["details"]["return_to"], "https://app.example/out");
    assert_eq!(out["details"]["allowed_logout_url"], json!(["https://app.example/out"]));
    let reset = &logged(&app, "scpr").await[0];
    assert!(!reset.to_string().contains("ticket="), "{reset}");
}

#[tokio::test]
async fn codes_that_are_sent_and_recovery_codes_are_told_as_the_contract_says() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&["sms", "recovery-code"], &["all-applications"]).await;
    let cy = app.user("cy@example.com").await;
    let ropg = [("client_id", "ropg"), ("client_secret", "ropg-secret")];
    let token = async || {
        let login = [("grant_type", "password"), ("username", cy.email.as_str()), ("password", PASSWORD)];
        let asked = app.form("/oauth/token", &[&ropg[..], &login[..]].concat()).await.json();
        asked["mfa_token"].as_str().unwrap().to_owned()
    };
    let grant = async |name: &str, fields: &[(&str, &str)]| {
        let kind = format!("http://auth0.com/oauth/grant-type/{name}");
        let all = [&ropg[..], &[("grant_type", kind.as_str())], fields].concat();
        app.form("/oauth/token", &all).await
    };
    let first = token().await;
    let phone =
        json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+12025550143"});
    let begun = app.json("POST", "/mfa/associate", Some(&first), Some(phone)).await.json();
    let code = app.sent_code().await;
    let oob = begun["oob_code"].as_str().unwrap();
    let answer = [("mfa_token", first.as_str()), ("oob_code", oob), ("binding_code", code.as_str())];
    assert_eq!(grant("mfa-oob", &answer).await.status, 200);
    let recovery = begun["recovery_codes"][0].as_str().unwrap().to_owned();
    for (code, status) in [("ABCDEFGHIJKLMNOPQRSTUVWX", 403), (recovery.as_str(), 200)] {
        let token = token().await;
        let answer = grant("mfa-recovery-code", &[("mfa_token", &token), ("recovery_code", code)]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    loop {
        let body = json!({"mfa_token": token().await, "client_id": "ropg", "client_secret": "ropg-secret"});
        let challenged = app.json("POST", "/mfa/challenge", None, Some(body)).await;
        if challenged.status != 200 {
            assert_eq!(challenged.status, 429, "{}", challenged.body);
            break;
        }
    }
    tells(
        &app,
        &[
            "gd_start_enroll",
            "gd_send_sms",
            "gd_enrollment_complete",
            "seoobft",
            "gd_recovery_failed",
            "fercft",
            "gd_recovery_succeed",
            "sercft",
            "limit_phone",
        ],
    )
    .await;
    let done = &logged(&app, "gd_enrollment_complete").await[0];
    assert_eq!(done["description"], "Guardian - Enrollment complete (phone)");
    assert_eq!(done["details"]["authenticator"]["phone_number"], "XXXXXXXX0143");
    let wrong = &logged(&app, "gd_recovery_failed").await[0]["details"];
    assert_eq!(wrong["failure_details"]["errorCode"], "invalid_recovery_code");
    assert_eq!(wrong["request"]["body"], json!({"recovery_code": "********"}));
    for record in everything(&app).await {
        let text = record.to_string();
        assert!(
            ![code.as_str(), recovery.as_str(), "2025550143"].iter().any(|secret| text.contains(secret)),
            "{text}"
        );
    }
}
