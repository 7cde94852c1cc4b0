//! What a browser is called, from its `User-Agent`: enough for its owner to know it again.

/// The browsers, the most telling token first: Edge also says Chrome, and Chrome also says Safari.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The systems; an Android also says Linux, an iPad may say Macintosh.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Returns "Firefox, Windows"; empty if nothing is recognized.
pub fn browser_name(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| *name)
    };
    let parts: Vec<&str> = [find(&BROWSERS), find(&SYSTEMS)].into_iter().flatten().collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_its_most_telling_token() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
        assert_eq!(browser_name(windows), "Chrome, Windows");
        assert_eq!(browser_name(&format!("{windows} Edg/120.0")), "Edge, Windows");
        assert_eq!(
            browser_name("Mozilla/5.0 (Linux; Android 14) Gecko/120.0 Firefox/120.0"),
            "Firefox, Android"
        );
        assert_eq!(browser_name("curl/8.0"), "");
    }
}
