//! Branding: a tenant's logo and colours, turned into CSS custom properties that stay readable.
//!
//! A tenant picks one colour without thinking of dark mode or contrast. Whatever it picks, text on the button has
//! 4.5:1 (WCAG 2.2, 1.4.3) and the outline of controls 3:1 (1.4.11), in light and in dark.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The primary colour of a tenant that chose none.
const DEFAULT_PRIMARY: Rgb = Rgb(0x24, 0x5b, 0xdb);

/// The least contrast of text (WCAG 2.2, 1.4.3).
const TEXT: f64 = 4.5;

/// The least contrast of a control's outline (WCAG 2.2, 1.4.11).
const CONTROL: f64 = 3.0;

/// Whether pages follow the person's preference or the tenant fixed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// As `prefers-color-scheme` says.
    #[default]
    Auto,
    /// Light for everybody.
    Light,
    /// Dark for everybody.
    Dark,
}

/// What a page's background is filled with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Background {
    /// One colour.
    Plain(Rgb),
    /// A straight gradient, as `/branding` allows: start, end, angle in degrees.
    Gradient(Rgb, Rgb, f64),
}

/// A tenant's look.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// Address of the logo; `https:` or `data:image/`, anything else is ignored by [`Brand::from_documents`].
    pub logo_url: Option<String>,
    /// Address of the favicon.
    pub favicon_url: Option<String>,
    /// The one colour of buttons, links and focus rings.
    pub primary: Option<Rgb>,
    /// What lies behind the card.
    pub background: Option<Background>,
    /// Light, dark, or as the person prefers.
    pub scheme: Scheme,
    /// Corner radius of buttons and inputs, in pixels.
    pub control_radius: Option<u8>,
    /// Corner radius of the card, in pixels.
    pub card_radius: Option<u8>,
}

impl Brand {
    /// Reads the documents of `/branding` and of the default theme. What it does not understand keeps its default.
    pub fn from_documents(branding: &Map<String, Value>, theme: Option<&Map<String, Value>>) -> Self {
        let text = |at: &[&str]| walk(branding, at).and_then(Value::as_str);
        let themed = |at: &[&str]| theme.and_then(|theme| walk(theme, at));
        let colour = |value: Option<&str>| value.and_then(Rgb::parse);
        let radius = |at: &[&str]| themed(at).and_then(Value::as_f64).map(|px| px.clamp(0.0, 32.0) as u8);
        let address = |value: Option<&str>| value.filter(|url| loadable(url)).map(str::to_owned);
        Self {
            logo_url: address(
                themed(&["widget", "logo_url"]).and_then(Value::as_str).filter(|url| !url.is_empty()),
            )
            .or_else(|| address(text(&["logo_url"]))),
            favicon_url: address(text(&["favicon_url"])),
            primary: colour(themed(&["colors", "primary_button"]).and_then(Value::as_str))
                .or_else(|| colour(text(&["colors", "primary"]))),
            background: themed(&["page_background", "background_color"])
                .and_then(Background::read)
                .or_else(|| walk(branding, &["colors", "page_background"]).and_then(Background::read)),
            scheme: Scheme::Auto,
            control_radius: radius(&["borders", "button_border_radius"]),
            card_radius: radius(&["borders", "widget_corner_radius"]),
        }
    }

    /// Returns the style sheet that sets every colour token on `:root`.
    ///
    /// Only computed colours and numbers go in: no text of the tenant's reaches the style sheet.
    pub fn css(&self) -> String {
        let light = self.tokens(&LIGHT);
        let dark = self.tokens(&DARK);
        let mut css = match self.scheme {
            Scheme::Auto => {
                format!(
                    ":root{{color-scheme:light dark;{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
                )
            }
            Scheme::Light => format!(":root{{color-scheme:light;{light}}}"),
            Scheme::Dark => format!(":root{{color-scheme:dark;{dark}}}"),
        };
        let radius =
            |name, px: Option<u8>| px.map(|px| format!("--radius-{name}:{px}px;")).unwrap_or_default();
        let radii = radius("control", self.control_radius) + &radius("card", self.card_radius);
        if !radii.is_empty() {
            let _ = write!(css, ":root{{{radii}}}");
        }
        css
    }

