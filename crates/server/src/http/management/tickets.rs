//! `tickets/*`, and the job that mails one.

use lockstep_engine::flows::management::{Outcome, tickets};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn email_verification(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    tickets::email_verification(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn password_change(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    tickets::password_change(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn verification_email(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    tickets::verification_email(&mut r.call, body).await.map(Answer::created)
}
