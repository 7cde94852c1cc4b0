//! Answers at the same time.

use lockstep_core::time::Span;

use super::{OOB, OTP, challenge, grant, mfa_token, tenant};
use crate::support::{Shared, TestApp, at_once};

/// How often twenty answers race for one code at two servers on one database.
const ROUNDS: usize = 200;

async fn wins(answers: Vec<crate::support::Answer>) -> usize {
    for answer in &answers {
        assert!(answer.status.as_u16() < 500, "{}", answer.body);
        // More than ten wrong ones at once are not looked at.
        let told = answer.json()["error"].clone();
        assert!(
            answer.status == 200 || told == "invalid_grant" || told == "too_many_attempts",
            "{}",
            answer.body
        );
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn of_twenty_submissions_of_one_code_by_twenty_tokens_one_counts() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(mfa_token(&app, &ana).await);
    }
    let code = app.code(&ana);
    let answers = at_once(tokens.iter().map(|token| {
        let (app, code) = (&app, code.as_str());
        async move { grant(app, OTP, &[("mfa_token", token), ("otp", code)]).await }
    }))
    .await;
    assert_eq!(wins(answers).await, 1);
}

#[tokio::test]
async fn of_answers_at_two_servers_to_one_sent_code_one_counts() {
    for shared in Shared::each().await {
        let first = shared.server().await.with_apps().await.with_password_grants().await;
        first.mfa(&["otp", "email"], &["all-applications"]).await;
        let second = shared.server().await;
        let ana = first.user_with_totp("ana@example.com").await;
        for _ in 0..ROUNDS {
            // Each message has a time of its own: the newest is the one of this round. And budgets of messages fill up again.
            shared.clock.advance(Span::minutes(7));
            let token = mfa_token(&first, &ana).await;
            let begun = challenge(&first, &token, &[("oob_channel", "email")]).await;
            assert_eq!(begun.status, 200, "{}", begun.body);
            let oob = begun.json()["oob_code"].as_str().unwrap().to_owned();
            let code = first.sent_code().await;
            let apps: [&TestApp; 2] = [&first, &second];
            let answers = at_once((0..20).map(|n| {
                let (app, token, oob, code) = (apps[n % 2], token.as_str(), oob.as_str(), code.as_str());
                async move {
                    grant(app, OOB, &[("mfa_token", token), ("oob_code", oob), ("binding_code", code)]).await
                }
            }))
            .await;
            assert_eq!(wins(answers).await, 1);
        }
    }
}

#[tokio::test]
async fn of_answers_at_two_servers_with_one_code_of_an_app_one_counts() {
    for shared in Shared::each().await {
        let first = shared.server().await.with_apps().await.with_password_grants().await;
        first.mfa(&["otp"], &["all-applications"]).await;
        let second = shared.server().await;
        let ana = first.user_with_totp("ana@example.com").await;
        for _ in 0..ROUNDS {
            shared.clock.advance(Span::minutes(7));
            let tokens = [mfa_token(&first, &ana).await, mfa_token(&first, &ana).await];
            let code = first.code(&ana);
            let apps: [&TestApp; 2] = [&first, &second];
            let answers = at_once((0..20).map(|n| {
                let (app, token, code) = (apps[n % 2], tokens[n / 2 % 2].as_str(), code.as_str());
                async move { grant(app, OTP, &[("mfa_token", token), ("otp", code)]).await }
            }))
            .await;
            assert_eq!(wins(answers).await, 1);
        }
    }
}
