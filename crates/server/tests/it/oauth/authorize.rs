//! `/authorize`: refusals, and how an answer travels.

use serde_json::json;

use crate::support::{API, TestApp, authorize};

async fn app() -> TestApp {
    TestApp::new().await.with_apps().await
}

#[tokio::test]
async fn a_callback_that_is_not_registered_is_never_redirected_to() {
    let app = app().await;
    for uri in [
        "https://appXexample/cb",
        "https://app.example/cb/",
        "https://app.example/cb/..;/x",
        "https://app.example/cb/../x",
        "https://app.example/cb%2f..",
        "https://a@b@app.example/cb",
        "https://app.example:443/cb",
        "https://app.example/cb#x",
        "https://app.example/cb?next=//evil",
        "https://evil.example/",
        "javascript:alert(1)",
    ] {
        let answer = app.get(&authorize(&[("redirect_uri", uri)])).await;
        assert!(answer.status.is_client_error(), "{uri}: {}", answer.status);
        assert_eq!(answer.header("location"), None, "{uri}");
        assert!(answer.body.contains("data-screen"), "{uri}");
    }
    assert_eq!(app.get(&authorize(&[("client_id", "nobody")])).await.status, 400);
}

#[tokio::test]
async fn other_mistakes_go_back_to_the_client() {
    let app = app().await;
    for (more, error) in [
        (vec![("response_type", "magic")], "unsupported_response_type"),
        (vec![("response_type", "id_token")], "invalid_request"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("max_age", "soon")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
        (vec![("code_challenge", "x"), ("code_challenge_method", "plain")], "invalid_request"),
        (vec![("audience", "https://no.example/")], "access_denied"),
        (vec![("request", "e30.e30.")], "request_not_supported"),
        (vec![("client_id", "spa")], "invalid_request"),
    ] {
        let answer = app.get(&authorize(&more)).await;
        assert_eq!(answer.status, 302, "{more:?}");
        let url = url::Url::parse(&answer.location().replace("cb#", "cb?")).unwrap();
        let found = url.query_pairs().find(|(k, _)| k == "error").unwrap().1.into_owned();
        assert_eq!(found, error, "{more:?}: {url}");
        assert!(url.query_pairs().any(|(k, v)| k == "state" && v == "st4te"), "{more:?}");
    }
}

#[tokio::test]
async fn parameters_shown_or_sent_back_are_escaped() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    for hostile in [
        "\"><script>alert(1)</script>",
        "</script><svg onload=alert(1)>",
        "javascript:alert(1)",
        "\u{2028}",
        "{{7*7}}",
        "a b=c&d",
    ] {
        browser.authorize(&[("state", hostile)]).await;
        assert_eq!(browser.query("state").as_deref(), Some(hostile), "byte for byte");
        for mode in ["form_post", "web_message"] {
            browser.authorize(&[("state", hostile), ("response_mode", mode), ("prompt", "none")]).await;
            assert_eq!(browser.page.status, 200, "{mode}");
            assert!(
                !browser.page.body.contains("<script>alert") && !browser.page.body.contains("<svg onload"),
                "{mode}"
            );
            let policy = browser.page.headers["content-security-policy"].to_str().unwrap();
            assert!(!policy.contains("unsafe-inline"), "{mode}");
        }
        let fresh = app
            .get(&authorize(&[("login_hint", hostile), ("ui_locales", hostile), ("nonce", hostile)]))
            .await;
        assert!(fresh.status.is_redirection() || fresh.status.is_client_error(), "{hostile:?}");
    }
}

#[tokio::test]
async fn a_web_message_goes_to_the_registered_origin_only_and_may_be_framed_by_it() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    browser.authorize(&[("prompt", "none"), ("response_mode", "web_message")]).await;
    let page = &browser.page;
    assert!(page.headers.get("x-frame-options").is_none());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors https://app.example"), "{policy}");
    assert!(page.body.contains("authorization_response") && page.body.contains("\"https://app.example\""));
}

#[tokio::test]
async fn implicit_and_hybrid_answers_travel_in_the_fragment_with_their_hashes() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    let ask = [
        ("response_type", "code id_token token"),
        ("nonce", "n-1"),
        ("audience", API),
        ("scope", "openid read:a"),
    ];
    browser.authorize(&ask).await.password(&ana).await;
    let (base, fragment) = browser.url.split_once('#').expect("a fragment");
    assert_eq!(base, "https://app.example/cb");
    let params: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect();
    assert_eq!(params["token_type"], "Bearer");
    assert_eq!(params["expires_in"], "7200");
    let id = crate::support::claims(&params["id_token"]);
    assert_eq!(id["nonce"], "n-1");
    assert!(id["at_hash"].is_string() && id["c_hash"].is_string());
    assert_eq!(id["amr"], json!(["pwd"]));
    assert!(!params.contains_key("refresh_token"));
}

