//! The countries that numbers may be of: what the operator and the tenant allow, and which one a person most likely means.

use phonenumber::country;
use phonenumber::metadata::DATABASE;

use super::number::PhoneNumber;
use crate::model::settings::TenantSettings;

/// A country, or a territory with numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its code in ISO 3166 (`US`), or what libphonenumber uses where that has none (`XK`).
    pub id: &'static str,
    /// Its calling code: `1`.
    pub code: u16,
}

impl Region {
    /// Returns all of them, in no order.
    pub fn all() -> impl Iterator<Item = Self> {
        let all = DATABASE.iter().map(|region| Self { id: region.id(), code: region.country_code() });
        // Satellites and such have numbers and belong nowhere.
        all.filter(|region| region.id.parse::<country::Id>().is_ok())
    }

    /// Returns whether an entry of a list names it, by its calling code or its own.
    fn is_named_by(self, entry: &str) -> bool {
        let entry = entry.trim_start_matches('+');
        entry == self.code.to_string() || entry.eq_ignore_ascii_case(self.id)
    }
}

/// Which countries messages and calls may go to.
#[derive(Clone, Debug, Default)]
pub struct PhoneCountries {
    /// The operator's; empty: all.
    operator: Vec<String>,
    /// The tenant's, and whether they are the only ones or those left out.
    tenant: Option<(bool, Vec<String>)>,
}

impl PhoneCountries {
    /// Reads `phone.countries`, and `country_codes` of the tenant's settings: `{"mode": "allow" or "deny", "list": ["US", …]}`.
    pub fn new(operator: &[String], tenant: &TenantSettings) -> Self {
        let list: Vec<String> = tenant.0.texts("country_codes.list").map(str::to_owned).collect();
        let only = tenant.0.text("country_codes.mode") != Some("deny");
        Self { operator: operator.to_vec(), tenant: (!list.is_empty()).then_some((only, list)) }
    }

    /// Returns whether a number may be sent to, as far as its country goes.
    pub fn has(&self, number: &PhoneNumber) -> bool {
        let tenant = self.tenant.as_ref().is_none_or(|(only, list)| number.is_in(list) == *only);
        tenant && number.is_in(&self.operator)
    }

    /// Returns the countries to choose from.
    pub fn regions(&self) -> Vec<Region> {
        let named = |list: &[String], region: Region| list.iter().any(|entry| region.is_named_by(entry));
        let may = |region: &Region| {
            let tenant = self.tenant.as_ref().is_none_or(|(only, list)| named(list, *region) == *only);
            tenant && (self.operator.is_empty() || named(&self.operator, *region))
        };
        Region::all().filter(may).collect()
    }

    /// Returns the country that a person most likely means, who wishes pages as they are in some country.
    pub fn likely(&self, wished: Option<&str>) -> Option<Region> {
        let regions = self.regions();
        let find = |id: &str| regions.iter().find(|region| region.id.eq_ignore_ascii_case(id)).copied();
        if let Some(region) = wished.and_then(find) {
            return Some(region);
        }
        let first = regions.first()?;
        if regions.iter().any(|region| region.code != first.code) {
            return None;
        }
        // All the same to who types a number; the first one here is the one that most of its numbers are of.
        DATABASE.region(&first.code).and_then(|ids| ids.into_iter().find_map(find))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn countries(operator: &[&str], tenant: serde_json::Value) -> PhoneCountries {
        let operator: Vec<String> = operator.iter().map(|entry| (*entry).to_owned()).collect();
        let mut settings = TenantSettings::default();
        settings.0.set("country_codes", tenant);
        PhoneCountries::new(&operator, &settings)
    }

    fn ids(countries: &PhoneCountries) -> Vec<&'static str> {
        let mut ids: Vec<_> = countries.regions().iter().map(|region| region.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn every_country_is_there_once_and_nothing_that_is_none() {
        let all = ids(&PhoneCountries::default());
        assert!(all.len() > 230 && all.contains(&"US") && all.contains(&"XK") && !all.contains(&"001"));
        assert!(all.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn operator_and_tenant_both_have_to_allow_a_country() {
        let only = countries(&["49", "FR", "+41"], json!({"mode": "allow", "list": ["DE", "FR", "ES"]}));
        assert_eq!(ids(&only), ["DE", "FR"]);
        let without = countries(&["49", "FR"], json!({"mode": "deny", "list": ["DE"]}));
        assert_eq!(ids(&without), ["FR"]);
        let number = |text: &str| PhoneNumber::stored(text).unwrap();
        assert!(only.has(&number("+4915123456789")) && !only.has(&number("+34612345678")));
        assert!(!without.has(&number("+4915123456789")) && without.has(&number("+33612345678")));
        assert!(PhoneCountries::default().has(&number("+33612345678")));
        assert!(countries(&[], json!(null)).has(&number("+33612345678")));
    }

    #[test]
    fn the_likely_country_is_the_wished_one_if_it_is_allowed_or_the_only_one() {
        let likely = |countries: &PhoneCountries, wished| countries.likely(wished).map(|region| region.id);
        let all = PhoneCountries::default();
        assert_eq!((likely(&all, None), likely(&all, Some("de"))), (None, Some("DE")));
        let two = countries(&["DE", "AT"], json!(null));
        assert_eq!((likely(&two, Some("US")), likely(&two, Some("AT"))), (None, Some("AT")));
        assert_eq!(likely(&countries(&["CH"], json!(null)), Some("DE")), Some("CH"));
        assert_eq!(likely(&countries(&["1"], json!(null)), Some("DE")), Some("US"));
        assert_eq!(likely(&countries(&["1"], json!(null)), Some("CA")), Some("CA"));
        assert_eq!(likely(&countries(&["JM", "CA"], json!(null)), None), Some("CA"));
    }
}