    /// Returns the value of `<meta name="color-scheme">`.
    pub fn color_scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Auto => "light dark",
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        }
    }

    fn tokens(&self, base: &Palette) -> String {
        let primary = self.primary.unwrap_or(DEFAULT_PRIMARY);
        let on_primary = primary.readable();
        let background = match self.background {
            // A bright page in dark mode would blind; a dark one fits both.
            Some(background) if !base.dark || background.is_dark() => background,
            _ => Background::Plain(base.page),
        };
        let on_page = background.readable(base.text);
        let outline = primary.with_contrast(base.card, CONTROL);
        let mut css = String::new();
        let mut set = |name: &str, colour: Rgb| {
            let _ = write!(css, "--{name}:{colour};");
        };
        set("card", base.card);
        set("text", base.text);
        set("muted", base.muted);
        set("line", base.line);
        set("control", base.control);
        set("hover", base.hover);
        set("danger", base.danger);
        set("danger-surface", base.danger_surface);
        set("good", base.good);
        set("primary", primary);
        set("primary-hover", primary.mix(on_primary, 0.12));
        set("primary-line", outline);
        set("on-primary", on_primary);
        set("link", primary.with_contrast(base.card, TEXT).with_contrast(base.hover, TEXT));
        set("focus", outline);
        set("on-page", on_page);
        match background {
            Background::Plain(colour) => {
                let _ = write!(css, "--page:{colour};--page-fill:{colour};");
            }
            Background::Gradient(start, end, angle) => {
                let _ = write!(css, "--page:{start};--page-fill:linear-gradient({angle}deg,{start},{end});");
            }
        }
        css
    }
}

impl Background {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(colour) => Rgb::parse(colour).map(Self::Plain),
            Value::Object(map) => {
                let colour = |key: &str| map.get(key).and_then(Value::as_str).and_then(Rgb::parse);
                let angle = map.get("angle_deg").and_then(Value::as_f64).unwrap_or(0.0);
                Some(Self::Gradient(colour("start")?, colour("end")?, angle.clamp(-360.0, 360.0)))
            }
            _ => None,
        }
    }

    fn is_dark(self) -> bool {
        match self {
            Self::Plain(colour) => colour.luminance() < 0.1,
            Self::Gradient(start, end, _) => start.luminance() < 0.1 && end.luminance() < 0.1,
        }
    }

    /// Returns the given text colour if it can be read here, else black or white, whichever reads better.
    fn readable(self, wish: Rgb) -> Rgb {
        let worst = |text: Rgb| match self {
            Self::Plain(colour) => text.contrast(colour),
            Self::Gradient(start, end, _) => text.contrast(start).min(text.contrast(end)),
        };
        if worst(wish) >= TEXT {
            wish
        } else if worst(Rgb::WHITE) >= worst(Rgb::BLACK) {
            Rgb::WHITE
        } else {
            Rgb::BLACK
        }
    }
}

/// A colour, written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Rgb {
    const WHITE: Self = Self(255, 255, 255);
    const BLACK: Self = Self(0, 0, 0);

    /// Reads `#rgb`, `#rrggbb` or `#rrggbbaa` (the last pair is dropped: pages have nothing to shine through).
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.trim().strip_prefix('#')?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        let single = |at: usize| u8::from_str_radix(&hex[at..=at], 16).ok().map(|n| n * 17);
        match hex.len() {
            3 | 4 => Some(Self(single(0)?, single(1)?, single(2)?)),
            6 | 8 => Some(Self(pair(0)?, pair(2)?, pair(4)?)),
            _ => None,
        }
    }

    /// Returns the contrast ratio between two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Returns white or near-black, whichever reads better on this colour.
    ///
    /// White wins when it reaches 4.5:1: on saturated colours people find it calmer than black of a higher ratio.
    pub fn readable(self) -> Self {
        const INK: Rgb = Rgb(0x11, 0x13, 0x18);
        if self.contrast(Self::WHITE) >= TEXT {
            Self::WHITE
        } else if self.contrast(INK) >= TEXT {
            INK
        } else {
            Self::BLACK
        }
    }

    /// Returns this colour, moved towards black or white until it has the given contrast on `surface`.
    pub fn with_contrast(self, surface: Self, least: f64) -> Self {
        let end = if surface.luminance() > 0.18 { Self::BLACK } else { Self::WHITE };
        (0..=20)
            .map(|step| self.mix(end, f64::from(step) / 20.0))
            .find(|c| c.contrast(surface) >= least)
            .unwrap_or(end)
    }

    fn mix(self, other: Self, share: f64) -> Self {
        let part = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Self(part(self.0, other.0), part(self.1, other.1), part(self.2, other.2))
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

/// The neutral colours of one scheme.
struct Palette {
    dark: bool,
    page: Rgb,
    card: Rgb,
    text: Rgb,
    muted: Rgb,
    line: Rgb,
    control: Rgb,
    hover: Rgb,
    danger: Rgb,
    danger_surface: Rgb,
    good: Rgb,
}

const LIGHT: Palette = Palette {
    dark: false,
    page: Rgb(0xf4, 0xf5, 0xf7),
    card: Rgb(0xff, 0xff, 0xff),
    text: Rgb(0x17, 0x1a, 0x20),
    muted: Rgb(0x56, 0x5d, 0x69),
    line: Rgb(0xdf, 0xe2, 0xe7),
    control: Rgb(0x84, 0x8b, 0x98),
    hover: Rgb(0xf4, 0xf6, 0xf9),
    danger: Rgb(0xb0, 0x24, 0x1c),
    danger_surface: Rgb(0xfd, 0xf1, 0xf0),
    good: Rgb(0x17, 0x76, 0x46),
};

const DARK: Palette = Palette {
    dark: true,
    page: Rgb(0x11, 0x13, 0x18),
    card: Rgb(0x1a, 0x1d, 0x24),
    text: Rgb(0xec, 0xee, 0xf2),
    muted: Rgb(0xa8, 0xaf, 0xbb),
    line: Rgb(0x30, 0x35, 0x3f),
    control: Rgb(0x7d, 0x85, 0x93),
    hover: Rgb(0x23, 0x27, 0x2f),
    danger: Rgb(0xff, 0x9d, 0x94),
    danger_surface: Rgb(0x33, 0x1d, 0x1e),
    good: Rgb(0x72, 0xd0, 0x9e),
};

fn walk<'a>(map: &'a Map<String, Value>, at: &[&str]) -> Option<&'a Value> {
    let (first, rest) = at.split_first()?;
    rest.iter().try_fold(map.get(*first)?, |value, key| value.get(*key))
}

