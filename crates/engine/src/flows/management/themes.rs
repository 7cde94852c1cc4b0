//! The theme of the pages (contract/management-api.md 13): there is one, or none.

use lockstep_core::codes::ManagementCode;
use lockstep_core::model::document::Document;
use serde_json::Value;

use super::branding::COLOUR;
use super::validate::{Field, Kind, Schema, nullable, optional, required};
use super::{Call, Outcome};
use crate::store::db::Conn;
use crate::store::looks::THEME as SETTING;
use crate::store::settings;

/// The body that makes a theme.
pub const CREATE: Schema = Schema::open(&[
    required("borders", Kind::Shape(&BORDERS)),
    required("colors", Kind::Shape(&COLOURS)),
    required("fonts", Kind::Shape(&FONTS)),
    required("page_background", Kind::Shape(&PAGE_BACKGROUND)),
    required("widget", Kind::Shape(&WIDGET)),
])
.and(&OTHERS);

/// The body of a change: each of its objects replaces the one there is.
pub const UPDATE: Schema = Schema::open(&[
    optional("borders", Kind::Shape(&BORDERS)),
    optional("colors", Kind::Shape(&COLOURS)),
    optional("fonts", Kind::Shape(&FONTS)),
    optional("page_background", Kind::Shape(&PAGE_BACKGROUND)),
    optional("widget", Kind::Shape(&WIDGET)),
])
.and(&OTHERS);

const OTHERS: [Field; 2] =
    [nullable("displayName", Kind::Text(0, 2048)), nullable("identifiers", Kind::Object)];
const STYLE: Kind = Kind::OneOf(&["pill", "rounded", "sharp"]);
const BORDERS: Schema = Schema::open(&[
    optional("button_border_radius", Kind::Number(1.0, 10.0)),
    optional("button_border_weight", Kind::Number(0.0, 10.0)),
    optional("buttons_style", STYLE),
    optional("input_border_radius", Kind::Number(0.0, 10.0)),
    optional("input_border_weight", Kind::Number(0.0, 3.0)),
    optional("inputs_style", STYLE),
    optional("show_widget_shadow", Kind::Bool),
    optional("widget_border_weight", Kind::Number(0.0, 10.0)),
    optional("widget_corner_radius", Kind::Number(0.0, 50.0)),
]);
const COLOURS: Schema = Schema::open(&[
    nullable("base_focus_color", COLOUR),
    nullable("base_hover_color", COLOUR),
    optional("body_text", COLOUR),
    optional("captcha_widget_theme", Kind::OneOf(&["auto", "dark", "light"])),
    optional("error", COLOUR),
    optional("header", COLOUR),
    optional("icons", COLOUR),
    optional("input_background", COLOUR),
    optional("input_border", COLOUR),
    optional("input_filled_text", COLOUR),
    optional("input_labels_placeholders", COLOUR),
    optional("links_focused_components", COLOUR),
    optional("primary_button", COLOUR),
    optional("primary_button_label", COLOUR),
    nullable("read_only_background", COLOUR),
    optional("secondary_button_border", COLOUR),
    optional("secondary_button_label", COLOUR),
    optional("success", COLOUR),
    optional("widget_background", COLOUR),
    optional("widget_border", COLOUR),
]);
const FONTS: Schema = Schema::open(&[
    optional("body_text", Kind::Shape(&FONT)),
    optional("buttons_text", Kind::Shape(&FONT)),
    optional("font_url", Kind::Text(0, 2048)),
    optional("input_labels", Kind::Shape(&FONT)),
    optional("links", Kind::Shape(&FONT)),
    optional("links_style", Kind::OneOf(&["normal", "underlined"])),
    optional("reference_text_size", Kind::Number(12.0, 24.0)),
    optional("subtitle", Kind::Shape(&FONT)),
    optional("title", Kind::Shape(&FONT)),
]);
const FONT: Schema =
    Schema::open(&[optional("bold", Kind::Bool), optional("size", Kind::Number(0.0, 150.0))]);
const PAGE_BACKGROUND: Schema = Schema::open(&[
    optional("background_color", COLOUR),
    optional("background_image_url", Kind::Text(0, 2048)),
    optional("page_layout", Kind::OneOf(&["center", "left", "right"])),
]);
const PLACE: Kind = Kind::OneOf(&["center", "left", "right", "none"]);
const WIDGET: Schema = Schema::open(&[
    optional("header_text_alignment", Kind::OneOf(&["center", "left", "right"])),
    optional("logo_height", Kind::Number(1.0, 100.0)),
    optional("logo_position", PLACE),
    optional("logo_url", Kind::Text(0, 2048)),
    optional("social_buttons_layout", Kind::OneOf(&["bottom", "top"])),
]);

/// Makes the theme.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    if settings::find::<Document>(&mut tx, SETTING).await?.is_some() {
        return Err(ManagementCode::ThemeConflict.into());
    }
    let mut theme = Document::default();
    theme.patch(&body);
    theme.set("themeId", call.env.rng().alphanumeric(32));
    settings::save(&mut tx, SETTING, &theme, call.env.now).await?;
    tx.commit().await?;
    Ok(Value::Object(theme.0))
}

/// Returns the theme of this id, or whichever there is as `default`.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let theme = load(&mut call.app.db().read().await?, id).await?;
    Ok(Value::Object(theme.0))
}

/// Changes the theme of this id.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    body.remove("themeId");
    let mut tx = call.app.db().write().await?;
    let mut theme = load(&mut tx, id).await?;
    theme.patch(&body);
    settings::save(&mut tx, SETTING, &theme, call.env.now).await?;
    tx.commit().await?;
    Ok(Value::Object(theme.0))
}

/// Removes the theme of this id; the pages look like ours again.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    load(&mut tx, id).await?;
    settings::delete(&mut tx, SETTING).await?;
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Document> {
    let theme = settings::find::<Document>(conn, SETTING).await?;
    theme
        .filter(|theme| id == "default" || theme.text("themeId") == Some(id))
        .ok_or_else(|| ManagementCode::ThemeNotFound.into())
}
