//! Mails by HTTP APIs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::crypto::digest::{hmac_sha256, sha256};
use lockstep_core::time::Span;
use lockstep_engine::worker::delivery;
use serde_json::{Value, json};

use super::{Mood, Recorder, assert_signed_for_aws, form, tenant};
use crate::management::admin;
use crate::support::{Person, TestApp};

/// Sets who carries the mail, and asks for one: a ticket.
async fn mail_by(app: &TestApp, dee: &Person, name: &str, credentials: Value) {
    let admin = admin(app).await;
    let provider = json!({"name": name, "credentials": credentials, "default_from_address": "Acme <no-reply@acme.test>"});
    admin.expect(201, "POST", "/emails/provider", Some(provider)).await;
    let ticket = json!({"user_id": dee.id, "send_mail": true, "allow_multiple_enrollments": true});
    admin.expect(200, "POST", "/guardian/enrollments/ticket", Some(ticket)).await;
}

pub(super) fn ses() -> Value {
    json!({"accessKeyId": "AKID", "secretAccessKey": "s3cret", "region": "eu-west-1"})
}

pub(super) fn ms365() -> Value {
    json!({"tenantId": "contoso.onmicrosoft.com", "clientId": "app", "clientSecret": "s3cret"})
}

pub(super) fn azure() -> Value {
    let key = STANDARD.encode("azure-key");
    json!({"connectionString": format!("endpoint=https://acme.communication.azure.com/;accesskey={key}")})
}

#[tokio::test]
async fn mail_goes_by_the_api_of_each_provider_whose_api_is_one_post() {
    let key = json!({"api_key": "k3y"});
    for (name, credentials, path, authorization) in [
        ("sendgrid", key.clone(), "/v3/mail/send", Some("Bearer k3y")),
        (
            "mailgun",
            json!({"api_key": "k3y", "domain": "mg.acme.test", "region": "eu"}),
            "/v3/mg.acme.test/messages",
            Some("Basic YXBpOmszeQ=="),
        ),
        ("mandrill", key.clone(), "/api/1.0/messages/send.json", None),
        ("sparkpost", key.clone(), "/api/v1/transmissions", Some("k3y")),
        ("resend", key.clone(), "/emails", Some("Bearer k3y")),
    ] {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        mail_by(&app, &dee, name, credentials).await;
        // An answer that is not the provider's is none: but the one that says nothing at all cannot be told from another.
        if name != "sendgrid" {
            recorder.is(Mood::Garbage);
            delivery::run(&app.app).await.unwrap();
            app.clock.advance(Span::minutes(2));
            recorder.is(Mood::Takes);
        }
        assert_eq!(delivery::run(&app.app).await.unwrap(), 1, "{name}");
        app.clock.advance(Span::hours(1));
        assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "{name}: sent once");
        let (uri, headers, body) = recorder.calls().pop().unwrap();
        assert_eq!(uri, path);
        assert_eq!(headers.get("authorization").and_then(|v| v.to_str().ok()), authorization, "{name}");
        let body = if name == "mailgun" { form(&body).into_iter().map(|(_, v)| v).collect() } else { body };
        for part in [
            "dee@example.com",
            "no-reply@acme.test",
            "Acme",
            "Set up two-step verification",
            "/guardian/enroll?ticket=",
        ] {
            assert!(body.contains(part), "{name}: {part} in {body}");
        }
        assert_eq!(body.contains("k3y"), name == "mandrill", "only Mandrill wants the key in the body");
    }
}

#[tokio::test]
async fn a_mail_that_its_provider_refuses_is_in_the_log_and_not_tried_again() {
    for (name, status, why) in [("sendgrid", Some(401), "401"), ("custom", None, "not built")] {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        let credentials = match name {
            "custom" => json!({}),
            _ => json!({"api_key": "k3y"}),
        };
        mail_by(&app, &dee, name, credentials).await;
        recorder.is(status.map_or(Mood::Takes, Mood::Status));
        delivery::run(&app.app).await.unwrap();
        app.clock.advance(Span::hours(1));
        delivery::run(&app.app).await.unwrap();
        assert_eq!(recorder.calls().len(), usize::from(status.is_some()));
        let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:fn", None).await;
        assert!(logs[0]["details"]["error"].as_str().unwrap().contains(why), "{logs}");
    }
}

/// The mail in base64 that a provider was given.
fn decoded(base64: &str) -> String {
    let mail = String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap();
    assert!(mail.contains("To: dee@example.com\r\n"), "{mail}");
    assert!(mail.contains("From: Acme <no-reply@acme.test>\r\n"), "{mail}");
    assert!(mail.contains("Message-ID: <"), "{mail}");
    mail
}

