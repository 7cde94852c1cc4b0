//! What people do, in the words of a story.

use serde_json::Value;

use super::app::TestApp;
use super::browser::Browser;
use super::builders::{CALLBACK, PASSWORD, Person, authorize};

impl Browser<'_> {
    /// Goes to `/authorize` with further parameters.
    pub(crate) async fn authorize(&mut self, more: &[(&str, &str)]) -> &mut Self {
        self.goto(&authorize(more)).await
    }

    /// Types identifier and password.
    pub(crate) async fn password(&mut self, person: &Person) -> &mut Self {
        assert_eq!(self.screen(), "login", "{}", self.page.body);
        self.submit(&[("username", &person.email), ("password", PASSWORD)]).await
    }

    /// Types a code.
    pub(crate) async fn code(&mut self, code: &str) -> &mut Self {
        self.submit(&[("code", code)]).await
    }

    /// Says that a recovery code was saved, and returns it.
    pub(crate) async fn save_recovery_code(&mut self) -> String {
        let shown =
            self.attribute("[data-secret]", "data-secret").or_else(|| self.text("[data-screen] code"));
        let code: String =
            shown.expect("a recovery code").chars().filter(char::is_ascii_alphanumeric).collect();
        self.submit(&[("confirmation", "true")]).await;
        code
    }

    /// Returns the authorization code that the browser carries back to the application.
    pub(crate) fn back_with_code(&self) -> String {
        assert!(
            self.url.starts_with(CALLBACK),
            "still at {} ({})\n{}",
            self.url,
            self.page.status,
            self.page.body
        );
        assert_eq!(self.query("error"), None, "{}", self.url);
        assert_eq!(self.query("state").as_deref(), Some("st4te"));
        self.query("code").expect("a code")
    }

    /// Returns the error that the browser carries back to the application, and its description.
    pub(crate) fn back_with_error(&self) -> (String, String) {
        assert!(
            self.url.starts_with(CALLBACK),
            "still at {} ({})\n{}",
            self.url,
            self.page.status,
            self.page.body
        );
        assert_eq!(self.query("code"), None, "{}", self.url);
        (self.query("error").expect("an error"), self.query("error_description").unwrap_or_default())
    }

    /// Returns the text key's error that the page shows at its field or above the form.
    pub(crate) fn error_shown(&self) -> Option<String> {
        self.attribute("[data-error]", "data-error")
    }
}

/// Tokens that an application got.
pub(crate) struct Tokens {
    pub(crate) answer: Value,
    pub(crate) id: Value,
}

impl TestApp {
    /// Redeems a code as `web`.
    pub(crate) async fn redeem(&self, code: &str) -> Tokens {
        let answer = self
            .form(
                "/oauth/token",
                &[
                    ("grant_type", "authorization_code"),
                    ("client_id", "web"),
                    ("client_secret", "web-secret"),
                    ("redirect_uri", CALLBACK),
                    ("code", code),
                ],
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        let id = answer["id_token"].as_str().map_or(Value::Null, claims);
        Tokens { answer, id }
    }

    /// Logs a person in at `web` with further parameters, and returns the tokens.
    pub(crate) async fn log_in(
        &self,
        browser: &mut Browser<'_>,
        person: &Person,
        more: &[(&str, &str)],
    ) -> Tokens {
        browser.authorize(more).await.password(person).await;
        if browser.screen() == "mfa-otp-challenge" {
            let code = self.code(person);
            browser.code(&code).await;
        }
        self.redeem(&browser.back_with_code()).await
    }
}

/// Returns the claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
