//! `guardian/*`: factors, policies, settings, enrolments.

use lockstep_engine::flows::management::guardian_settings::{self, Change, Group};
use lockstep_engine::flows::management::{Outcome, enrollments, factors, policies};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list_factors(r: &mut Request) -> Outcome<Answer> {
    factors::list(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn switch_factor(r: &mut Request) -> Outcome<Answer> {
    let (name, body) = (r.param("name"), r.body());
    factors::switch(&mut r.call, &name, body).await.map(Answer::ok)
}

pub(super) async fn list_policies(r: &mut Request) -> Outcome<Answer> {
    policies::list(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn replace_policies(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    policies::replace(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read(r: &mut Request, group: Group) -> Outcome<Answer> {
    let answer = Answer::ok(guardian_settings::read(&mut r.call, group).await?);
    Ok(answer.giving(group.secrets()))
}

pub(super) async fn put(r: &mut Request, group: Group) -> Outcome<Answer> {
    let body = r.body();
    guardian_settings::write(&mut r.call, group, Change::Replace, body).await.map(Answer::ok)
}

pub(super) async fn patch(r: &mut Request, group: Group) -> Outcome<Answer> {
    let body = r.body();
    guardian_settings::write(&mut r.call, group, Change::Merge, body).await.map(Answer::ok)
}

pub(super) async fn create_ticket(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    enrollments::create_ticket(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read_enrollment(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    enrollments::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn delete_enrollment(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    enrollments::delete(&mut r.call, &id).await.map(|()| Answer::none())
}
