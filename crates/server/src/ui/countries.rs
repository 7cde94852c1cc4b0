//! The names of countries, in the languages that pages have.
//!
//! They come from the `keshvar` crate. Names of our own stand here for what ISO 3166 does not list though it has telephones.

use std::collections::HashMap;
use std::sync::LazyLock;

use lockstep_core::factors::phone::Region;
use lockstep_core::model::languages;

use super::screens::CountryRow;

const LANGUAGES: [&str; 6] = ["en", "es", "fr", "de", "ja", "ar"];

/// What ISO 3166 does not list, in the order of [`LANGUAGES`].
const OTHERS: &[(&str, [&str; 6])] = &[
    ("XK", ["Kosovo", "Kosovo", "Kosovo", "Kosovo", "コソボ", "كوسوفو"]),
    (
        "AC",
        [
            "Ascension Island",
            "Isla Ascensión",
            "Île de l’Ascension",
            "Ascension",
            "アセンション島",
            "جزيرة أسينشين",
        ],
    ),
    (
        "TA",
        [
            "Tristan da Cunha",
            "Tristán de Acuña",
            "Tristan da Cunha",
            "Tristan da Cunha",
            "トリスタン・ダ・クーニャ",
            "تريستان دا كونا",
        ],
    ),
];

/// Read once: the crate builds a table of a hundred languages for each country it is asked about.
static NAMES: LazyLock<HashMap<&'static str, [String; 6]>> = LazyLock::new(|| {
    let mut names: HashMap<&'static str, [String; 6]> = Region::all()
        .filter_map(|region| {
            let country = keshvar::Country::try_from(region.id).ok()?;
            let translations = country.translations();
            let english = translations.get("en")?;
            let name = |language: &str| (*translations.get(language).unwrap_or(english)).to_owned();
            Some((region.id, LANGUAGES.map(name)))
        })
        .collect();
    for at in 0..LANGUAGES.len() {
        let plain: Vec<(&'static str, String)> =
            names.iter().map(|(id, names)| (*id, plain(&names[at]).to_owned())).collect();
        for (id, name) in &plain {
            // Two Congos and two Virgin Islands stay told apart.
            let alone = plain.iter().filter(|(_, other)| other == name).count() == 1;
            if let Some(names) = names.get_mut(id).filter(|_| alone) {
                names[at].clone_from(name);
            }
        }
    }
    names.extend(OTHERS.iter().map(|(id, names)| (*id, names.map(str::to_owned))));
    names
});

/// Returns the first words: `Iran, Islamic Republic of` is how registers sort, not what people say.
fn plain(name: &str) -> &str {
    match name.split_once(", ") {
        Some((first, rest)) if !rest.contains(" and ") && !rest.contains(" und ") => first,
        _ => name,
    }
}

/// Returns the name of a region in a language; its code if it has none.
pub fn name(id: &'static str, locale: &str) -> &'static str {
    let language = languages::language(locale);
    let at = LANGUAGES.iter().position(|known| *known == language).unwrap_or(0);
    NAMES.get(id).map_or(id, |names| names[at].as_str())
}

/// Returns regions as rows of a list, in the order of their names.
pub fn rows(regions: &[Region], chosen: Option<&str>, locale: &str) -> Vec<CountryRow> {
    let mut rows: Vec<_> = regions.iter().map(|region| row(*region, chosen, locale)).collect();
    rows.sort_by_cached_key(|row| (sorted_as(row.name), row.id));
    rows
}

/// Returns a region as a row.
pub fn row(region: Region, chosen: Option<&str>, locale: &str) -> CountryRow {
    CountryRow {
        id: region.id,
        name: name(region.id, locale),
        code: region.code,
        chosen: chosen == Some(region.id),
    }
}

/// Letters with marks stand beside those without, as readers of these languages look for them.
fn sorted_as(name: &str) -> String {
    let bare = |c: char| match c {
        'á' | 'à' | 'â' | 'ä' | 'å' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        'أ' | 'إ' | 'آ' => 'ا',
        other => other,
    };
    name.to_lowercase().chars().map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_a_name_in_every_language() {
        for region in Region::all() {
            for locale in LANGUAGES {
                let name = name(region.id, locale);
                assert!(name != region.id && !name.is_empty(), "{} in {locale}", region.id);
            }
        }
        assert_eq!((name("DE", "ar"), name("DE", "de-AT")), ("ألمانيا", "Deutschland"));
        assert_eq!((name("XK", "ja"), name("US", "xx")), ("コソボ", "United States"));
        for locale in LANGUAGES {
            let mut names: Vec<_> = Region::all().map(|region| name(region.id, locale)).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|two| two[0] != two[1]), "{locale}: {names:?}");
        }
    }

    #[test]
    fn names_are_in_the_order_that_readers_expect() {
        let all: Vec<_> = Region::all().collect();
        let german = rows(&all, Some("AT"), "de");
        let at = |id: &str| german.iter().position(|row| row.id == id).unwrap();
        assert!(at("EG") < at("AL") && at("NL") < at("AT") && at("AT") < at("PK"), "Ägypten, Österreich");
        assert_eq!(german.iter().filter(|row| row.chosen).count(), 1);
    }

    #[test]
    fn a_register_s_way_to_write_names_is_undone_where_nothing_is_lost() {
        assert_eq!(plain("Iran, Islamische Republik"), "Iran");
        assert_eq!(plain("Bonaire, Sint Eustatius and Saba"), "Bonaire, Sint Eustatius and Saba");
    }
}
