//! Authenticator apps and recovery codes.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use serde_json::json;

use super::{OTP, RECOVERY, associate, challenge, grant, is, list, mfa_token, password, tenant, told};
use crate::management::admin;
use crate::support::{API, PASSWORD, TestApp, claims};

#[tokio::test]
async fn a_password_alone_gives_no_token_and_the_right_code_gives_all_once() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let refused = password(&app, &ana).await;
    is(&refused, 403, "mfa_required", "Multifactor authentication required");
    assert_eq!(refused.json()["mfa_requirements"], json!({"challenge": [{"type": "otp"}]}));
    assert!(!refused.body.contains("access_token") && !refused.body.contains("id_token"));
    let token = refused.json()["mfa_token"].as_str().unwrap().to_owned();
    let wrong = grant(&app, OTP, &[("mfa_token", &token), ("otp", "000000")]).await;
    is(&wrong, 403, "invalid_grant", "Invalid otp_code.");
    assert_eq!(wrong.json()["error_code"], "mfa_invalid_code");
    let code = app.code(&ana);
    let right = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
    let tokens = right.json();
    assert!(tokens["refresh_token"].is_string() && tokens["scope"] == "openid offline_access");
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id["amr"], json!(["pwd", "mfa", "otp"]));
    assert_eq!(id["acr"], "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    let again = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    is(&again, 403, "invalid_grant", "Malformed mfa_token");
    let other = mfa_token(&app, &ana).await;
    let replayed = grant(&app, OTP, &[("mfa_token", &other), ("otp", &code)]).await;
    is(&replayed, 403, "invalid_grant", "Invalid otp_code.");
}

#[tokio::test]
async fn the_password_grant_is_no_way_round_mfa() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let base = [("username", ana.email.as_str()), ("password", PASSWORD)];
    for more in [
        vec![],
        vec![("scope", "openid profile")],
        vec![("audience", API)],
        vec![("audience", API), ("scope", "read:a")],
    ] {
        let fields: Vec<_> = base.iter().copied().chain(more.clone()).collect();
        assert_eq!(told(&grant(&app, "password", &fields).await).1, "mfa_required", "{more:?}");
    }
    let realm = "http://auth0.com/oauth/grant-type/password-realm";
    let fields: Vec<_> =
        base.iter().copied().chain([("realm", "Username-Password-Authentication")]).collect();
    assert_eq!(told(&grant(&app, realm, &fields).await).1, "mfa_required");
    let other: Vec<_> = base.iter().copied().chain([("realm", "nowhere")]).collect();
    assert_eq!(told(&grant(&app, realm, &other).await).0, 400);
    let body = json!({"grant_type": "password", "client_id": "ropg", "client_secret": "ropg-secret",
        "username": ana.email, "password": PASSWORD, "realm": null, "scope": ""});
    let by_json = app.json("POST", "/oauth/token", None, Some(body)).await;
    assert_eq!(told(&by_json).1, "mfa_required");
    // An application without any MFA grant gets nothing at all.
    let own = json!({"name": "bare", "app_type": "regular_web", "grant_types": ["password"]});
    app.client("bare", own, &json!({})).await;
    let bare = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", "password"),
                ("client_id", "bare"),
                ("client_secret", "bare-secret"),
                ("username", &ana.email),
                ("password", PASSWORD),
            ],
        )
        .await;
    is(
        &bare,
        403,
        "unauthorized_client",
        "Grant type 'http://auth0.com/oauth/grant-type/mfa-otp' not allowed for the client.",
    );
    // And one without the password grant cannot use it.
    let web = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", "password"),
                ("client_id", "web"),
                ("client_secret", "web-secret"),
                ("username", &ana.email),
                ("password", PASSWORD),
            ],
        )
        .await;
    assert_eq!(told(&web).1, "unauthorized_client");
    assert_eq!(app.get("/oauth/ro").await.status, 404);
}

#[tokio::test]
async fn unknown_people_and_wrong_passwords_are_told_the_same() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    for (name, secret) in [(ana.email.as_str(), "wrong"), ("nobody@example.com", "wrong")] {
        let answer = grant(&app, "password", &[("username", name), ("password", secret)]).await;
        is(&answer, 403, "invalid_grant", "Wrong email or password.");
    }
    app.block(&ana, true).await;
    let blocked = password(&app, &ana).await;
    is(&blocked, 401, "unauthorized", "user is blocked");
}

