//! MFA that a refresh asks for.

use serde_json::json;

use super::{OTP, grant, is, mfa_token, password, tenant, told};
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
