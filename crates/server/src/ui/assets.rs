//! The files that pages load: one style sheet, one script, and one more on the pages that ask for keys or what the browser can do, embedded in the binary.
//!
//! Served under `/assets/NAME?v=HASH`. The hash changes with the content, so they may be cached for a year.

/// One file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const ASSETS: &[Asset] = &[
    Asset {
        name: "page.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../assets/page.css"),
    },
    Asset {
        name: "page.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../assets/page.js"),
    },
    Asset {
        name: "webauthn.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../assets/webauthn.js"),
    },
    Asset {
        name: "capabilities.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../assets/capabilities.js"),
    },
    Asset {
        name: "favicon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../../assets/favicon.svg"),
    },
];

/// Returns a file's content type and bytes. `path` is what follows `/assets/`, without the query.
pub fn get(path: &str) -> Option<(&'static str, &'static [u8])> {
    ASSETS.iter().find(|asset| asset.name == path).map(|asset| (asset.content_type, asset.bytes))
}

/// Returns the address of a file, with the hash of its content.
pub(super) fn url(name: &str) -> String {
    let bytes = get(name).map(|(_, bytes)| bytes).unwrap_or_default();
    format!("/assets/{name}?v={:016x}", fnv1a(bytes))
}

/// FNV-1a: enough to tell one version of our own files from the next; nothing relies on it being hard to collide.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_name_only() {
        assert_eq!(get("page.css").unwrap().0, "text/css; charset=utf-8");
        assert!(get("../page.css").is_none());
        assert!(get("").is_none());
        assert!(url("page.css").starts_with("/assets/page.css?v="));
    }

    #[test]
    fn a_page_stays_small() {
        let usual = ASSETS.iter().filter(|asset| !matches!(asset.name, "webauthn.js" | "capabilities.js"));
        let total: usize = usual.map(|asset| asset.bytes.len()).sum();
        assert!(
            total < 22_000,
            "style and script weigh {total} bytes; a page should stay under 30 KB in all"
        );
    }
}