#[tokio::test]
async fn a_new_user_enrols_confirms_and_gets_the_recovery_code_once() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let cy = app.user("cy@example.com").await;
    let first = password(&app, &cy).await.json();
    assert_eq!(first["mfa_requirements"], json!({"enroll": [{"type": "otp"}]}));
    let token = first["mfa_token"].as_str().unwrap();
    let early = challenge(&app, token, &[]).await;
    assert_eq!((told(&early).0, told(&early).1.as_str()), (400, "association_required"));
    assert_eq!(early.json()["error_code"], "mfa_registration_required");
    let none = grant(&app, OTP, &[("mfa_token", token), ("otp", "123456")]).await;
    assert_eq!((told(&none).0, told(&none).1.as_str()), (401, "unsupported_challenge_type"));

    let begun = associate(&app, token, json!({"authenticator_types": ["otp"]})).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let begun = begun.json();
    assert_eq!(
        (begun["authenticator_type"].as_str(), begun["secret"].as_str().map(str::len)),
        (Some("otp"), Some(32))
    );
    let recovery = begun["recovery_codes"][0].as_str().unwrap().to_owned();
    assert_eq!(recovery.len(), 24);
    let listed = list(&app, token).await;
    assert_eq!((listed.len(), &listed[0]["active"], &listed[0]["id"]), (1, &json!(false), &begun["id"]));
    let phone = AuthenticatorApp::scan(begun["barcode_uri"].as_str().unwrap()).unwrap();
    let code = phone.code_at(app.now());
    let done = grant(&app, OTP, &[("mfa_token", token), ("otp", &code)]).await;
    assert_eq!(done.status, 200, "{}", done.body);

    // The code that confirmed cannot log in too.
    let second = mfa_token(&app, &cy).await;
    is(
        &grant(&app, OTP, &[("mfa_token", &second), ("otp", &code)]).await,
        403,
        "invalid_grant",
        "Invalid otp_code.",
    );
    let listed = list(&app, &second).await;
    let mut kinds: Vec<_> =
        listed.iter().map(|a| (a["type"].as_str().unwrap(), a["active"].as_bool().unwrap())).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("otp", true), ("recovery-code", true)]);
    is(
        &associate(&app, &second, json!({"authenticator_types": ["otp"]})).await,
        403,
        "access_denied",
        "User is already enrolled.",
    );

    let used = grant(&app, RECOVERY, &[("mfa_token", &second), ("recovery_code", &recovery)]).await;
    assert_eq!(used.status, 200, "{}", used.body);
    let fresh = used.json()["recovery_code"].as_str().unwrap().to_owned();
    assert_ne!(fresh, recovery);
    let third = mfa_token(&app, &cy).await;
    let old = grant(&app, RECOVERY, &[("mfa_token", &third), ("recovery_code", &recovery)]).await;
    is(&old, 403, "invalid_grant", "MFA Authorization rejected.");
    let dashed = fresh
        .to_lowercase()
        .as_bytes()
        .chunks(4)
        .map(|c| String::from_utf8_lossy(c).into_owned())
        .collect::<Vec<_>>()
        .join("-");
    let new = grant(&app, RECOVERY, &[("mfa_token", &third), ("recovery_code", &dashed)]).await;
    assert_eq!(new.status, 200, "{}", new.body);
}

#[tokio::test]
async fn a_second_associate_replaces_the_first_and_an_abandoned_one_dies() {
    let app = tenant(&["otp"]).await;
    let cy = app.user("cy@example.com").await;
    let token = mfa_token(&app, &cy).await;
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let begun = associate(&app, &token, json!({"authenticator_types": ["otp"]})).await.json();
        secrets.push(begun["secret"].as_str().unwrap().to_owned());
    }
    assert_eq!(list(&app, &token).await.len(), 1);
    let code = |secret: &str| AuthenticatorApp::scan(secret).unwrap().code_at(app.now());
    let old = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code(&secrets[0]))]).await;
    is(&old, 403, "invalid_grant", "Invalid otp_code.");
    app.clock.advance(Span::millis(300_001));
    assert_eq!(list(&app, &token).await.len(), 0);
    let late = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code(&secrets[2]))]).await;
    assert_eq!(told(&late).1, "expired_token");
}

