//! `actions/actions`, `actions/triggers`, `actions/executions`, `actions/modules`.

use lockstep_engine::flows::management::Outcome;
use lockstep_engine::flows::management::actions::{self, bindings, modules};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    actions::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    actions::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    actions::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    actions::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    actions::delete(&mut r.call, &id, &r.query).await.map(|()| Answer::none())
}

pub(super) async fn deploy(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    actions::deploy(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn test(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    actions::test(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn versions(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    actions::versions(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn version(r: &mut Request) -> Outcome<Answer> {
    let (id, version) = (r.param("id"), r.param("version"));
    actions::version(&mut r.call, &id, &version).await.map(Answer::ok)
}

pub(super) async fn redeploy(r: &mut Request) -> Outcome<Answer> {
    let (id, version, body) = (r.param("id"), r.param("version"), r.body());
    actions::redeploy(&mut r.call, &id, &version, body).await.map(Answer::ok)
}

pub(super) async fn execution(_: &mut Request) -> Outcome<Answer> {
    actions::execution().map(Answer::ok)
}

pub(super) async fn list_triggers(_: &mut Request) -> Outcome<Answer> {
    Ok(Answer::ok(actions::list_triggers()))
}

pub(super) async fn list_bindings(r: &mut Request) -> Outcome<Answer> {
    let trigger = r.param("trigger");
    bindings::list(&mut r.call, &trigger, &r.query).await.map(Answer::ok)
}

pub(super) async fn replace_bindings(r: &mut Request) -> Outcome<Answer> {
    let (trigger, body) = (r.param("trigger"), r.body());
    bindings::replace(&mut r.call, &trigger, body).await.map(Answer::ok)
}

pub(super) async fn list_modules(r: &mut Request) -> Outcome<Answer> {
    modules::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create_module(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    modules::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read_module(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    modules::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update_module(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    modules::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_module(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    modules::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn module_versions(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    modules::versions(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn publish_module(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    modules::publish(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn module_version(r: &mut Request) -> Outcome<Answer> {
    let (id, version) = (r.param("id"), r.param("version"));
    modules::version(&mut r.call, &id, &version).await.map(Answer::ok)
}

pub(super) async fn rollback_module(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    modules::rollback(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn module_actions(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    modules::list_users(&mut r.call, &id, &r.query).await.map(Answer::ok)
}
