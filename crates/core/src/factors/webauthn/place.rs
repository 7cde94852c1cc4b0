//! Which kind of device a browser runs on (contract/universal-login.md 7.4), read off its user agent: enough to ask for a key of the device
//! first where one was enrolled, and never more than that. A wrong guess costs a press on "Try another method".

use serde::{Deserialize, Serialize};

/// A kind of device, and what a key of it is known again by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// There is one key for each class.
    pub class: DeviceClass,
    /// The system, with the browser where each browser has keys of its own.
    system: String,
}

/// What people call a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// A desktop computer or laptop.
    Computer,
}

/// The browsers that are told apart, with what their user agents have; the first that fits. Most say that they are Chrome and Safari too.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("SamsungBrowser/", "samsung"),
    ("Firefox/", "firefox"),
    ("Chrome/", "chrome"),
    ("Chromium/", "chrome"),
    ("Safari/", "safari"),
];
/// The first iOS on which all browsers share the device's keys.
const SHARED_SINCE: (u32, u32) = (14, 5);

impl Place {
    /// Reads a user agent; none where a key could not be known again.
    pub fn of(user_agent: &str) -> Option<Self> {
        let has = |part: &str| user_agent.contains(part);
        let browser = || BROWSERS.iter().find(|(part, _)| has(part)).map(|(_, name)| *name);
        let at = |class, system: &str| Some(Self { class, system: system.to_owned() });
        let by_browser =
            |class, system: &str| browser().and_then(|browser| at(class, &format!("{system} {browser}")));
        if has("iPhone") || has("iPad") || has("iPod") {
            let class = if has("iPad") { DeviceClass::Tablet } else { DeviceClass::Phone };
            return if ios_version(user_agent)? >= SHARED_SINCE { at(class, "ios") } else { None };
        }
        if has("Android") {
            let class = if has("Mobile") { DeviceClass::Phone } else { DeviceClass::Tablet };
            return if browser() == Some("chrome") { at(class, "android chrome") } else { None };
        }
        if has("Windows NT") {
            return at(DeviceClass::Computer, "windows");
        }
        match () {
            () if has("Macintosh") => by_browser(DeviceClass::Computer, "macos"),
            () if has("CrOS") => by_browser(DeviceClass::Computer, "chromeos"),
            () if has("Linux") => by_browser(DeviceClass::Computer, "linux"),
            () => None,
        }
    }
}

/// `CPU iPhone OS 14_5_1 like Mac OS X`
fn ios_version(user_agent: &str) -> Option<(u32, u32)> {
    let (_, rest) = user_agent.split_once("OS ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
    const MAC: &str =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)";
    const PIXEL: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)";

    fn place(user_agent: impl AsRef<str>) -> Option<(DeviceClass, String)> {
        Place::of(user_agent.as_ref()).map(|place| (place.class, place.system))
    }

    fn iphone(version: &str) -> String {
        format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS {version} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        )
    }

    #[test]
    fn windows_and_ios_are_one_place_each_for_all_browsers() {
        let windows = Some((DeviceClass::Computer, "windows".to_owned()));
        for browser in ["Chrome/130.0.0.0 Safari/537.36", "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"] {
            assert_eq!(place(format!("{WINDOWS} {browser}")), windows);
        }
        let gecko = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0";
        assert_eq!(place(gecko), windows);
        let phone = Some((DeviceClass::Phone, "ios".to_owned()));
        for (version, found) in
            [("17_0", true), ("14_5", true), ("14_5_1", true), ("14_4", false), ("9_3", false)]
        {
            assert_eq!(place(iphone(version)).is_some(), found, "{version}");
        }
        assert_eq!(place(iphone("18_1") + " CriOS/130.0 Mobile/15E148 Safari/604.1"), phone);
        assert_eq!(place(iphone("18_1") + " Version/18.1 Mobile/15E148 Safari/604.1"), phone);
        let tablet =
            "Mozilla/5.0 (iPad; CPU OS 15_6 like Mac OS X) AppleWebKit/605.1.15 Version/15.6 Safari/604.1";
        assert_eq!(place(tablet), Some((DeviceClass::Tablet, "ios".to_owned())));
    }

    #[test]
    fn on_macos_each_browser_is_a_place_of_its_own() {
        let browsers = [
            ("Chrome/130.0.0.0 Safari/537.36", "macos chrome"),
            ("Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "macos edge"),
            ("Chrome/130.0.0.0 Safari/537.36 OPR/116.0.0.0", "macos opera"),
            ("Version/18.1 Safari/605.1.15", "macos safari"),
        ];
        for (browser, system) in browsers {
            assert_eq!(place(format!("{MAC} {browser}")), Some((DeviceClass::Computer, system.to_owned())));
        }
    }

    #[test]
    fn on_android_chrome_alone_is_known_again() {
        let found = Some((DeviceClass::Phone, "android chrome".to_owned()));
        assert_eq!(place(format!("{PIXEL} Chrome/130.0.0.0 Mobile Safari/537.36")), found);
        let tablet = place(format!("{PIXEL} Chrome/130.0.0.0 Safari/537.36"));
        assert_eq!(tablet.map(|(class, _)| class), Some(DeviceClass::Tablet));
        for other in [
            "SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile",
            "Chrome/130.0.0.0 Mobile Safari/537.36 EdgA/130.0",
        ] {
            assert_eq!(place(format!("{PIXEL} {other}")), None, "{other}");
        }
        assert_eq!(place("Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0"), None);
    }

    #[test]
    fn what_is_no_browser_of_a_device_is_nowhere() {
        for odd in
            ["", "curl/8.0", "Mozilla/5.0", "OS ", "iPhone OS", "iPhone OS 99999999999999999999_1", "Linux"]
        {
            assert_eq!(place(odd), None, "{odd}");
        }
    }
}
