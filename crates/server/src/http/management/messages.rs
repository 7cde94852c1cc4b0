//! `email-templates`, `branding/phone/providers` and `branding/phone/templates`.

use lockstep_engine::flows::management::{Outcome, email_templates, phone_providers, phone_templates};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read_mail(r: &mut Request) -> Outcome<Answer> {
    let name = r.param("name");
    email_templates::read(&mut r.call, &name).await.map(Answer::ok)
}

pub(super) async fn create_mail(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    email_templates::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn update_mail(r: &mut Request, only_given: bool) -> Outcome<Answer> {
    let (name, body) = (r.param("name"), r.body());
    email_templates::update(&mut r.call, &name, body, only_given).await.map(Answer::ok)
}

pub(super) async fn list_providers(r: &mut Request) -> Outcome<Answer> {
    phone_providers::list(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn create_provider(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    phone_providers::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read_provider(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    phone_providers::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update_provider(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    phone_providers::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_provider(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    phone_providers::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn try_provider(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    phone_providers::try_out(&mut r.call, &id, body).await.map(Answer::accepted)
}

pub(super) async fn list_templates(r: &mut Request) -> Outcome<Answer> {
    phone_templates::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create_template(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    phone_templates::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read_template(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    phone_templates::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update_template(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    phone_templates::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_template(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    phone_templates::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn reset_template(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    phone_templates::reset(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn try_template(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    phone_templates::try_out(&mut r.call, &id, body).await.map(Answer::accepted)
}
