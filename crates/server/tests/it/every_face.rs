//! Every factor on both faces that answer a challenge: right once, wrong, replayed, expired, another's, removed, limit. (What is unconfirmed is
//! tested where it is enrolled: pages, tickets, MFA API, My Account API, account page. Keys answer on pages alone: login/keys.rs.)

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{Browser, CALLBACK, PASSWORD, Person, TestApp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    Totp,
    Sms,
    Voice,
    Email,
    Recovery,
}

const FACTORS: [Factor; 5] = [Factor::Totp, Factor::Sms, Factor::Voice, Factor::Email, Factor::Recovery];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Pages,
    Api,
}

const FACES: [Face; 2] = [Face::Pages, Face::Api];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    In,
    Refused,
    Limited,
}

/// A tenant that asks everybody, and two people who hold the factor.
struct Story {
    app: TestApp,
    factor: Factor,
    face: Face,
}

/// Somebody who holds the factor.
struct Holder {
    person: Person,
    phone: AuthenticatorApp,
    recovery: String,
}

/// A challenge that waits for its answer.
enum Attempt<'a> {
    Page(Box<Browser<'a>>),
    Token { token: String, oob: String },
}

impl Story {
    async fn begin(factor: Factor, face: Face) -> Self {
        let app = TestApp::new().await.with_apps().await.with_password_grants().await;
        let (factors, types): (&[&str], &[&str]) = match factor {
            Factor::Totp => (&["otp"], &[]),
            Factor::Sms => (&["sms"], &["sms"]),
            Factor::Voice => (&["sms"], &["voice"]),
            Factor::Email => (&["otp", "email"], &[]),
            Factor::Recovery => (&["otp", "recovery-code"], &[]),
        };
        app.mfa(factors, &["all-applications"]).await;
        app.message_types(types).await;
        Self { app, factor, face }
    }

    async fn holder(&self, name: &str) -> Holder {
        let person = self.app.user(&format!("{name}@example.com")).await;
        let admin = admin(&self.app).await;
        let path = format!("/users/auth0%7C{name}");
        // Seeds of their own: one person's code is not the other's.
        let seed = if name == "ana" {
            "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        } else {
            "KRUGS4ZANFZSAYJAKRUGS4ZANFZSAYJA"
        };
        let method = match self.factor {
            Factor::Sms | Factor::Voice => {
                let number = if name == "ana" { "+12025550143" } else { "+12025550144" };
                json!({"type": "phone", "phone_number": number})
            }
            _ => json!({"type": "totp", "totp_secret": seed}),
        };
        admin.expect(201, "POST", &format!("{path}/authentication-methods"), Some(method)).await;
        let mut recovery = String::new();
        if self.factor == Factor::Recovery {
            let made = admin.expect(200, "POST", &format!("{path}/recovery-code-regeneration"), None).await;
            recovery = made["recovery_code"].as_str().unwrap().to_owned();
        }
        Holder { person, phone: AuthenticatorApp::scan(seed).unwrap(), recovery }
    }

