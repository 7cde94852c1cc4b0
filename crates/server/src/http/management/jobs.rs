//! `jobs`, and the files of exports.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use http::{StatusCode, header};
use lockstep_engine::app::App;
use lockstep_engine::flows::management::{Outcome, jobs};
use lockstep_engine::store::db::DbError;

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn import(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    jobs::import(&mut r.call, body).await.map(Answer::accepted)
}

pub(super) async fn export(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    jobs::export(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    jobs::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn errors(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    Ok(jobs::errors(&mut r.call, &id).await?.map_or_else(Answer::none, Answer::ok))
}

/// Answers the file of an export. Whoever has the address may have it, for a minute.
pub(in crate::http) async fn file(State(app): State<App>, Path(token): Path<String>) -> Response {
    let file = match jobs::file(&app, &app.env(), &token).await {
        Ok(Some(file)) => file,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "The file of an export could not be read: {error}");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.name)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    // Part by part: an export may be larger than memory.
    let parts = try_unfold((app, file, 0), async |(app, file, next)| {
        let part = file.part(&app, next).await?;
        Ok::<_, DbError>(part.map(|(next, content)| (Bytes::from(content), (app, file, next))))
    });
    (headers, Body::from_stream(parts)).into_response()
}
