//! `keys/signing`, `keys/encryption`.

use lockstep_engine::flows::management::{Outcome, encryption_keys, signing_keys};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list_signing(r: &mut Request) -> Outcome<Answer> {
    signing_keys::list(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn read_signing(r: &mut Request) -> Outcome<Answer> {
    let kid = r.param("kid");
    signing_keys::read(&mut r.call, &kid).await.map(Answer::ok)
}

pub(super) async fn rotate_signing(r: &mut Request) -> Outcome<Answer> {
    signing_keys::rotate(&mut r.call).await.map(Answer::created)
}

pub(super) async fn revoke_signing(r: &mut Request) -> Outcome<Answer> {
    let kid = r.param("kid");
    signing_keys::revoke(&mut r.call, &kid).await.map(Answer::ok)
}

pub(super) async fn list_encryption(r: &mut Request) -> Outcome<Answer> {
    encryption_keys::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create_encryption(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    encryption_keys::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read_encryption(r: &mut Request) -> Outcome<Answer> {
    let kid = r.param("kid");
    encryption_keys::read(&mut r.call, &kid).await.map(Answer::ok)
}

pub(super) async fn delete_encryption(r: &mut Request) -> Outcome<Answer> {
    let kid = r.param("kid");
    encryption_keys::delete(&mut r.call, &kid).await.map(|()| Answer::none())
}

pub(super) async fn wrapping_key(r: &mut Request) -> Outcome<Answer> {
    let kid = r.param("kid");
    encryption_keys::wrapping_key(&mut r.call, &kid).await.map(Answer::created)
}

pub(super) async fn import_encryption(r: &mut Request) -> Outcome<Answer> {
    let (kid, body) = (r.param("kid"), r.body());
    encryption_keys::import(&mut r.call, &kid, body).await.map(Answer::created)
}

pub(super) async fn rekey(_: &mut Request) -> Outcome<Answer> {
    encryption_keys::rekey().map(|()| Answer::none())
}