#[tokio::test]
async fn consent_is_asked_of_third_parties_once_and_declining_says_access_denied() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let third = json!({"name": "Third", "app_type": "regular_web", "is_first_party": false});
    app.client("third", third, &json!({"callbacks": ["https://app.example/cb"]})).await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    browser.authorize(&[("client_id", "third"), ("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "consent_required");
    browser.authorize(&[("client_id", "third")]).await;
    assert_eq!(browser.screen(), "consent");
    browser.submit(&[("action", "deny")]).await;
    assert_eq!(browser.back_with_error().0, "access_denied");
    browser.authorize(&[("client_id", "third")]).await.submit(&[("action", "accept")]).await;
    browser.back_with_code();
    browser.authorize(&[("client_id", "third"), ("prompt", "none")]).await;
    browser.back_with_code();
    browser.authorize(&[("client_id", "third"), ("audience", API), ("scope", "openid transfer:b")]).await;
    assert_eq!(browser.screen(), "consent", "more scopes ask again");
}

#[tokio::test]
async fn hostile_text_in_any_parameter_is_shown_as_text_or_not_at_all() {
    let app = app().await;
    for hostile in [
        "\"><script>alert(1)</script>",
        "</script><svg onload=alert(1)>",
        "javascript:alert(1)",
        "\u{2028}",
        "{{7*7}}",
    ] {
        for name in [
            "state",
            "client_id",
            "redirect_uri",
            "error_description",
            "login_hint",
            "screen_hint",
            "ui_locales",
            "scope",
            "connection",
            "nonce",
        ] {
            let mut browser = app.browser();
            browser.authorize(&[(name, hostile)]).await;
            if browser.url.starts_with("https://app.example/cb?error=") {
                continue;
            }
            let body = &browser.page.body;
            assert!(browser.page.status.as_u16() < 500, "{name}: {hostile:?}");
            assert!(!body.contains("<script>alert") && !body.contains("<svg onload"), "{name}: {body}");
            assert!(!body.contains("href=\"javascript:") && !body.contains("action=\"javascript:"), "{name}");
            assert!(
                !body.contains("49") || !hostile.contains("7*7") || !body.contains("value=\"49\""),
                "{name}"
            );
            let headers = &browser.page.headers;
            assert_eq!(headers["x-content-type-options"], "nosniff", "{name}");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(!policy.contains("unsafe-inline"), "{name}: {policy}");
            if name == "login_hint" {
                assert_eq!(browser.attribute("input#username", "value").as_deref(), Some(hostile));
            }
        }
    }
}

#[tokio::test]
async fn only_a_native_loopback_address_has_a_free_port_and_two_callbacks_are_none() {
    let app = app().await;
    let native = json!({"name": "Native", "app_type": "native", "callbacks": ["http://127.0.0.1/cb"]});
    app.client("native", native, &json!({})).await;
    let wild =
        json!({"name": "Wild", "app_type": "regular_web", "callbacks": ["https://*.pr.app.example/cb"]});
    app.client("wild", wild, &json!({})).await;
    let pkce = [
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    for (client, uri, passes) in [
        ("native", "http://127.0.0.1:49152/cb", true),
        ("native", "http://localhost:49152/cb", false),
        ("native", "http://127.0.0.1.evil.example/cb", false),
        ("native", "http://127.0.0.1:49152/other", false),
        ("wild", "https://one.pr.app.example/cb", true),
        ("wild", "https://a.b.pr.app.example/cb", false),
        ("wild", "https://evil.example/.pr.app.example/cb", false),
    ] {
        let more = [&[("client_id", client), ("redirect_uri", uri)][..], &pkce[..]].concat();
        let answer = app.get(&authorize(&more)).await;
        assert_eq!(answer.status.is_redirection(), passes, "{uri}: {}", answer.status);
        assert!(passes || answer.header("location").is_none(), "{uri}");
    }
    for second in ["https://app.example/cb", "https://evil.example/"] {
        let twice = authorize(&[("redirect_uri", "https://app.example/cb"), ("redirect_uri", second)]);
        let answer = app.get(&twice).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        assert_eq!(answer.header("location"), None);
    }
}
