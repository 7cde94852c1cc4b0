//! Branding: the colours, logo and favicon of the pages (contract/management-api.md 13).

use super::documents::{Merge, Subject};
use super::validate::{Kind, Schema, nullable, required};
use crate::store::looks;

/// The settings: what is not set is absent.
pub const BRANDING: Subject =
    Subject { name: looks::BRANDING, defaults: "{}", patch: PATCH, merge: Merge::Properties, secrets: &[] };

/// A colour: `#` with 3, 4, 6 or 8 hexadecimal digits.
pub const COLOUR: Kind = Kind::Format("html-color", is_colour);

/// The body of a change.
pub const PATCH: Schema = Schema::open(&[
    nullable("colors", Kind::Shape(&COLOURS)),
    nullable("favicon_url", Kind::HttpsOrEmpty),
    nullable("logo_url", Kind::HttpsOrEmpty),
    nullable("font", Kind::Shape(&FONT)),
]);
const COLOURS: Schema = Schema::open(&[
    nullable("primary", COLOUR),
    nullable("page_background", Kind::Either(&[COLOUR, Kind::Shape(&GRADIENT)])),
]);
const FONT: Schema = Schema::open(&[nullable("url", Kind::HttpsOrEmpty)]);
const GRADIENT: Schema = Schema::open(&[
    required("type", Kind::OneOf(&["linear-gradient"])),
    required("start", COLOUR),
    required("end", COLOUR),
    nullable("angle_deg", Kind::Int(0, 360)),
]);

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        matches!(digits.len(), 3 | 4 | 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}
