//! `tenants/settings`.

use lockstep_engine::flows::management::{Outcome, tenant_settings};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    tenant_settings::read(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    tenant_settings::update(&mut r.call, body).await.map(Answer::ok)
}
