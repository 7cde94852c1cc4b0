//! A browser without a screen: cookies, redirects, forms.

use std::collections::BTreeMap;

use scraper::{Html, Selector};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::Outcome;
use crate::server::ISSUER;

/// A browser with a cookie jar of its own.
pub(crate) struct Visitor {
    http: reqwest::Client,
    base: String,
    cookies: BTreeMap<String, String>,
    /// Where it is.
    pub(crate) url: String,
    /// What it shows.
    pub(crate) page: String,
}

impl Visitor {
    pub(crate) fn new(http: reqwest::Client, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            cookies: BTreeMap::new(),
            url: String::new(),
            page: String::new(),
        }
    }

    /// Goes to a path, follows redirects within the server, and stops at a page or at a redirect that leaves it.
    pub(crate) async fn goto(&mut self, path: &str) -> Outcome<()> {
        let url = Url::parse(ISSUER)?.join(path)?;
        self.travel(url, None).await
    }

    /// Fills in the page's form; hidden fields go along.
    pub(crate) async fn submit(&mut self, fields: &[(&str, &str)]) -> Outcome<()> {
        let body = {
            let html = Html::parse_document(&self.page);
            let hidden = Selector::parse("form input[type=hidden]").map_err(|e| e.to_string())?;
            let mut form = Serializer::new(String::new());
            for field in html.select(&hidden) {
                if let Some(name) = field.value().attr("name") {
                    form.append_pair(name, field.value().attr("value").unwrap_or_default());
                }
            }
            form.extend_pairs(fields).append_pair("action", "default").finish()
        };
        let url = Url::parse(&self.url)?;
        self.travel(url, Some(body)).await
    }

    async fn travel(&mut self, mut url: Url, mut body: Option<String>) -> Outcome<()> {
        loop {
            self.url = url.to_string();
            let Some(path) = self.url.strip_prefix(ISSUER) else { return Ok(()) };
            let address = format!("{}/{path}", self.base);
            let mut request = match body.take() {
                Some(body) => self
                    .http
                    .post(address)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("origin", ISSUER.trim_end_matches('/'))
                    .body(body),
                None => self.http.get(address),
            };
            if !self.cookies.is_empty() {
                let jar: Vec<_> =
                    self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                request = request.header("cookie", jar.join("; "));
            }
            let answer = request.send().await?;
            for header in answer.headers().get_all("set-cookie") {
                let text = header.to_str()?;
                let pair = text.split(';').next().unwrap_or_default();
                let Some((name, value)) = pair.split_once('=') else { continue };
                if text.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            let next = answer.headers().get("location").map(|l| l.to_str().map(str::to_owned)).transpose()?;
            self.page = answer.text().await?;
            let Some(next) = next else { return Ok(()) };
            url = url.join(&next)?;
        }
    }

    /// The name of the screen it shows.
    pub(crate) fn screen(&self) -> String {
        let Ok(selector) = Selector::parse("[data-screen]") else { return String::new() };
        let html = Html::parse_document(&self.page);
        html.select(&selector)
            .next()
            .and_then(|e| e.value().attr("data-screen"))
            .unwrap_or_default()
            .to_owned()
    }

    /// The authorization code with which it was sent back to the application.
    pub(crate) fn code(&self) -> Option<String> {
        let url = Url::parse(&self.url).ok()?;
        url.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned())
    }
}
