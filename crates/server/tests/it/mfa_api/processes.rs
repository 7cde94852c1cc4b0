//! Answers at the same time at two processes of the built command on one database, as behind a load balancer.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use lockstep_core::time::{Clock as _, SystemClock};
use serde_json::Value;

use super::{OOB, OTP, RECOVERY, challenge, mfa_token};
use crate::cli::Place;
use crate::management::admin;
use crate::support::{ISSUER, Shared, TestApp, at_once};

/// A running `lockstep serve`; killed when dropped.
struct Server {
    child: Child,
    base: String,
    place: Place,
}

impl Server {
    /// Starts one and waits for its first answer.
    async fn start(shared: &Shared) -> Self {
        let place = Place::new();
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = place
            .command(&["serve"])
            .env("LOCKSTEP_ISSUER", ISSUER)
            .env("LOCKSTEP_LISTEN", format!("127.0.0.1:{port}"))
            .env("LOCKSTEP_DATABASE_URL", shared.url())
            .env("LOCKSTEP_MASTER_KEY", &shared.keys)
            .stdout(Stdio::null())
            .stderr(File::create(place.path("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { child, base: format!("http://127.0.0.1:{port}"), place };
        for _ in 0..400 {
            if reqwest::get(format!("{}/health", server.base)).await.is_ok_and(|a| a.status() == 200) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not answer: {}", server.log());
    }

    /// What it wrote about itself.
    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One code, and what is sent along with it.
struct Answers {
    grant: &'static str,
    /// The fields of each `mfa_token` that may be answered with it.
    forms: Vec<Vec<(&'static str, String)>>,
}

/// Prepares a round: a person of its own, so that no limit of an earlier one counts.
async fn prepare(desk: &TestApp, round: usize) -> Answers {
    let person = desk.user_with_totp(&format!("p{round}@example.com")).await;
    let tokens = [mfa_token(desk, &person).await, mfa_token(desk, &person).await];
    let forms = |field: &'static str, code: &str| {
        tokens.iter().map(|token| vec![("mfa_token", token.clone()), (field, code.to_owned())]).collect()
    };
    match round % 3 {
        0 => Answers { grant: OTP, forms: forms("otp", &desk.code(&person)) },
        1 => {
            let begun = challenge(desk, &tokens[0], &[("oob_channel", "email")]).await;
            assert_eq!(begun.status, 200, "{}", begun.body);
            let oob = begun.json()["oob_code"].as_str().unwrap().to_owned();
            let code = desk.sent_code().await;
            let form = vec![("mfa_token", tokens[0].clone()), ("oob_code", oob), ("binding_code", code)];
            Answers { grant: OOB, forms: vec![form] }
        }
        _ => {
            let path = format!("/users/auth0%7Cp{round}/recovery-code-regeneration");
            let made = admin(desk).await.expect(200, "POST", &path, None).await;
            Answers {
                grant: RECOVERY,
                forms: forms("recovery_code", made["recovery_code"].as_str().unwrap()),
            }
        }
    }
}

#[tokio::test]
async fn of_twenty_answers_at_two_processes_with_one_code_one_counts() {
    for shared in Shared::each().await {
        // This process makes people and challenges, so that the two others do nothing but race.
        shared.clock.set(SystemClock.now());
        let desk = shared.server().await.with_apps().await.with_password_grants().await;
        desk.mfa(&["otp", "email", "recovery-code"], &["all-applications"]).await;
        let servers = [Server::start(&shared).await, Server::start(&shared).await];
        let http = reqwest::Client::new();
        // SQLite is for one server: there it is enough that a second one, as at a change of binaries, does no harm.
        let rounds = if shared.is_postgres() { 200 } else { 12 };
        for round in 0..rounds {
            shared.clock.set(SystemClock.now());
            let Answers { grant, forms } = prepare(&desk, round).await;
            let told = at_once((0..20).map(|n| {
                let (server, form) = (&servers[n % 2], &forms[n / 2 % forms.len()]);
                let mut fields =
                    vec![("grant_type", grant), ("client_id", "ropg"), ("client_secret", "ropg-secret")];
                fields.extend(form.iter().map(|(name, value)| (*name, value.as_str())));
                let request = http.post(format!("{}/oauth/token", server.base)).form(&fields).send();
                async move {
                    let answer = request.await.unwrap();
                    (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
                }
            }))
            .await;
            let logs = || format!("{}{}", servers[0].log(), servers[1].log());
            for (status, body) in &told {
                let known = match body["error"].as_str() {
                    None => *status == 200 && body["access_token"].is_string(),
                    Some("invalid_grant") => *status == 403,
                    // More than ten wrong ones at once are not looked at.
                    Some("too_many_attempts") => *status == 429,
                    Some(_) => false,
                };
                assert!(known, "round {round}, {grant}: {status} {body}\n{}", logs());
            }
            let won = told.iter().filter(|(status, _)| *status == 200).count();
            assert_eq!(won, 1, "round {round}, {grant}: {told:?}\n{}", logs());
        }
    }
}