/// Returns whether a page may load a picture from here. `javascript:` and friends never become an attribute.
fn loadable(url: &str) -> bool {
    let lower = url.trim().to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://") || lower.starts_with("data:image/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn colour(text: &str) -> Rgb {
        Rgb::parse(text).unwrap()
    }

    #[test]
    fn contrast_is_what_wcag_says() {
        assert!((Rgb::BLACK.contrast(Rgb::WHITE) - 21.0).abs() < 1e-9);
        assert!((colour("#767676").contrast(Rgb::WHITE) - 4.54).abs() < 0.01);
        assert_eq!(Rgb::WHITE.contrast(colour("#777")), colour("#777777").contrast(Rgb::WHITE));
    }

    #[test]
    fn every_primary_colour_stays_readable_in_light_and_dark() {
        let steps = [0, 51, 102, 153, 204, 255];
        let steps = &steps;
        for (r, g, b) in
            steps.iter().flat_map(|r| steps.iter().flat_map(move |g| steps.iter().map(move |b| (r, g, b))))
        {
            let primary = Rgb(*r, *g, *b);
            assert!(primary.readable().contrast(primary) >= TEXT, "label on {primary}");
            for palette in [&LIGHT, &DARK] {
                let link = primary.with_contrast(palette.card, TEXT).with_contrast(palette.hover, TEXT);
                assert!(link.contrast(palette.card) >= TEXT, "link {primary} on card");
                assert!(link.contrast(palette.hover) >= TEXT, "link {primary} on hovered row");
                let outline = primary.with_contrast(palette.card, CONTROL);
                assert!(outline.contrast(palette.card) >= CONTROL, "outline {primary}");
            }
        }
    }

    #[test]
    fn neutral_colours_are_readable() {
        for p in [&LIGHT, &DARK] {
            for (text, surface) in [
                (p.text, p.card),
                (p.text, p.page),
                (p.muted, p.card),
                (p.muted, p.page),
                (p.muted, p.hover),
                (p.danger, p.card),
                (p.danger, p.danger_surface),
                (p.good, p.card),
            ] {
                assert!(text.contrast(surface) >= TEXT, "{text} on {surface}");
            }
            assert!(p.control.contrast(p.card) >= CONTROL);
        }
    }

    #[test]
    fn text_beside_the_card_follows_the_page_background() {
        let brand = |background: &str| Brand {
            background: Some(Background::Plain(colour(background))),
            ..Brand::default()
        };
        assert!(brand("#000000").css().contains("--on-page:#ffffff"));
        assert!(brand("#ffffff").css().contains("--on-page:#171a20"));
    }

    #[test]
    fn a_tenant_cannot_write_css_or_script_addresses() {
        let Value::Object(hostile) = json!({
            "logo_url": "javascript:alert(1)",
            "favicon_url": " JavaScript:alert(1)",
            "colors": {"primary": "red;}body{display:none", "page_background": "url(//evil.example)"}
        }) else {
            unreachable!()
        };
        let brand = Brand::from_documents(&hostile, None);
        assert_eq!(brand.logo_url, None);
        assert_eq!(brand.favicon_url, None);
        assert!(!brand.css().contains("evil") && !brand.css().contains("display"));
    }

    #[test]
    fn gradients_and_themes_are_read() {
        let Value::Object(branding) = json!({
            "colors": {"primary": "#0059d6", "page_background": {"type": "linear-gradient", "start": "#fff", "end": "#eee", "angle_deg": 35}}
        }) else {
            unreachable!()
        };
        let Value::Object(theme) =
            json!({"borders": {"button_border_radius": 20, "widget_corner_radius": 5}})
        else {
            unreachable!()
        };
        let css = Brand::from_documents(&branding, Some(&theme)).css();
        assert!(css.contains("linear-gradient(35deg,#ffffff,#eeeeee)"), "{css}");
        assert!(
            css.contains("--primary:#0059d6")
                && css.contains("--radius-control:20px")
                && css.contains("--radius-card:5px")
        );
    }
}