    /// Goes as far as the question for the factor.
    async fn challenge(&self, holder: &Holder) -> Attempt<'_> {
        // Messages have times of their own, and another code may be asked for after thirty seconds.
        self.app.clock.advance(Span::seconds(31));
        match self.face {
            Face::Pages => {
                let mut browser = self.app.browser();
                browser.authorize(&[]).await.password(&holder.person).await;
                let other = match self.factor {
                    Factor::Email => "email::0",
                    Factor::Recovery => "recovery-code::0",
                    _ => "",
                };
                if !other.is_empty() {
                    browser
                        .submit(&[("action", "pick-authenticator")])
                        .await
                        .submit(&[("action", other)])
                        .await;
                }
                assert!(browser.screen().ends_with("challenge"), "{}", browser.screen());
                Attempt::Page(Box::new(browser))
            }
            Face::Api => {
                let refused = self
                    .grant("password", &[("username", &holder.person.email), ("password", PASSWORD)])
                    .await;
                let token = refused["mfa_token"].as_str().expect("mfa_required").to_owned();
                let channel = match self.factor {
                    Factor::Sms => "sms",
                    Factor::Voice => "voice",
                    Factor::Email => "email",
                    Factor::Totp | Factor::Recovery => return Attempt::Token { token, oob: String::new() },
                };
                let body = json!({"mfa_token": token, "client_id": "ropg", "client_secret": "ropg-secret",
                    "challenge_type": "oob", "oob_channel": channel});
                let begun = self.app.json("POST", "/mfa/challenge", None, Some(body)).await;
                assert_eq!(begun.status, 200, "{}", begun.body);
                let oob = begun.json()["oob_code"].as_str().unwrap().to_owned();
                Attempt::Token { token, oob }
            }
        }
    }

    /// Returns the answer that is right now.
    async fn code(&self, holder: &Holder) -> String {
        match self.factor {
            Factor::Totp => holder.phone.code_at(self.app.now()),
            Factor::Recovery => holder.recovery.clone(),
            Factor::Sms | Factor::Voice | Factor::Email => self.app.sent_code().await,
        }
    }

    fn wrong(&self, right: &str) -> String {
        match self.factor {
            Factor::Recovery => "A".repeat(24),
            _ if right == "000000" => "000001".to_owned(),
            _ => "000000".to_owned(),
        }
    }

    async fn answer(&self, attempt: &mut Attempt<'_>, code: &str) -> Verdict {
        match attempt {
            Attempt::Page(browser) => {
                browser.code(code).await;
                match browser.error_shown().as_deref() {
                    Some("too-many-failures") => Verdict::Limited,
                    _ if browser.url.starts_with(CALLBACK) && browser.query("code").is_some() => Verdict::In,
                    _ if browser.screen() == "mfa-recovery-code-challenge-new-code" => Verdict::In,
                    _ => Verdict::Refused,
                }
            }
            Attempt::Token { token, oob } => {
                let kind = |name: &str| format!("http://auth0.com/oauth/grant-type/{name}");
                let answer = match self.factor {
                    Factor::Totp => {
                        self.grant(&kind("mfa-otp"), &[("mfa_token", token), ("otp", code)]).await
                    }
                    Factor::Recovery => {
                        let fields = [("mfa_token", token.as_str()), ("recovery_code", code)];
                        self.grant(&kind("mfa-recovery-code"), &fields).await
                    }
                    _ => {
                        let fields =
                            [("mfa_token", token.as_str()), ("oob_code", oob), ("binding_code", code)];
                        self.grant(&kind("mfa-oob"), &fields).await
                    }
                };
                match answer["error"].as_str() {
                    None if answer["access_token"].is_string() => Verdict::In,
                    Some("too_many_attempts") => Verdict::Limited,
                    _ => Verdict::Refused,
                }
            }
        }
    }

    async fn grant(&self, kind: &str, fields: &[(&str, &str)]) -> Value {
        let base = [
            ("grant_type", kind),
            ("client_id", "ropg"),
            ("client_secret", "ropg-secret"),
            ("scope", "openid"),
        ];
        let answer = self.app.form("/oauth/token", &[&base, fields].concat()).await;
        assert!(answer.status.as_u16() < 500, "{}", answer.body);
        answer.json()
    }
}

/// Tells the whole story of each factor on each face.
async fn each(check: impl AsyncFn(&Story, &Holder)) {
    for factor in FACTORS {
        for face in FACES {
            let story = Story::begin(factor, face).await;
            let ana = story.holder("ana").await;
            check(&story, &ana).await;
        }
    }
}

