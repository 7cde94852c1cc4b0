//! The answer of `/authorize`: which of code and tokens, where to, and how it travels (OAuth 2.0 Multiple Response Types).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::redirect_uri;
use crate::codes::OAuthError;

/// What `response_type` asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseTypes {
    /// An authorization code.
    pub code: bool,
    /// An access token through the browser.
    pub token: bool,
    /// An ID token through the browser.
    pub id_token: bool,
}

impl ResponseTypes {
    /// Parses the parameter; the words may stand in any order, each once.
    pub fn parse(text: &str) -> Option<Self> {
        let mut types = Self::default();
        for word in text.split(' ').filter(|w| !w.is_empty()) {
            let flag = match word {
                "code" => &mut types.code,
                "token" => &mut types.token,
                "id_token" => &mut types.id_token,
                _ => return None,
            };
            if std::mem::replace(flag, true) {
                return None;
            }
        }
        (types != Self::default()).then_some(types)
    }

    /// Returns whether a token goes through the browser: implicit and hybrid flows.
    pub const fn through_browser(self) -> bool {
        self.token || self.id_token
    }

    /// Returns the mode that holds when none was asked.
    pub const fn default_mode(self) -> ResponseMode {
        if self.through_browser() { ResponseMode::Fragment } else { ResponseMode::Query }
    }
}

/// How the answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect.
    Query,
    /// In the fragment of the redirect.
    Fragment,
    /// A page that posts a form.
    FormPost,
    /// A page that posts a message to the window that opened or embeds it.
    WebMessage,
}

impl ResponseMode {
    /// Parses the parameter.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "query" => Self::Query,
            "fragment" => Self::Fragment,
            "form_post" => Self::FormPost,
            "web_message" => Self::WebMessage,
            _ => return None,
        })
    }
}

/// Where answers of a request go: known as soon as the redirect URI is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// A registered callback.
    pub redirect_uri: String,
    /// How the answer travels.
    pub mode: ResponseMode,
    /// What the client sent, echoed byte for byte.
    pub state: Option<String>,
}

impl ReplyTo {
    /// Returns the answer that carries an error.
    pub fn error(&self, error: &OAuthError) -> AuthorizeResponse {
        self.answer(vec![
            ("error", error.code.as_str().to_owned()),
            ("error_description", error.description.clone()),
        ])
    }

    /// Returns the answer that carries these parameters, and the state.
    pub fn answer(&self, mut params: Vec<(&'static str, String)>) -> AuthorizeResponse {
        if let Some(state) = &self.state {
            params.push(("state", state.clone()));
        }
        AuthorizeResponse { mode: self.mode, redirect_uri: self.redirect_uri.clone(), params }
    }
}

/// A finished answer of `/authorize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeResponse {
    /// How it travels.
    pub mode: ResponseMode,
    /// A registered callback.
    pub redirect_uri: String,
    /// Names and values, in the order they are sent.
    #[serde(skip_deserializing)]
    pub params: Vec<(&'static str, String)>,
}

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl AuthorizeResponse {
    /// Returns the `Location` of a query or fragment answer; a query that the callback has already is kept.
    pub fn location(&self) -> String {
        let mut pairs = String::new();
        for (name, value) in &self.params {
            if !pairs.is_empty() {
                pairs.push('&');
            }
            pairs.push_str(name);
            pairs.push('=');
            pairs.extend(utf8_percent_encode(value, ESCAPED));
        }
        let separator = match (self.mode, self.redirect_uri.contains('?')) {
            (ResponseMode::Fragment, _) => '#',
            (_, true) if self.redirect_uri.ends_with(['?', '&']) => {
                return format!("{}{pairs}", self.redirect_uri);
            }
            (_, true) => '&',
            (_, false) => '?',
        };
        format!("{}{separator}{pairs}", self.redirect_uri)
    }

    /// Returns the origin that a web message is posted to.
    pub fn target_origin(&self) -> Option<String> {
        redirect_uri::origin(&self.redirect_uri)
    }

    /// Returns a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_types_come_in_any_order_and_once() {
        let hybrid = ResponseTypes { code: true, token: true, id_token: true };
        assert_eq!(ResponseTypes::parse("id_token code token"), Some(hybrid));
        assert_eq!(ResponseTypes::parse("code").map(ResponseTypes::default_mode), Some(ResponseMode::Query));
        assert_eq!(
            ResponseTypes::parse("code id_token").map(ResponseTypes::default_mode),
            Some(ResponseMode::Fragment)
        );
        for bad in ["", "none", "code code", "Code", "code,token"] {
            assert_eq!(ResponseTypes::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn state_is_escaped_and_the_callbacks_own_query_stays() {
        let to = |uri: &str, mode| ReplyTo {
            redirect_uri: uri.into(),
            mode,
            state: Some("a=b+c&\"><script>".into()),
        };
        let query = to("https://app.example/cb?x=1", ResponseMode::Query).answer(vec![("code", "C".into())]);
        assert_eq!(
            query.location(),
            "https://app.example/cb?x=1&code=C&state=a%3Db%2Bc%26%22%3E%3Cscript%3E"
        );
        let fragment = to("https://app.example/cb", ResponseMode::Fragment).answer(vec![]);
        assert!(fragment.location().starts_with("https://app.example/cb#state=a%3D"));
        assert_eq!(query.target_origin().as_deref(), Some("https://app.example"));
    }
}
