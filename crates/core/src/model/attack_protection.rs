//! Attack protection as far as it is run: the settings of `attack-protection/*`, read for those who obey them.

use std::net::IpAddr;

use super::address_range::AddressRange;
use super::document::Document;

/// The row of the settings of brute-force protection.
pub const BRUTE_FORCE: &str = "attack-protection.brute-force-protection";

/// Brute-force protection: failed passwords of one identifier (contract/attack-protection.md 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BruteForce {
    /// Whether failures are counted.
    pub enabled: bool,
    /// Whether too many of them keep out. Otherwise they are only logged.
    pub blocks: bool,
    /// Whether they keep everybody out, whatever the address: account lockout.
    pub from_everywhere: bool,
    /// Addresses that are not counted.
    pub allowlist: Vec<AddressRange>,
    /// How many failures keep out.
    pub max_attempts: i64,
}

impl Default for BruteForce {
    fn default() -> Self {
        Self { enabled: true, blocks: true, from_everywhere: false, allowlist: Vec::new(), max_attempts: 10 }
    }
}

impl From<&Document> for BruteForce {
    /// Reads what was set; what was not keeps its default.
    fn from(set: &Document) -> Self {
        let default = Self::default();
        Self {
            enabled: set.flag("enabled").unwrap_or(default.enabled),
            blocks: set.at("shields").map_or(default.blocks, |_| set.texts("shields").any(|s| s == "block")),
            from_everywhere: set.text("mode") == Some("count_per_identifier"),
            allowlist: set.texts("allowlist").filter_map(AddressRange::parse).collect(),
            max_attempts: set.int("max_attempts").unwrap_or(default.max_attempts),
        }
    }
}

impl BruteForce {
    /// Returns whether failures from an address are counted.
    pub fn counts(&self, ip: Option<&str>) -> bool {
        let ip: Option<IpAddr> = ip.and_then(|text| text.parse().ok());
        self.enabled && !ip.is_some_and(|ip| self.allowlist.iter().any(|range| range.contains(ip)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_set_keeps_its_default() {
        assert_eq!(BruteForce::from(&Document::default()), BruteForce::default());
        let set: Document =
            serde_json::from_value(json!({"shields": [], "allowlist": ["203.0.113.0/24"]})).unwrap();
        let read = BruteForce::from(&set);
        assert!(read.enabled && !read.blocks && read.max_attempts == 10);
        assert!(!read.counts(Some("203.0.113.7")) && read.counts(Some("203.0.114.7")) && read.counts(None));
    }
}
