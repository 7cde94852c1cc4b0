//! Every provider out of order in every way: nobody is blocked by it, the person goes on by another method, and the message is tried again
//! while its code lives and not after.

use std::time::Duration;

use lockstep_core::time::Span;
use lockstep_engine::store::outbox;
use lockstep_engine::worker::delivery;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::mail::{azure, ms365, ses};
use super::{Mood, Recorder, tenant, tenant_with_sns};
use crate::management::admin;
use crate::support::{Browser, Person, TestApp};

/// Who carries the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TwilioText,
    TwilioCall,
    Hook,
    Sns,
    Smtp,
    MailApi(&'static str),
}

const KINDS: [Kind; 13] = [
    Kind::TwilioText,
    Kind::TwilioCall,
    Kind::Hook,
    Kind::Sns,
    Kind::Smtp,
    Kind::MailApi("sendgrid"),
    Kind::MailApi("mailgun"),
    Kind::MailApi("mandrill"),
    Kind::MailApi("sparkpost"),
    Kind::MailApi("resend"),
    Kind::MailApi("ses"),
    Kind::MailApi("ms365"),
    Kind::MailApi("azure_cs"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Down,
    Silent,
    Fails,
    Garbage,
}

/// All of them. The first one ends when the provider can be reached.
const TROUBLES: [Trouble; 4] = [Trouble::Down, Trouble::Silent, Trouble::Fails, Trouble::Garbage];

impl Trouble {
    fn mood(self) -> Mood {
        match self {
            Self::Down => Mood::Takes,
            Self::Silent => Mood::Silent,
            Self::Fails => Mood::Status(500),
            Self::Garbage => Mood::Garbage,
        }
    }
}

impl Kind {
    fn by_mail(self) -> bool {
        matches!(self, Self::Smtp | Self::MailApi(_))
    }

    /// Whether an answer that makes no sense is told from a yes: these two say nothing but the status when they take something.
    fn knows_garbage(self) -> bool {
        !matches!(self, Self::Hook | Self::MailApi("sendgrid"))
    }

    /// The record of a message that was not sent.
    fn failure(self) -> &'static str {
        match self {
            Self::TwilioCall => "gd_send_voice_failure",
            Self::Smtp | Self::MailApi(_) => "fn",
            _ => "gd_send_sms_failure",
        }
    }
}

/// A mail server that takes mail, or has the trouble that the recorder was told.
async fn speak_smtp(stream: TcpStream, recorder: Recorder) {
    let mut stream = BufReader::new(stream);
    let mood = *recorder.mood.lock().unwrap();
    let greeting = match mood {
        Mood::Silent => return std::future::pending().await,
        Mood::Garbage => "<html>hotel wifi</html>\r\n",
        Mood::Status(_) => "421 not now\r\n",
        Mood::Takes | Mood::Throttles => "220 mail.example.org\r\n",
    };
    recorder.calls.lock().unwrap().push((String::new(), Default::default(), String::new()));
    let _ = stream.write_all(greeting.as_bytes()).await;
    let (mut line, mut in_data) = (String::new(), false);
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let answer = match line.trim_end() {
            "DATA" => "354 go on\r\n",
            "." => "250 taken\r\n",
            _ if in_data => "",
            _ => "250 yes\r\n",
        };
        in_data = answer.starts_with("354") || (in_data && answer.is_empty());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Lets the provider be reached.
async fn open(kind: Kind, recorder: &Recorder) {
    if kind != Kind::Smtp {
        return recorder.open().await;
    }
    let listener = TcpListener::bind(recorder.address).await.unwrap();
    let recorder = recorder.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak_smtp(stream, recorder.clone()));
        }
    });
}

/// A tenant whose codes go by that provider, which cannot be reached yet.
async fn tenant_of(kind: Kind) -> (TestApp, Recorder) {
    let recorder = Recorder::closed().await;
    let (app, _) = match kind {
        Kind::Sns => tenant_with_sns(&recorder).await,
        _ => tenant(&recorder).await,
    };
    let admin = admin(&app).await;
    let selected = |name: &str| Some(json!({"provider": name}));
    let provider = "/guardian/factors/phone/selected-provider";
    let mail = |name: &str, credentials: Value| {
        Some(json!({"name": name, "credentials": credentials, "default_from_address": "no-reply@acme.test"}))
    };
    match kind {
        Kind::TwilioText | Kind::TwilioCall => {
            let account = json!({"sid": "AC123", "auth_token": "t0ken", "from": "+15005550006"});
            admin.expect(200, "PUT", "/guardian/factors/phone/providers/twilio", Some(account)).await;
            admin.expect(200, "PUT", provider, selected("twilio")).await;
        }
        Kind::Hook => drop(admin.expect(200, "PUT", provider, selected("phone-message-hook")).await),
        Kind::Sns => {}
        Kind::Smtp => {
            let server = json!({"smtp_host": "127.0.0.1", "smtp_port": recorder.address.port()});
            admin.expect(201, "POST", "/emails/provider", mail("smtp", server)).await;
        }
        Kind::MailApi(name) => {
            let credentials = match name {
                "ses" => ses(),
                "ms365" => ms365(),
                "azure_cs" => azure(),
                "mailgun" => json!({"api_key": "k3y", "domain": "mg.acme.test"}),
                _ => json!({"api_key": "k3y"}),
            };
            admin.expect(201, "POST", "/emails/provider", mail(name, credentials)).await;
        }
    }
    if kind.by_mail() {
        app.mfa(&["otp", "email"], &["all-applications"]).await;
    }
    drop(admin);
    (app, recorder)
}