#[tokio::test]
async fn an_mfa_token_lives_ten_minutes_and_belongs_to_its_client() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    let code = app.code(&ana);
    let stolen = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", OTP),
                ("client_id", "ropg2"),
                ("client_secret", "ropg2-secret"),
                ("mfa_token", &token),
                ("otp", &code),
            ],
        )
        .await;
    is(&stolen, 400, "invalid_request", "mfa_token not issued to this client");
    app.clock.advance(Span::minutes(10));
    let code = app.code(&ana);
    is(
        &grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await,
        401,
        "expired_token",
        "mfa_token is expired",
    );
    is(&challenge(&app, &token, &[]).await, 401, "expired_token", "mfa_token is expired");
    for odd in ["Fe26.2*nonsense", "a.b.c", "x"] {
        is(
            &grant(&app, OTP, &[("mfa_token", odd), ("otp", &code)]).await,
            403,
            "invalid_grant",
            "Malformed mfa_token",
        );
        let answer = app.json("GET", "/mfa/authenticators", Some(odd), None).await;
        is(&answer, 401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.");
    }
    assert_eq!(app.get("/mfa/authenticators").await.status, 401);
}

#[tokio::test]
async fn leading_zeros_are_part_of_a_code_and_other_digits_are_none() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    app.clock.set(lockstep_core::time::Timestamp::from_secs(1_234_567_890));
    let token = mfa_token(&app, &ana).await;
    for odd in ["5924", "００５９２４", "٠٠٥٩٢٤", "00592④", "005924\u{200f}", "", "12345678901234567890"]
    {
        let answer = grant(&app, OTP, &[("mfa_token", &token), ("otp", odd)]).await;
        assert!(answer.status.is_client_error(), "{odd} {}", answer.body);
    }
    let number = json!({"grant_type": OTP, "client_id": "ropg", "client_secret": "ropg-secret", "mfa_token": token, "otp": 5924});
    assert!(app.json("POST", "/oauth/token", None, Some(number)).await.status.is_client_error());
    let right = grant(&app, OTP, &[("mfa_token", &token), ("otp", "005 924")]).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn the_eleventh_wrong_code_is_not_looked_at_and_pages_and_api_share_the_budget() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    for n in 0..5 {
        let token = mfa_token(&app, &ana).await;
        is(
            &grant(&app, OTP, &[("mfa_token", &token), ("otp", &format!("00000{n}"))]).await,
            403,
            "invalid_grant",
            "Invalid otp_code.",
        );
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    for n in 5..10 {
        browser.code(&format!("00000{n}")).await;
    }
    let token = mfa_token(&app, &ana).await;
    let code = app.code(&ana);
    is(
        &grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await,
        429,
        "too_many_attempts",
        "Too many failed codes. Wait for some minutes before retrying.",
    );
    app.clock.advance(Span::minutes(6));
    let code = app.code(&ana);
    let right = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn a_blocked_user_redeems_nothing() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    app.block(&ana, true).await;
    let code = app.code(&ana);
    is(
        &grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await,
        401,
        "unauthorized",
        "user is blocked",
    );
    assert_eq!(app.json("GET", "/mfa/authenticators", Some(&token), None).await.status, 401);
}

#[tokio::test]
async fn what_is_asked_with_the_code_may_be_less_and_never_more() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let first = grant(
        &app,
        "password",
        &[
            ("username", &ana.email),
            ("password", PASSWORD),
            ("audience", API),
            ("scope", "openid read:a transfer:b"),
        ],
    )
    .await;
    let token = first.json()["mfa_token"].as_str().unwrap().to_owned();
    let code = app.code(&ana);
    let other =
        grant(&app, OTP, &[("mfa_token", &token), ("otp", &code), ("audience", "https://other.example/")])
            .await;
    is(&other, 400, "invalid_request", "audience does not match the mfa_token");
    let narrow = grant(
        &app,
        OTP,
        &[
            ("mfa_token", &token),
            ("otp", &code),
            ("audience", API),
            ("scope", "openid read:a offline_access"),
        ],
    )
    .await;
    assert_eq!(narrow.status, 200, "{}", narrow.body);
    assert_eq!(narrow.json()["scope"], "openid read:a");
    let access = claims(narrow.json()["access_token"].as_str().unwrap());
    assert_eq!(access["amr"], json!(["pwd", "mfa", "otp"]));
}

#[tokio::test]
async fn without_any_factor_there_are_no_tokens() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&[], &["all-applications"]).await;
    let cy = app.user("cy@example.com").await;
    let answer = password(&app, &cy).await;
    is(&answer, 403, "access_denied", "Multifactor authentication is required but no factor is enabled");
    app.mfa(&[], &[]).await;
    let answer = password(&app, &cy).await;
    assert_eq!(answer.status, 200, "nothing asks for MFA: {}", answer.body);
    assert_eq!(claims(answer.json()["id_token"].as_str().unwrap())["amr"], json!(["pwd"]));
}

