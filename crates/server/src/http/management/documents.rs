//! Settings that are one document each, and what hangs on them: attack protection, risk assessment, prompts, branding.

use lockstep_engine::flows::management::documents::{self, Subject};
use lockstep_engine::flows::management::{
    Outcome, attack_protection, custom_domains, page_templates, prompt_texts, themes,
};
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read(r: &mut Request, subject: &Subject) -> Outcome<Answer> {
    documents::read(&mut r.call, subject).await.map(Answer::ok)
}

pub(super) async fn patch(r: &mut Request, subject: &Subject) -> Outcome<Answer> {
    let body = r.body();
    documents::patch(&mut r.call, subject, body).await.map(Answer::ok)
}

pub(super) async fn read_ip_block(r: &mut Request) -> Outcome<Answer> {
    attack_protection::read_ip_block(&r.param("ip")).map(|()| Answer::empty())
}

pub(super) async fn delete_ip_block(r: &mut Request) -> Outcome<Answer> {
    let ip = r.param("ip");
    attack_protection::delete_ip_block(&mut r.call, &ip).await.map(|()| Answer::none())
}

pub(super) async fn read_texts(r: &mut Request) -> Outcome<Answer> {
    let (prompt, language) = (r.param("prompt"), r.param("language"));
    prompt_texts::read_texts(&mut r.call, &prompt, &language).await.map(Answer::ok)
}

pub(super) async fn replace_texts(r: &mut Request) -> Outcome<Answer> {
    let (prompt, language, body) = (r.param("prompt"), r.param("language"), r.body());
    prompt_texts::replace_texts(&mut r.call, &prompt, &language, body).await.map(Answer::ok)
}

pub(super) async fn read_partials(r: &mut Request) -> Outcome<Answer> {
    let prompt = r.param("prompt");
    prompt_texts::read_partials(&mut r.call, &prompt).await.map(Answer::ok)
}

pub(super) async fn replace_partials(r: &mut Request) -> Outcome<Answer> {
    let (prompt, body) = (r.param("prompt"), r.body());
    prompt_texts::replace_partials(&mut r.call, &prompt, body).await.map(Answer::ok)
}

pub(super) async fn list_renderings(r: &mut Request) -> Outcome<Answer> {
    prompt_texts::list_renderings(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn update_renderings(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    prompt_texts::update_renderings(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read_rendering(r: &mut Request) -> Outcome<Answer> {
    let (prompt, screen) = (r.param("prompt"), r.param("screen"));
    prompt_texts::read_rendering(&mut r.call, &prompt, &screen).await.map(Answer::ok)
}

pub(super) async fn update_rendering(r: &mut Request) -> Outcome<Answer> {
    let (prompt, screen, body) = (r.param("prompt"), r.param("screen"), r.body());
    prompt_texts::update_rendering(&mut r.call, &prompt, &screen, body).await.map(Answer::ok)
}

pub(super) async fn read_page_template(r: &mut Request) -> Outcome<Answer> {
    page_templates::read(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn replace_page_template(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    let first = page_templates::replace(&mut r.call, body).await?;
    Ok(if first { Answer::created(json!({})) } else { Answer::none() })
}

pub(super) async fn delete_page_template(r: &mut Request) -> Outcome<Answer> {
    page_templates::delete(&mut r.call).await.map(|()| Answer::none())
}

pub(super) async fn create_theme(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    themes::create(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read_theme(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("theme");
    themes::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update_theme(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("theme"), r.body());
    themes::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_theme(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("theme");
    themes::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn list_domains(r: &mut Request) -> Outcome<Answer> {
    Ok(Answer::ok(custom_domains::list(&r.call, &r.query)))
}

pub(super) async fn read_default_domain(r: &mut Request) -> Outcome<Answer> {
    Ok(Answer::ok(custom_domains::read_default(&r.call)))
}

pub(super) async fn read_domain(r: &mut Request) -> Outcome<Answer> {
    custom_domains::read(&r.call, &r.param("domain")).map(Answer::ok)
}

pub(super) async fn update_domain(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("domain"), r.body());
    custom_domains::update(&r.call, &id, body).map(Answer::ok)
}