/// Somebody with an app, who asks for a code by that provider instead.
async fn asks<'a>(app: &'a TestApp, kind: Kind, n: usize) -> (Person, Browser<'a>) {
    let person = app.user_with_totp(&format!("p{n}@example.com")).await;
    if !kind.by_mail() {
        let channel = if kind == Kind::TwilioCall { "voice" } else { "sms" };
        let phone = json!({"type": "phone", "phone_number": format!("+1202555014{n}"),
            "preferred_authentication_method": channel});
        let path = format!("/users/auth0%7Cp{n}/authentication-methods");
        admin(app).await.expect(201, "POST", &path, Some(phone)).await;
    }
    let before = app.codes_sent().await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&person).await;
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", if kind.by_mail() { "email::0" } else { "phone::0" })]).await;
    assert_eq!(app.codes_sent().await, before + 1, "{kind:?}: {}", browser.page.body);
    assert!(browser.screen().ends_with("-challenge"), "{kind:?}: {}", browser.screen());
    (person, browser)
}

/// Hands over what is due, in the background.
fn deliver(app: &TestApp) -> JoinHandle<usize> {
    let app = app.app.clone();
    tokio::spawn(async move { delivery::run(&app).await.unwrap() })
}

/// Waits for a delivery. Where nobody answers, time is made to pass: not the clock of the server, but that which ends an exchange.
async fn patient(trouble: Trouble, running: JoinHandle<usize>) -> usize {
    if trouble != Trouble::Silent {
        return running.await.unwrap();
    }
    for _ in 0..60 {
        if running.is_finished() {
            return running.await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(5)).await;
        tokio::time::resume();
    }
    panic!("after five minutes it still waits for an answer")
}

/// Returns whether the newest code was handed over.
async fn is_sent(app: &TestApp) -> bool {
    let mut conn = app.app.db().read().await.unwrap();
    let all = outbox::list(&mut conn, 100).await.unwrap();
    all.iter().find(|stored| stored.message.code.is_some()).unwrap().sent_at.is_some()
}

#[tokio::test]
async fn a_provider_out_of_order_blocks_nobody_and_gets_the_message_while_its_code_lives() {
    for kind in KINDS {
        let (app, recorder) = tenant_of(kind).await;
        for (n, trouble) in TROUBLES.into_iter().enumerate() {
            if trouble == Trouble::Garbage && !kind.knows_garbage() {
                continue;
            }
            let what = format!("{kind:?} {trouble:?}");
            recorder.is(trouble.mood());
            let (person, mut browser) = asks(&app, kind, n).await;
            // While the message is on its way into nowhere.
            let running = deliver(&app);
            browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "otp::0")]).await;
            let code = app.code(&person);
            browser.code(&code).await;
            browser.back_with_code();
            assert_eq!(patient(trouble, running).await, 1, "{what}: the first attempt");
            app.clock.advance(Span::seconds(5));
            assert_eq!(patient(trouble, deliver(&app)).await, 1, "{what}: the second attempt");
            assert!(!is_sent(&app).await, "{what}");
            if trouble == Trouble::Down {
                open(kind, &recorder).await;
            }
            recorder.is(Mood::Takes);
            app.clock.advance(Span::seconds(15));
            assert_eq!(deliver(&app).await.unwrap(), 1, "{what}: the third attempt");
            assert!(is_sent(&app).await, "{what}: it is back");
            app.clock.advance(Span::minutes(1));
            assert_eq!(deliver(&app).await.unwrap(), 0, "{what}: sent once");
        }
        // A code that nobody takes while it lives.
        recorder.is(Trouble::Fails.mood());
        asks(&app, kind, TROUBLES.len()).await;
        let code = app.sent_code().await;
        let mut tried = 0;
        for _ in 0..60 {
            tried += deliver(&app).await.unwrap();
            app.clock.advance(Span::seconds(5));
        }
        assert!((4..12).contains(&tried), "{kind:?}: {tried} attempts in five minutes");
        recorder.is(Mood::Takes);
        for _ in 0..5 {
            assert_eq!(deliver(&app).await.unwrap(), 0, "{kind:?}: the code is dead");
            app.clock.advance(Span::minutes(1));
        }
        assert!(!is_sent(&app).await, "{kind:?}");
        let path = format!("/logs?q=type:{}", kind.failure());
        let logs = admin(&app).await.expect(200, "GET", &path, None).await;
        assert_eq!(logs.as_array().unwrap().len(), 1, "{kind:?}: {logs}");
        let why = logs[0]["details"]["error"].as_str().unwrap();
        assert!(why.contains("500") || why.contains("not now"), "{kind:?}: {logs}");
        assert!(!logs.to_string().contains(&code) && !logs.to_string().contains("202555014"), "{logs}");
    }
}
