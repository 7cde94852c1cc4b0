//! A browser without a screen: cookies, redirects, forms.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use http::header::SET_COOKIE;
use lockstep_core::factors::webauthn::device::VirtualKey;
use lockstep_core::random::SystemRng;
use scraper::{Html, Selector};
use serde_json::Value;

use super::app::{Answer, ISSUER, TestApp};

/// A browser with a cookie jar of its own.
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    cookies: BTreeMap<String, String>,
    user_agent: String,
    address: Option<SocketAddr>,
    more_headers: Vec<(String, String)>,
    /// Every `Set-Cookie` it was sent.
    pub(crate) set_cookies: Vec<String>,
    /// Where it is.
    pub(crate) url: String,
    /// What it shows.
    pub(crate) page: Answer,
}

impl TestApp {
    /// Opens a browser.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            app: self,
            cookies: BTreeMap::new(),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
            address: None,
            more_headers: Vec::new(),
            set_cookies: Vec::new(),
            url: "about:blank".to_owned(),
            page: Answer {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: String::new(),
            },
        }
    }
}

impl Browser<'_> {
    /// Goes to a URL of the server, follows redirects within it, and stops at a page or at a redirect that leaves it.
    pub(crate) async fn goto(&mut self, url: &str) -> &mut Self {
        self.travel("GET", url, None).await
    }

    /// Fills in the page's form and presses a button; hidden fields go along.
    pub(crate) async fn submit(&mut self, fields: &[(&str, &str)]) -> &mut Self {
        let mut all = self.hidden_fields();
        for (name, value) in fields {
            all.retain(|(n, _)| n != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        if !fields.iter().any(|(name, _)| *name == "action") {
            all.push(("action".to_owned(), "default".to_owned()));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        let url = self.url.clone();
        self.travel("POST", &url, Some(body)).await
    }

    /// Sends the page's form with further fields that are encoded already: what no browser would send.
    pub(crate) async fn submit_encoded(&mut self, more: &str) -> &mut Self {
        let hidden = self.hidden_fields();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(hidden).finish();
        let url = self.url.clone();
        self.travel("POST", &url, Some(format!("{body}&{more}"))).await
    }

    /// Sends a form to a path, with nothing that the page has.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> &mut Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.travel("POST", path, Some(body)).await
    }

    async fn travel(&mut self, method: &str, url: &str, body: Option<String>) -> &mut Self {
        let mut url = url::Url::parse(ISSUER).unwrap().join(url).unwrap().to_string();
        let (mut method, mut body) = (method.to_owned(), body);
        for _ in 0..10 {
            let path = url.strip_prefix(ISSUER.trim_end_matches('/')).unwrap_or_default().to_owned();
            let mut request = Request::builder()
                .method(method.as_str())
                .uri(path)
                .header("host", "lockstep.test")
                .header("user-agent", &self.user_agent);
            for (name, value) in &self.more_headers {
                request = request.header(name, value);
            }
            if !self.cookies.is_empty() {
                let jar: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
                request = request.header("cookie", jar.join("; "));
            }
            if body.is_some() {
                request = request
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("origin", ISSUER.trim_end_matches('/'));
            }
            let sent = body.take().map_or_else(Body::empty, Body::from);
            let mut request = request.body(sent).unwrap();
            if let Some(address) = self.address {
                request.extensions_mut().insert(ConnectInfo(address));
            }
            let answer = self.app.send(request).await;
            self.keep_cookies(&answer);
            self.url.clone_from(&url);
            let next = answer.status.is_redirection().then(|| answer.location().to_owned());
            self.page = answer;
            let Some(next) = next else { break };
            url = url::Url::parse(&url).unwrap().join(&next).unwrap().to_string();
            if !url.starts_with(ISSUER) {
                self.url = url;
                break;
            }
            method = "GET".to_owned();
        }
        self
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for header in answer.headers.get_all(SET_COOKIE) {
            let text = header.to_str().unwrap();
            self.set_cookies.push(text.to_owned());
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Returns a cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Returns all cookies.
    pub(crate) fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// Puts a cookie into the jar, as somebody else might have.
    pub(crate) fn plant_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Forgets a cookie.
    pub(crate) fn drop_cookie(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// Sends a header with each request, also a second one of a name.
    pub(crate) fn send_header(&mut self, name: &str, value: &str) {
        self.more_headers.push((name.to_owned(), value.to_owned()));
    }

    /// Goes on from another place in the network.
    pub(crate) fn move_to_address(&mut self, ip: &str) {
        self.address = Some(SocketAddr::new(ip.parse().unwrap(), 40_000));
    }

    /// Goes on as another kind of browser.
    pub(crate) fn pretend_to_be(&mut self, user_agent: &str) {
        user_agent.clone_into(&mut self.user_agent);
    }

    /// Returns the name of the screen: what the page's `main` says of itself.
    pub(crate) fn screen(&self) -> String {
        self.attribute("[data-screen]", "data-screen").unwrap_or_else(|| format!("no screen at {}", self.url))
    }

    /// Returns an attribute of the first element that fits.
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let html = Html::parse_document(&self.page.body);
        let selector = Selector::parse(selector).unwrap();
        html.select(&selector).next().and_then(|e| e.value().attr(name)).map(str::to_owned)
    }

    /// Returns what the page asks a new key.
    pub(crate) fn key_options(&self) -> Value {
        let text = self.attribute("[data-key=create]", "data-options");
        serde_json::from_str(&text.unwrap_or_else(|| panic!("{}", self.page.body))).unwrap()
    }

    /// Posts what a real browser would, once this key has answered the page.
    pub(crate) async fn make_key(&mut self, key: &mut VirtualKey) {
        let origin = ISSUER.trim_end_matches('/');
        let said = key.create(&self.key_options(), origin, &mut SystemRng).unwrap().to_string();
        self.submit(&[("response", &said)]).await;
    }

    /// Returns the text of the first element that fits, blanks folded.
    pub(crate) fn text(&self, selector: &str) -> Option<String> {
        let html = Html::parse_document(&self.page.body);
        let selector = Selector::parse(selector).unwrap();
        let text: String = html.select(&selector).next()?.text().collect();
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Returns a query parameter of the URL it is at.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&self.url).unwrap();
        url.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
    }

    fn hidden_fields(&self) -> Vec<(String, String)> {
        let html = Html::parse_document(&self.page.body);
        let selector = Selector::parse("form input[type=hidden]").unwrap();
        html.select(&selector)
            .filter_map(|e| {
                Some((e.value().attr("name")?.to_owned(), e.value().attr("value").unwrap_or("").to_owned()))
            })
            .collect()
    }
}
