//! The program that asked, as log records name it: `Firefox 140.0.0 / Ubuntu 0.0.0` (contract/log-events.md 1).
//!
//! Families are called as in Auth0's records, which have them from the public uap-core list. That list is some thousand patterns; what is
//! told apart here are the programs that people log in with. Everything else is `Other`, as it is there.

use std::fmt;

/// The programs, the most telling token first: Edge also says Chrome, and Chrome also says Safari. Each with its name at a desk, and its
/// name where the rest says "Mobile".
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("Edg/", "Edge", "Edge"),
    ("EdgA/", "Edge Mobile", "Edge Mobile"),
    ("EdgiOS/", "Edge Mobile", "Edge Mobile"),
    ("OPR/", "Opera", "Opera Mobile"),
    ("SamsungBrowser/", "Samsung Internet", "Samsung Internet"),
    ("FxiOS/", "Firefox iOS", "Firefox iOS"),
    ("Firefox/", "Firefox", "Firefox Mobile"),
    ("CriOS/", "Chrome Mobile iOS", "Chrome Mobile iOS"),
    ("HeadlessChrome/", "HeadlessChrome", "HeadlessChrome"),
    ("Chrome/", "Chrome", "Chrome Mobile"),
    ("Version/", "Safari", "Mobile Safari"),
    ("curl/", "curl", "curl"),
    ("python-requests/", "Python Requests", "Python Requests"),
    ("Go-http-client/", "Go-http-client", "Go-http-client"),
    ("okhttp/", "okhttp", "okhttp"),
];

/// The systems, the most telling token first: an Android also says Linux, and an iPhone also says Mac OS X.
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows NT ", "Windows"),
    ("iPhone OS ", "iOS"),
    ("CPU OS ", "iOS"),
    ("Android ", "Android"),
    ("Android", "Android"),
    ("Mac OS X ", "Mac OS X"),
    ("CrOS x86_64 ", "Chrome OS"),
    ("Ubuntu", "Ubuntu"),
    ("Fedora", "Fedora"),
    ("Linux", "Linux"),
];

/// What the versions of Windows NT are called.
const WINDOWS: &[(&str, &str)] = &[("6.1", "7"), ("6.2", "8"), ("6.3", "8.1")];

/// A `User-Agent` header, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAgent<'a> {
    program: (&'static str, &'a str),
    system: (&'static str, &'a str),
    /// Whether it says that it is a telephone or a tablet.
    pub mobile: bool,
}

impl<'a> UserAgent<'a> {
    /// Reads a header.
    pub fn read(header: &'a str) -> Self {
        let mobile = ["Mobile", "Android", "iPhone"].iter().any(|mark| header.contains(mark));
        let after = |token: &str| header.split_once(token).map(|(_, rest)| rest);
        let program = PROGRAMS
            .iter()
            .find_map(|(token, desk, phone)| Some((if mobile { *phone } else { *desk }, after(token)?)));
        let system = SYSTEMS.iter().find_map(|(token, name)| Some((*name, after(token)?)));
        let unknown = ("Other", "");
        Self { program: program.unwrap_or(unknown), system: system.unwrap_or(unknown), mobile }
    }
}

impl fmt::Display for UserAgent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, system) = (version(self.program.1), version(self.system.1));
        let named = WINDOWS.iter().find(|(nt, _)| self.system.0 == "Windows" && system.starts_with(nt));
        let system = named.map_or(system, |(_, name)| name);
        write!(f, "{} {} / {} {}", self.program.0, Three(program), self.system.0, Three(system))
    }
}

/// Returns the version that a text begins with: `10_15_7` of `10_15_7) AppleWebKit`.
fn version(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// A version in three numbers.
struct Three<'a>(&'a str);

impl fmt::Display for Three<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split(['.', '_']).filter(|part| !part.is_empty());
        let mut next = || parts.next().unwrap_or("0");
        write!(f, "{}.{}.{}", next(), next(), next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_system_are_named_with_three_numbers_each() {
        let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
        let iphone =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for (header, said, mobile) in [
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
                "Firefox 140.0.0 / Ubuntu 0.0.0",
                false,
            ),
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {kit} Chrome/120.0.6099.109 Safari/537.36"),
                "Chrome 120.0.6099 / Linux 0.0.0",
                false,
            ),
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {kit} Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91"
                ),
                "Edge 120.0.2210 / Windows 10.0.0",
                false,
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Firefox/52.9".to_owned(),
                "Firefox 52.9.0 / Windows 7.0.0",
                false,
            ),
            (
                format!("{mac} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1.2 Safari/605.1.15"),
                "Safari 17.1.2 / Mac OS X 10.15.7",
                false,
            ),
            (
                format!("{iphone} Version/17.5 Mobile/15E148 Safari/604.1"),
                "Mobile Safari 17.5.0 / iOS 17.5.0",
                true,
            ),
            (
                format!("{iphone} CriOS/120.0.6099 Mobile/15E148"),
                "Chrome Mobile iOS 120.0.6099 / iOS 17.5.0",
                true,
            ),
            (
                format!(
                    "Mozilla/5.0 (Linux; Android 14; Pixel 8) {kit} Chrome/120.0.0.0 Mobile Safari/537.36"
                ),
                "Chrome Mobile 120.0.0 / Android 14.0.0",
                true,
            ),
            ("curl/8.5.0".to_owned(), "curl 8.5.0 / Other 0.0.0", false),
            ("Go-Auth0/latest".to_owned(), "Other 0.0.0 / Other 0.0.0", false),
            ("Chrome/ Windows NT ".to_owned(), "Chrome 0.0.0 / Windows 0.0.0", false),
            (String::new(), "Other 0.0.0 / Other 0.0.0", false),
        ] {
            let read = UserAgent::read(&header);
            assert_eq!((read.to_string().as_str(), read.mobile), (said, mobile), "{header}");
        }
    }
}
