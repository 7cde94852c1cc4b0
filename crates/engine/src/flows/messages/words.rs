//! Our own words of messages, in the languages that the pages speak.

use std::collections::HashMap;
use std::sync::LazyLock;

use lockstep_core::model::languages;

/// Language → key → text.
type Texts = HashMap<String, HashMap<String, String>>;

static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../texts/messages.json"))
        .expect("a test reads every text of the file that is built in")
});

/// Returns a text with its variables filled in, in that language or else in English.
pub(super) fn say(language: &str, key: &str, values: &[(&str, &str)]) -> String {
    let texts = TEXTS.get(language).or_else(|| TEXTS.get(languages::language(language)));
    let text = texts.and_then(|texts| texts.get(key)).or_else(|| TEXTS.get("en")?.get(key));
    fill(text.map_or("", String::as_str), values)
}

/// Fills in variables in one pass: a value that looks like a variable stays as it is.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_with_the_same_variables() {
        let variables = |text: &str| {
            let mut names: Vec<&str> =
                text.split("${").skip(1).filter_map(|part| part.split_once('}')).map(|(n, _)| n).collect();
            names.sort_unstable();
            names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()
        };
        for (language, texts) in TEXTS.iter() {
            for (key, english) in &TEXTS["en"] {
                let text = texts.get(key).unwrap_or_else(|| panic!("{language} lacks {key}"));
                assert_eq!(variables(text), variables(english), "{language} {key}");
            }
            assert_eq!(texts.len(), TEXTS["en"].len(), "{language} has texts that English has not");
            for kind in lockstep_core::factors::ALL {
                assert!(texts.contains_key(&format!("factor.{kind}")), "{language} has no word for {kind}");
            }
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_variable() {
        assert_eq!(fill("${a} and ${b}", &[("a", "${b}"), ("b", "x")]), "${b} and x");
        assert_eq!(
            say("de-AT", "notice.password", &[("tenant", "A")]),
            say("de", "notice.password", &[("tenant", "A")])
        );
        assert_eq!(say("xx", "reset.button", &[]), "Set a new password");
    }
}
