//! MFA that a refresh asks for.

use lockstep_core::time::Span;
use serde_json::json;

use super::{OTP, grant, is, mfa_token, password, tenant, told};
use crate::management::admin;
use crate::support::{ACR, claims};

#[tokio::test]
async fn a_refresh_that_needs_mfa_spends_its_token_when_the_mfa_is_passed() {
    let app = tenant(&["otp"]).await;
    app.mfa(&["otp"], &[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let first = password(&app, &ana).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let asked = [("refresh_token", refresh.as_str()), ACR];
    let refused = grant(&app, "refresh_token", &asked).await;
    assert_eq!(told(&refused).1, "mfa_required");
    let token = refused.json()["mfa_token"].as_str().unwrap().to_owned();
    let code = app.code(&ana);
    let done = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let next = done.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(next, refresh);
    assert_eq!(claims(done.json()["id_token"].as_str().unwrap())["amr"], json!(["pwd", "mfa", "otp"]));
    // The family keeps the MFA.
    let again = grant(&app, "refresh_token", &[("refresh_token", &next), ACR]).await;
    assert_eq!(again.status, 200, "{}", again.body);
    // The old one was spent: presenting it again is a reuse.
    let reuse = grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await;
    is(&reuse, 403, "invalid_grant", "Unknown or invalid refresh token.");
}

#[tokio::test]
async fn a_family_with_mfa_refreshes_under_the_policy_always() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    let code = app.code(&ana);
    let first = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await.json();
    let refresh = first["refresh_token"].as_str().unwrap();
    let next = grant(&app, "refresh_token", &[("refresh_token", refresh)]).await;
    assert_eq!(next.status, 200, "{}", next.body);
    assert_eq!(claims(next.json()["id_token"].as_str().unwrap())["amr"], json!(["pwd", "mfa", "otp"]));
}

#[tokio::test]
async fn a_tenant_says_for_how_long_mfa_satisfies_a_refresh() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let admin = admin(&app).await;
    let token = mfa_token(&app, &ana).await;
    let code = app.code(&ana);
    let first = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await.json();
    let mut refresh = first["refresh_token"].as_str().unwrap().to_owned();
    let settings = json!({"refresh_token_mfa_max_age": 3600});
    admin.expect(200, "PATCH", "/tenants/settings", Some(settings)).await;
    app.clock.advance(Span::minutes(59));
    let young = grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await;
    assert_eq!(young.status, 200, "{}", young.body);
    young.json()["refresh_token"].as_str().unwrap().clone_into(&mut refresh);
    app.clock.advance(Span::minutes(2));
    let old = grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await;
    assert_eq!(told(&old).1, "mfa_required", "{}", old.body);
    let token = old.json()["mfa_token"].as_str().unwrap().to_owned();
    let code = app.code(&ana);
    let done = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    done.json()["refresh_token"].as_str().unwrap().clone_into(&mut refresh);
    let next = grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await;
    assert_eq!(next.status, 200, "the family keeps the new MFA: {}", next.body);
    next.json()["refresh_token"].as_str().unwrap().clone_into(&mut refresh);
    admin.expect(200, "PATCH", "/tenants/settings", Some(json!({"refresh_token_mfa": "always"}))).await;
    let always = grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await;
    assert_eq!(told(&always).1, "mfa_required");
    let odd = json!({"refresh_token_mfa_max_age": 1});
    admin.expect(400, "PATCH", "/tenants/settings", Some(odd)).await;
}
