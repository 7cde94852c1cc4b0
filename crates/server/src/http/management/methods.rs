//! `users/{id}/authentication-methods`, `authenticators`, `enrollments` and their neighbours.

use lockstep_engine::flows::management::query::{Paging, invalid};
use lockstep_engine::flows::management::{Outcome, authentication_methods, authenticators};

use super::answer::Answer;
use super::dispatch::Request;

/// Here `per_page=0` is allowed: it asks for the total alone.
fn paging(r: &Request) -> Outcome<Paging> {
    if r.query.text("per_page") != Some("0") {
        return r.query.paging(false, r.call.env.now);
    }
    let totals = r.query.flag("include_totals")?.unwrap_or(false);
    if r.query.int("page", 0, i64::from(u32::MAX))?.is_some_and(|page| page < 0) {
        return Err(invalid("Value is less than minimum 0", "page"));
    }
    Ok(Paging::Offset { start: 0, limit: 0, totals })
}

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    let (user, paging) = (r.user()?, paging(r)?);
    authentication_methods::list(&mut r.call, &user, &paging).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    authentication_methods::create(&mut r.call, &user, body).await.map(Answer::created)
}

pub(super) async fn replace(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    authentication_methods::replace(&mut r.call, &user, body).await.map(Answer::ok)
}

pub(super) async fn delete_all(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authentication_methods::delete_all(&mut r.call, &user).await.map(|()| Answer::none())
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let (user, method) = (r.user()?, r.param("method"));
    authentication_methods::read(&mut r.call, &user, &method).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (user, method, body) = (r.user()?, r.param("method"), r.body());
    authentication_methods::update(&mut r.call, &user, &method, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let (user, method) = (r.user()?, r.param("method"));
    authentication_methods::delete(&mut r.call, &user, &method).await.map(|()| Answer::none())
}

pub(super) async fn list_authenticators(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authenticators::list(&mut r.call, &user).await.map(Answer::ok)
}

pub(super) async fn delete_authenticator(r: &mut Request) -> Outcome<Answer> {
    let (user, method) = (r.user()?, r.param("method"));
    authenticators::delete(&mut r.call, &user, &method).await.map(|()| Answer::none())
}

pub(super) async fn delete_authenticators(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authenticators::delete_all(&mut r.call, &user).await.map(|()| Answer::none())
}

pub(super) async fn list_enrollments(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authenticators::enrollments(&mut r.call, &user).await.map(Answer::ok)
}

pub(super) async fn delete_provider(r: &mut Request) -> Outcome<Answer> {
    let (user, provider) = (r.user()?, r.param("provider"));
    authenticators::delete_provider(&mut r.call, &user, &provider).await.map(|()| Answer::none())
}

pub(super) async fn forget_browsers(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authenticators::forget_browsers(&mut r.call, &user).await.map(|()| Answer::none())
}

pub(super) async fn regenerate_recovery_code(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    authenticators::regenerate_recovery_code(&mut r.call, &user).await.map(Answer::ok)
}

pub(super) async fn clear_risk_assessments(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    authenticators::clear_risk_assessments(&mut r.call, &user, body).await.map(|()| Answer::none())
}
