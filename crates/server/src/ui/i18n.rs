//! Texts: keyed `prompt` → `screen` → `key` as in Auth0's custom text, one JSON file a language.
//!
//! A text is looked up in the tenant's custom text, unless it is empty there, then in the language's file, then in the English file. Within a file, a
//! key that a screen lacks is looked for in `common.common`, where error texts and other shared words live once.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Custom text of one language: `prompt` → `screen` → `key`, the shape of `PUT /prompts/{prompt}/custom-text/{language}`
/// with the prompt around it.
pub type CustomTexts = Map<String, Value>;

/// The prompt and screen of shared texts.
pub const COMMON: &str = "common";

/// The files, by language. The first is the source, and the fallback of the others.
const FILES: &[(&str, &str)] = &[
    ("en", include_str!("../../locales/en.json")),
    ("es", include_str!("../../locales/es.json")),
    ("fr", include_str!("../../locales/fr.json")),
    ("de", include_str!("../../locales/de.json")),
    ("ja", include_str!("../../locales/ja.json")),
    ("ar", include_str!("../../locales/ar.json")),
];

/// All texts of all languages.
#[derive(Debug)]
pub struct Texts(Vec<(&'static str, Map<String, Value>)>);

impl Texts {
    /// Reads the embedded files.
    pub fn new() -> Self {
        let parse = |text| serde_json::from_str(text).expect("a unit test reads every embedded file");
        Self(FILES.iter().map(|(code, text)| (*code, parse(text))).collect())
    }

    /// Returns the languages that have a file.
    pub fn languages(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(code, _)| *code)
    }

    /// Returns the words of a key, without variables filled in; `None` if no language knows the key.
    pub fn get<'a>(
        &'a self,
        custom: &'a CustomTexts,
        locale: &str,
        prompt: &str,
        screen: &str,
        key: &str,
    ) -> Option<&'a str> {
        let set =
            |prompt: &str, screen: &str| find(custom, prompt, screen, key).filter(|text| !text.is_empty());
        set(prompt, screen)
            .or_else(|| self.files(locale).find_map(|texts| find(texts, prompt, screen, key)))
            .or_else(|| set(COMMON, COMMON))
            .or_else(|| self.built_in(locale, prompt, screen, key))
    }

    /// Returns our own words of a key.
    pub fn built_in(&self, locale: &str, prompt: &str, screen: &str, key: &str) -> Option<&str> {
        self.files(locale)
            .flat_map(|texts| [find(texts, prompt, screen, key), find(texts, COMMON, COMMON, key)])
            .flatten()
            .next()
    }

    /// Returns the files of a language: its own, that of the language it is a variant of, and the English one.
    fn files<'a>(&'a self, locale: &str) -> impl Iterator<Item = &'a Map<String, Value>> + use<'a> {
        let language = locale.split('-').next().unwrap_or(locale);
        let file = |code: &str| self.0.iter().find(|(known, _)| *known == code).map(|(_, texts)| texts);
        [locale, language, "en"].map(file).into_iter().flatten()
    }

    /// Returns whether custom text may set this key: the screen shows it, or every screen may.
    pub fn knows(&self, prompt: &str, screen: &str, key: &str) -> bool {
        self.screens(prompt).any(|known| known == screen)
            && self.built_in("en", prompt, screen, key).is_some()
    }

    /// Returns the screens of a prompt that have texts.
    pub fn screens(&self, prompt: &str) -> impl Iterator<Item = &str> {
        let english = self.0.first().map(|(_, texts)| texts);
        english
            .and_then(|texts| texts.get(prompt)?.as_object())
            .into_iter()
            .flat_map(|screens| screens.keys().map(String::as_str))
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills `${name}` with the named value, or with nothing when there is no such value.
///
/// One pass: a value that itself contains `${…}` is left as it is.
pub fn fill<'a>(text: &str, value_of: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push_str("${");
            rest = after;
            continue;
        };
        filled.push_str(&value_of(name).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn find<'a>(texts: &'a Map<String, Value>, prompt: &str, screen: &str, key: &str) -> Option<&'a str> {
    texts.get(prompt)?.get(screen)?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn keys(texts: &Map<String, Value>) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for (prompt, screens) in texts {
            for (screen, texts) in screens.as_object().unwrap() {
                for (key, text) in texts.as_object().unwrap() {
                    assert!(
                        text.as_str().is_some_and(|text| !text.trim().is_empty()),
                        "{prompt}.{screen}.{key} is empty"
                    );
                    keys.insert(format!("{prompt}.{screen}.{key}"));
                }
            }
        }
        keys
    }

    fn variables(text: &str) -> BTreeSet<&str> {
        text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    #[test]
    fn every_language_has_exactly_the_english_keys_and_variables() {
        let texts = Texts::new();
        let english = keys(&texts.0[0].1);
        for (code, language) in &texts.0 {
            let these = keys(language);
            let missing: Vec<_> = english.difference(&these).collect();
            let extra: Vec<_> = these.difference(&english).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{code}: missing {missing:?}, unknown {extra:?}");
            for key in &english {
                let parts: Vec<_> = key.split('.').collect();
                let source = find(&texts.0[0].1, parts[0], parts[1], parts[2]).unwrap();
                let words = find(language, parts[0], parts[1], parts[2]).unwrap();
                assert_eq!(variables(source), variables(words), "{code}: {key}");
                assert!(!words.ends_with(['!', '！']) && !words.contains("! "), "{code}: {key} shouts");
            }
        }
    }

    #[test]
    fn notes_speak_of_keys_that_exist() {
        let notes: Map<String, Value> =
            serde_json::from_str(include_str!("../../locales/notes.json")).unwrap();
        let english = keys(&Texts::new().0[0].1);
        for key in notes.keys() {
            assert!(english.contains(key), "locales/notes.json explains the unknown key {key}");
        }
    }

    #[test]
    fn custom_text_wins_then_the_language_then_english() {
        let texts = Texts::new();
        let Value::Object(custom) = json!({"login": {"login": {"title": "Come in"}}}) else { unreachable!() };
        assert_eq!(texts.get(&custom, "en", "login", "login", "title"), Some("Come in"));
        assert_ne!(texts.get(&custom, "en", "login-id", "login-id", "title"), Some("Come in"));
        let Value::Object(custom) = json!({"login": {"login": {"title": ""}}, "common": {"common": {"backText": "Return", "title": "Any"}}})
        else {
            unreachable!()
        };
        let get = |key| texts.get(&custom, "en", "login", "login", key);
        assert_eq!(get("title"), texts.built_in("en", "login", "login", "title"), "empty is not set");
        assert_eq!(get("backText"), Some("Return"), "a shared text serves every screen");
        assert_eq!(
            texts.built_in("sw", "login", "login", "buttonText"),
            texts.built_in("en", "login", "login", "buttonText")
        );
        assert_eq!(texts.built_in("en", "login", "login", "no-such-key"), None);
    }

    #[test]
    fn shared_texts_serve_every_screen() {
        let texts = Texts::new();
        assert!(texts.built_in("en", "mfa-otp", "mfa-otp-challenge", "invalid-code").is_some());
        assert!(texts.knows("mfa-otp", "mfa-otp-challenge", "invalid-code"));
        assert!(!texts.knows("mfa-otp", "no-such-screen", "title"));
        assert!(!texts.knows("mfa-otp", "mfa-otp-challenge", "no-such-key"));
    }

    #[test]
    fn a_value_that_looks_like_a_variable_is_left_alone() {
        let filled = fill("Hello ${userName} of ${companyName}${nobody}", |name| match name {
            "userName" => Some("${companyName}".into()),
            "companyName" => Some("Example".into()),
            _ => None,
        });
        assert_eq!(filled, "Hello ${companyName} of Example");
        assert_eq!(fill("5 ${ open", |_| None), "5 ${ open");
    }
}
