//! Languages: the codes that Auth0 accepts, and which one a page or message speaks.

/// Every code that `enabled_locales` may hold, with the language's own name (contract/universal-login.md 17).
///
/// Those without a file of ours fall back to a relative's file or to English, text by text.
pub const SUPPORTED: &[(&str, &str)] = &[
    ("sq", "Shqip"),
    ("am", "አማርኛ"),
    ("ar", "العربية"),
    ("ar-EG", "العربية (مصر)"),
    ("ar-SA", "العربية (السعودية)"),
    ("hy", "Հայերեն"),
    ("az", "Azərbaycanca"),
    ("eu-ES", "Euskara"),
    ("bn", "বাংলা"),
    ("bs", "Bosanski"),
    ("bg", "Български"),
    ("ca-ES", "Català"),
    ("zh-HK", "中文（香港）"),
    ("zh-CN", "简体中文"),
    ("zh-TW", "繁體中文"),
    ("hr", "Hrvatski"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("nl", "Nederlands"),
    ("en", "English"),
    ("en-CA", "English (Canada)"),
    ("et", "Eesti"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("fr-FR", "Français"),
    ("fr-CA", "Français (Canada)"),
    ("gl-ES", "Galego"),
    ("ka", "ქართული"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("gu", "ગુજરાતી"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hu", "Magyar"),
    ("is", "Íslenska"),
    ("id", "Bahasa Indonesia"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("kn", "ಕನ್ನಡ"),
    ("ko", "한국어"),
    ("lv", "Latviešu"),
    ("lt", "Lietuvių"),
    ("mk", "Македонски"),
    ("ms", "Bahasa Melayu"),
    ("ml", "മലയാളം"),
    ("mr", "मराठी"),
    ("mn", "Монгол"),
    ("cnr", "Crnogorski"),
    ("my", "မြန်မာ"),
    ("no", "Norsk"),
    ("nb", "Norsk bokmål"),
    ("nn", "Norsk nynorsk"),
    ("pl", "Polski"),
    ("pt-BR", "Português (Brasil)"),
    ("pt-PT", "Português"),
    ("pa", "ਪੰਜਾਬੀ"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sr", "Српски"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("so", "Soomaali"),
    ("es", "Español"),
    ("es-AR", "Español (Argentina)"),
    ("es-419", "Español (Latinoamérica)"),
    ("es-MX", "Español (México)"),
    ("sw", "Kiswahili"),
    ("sv", "Svenska"),
    ("tl", "Tagalog"),
    ("zgh", "ⵜⴰⵎⴰⵣⵉⵖⵜ"),
    ("ta", "தமிழ்"),
    ("te", "తెలుగు"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ur", "اردو"),
    ("vi", "Tiếng Việt"),
    ("cy", "Cymraeg"),
];

/// Returns whether `enabled_locales` may hold this code.
pub fn is_supported(code: &str) -> bool {
    SUPPORTED.iter().any(|(known, _)| *known == code)
}

/// Returns the language's own name, or its code when we know no name.
pub fn name(code: &str) -> &str {
    SUPPORTED.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

/// Returns the page's direction.
pub fn direction(locale: &str) -> &'static str {
    match language(locale) {
        "ar" | "fa" | "he" | "ur" => "rtl",
        _ => "ltr",
    }
}

/// Returns the value of the `lang` attribute. Auth0 drops the country of the two default variants.
pub fn lang(locale: &str) -> &str {
    match locale {
        "fr-FR" => "fr",
        "pt-PT" => "pt",
        other => other,
    }
}

/// Chooses the language of a page: the person's own choice in this session, `ui_locales`, the browser's wish, the
/// tenant's default. `enabled` is the tenant's list, its default first.
pub fn choose_locale<'a>(
    session: Option<&str>,
    ui_locales: Option<&str>,
    accept_language: Option<&str>,
    enabled: &[&'a str],
) -> &'a str {
    let default = enabled.first().copied().unwrap_or("en");
    // Only the first entry of ui_locales counts, as at Auth0.
    let asked = ui_locales.and_then(|list| list.split_whitespace().next());
    session
        .and_then(|code| fit(code, enabled))
        .or_else(|| asked.and_then(|code| fit(code, enabled)))
        .or_else(|| wishes(accept_language?).into_iter().find_map(|code| fit(code, enabled)))
        .unwrap_or(default)
}

/// Finds the enabled language that fits a wish: the same, else its language without a country, else a variant of it.
fn fit<'a>(wish: &str, enabled: &[&'a str]) -> Option<&'a str> {
    let same = |code: &&&str| code.eq_ignore_ascii_case(wish);
    let general = |code: &&&str| code.eq_ignore_ascii_case(language(wish));
    let relative = |code: &&&str| language(code).eq_ignore_ascii_case(language(wish));
    let codes = || enabled.iter();
    codes().find(same).or_else(|| codes().find(general)).or_else(|| codes().find(relative)).copied()
}

/// Reads `Accept-Language`, most wanted first (RFC 9110, 12.5.4).
fn wishes(header: &str) -> Vec<&str> {
    let mut wishes: Vec<(&str, u16)> = header
        .split(',')
        .filter_map(|part| {
            let (code, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
            Some((code.trim(), (weight.clamp(0.0, 1.0) * 1000.0) as u16))
        })
        .filter(|(code, weight)| *weight > 0 && *code != "*" && !code.is_empty())
        .take(20)
        .collect();
    wishes.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    wishes.into_iter().map(|(code, _)| code).collect()
}

/// Returns the country of the page that a browser wishes most, `AT` of `de-AT`: a guess at where the person is at home.
pub fn wished_region(accept_language: &str) -> Option<&str> {
    let mut parts = wishes(accept_language).first()?.split('-').skip(1);
    parts.find(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// Returns the language of a code without its country.
pub fn language(locale: &str) -> &str {
    locale.split('-').next().unwrap_or(locale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENABLED: &[&str] = &["en", "es", "pt-BR", "ar"];

    #[test]
    fn the_sessions_choice_wins_then_ui_locales_then_the_browser_then_the_default() {
        assert_eq!(choose_locale(Some("es"), Some("ar"), Some("en"), ENABLED), "es");
        assert_eq!(choose_locale(None, Some("ar"), Some("es"), ENABLED), "ar");
        assert_eq!(choose_locale(None, None, Some("es"), ENABLED), "es");
        assert_eq!(choose_locale(None, None, None, ENABLED), "en");
        assert_eq!(choose_locale(Some("xx"), Some("yy"), Some("zz"), &[]), "en");
    }

    #[test]
    fn only_the_first_entry_of_ui_locales_counts() {
        assert_eq!(choose_locale(None, Some("ja es"), None, ENABLED), "en");
        assert_eq!(choose_locale(None, Some("es ja"), None, ENABLED), "es");
    }

    #[test]
    fn a_variant_serves_its_relatives() {
        assert_eq!(choose_locale(None, Some("pt"), None, ENABLED), "pt-BR");
        assert_eq!(choose_locale(None, Some("pt-PT"), None, ENABLED), "pt-BR");
        assert_eq!(choose_locale(None, None, Some("es-CL,en;q=0.8"), ENABLED), "es");
        assert_eq!(choose_locale(None, Some("AR-eg"), None, ENABLED), "ar");
    }

    #[test]
    fn weights_order_the_browsers_wishes() {
        assert_eq!(choose_locale(None, None, Some("en;q=0.1, es;q=0.9, ar;q=0"), ENABLED), "es");
        assert_eq!(choose_locale(None, None, Some("*, ;q=, es;q=x"), ENABLED), "en");
    }

    #[test]
    fn a_region_is_that_of_the_first_wish_or_none() {
        assert_eq!(wished_region("en;q=0.5, de-AT"), Some("AT"));
        assert_eq!(wished_region("zh-Hant-TW,zh;q=0.9"), Some("TW"));
        assert_eq!(wished_region("de,en-US;q=0.7"), None);
        assert_eq!(wished_region("es-419"), None);
        assert_eq!(wished_region(""), None);
    }

    #[test]
    fn right_to_left_languages_are_known() {
        assert_eq!(direction("ar-SA"), "rtl");
        assert_eq!(direction("he"), "rtl");
        assert_eq!(direction("de"), "ltr");
        assert_eq!(lang("fr-FR"), "fr");
        assert_eq!(lang("pt-BR"), "pt-BR");
    }

    #[test]
    fn codes_are_listed_once() {
        let mut codes: Vec<_> = SUPPORTED.iter().map(|(code, _)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), SUPPORTED.len());
        assert!(is_supported("es-419") && !is_supported("xx") && name("ja") == "日本語");
    }
}