#[tokio::test]
async fn amazon_ses_is_given_the_whole_mail_signed() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    mail_by(&app, &dee, "ses", ses()).await;
    let settings = json!({"settings": {"message": {"configuration_set_name": "codes"}}});
    admin(&app).await.expect(200, "PATCH", "/emails/provider", Some(settings)).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 1);
    app.clock.advance(Span::hours(1));
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "sent once");
    let call = recorder.calls().pop().unwrap();
    assert_signed_for_aws(&call, "s3cret", "20260202/eu-west-1/ses/aws4_request");
    assert_eq!(call.0, "/v2/email/outbound-emails");
    let body: Value = serde_json::from_str(&call.2).unwrap();
    assert_eq!(body["Destination"]["ToAddresses"], json!(["dee@example.com"]));
    assert_eq!(body["ConfigurationSetName"], "codes");
    decoded(body["Content"]["Raw"]["Data"].as_str().unwrap());
}

#[tokio::test]
async fn microsoft_365_is_asked_for_a_token_and_given_the_whole_mail() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    mail_by(&app, &dee, "ms365", ms365()).await;
    let ticket = json!({"user_id": dee.id, "send_mail": true, "allow_multiple_enrollments": true});
    admin(&app).await.expect(200, "POST", "/guardian/enrollments/ticket", Some(ticket)).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 2);
    app.clock.advance(Span::hours(1));
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "sent once");
    let calls = recorder.calls();
    assert_eq!(calls.len(), 3, "one token serves for both mails");
    assert_eq!(calls[0].0, "/contoso.onmicrosoft.com/oauth2/v2.0/token");
    let form = form(&calls[0].2);
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((field("grant_type"), field("client_id")), (Some("client_credentials"), Some("app")));
    assert_eq!(field("scope"), Some("https://graph.microsoft.com/.default"));
    for (uri, headers, body) in &calls[1..] {
        assert_eq!(uri, "/v1.0/users/no%2Dreply%40acme%2Etest/sendMail");
        assert_eq!(
            (&headers["authorization"], &headers["content-type"]),
            (&"Bearer gr4ph".parse().unwrap(), &"text/plain".parse().unwrap())
        );
        decoded(body);
    }
}

#[tokio::test]
async fn azure_communication_services_are_given_the_mail_with_a_signature() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    mail_by(&app, &dee, "azure_cs", azure()).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 1);
    app.clock.advance(Span::hours(1));
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "sent once");
    let (uri, headers, body) = recorder.calls().pop().unwrap();
    assert_eq!(uri, "/emails:send?api-version=2023-03-31");
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(header("x-ms-date"), "Mon, 02 Feb 2026 18:01:55 GMT");
    assert_eq!(header("x-ms-content-sha256"), STANDARD.encode(sha256(body.as_bytes())));
    let to_sign =
        format!("POST\n{uri}\n{};{};{}", header("x-ms-date"), header("host"), header("x-ms-content-sha256"));
    let signature = STANDARD.encode(hmac_sha256(b"azure-key", to_sign.as_bytes()));
    let signed = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256";
    assert_eq!(header("authorization"), format!("{signed}&Signature={signature}"));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["senderAddress"], "no-reply@acme.test");
    assert_eq!(body["recipients"]["to"][0]["address"], "dee@example.com");
    assert!(body["content"]["plainText"].as_str().unwrap().contains("/guardian/enroll?ticket="));
}

#[tokio::test]
async fn the_three_great_clouds_are_tried_again_until_they_take_it_or_refuse() {
    for (name, credentials, refused) in
        [("ses", ses(), "400"), ("ms365", ms365(), "400"), ("azure_cs", azure(), "400")]
    {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        mail_by(&app, &dee, name, credentials).await;
        for mood in [Mood::Garbage, Mood::Status(500), Mood::Status(429)] {
            recorder.is(mood);
            let before = recorder.calls().len();
            delivery::run(&app.app).await.unwrap();
            assert_eq!(recorder.calls().len(), before + 1, "{name}");
            app.clock.advance(Span::minutes(10));
        }
        recorder.is(Mood::Status(400));
        delivery::run(&app.app).await.unwrap();
        let all = recorder.calls().len();
        app.clock.advance(Span::hours(2));
        assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "{name}: refused for good");
        assert_eq!(recorder.calls().len(), all);
        let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:fn", None).await;
        let told = logs[0]["details"]["error"].as_str().unwrap();
        assert!(told.contains(refused) && !told.contains("s3cret"), "{logs}");
    }
}