#[tokio::test]
async fn recovery_codes_are_spelled_in_several_ways_and_wrong_ones_are_answered_alike() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let made = admin.expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", None).await;
    let mut code = made["recovery_code"].as_str().unwrap().to_owned();
    let in_fours = |code: &str, between: &str| {
        code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(between)
    };
    for spelled in [|c: &str| c.to_lowercase(), |c: &str| format!(" {c} ")] {
        let token = mfa_token(&app, &ana).await;
        let answer =
            grant(&app, RECOVERY, &[("mfa_token", &token), ("recovery_code", &spelled(&code))]).await;
        code = answer.json()["recovery_code"].as_str().expect("a new one").to_owned();
    }
    for between in ["-", " "] {
        let token = mfa_token(&app, &ana).await;
        let spelled = in_fours(&code, between);
        let answer = grant(&app, RECOVERY, &[("mfa_token", &token), ("recovery_code", &spelled)]).await;
        code = answer.json()["recovery_code"].as_str().expect("a new one").to_owned();
    }
    let token = mfa_token(&app, &ana).await;
    let changed = format!("{}{}", if code.starts_with('A') { 'B' } else { 'A' }, &code[1..]);
    let odd = ["A".repeat(24), changed, code[..23].to_owned(), "A".repeat(4096), "Ａ".repeat(24)];
    for wrong in &odd {
        let answer = grant(&app, RECOVERY, &[("mfa_token", &token), ("recovery_code", wrong)]).await;
        is(&answer, 403, "invalid_grant", "MFA Authorization rejected.");
    }
    // Of those two had the form of a code; with eight more there were ten guesses.
    for _ in 0..8 {
        let answer = grant(&app, RECOVERY, &[("mfa_token", &token), ("recovery_code", &odd[0])]).await;
        is(&answer, 403, "invalid_grant", "MFA Authorization rejected.");
    }
    let token = mfa_token(&app, &ana).await;
    let right = grant(&app, RECOVERY, &[("mfa_token", &token), ("recovery_code", &code)]).await;
    assert_eq!((told(&right).0, told(&right).1.as_str()), (429, "too_many_attempts"));
    app.app.logs().flush().await;
    let logs = admin.expect(200, "GET", "/logs?q=type:gd_recovery_rate_limit_exceed", None).await;
    assert_eq!(logs[0]["user_id"], "auth0|ana", "{logs}");
}

#[tokio::test]
async fn recovery_is_never_the_challenge_whatever_was_enrolled_last() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let methods = "/users/auth0%7Cana/authentication-methods";
    let regenerate = "/users/auth0%7Cana/recovery-code-regeneration";
    let totp = |secret: &str| json!({"type": "totp", "totp_secret": secret});
    let check = async || {
        let token = mfa_token(&app, &ana).await;
        let asked = challenge(&app, &token, &[("challenge_type", "otp oob")]).await;
        assert_eq!(asked.json()["challenge_type"], "otp", "{}", asked.body);
        let mut types: Vec<_> =
            list(&app, &token).await.iter().map(|a| a["type"].as_str().unwrap().to_owned()).collect();
        types.sort_unstable();
        assert_eq!(types, ["otp", "recovery-code"]);
    };
    admin.expect(200, "POST", regenerate, None).await;
    app.clock.advance(Span::seconds(5));
    let made = admin.expect(201, "POST", methods, Some(totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))).await;
    check().await;
    app.clock.advance(Span::seconds(5));
    let id = made["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(201, "POST", methods, Some(totp("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))).await;
    admin.expect(204, "DELETE", &format!("{methods}/{id}"), None).await;
    check().await;
    app.clock.advance(Span::seconds(5));
    admin.expect(200, "POST", regenerate, None).await;
    check().await;
    // A recovery code alone is no enrolment.
    let held = admin.expect(200, "GET", methods, None).await;
    let app_id = held.as_array().unwrap().iter().find(|m| m["type"] == "totp").unwrap()["id"].clone();
    let path = format!("{methods}/{}", app_id.as_str().unwrap().replace('|', "%7C"));
    admin.expect(204, "DELETE", &path, None).await;
    let refused = password(&app, &ana).await;
    assert_eq!(refused.json()["mfa_requirements"], json!({"enroll": [{"type": "otp"}]}), "{}", refused.body);
}

#[tokio::test]
async fn a_made_up_token_uses_up_nobodys_tries() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    for n in 0..50 {
        let made_up = format!("Fe26.2*{n}");
        let answer = grant(&app, OTP, &[("mfa_token", &made_up), ("otp", "000000")]).await;
        is(&answer, 403, "invalid_grant", "Malformed mfa_token");
        assert_eq!(challenge(&app, &made_up, &[]).await.status, 403);
    }
    let (token, code) = (mfa_token(&app, &ana).await, app.code(&ana));
    let right = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
}
