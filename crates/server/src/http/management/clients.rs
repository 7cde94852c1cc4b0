//! `clients`, their credentials, and `client-grants`.

use lockstep_engine::flows::management::{Outcome, client_credentials, client_grants, clients};

use super::answer::Answer;
use super::dispatch::Request;

const SECRET: &[&str] = &["client_secret"];

/// Marks an answer that gives away the secret of a client.
fn with_secret(answer: Answer, secret: bool) -> Answer {
    if secret { answer.giving(SECRET) } else { answer }
}

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    let (body, secret) = clients::list(&mut r.call, &r.query).await?;
    Ok(with_secret(Answer::ok(body), secret))
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    let (body, secret) = clients::read(&mut r.call, &id, &r.query).await?;
    Ok(with_secret(Answer::ok(body), secret))
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    clients::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    clients::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    clients::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn rotate_secret(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    clients::rotate_secret(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn list_connections(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    clients::list_connections(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn list_credentials(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    client_credentials::list(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn create_credential(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    client_credentials::create(&mut r.call, &id, body).await.map(Answer::created)
}

pub(super) async fn read_credential(r: &mut Request) -> Outcome<Answer> {
    let (id, credential) = (r.param("id"), r.param("credential"));
    client_credentials::read(&mut r.call, &id, &credential).await.map(Answer::ok)
}

pub(super) async fn update_credential(r: &mut Request) -> Outcome<Answer> {
    let (id, credential, body) = (r.param("id"), r.param("credential"), r.body());
    client_credentials::update(&mut r.call, &id, &credential, body).await.map(Answer::ok)
}

pub(super) async fn delete_credential(r: &mut Request) -> Outcome<Answer> {
    let (id, credential) = (r.param("id"), r.param("credential"));
    client_credentials::delete(&mut r.call, &id, &credential).await.map(|()| Answer::none())
}

pub(super) async fn list_grants(r: &mut Request) -> Outcome<Answer> {
    client_grants::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create_grant(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    client_grants::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read_grant(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    client_grants::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update_grant(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    client_grants::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_grant(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    client_grants::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn grant_organizations(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    client_grants::organizations(&mut r.call, &id, &r.query).await.map(Answer::ok)
}
