//! `connections`.

use lockstep_engine::flows::management::{Outcome, connections};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    connections::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    connections::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::read(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    connections::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    Ok(connections::delete(&mut r.call, &id).await?.map_or_else(Answer::none, Answer::accepted))
}

pub(super) async fn list_clients(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::list_clients(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn switch_clients(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    connections::switch_clients(&mut r.call, &id, body).await.map(|()| Answer::none())
}

pub(super) async fn status(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::status(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn keys(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::keys(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn without(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::without(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn delete_user(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    connections::delete_user(&mut r.call, &id, &r.query).await.map(|()| Answer::none())
}
