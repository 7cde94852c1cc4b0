//! The country of a telephone number: guessed, chosen on a page of its own, and left out where it is not allowed.

use lockstep_engine::flows::enrollment_ticket::{self, Allows};
use scraper::{Html, Selector};
use serde_json::json;

use crate::management::admin;
use crate::support::{ACR, Browser, TestApp};

async fn app(countries: &[&str]) -> TestApp {
    let countries: Vec<String> = countries.iter().map(|entry| (*entry).to_owned()).collect();
    let app = TestApp::with(|config| config.phone_countries = countries).await.with_apps().await;
    app.mfa(&["sms"], &["all-applications"]).await;
    app.message_types(&["sms", "voice"]).await;
    app
}

/// The countries that the list offers.
fn offered(browser: &Browser<'_>) -> Vec<String> {
    let html = Html::parse_document(&browser.page.body);
    let selector = Selector::parse("#country option").unwrap();
    html.select(&selector).map(|option| option.value().attr("value").unwrap().to_owned()).collect()
}

/// The country that the number page shows, without the marks that keep its code in order.
fn shown(browser: &Browser<'_>) -> Option<String> {
    let value = browser.attribute("#country", "value")?;
    Some(value.chars().filter(|c| !matches!(c, '\u{2066}' | '\u{2069}')).collect())
}

/// Chooses a country from the number page, and checks that what was typed so far is still there.
async fn choose(browser: &mut Browser<'_>, id: &str) {
    browser.submit(&[("action", "pick-country-code"), ("phone", "0151 2345")]).await;
    assert_eq!(browser.screen(), "mfa-country-codes", "{}", browser.page.body);
    browser.submit(&[("action", "pick-country"), ("country", id)]).await;
    assert_eq!(browser.screen(), "mfa-phone-enrollment", "{}", browser.page.body);
    assert_eq!(browser.attribute("#phone", "value").as_deref(), Some("0151 2345"));
}

#[tokio::test]
async fn a_number_is_read_in_the_country_that_was_chosen_and_plus_counts_more() {
    for (typed, sent) in [
        ("0151 23456789", "+4915123456789"),
        ("15123456789", "+4915123456789"),
        ("+1 (202) 555-0143", "+12025550143"),
    ] {
        let app = app(&[]).await;
        let cy = app.user("cy@example.com").await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&cy).await;
        assert_eq!(browser.screen(), "mfa-phone-enrollment");
        assert_eq!(shown(&browser).as_deref(), Some("Not chosen"));
        browser.submit(&[("phone", "0151 23456789")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-phone-format"), "no country yet");
        choose(&mut browser, "DE").await;
        assert_eq!(shown(&browser).as_deref(), Some("Germany +49"));
        browser.submit(&[("phone", "0151"), ("type", "sms")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-phone"));
        assert_eq!(shown(&browser).as_deref(), Some("Germany +49"), "the choice stays");
        browser.submit(&[("phone", typed), ("type", "sms")]).await;
        assert_eq!(browser.screen(), "mfa-sms-challenge", "{}", browser.page.body);
        assert_eq!(app.message(lockstep_core::model::message::MessageKind::CodeSms).await.recipient, sent);
        browser.code(&app.sent_code().await).await;
        browser.back_with_code();
    }
}

#[tokio::test]
async fn the_list_can_be_left_and_a_country_that_is_none_changes_nothing() {
    let app = app(&[]).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.send_header("accept-language", "de-AT,de;q=0.9,en;q=0.5");
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(shown(&browser).as_deref(), Some("Austria +43"), "where the browser seems to be at home");
    browser.submit(&[("action", "pick-country-code"), ("phone", "0664")]).await;
    assert_eq!(browser.attribute("#country option[selected]", "value").as_deref(), Some("AT"));
    assert!(offered(&browser).len() > 230);
    // A look back at the list is a look at the list.
    let url = browser.url.clone();
    browser.goto(&url).await;
    assert_eq!(browser.screen(), "mfa-country-codes");
    browser.submit(&[("action", "pick-country"), ("country", "<b>")]).await;
    assert_eq!(shown(&browser).as_deref(), Some("Austria +43"));
    browser.submit(&[("action", "pick-country-code"), ("phone", "0664")]).await;
    browser.submit(&[("action", "back")]).await;
    assert_eq!(browser.screen(), "mfa-phone-enrollment");
    assert_eq!(browser.attribute("#phone", "value").as_deref(), Some("0664"));
}

#[tokio::test]
async fn countries_that_are_not_allowed_are_not_offered_and_refused() {
    let app = app(&["DE", "AT", "ES"]).await;
    let tenant = json!({"country_codes": {"mode": "deny", "list": ["ES"]}});
    admin(&app).await.expect(200, "PATCH", "/tenants/settings", Some(tenant)).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.send_header("accept-language", "es-ES");
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(shown(&browser).as_deref(), Some("Not chosen"), "Spain is not to be had");
    browser.submit(&[("action", "pick-country-code"), ("phone", "")]).await;
    assert_eq!(offered(&browser), ["AT", "DE"]);
    // As no page of ours would.
    browser.submit(&[("action", "pick-country"), ("country", "ES")]).await;
    assert_eq!(shown(&browser).as_deref(), Some("Not chosen"));
    for number in ["+34612345678", "+12025550143"] {
        browser.submit(&[("phone", number), ("type", "sms")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("send-sms-failed"), "{number}");
    }
    assert_eq!(app.codes_sent().await, 0);
}

#[tokio::test]
async fn where_there_is_one_country_there_is_nothing_to_choose() {
    let app = app(&["FR"]).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(shown(&browser).as_deref(), Some("France +33"));
    assert!(!browser.page.body.contains("pick-country-code"));
    browser.submit(&[("phone", "06 12 34 56 78"), ("type", "sms")]).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");
}

#[tokio::test]
async fn a_ticket_and_the_account_page_have_the_list_too() {
    let app = app(&[]).await;
    let cy = app.user("cy@example.com").await;
    let mut env = app.app.env();
    let mut tx = app.app.db().write().await.unwrap();
    let ticket = enrollment_ticket::create(&mut tx, &mut env, &cy.id, Allows::default()).await.unwrap();
    tx.commit().await.unwrap();
    let mut browser = app.browser();
    browser.goto(&enrollment_ticket::url(&env, &ticket)).await;
    browser.submit(&[]).await;
    choose(&mut browser, "DE").await;
    browser.submit(&[("phone", "0151 23456789"), ("type", "sms")]).await;
    browser.code(&app.sent_code().await).await;
    assert_eq!(browser.screen(), "mfa-enroll-result", "{}", browser.page.body);

    let ana = app.user_with_totp("ana@example.com").await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[ACR]).await;
    browser.goto("/account/add").await;
    if browser.screen() == "mfa-begin-enroll-options" {
        browser.submit(&[("action", "phone::0")]).await;
    }
    choose(&mut browser, "DE").await;
    assert_eq!(shown(&browser).as_deref(), Some("Germany +49"));
}