#[tokio::test]
async fn a_right_answer_lets_in_once_and_is_worth_nothing_again() {
    each(async |story, ana| {
        let what = (story.factor, story.face);
        let mut attempt = story.challenge(ana).await;
        let code = story.code(ana).await;
        let wrong = story.wrong(&code);
        assert_eq!(story.answer(&mut attempt, &wrong).await, Verdict::Refused, "{what:?}: wrong");
        assert_eq!(story.answer(&mut attempt, &code).await, Verdict::In, "{what:?}: right");
        if let Attempt::Token { .. } = attempt {
            assert_eq!(
                story.answer(&mut attempt, &code).await,
                Verdict::Refused,
                "{what:?}: the same token again"
            );
        }
        let mut other = story.challenge(ana).await;
        if story.factor == Factor::Totp || story.code(ana).await != code || story.factor == Factor::Recovery {
            assert_eq!(story.answer(&mut other, &code).await, Verdict::Refused, "{what:?}: replayed");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_too_late_is_none() {
    each(async |story, ana| {
        // A recovery code has no age.
        if story.factor == Factor::Recovery {
            return;
        }
        let mut attempt = story.challenge(ana).await;
        let code = story.code(ana).await;
        story.app.clock.advance(Span::minutes(6));
        let verdict = story.answer(&mut attempt, &code).await;
        assert_eq!(verdict, Verdict::Refused, "{:?} {:?}", story.factor, story.face);
    })
    .await;
}

#[tokio::test]
async fn anothers_answer_is_none() {
    each(async |story, ana| {
        let bob = story.holder("bob").await;
        let mut hers = story.challenge(ana).await;
        let own = story.code(ana).await;
        let mut his = story.challenge(&bob).await;
        let code = story.code(&bob).await;
        if code != own {
            let verdict = story.answer(&mut hers, &code).await;
            assert_eq!(verdict, Verdict::Refused, "{:?} {:?}", story.factor, story.face);
        }
        assert_eq!(story.answer(&mut his, &code).await, Verdict::In, "it was not spent by her try");
    })
    .await;
}

#[tokio::test]
async fn a_factor_that_was_removed_meanwhile_lets_nobody_in() {
    each(async |story, ana| {
        let mut attempt = story.challenge(ana).await;
        let code = story.code(ana).await;
        let admin = admin(&story.app).await;
        if story.factor == Factor::Email {
            // The address of the account is a factor as long as it is verified.
            let body = Some(json!({"email_verified": false}));
            admin.expect(200, "PATCH", "/users/auth0%7Cana", body).await;
        } else {
            admin.expect(204, "DELETE", "/users/auth0%7Cana/authenticators", None).await;
        }
        let verdict = story.answer(&mut attempt, &code).await;
        assert_eq!(verdict, Verdict::Refused, "{:?} {:?}", story.factor, story.face);
    })
    .await;
}

#[tokio::test]
async fn after_ten_wrong_answers_a_right_one_is_not_looked_at() {
    each(async |story, ana| {
        let what = (story.factor, story.face);
        let mut wrong_ones = 0;
        let mut attempt = story.challenge(ana).await;
        while wrong_ones < 10 {
            // A code that was sent is dead after five: then another one is asked for.
            if wrong_ones == 5 {
                attempt = story.challenge(ana).await;
            }
            let wrong = story.wrong(&story.code(ana).await);
            assert_eq!(story.answer(&mut attempt, &wrong).await, Verdict::Refused, "{what:?}: {wrong_ones}");
            wrong_ones += 1;
        }
        let mut last = story.challenge(ana).await;
        let code = story.code(ana).await;
        assert_eq!(story.answer(&mut last, &code).await, Verdict::Limited, "{what:?}");
    })
    .await;
}

#[tokio::test]
async fn a_recovery_code_works_beside_every_factor_and_takes_none_away() {
    for face in FACES {
        for (factors, phone) in [
            (&["otp", "recovery-code"][..], false),
            (&["sms", "recovery-code"], true),
            (&["otp", "email", "recovery-code"], false),
        ] {
            let story = Story {
                app: TestApp::new().await.with_apps().await.with_password_grants().await,
                factor: Factor::Recovery,
                face,
            };
            story.app.mfa(factors, &["all-applications"]).await;
            story.app.message_types(&["sms"]).await;
            let admin = admin(&story.app).await;
            let person = story.app.user("ana@example.com").await;
            let seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
            let method = if phone {
                json!({"type": "phone", "phone_number": "+12025550143"})
            } else {
                json!({"type": "totp", "totp_secret": seed})
            };
            let path = "/users/auth0%7Cana";
            // The recovery code is the newest: it is not the first question for that.
            admin.expect(201, "POST", &format!("{path}/authentication-methods"), Some(method)).await;
            story.app.clock.advance(Span::seconds(5));
            let made = admin.expect(200, "POST", &format!("{path}/recovery-code-regeneration"), None).await;
            let recovery = made["recovery_code"].as_str().unwrap().to_owned();
            let holder = Holder { person, phone: AuthenticatorApp::scan(seed).unwrap(), recovery };
            let before = admin.expect(200, "GET", &format!("{path}/authenticators"), None).await;
            let mut attempt = match face {
                Face::Api => story.challenge(&holder).await,
                Face::Pages => {
                    let mut browser = story.app.browser();
                    browser.authorize(&[]).await.password(&holder.person).await;
                    assert!(matches!(browser.screen().as_str(), "mfa-otp-challenge" | "mfa-sms-challenge"));
                    browser.submit(&[("action", "pick-authenticator")]).await;
                    if browser.screen() == "mfa-login-options" {
                        browser.submit(&[("action", "recovery-code::0")]).await;
                    }
                    assert_eq!(browser.screen(), "mfa-recovery-code-challenge", "{factors:?}");
                    Attempt::Page(Box::new(browser))
                }
            };
            assert_eq!(
                story.answer(&mut attempt, &holder.recovery).await,
                Verdict::In,
                "{face:?} {factors:?}"
            );
            let after = admin.expect(200, "GET", &format!("{path}/authenticators"), None).await;
            assert_eq!(
                before.as_array().unwrap().len(),
                after.as_array().unwrap().len(),
                "{face:?} {factors:?}"
            );
        }
    }
}
