//! Allowed URLs: what counts as one of the registered (RFC 9700 section 2.1, RFC 8252 section 7.3, contract/oidc.md 5.1).
//!
//! Nothing here parses, decodes or normalises a URL: a second parser that reads it differently from the browser is how
//! open redirects come about. A candidate equals a registered text, save for the case of scheme and host, one wildcard
//! label, and the port of a native application's loopback address.

/// The two parts of a URL that are compared differently: scheme and authority, and the rest from the first `/`, `?` or `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    authority: &'a str,
    rest: &'a str,
}

fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, after) = url.split_once("://")?;
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let scheme_ok =
        scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && scheme.bytes().all(valid);
    scheme_ok.then_some(Parts { scheme, authority: &after[..end], rest: &after[end..] })
}

/// Returns whether no part of the text can be read in two ways: no blanks, control or non-ASCII characters, backslashes.
fn plain(url: &str) -> bool {
    url.len() <= 4096
        && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'<' | b'>' | b'"' | b'`'))
}

/// Returns whether `candidate` is one of the registered callback URLs.
pub fn is_allowed_callback<'a>(
    candidate: &str,
    mut registered: impl Iterator<Item = &'a str>,
    native: bool,
) -> bool {
    // RFC 6749 section 3.1.2: the endpoint URI must not include a fragment.
    plain(candidate)
        && !candidate.contains('#')
        && registered.any(|r| same(candidate, r) || (native && same_loopback(candidate, r)))
}

/// Returns whether `candidate` is one of the Allowed Logout URLs of `/oidc/logout`: the whole text counts.
pub fn is_allowed_logout<'a>(candidate: &str, mut registered: impl Iterator<Item = &'a str>) -> bool {
    plain(candidate) && registered.any(|r| same(candidate, r))
}

/// Returns whether `candidate` is one of the Allowed Logout URLs of `/v2/logout`, where query and fragment do not count.
pub fn is_allowed_return_to<'a>(candidate: &str, mut registered: impl Iterator<Item = &'a str>) -> bool {
    let bare = |url: &str| url.find(['?', '#']).map_or(url.len(), |at| at);
    plain(candidate) && registered.any(|r| same(&candidate[..bare(candidate)], &r[..bare(r)]))
}

fn same(candidate: &str, registered: &str) -> bool {
    if candidate == registered {
        return !registered.contains('*');
    }
    let (Some(c), Some(r)) = (split(candidate), split(registered)) else { return false };
    c.rest == r.rest && c.scheme.eq_ignore_ascii_case(r.scheme) && same_authority(c, r)
}

fn same_authority(c: Parts<'_>, r: Parts<'_>) -> bool {
    if !r.authority.contains('*') {
        // User info would be part of the authority; compared as written, it can only match if it was registered.
        return c.authority.eq_ignore_ascii_case(r.authority);
    }
    let web = r.scheme.eq_ignore_ascii_case("https") || r.scheme.eq_ignore_ascii_case("http");
    web && matches_wildcard(&c.authority.to_ascii_lowercase(), &r.authority.to_ascii_lowercase())
}

/// One wildcard, in the left-most label, one label deep, and never on a public suffix.
fn matches_wildcard(authority: &str, pattern: &str) -> bool {
    let (Some((label, parent)), Some((label_pattern, parent_pattern))) =
        (authority.split_once('.'), pattern.split_once('.'))
    else {
        return false;
    };
    let Some((prefix, suffix)) = label_pattern.split_once('*') else { return false };
    let parent_host = parent_pattern.split(':').next().unwrap_or_default();
    if suffix.contains('*')
        || parent_pattern.contains('*')
        || is_public_suffix(parent_host)
        || parent != parent_pattern
    {
        return false;
    }
    label.len() > prefix.len() + suffix.len()
        && label.starts_with(prefix)
        && label.ends_with(suffix)
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Hosts under which strangers can register a name. The full list changes weekly and weighs 200 kB; what is refused here
/// is every single label, `co.uk`-like pairs, and the large hosting domains. `localhost` is one person's machine.
fn is_public_suffix(host: &str) -> bool {
    const SECOND: &[&str] =
        &["co", "com", "net", "org", "gov", "edu", "ac", "ne", "or", "go", "gob", "nom", "id"];
    const HOSTING: &[&str] = &[
        "amplifyapp.com",
        "appspot.com",
        "azurewebsites.net",
        "azurestaticapps.net",
        "blogspot.com",
        "cloudfront.net",
        "firebaseapp.com",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "glitch.me",
        "herokuapp.com",
        "netlify.app",
        "ngrok.app",
        "ngrok.io",
        "ngrok-free.app",
        "onrender.com",
        "pages.dev",
        "railway.app",
        "surge.sh",
        "trycloudflare.com",
        "vercel.app",
        "web.app",
        "workers.dev",
    ];
    let mut labels = host.split('.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some("localhost"), None, _) => false,
        (_, None, _) => true,
        (Some(second), Some(top), None) => {
            (top.len() == 2 && SECOND.contains(&second)) || HOSTING.contains(&host)
        }
        _ => false,
    }
}

/// RFC 8252 section 7.3: a native application's loopback address may have any port, the literal addresses only.
fn same_loopback(candidate: &str, registered: &str) -> bool {
    fn host(authority: &str) -> Option<&str> {
        ["127.0.0.1", "[::1]"].into_iter().find(|h| {
            authority.strip_prefix(h).is_some_and(|port| {
                port.is_empty()
                    || port
                        .strip_prefix(':')
                        .is_some_and(|p| p.parse::<u16>().is_ok_and(|n| n.to_string() == p))
            })
        })
    }
    let (Some(c), Some(r)) = (split(candidate), split(registered)) else { return false };
    c.rest == r.rest
        && c.scheme == "http"
        && r.scheme == "http"
        && host(c.authority).is_some_and(|h| host(r.authority) == Some(h))
}

/// Returns the origin of a web URL, `https://app.example`, as a browser would send it; none for other schemes.
pub fn origin(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.origin().ascii_serialization())
}

/// Returns whether an `Origin` header names one of the registered URLs' origins (scheme, host and port only).
pub fn is_allowed_origin<'a>(candidate: &str, registered: impl Iterator<Item = &'a str>) -> bool {
    let Some(c) = split(candidate) else { return false };
    if !plain(candidate) || !c.rest.is_empty() {
        return false;
    }
    registered.into_iter().any(|r| {
        if r.contains('*') {
            return split(r).is_some_and(|r| c.scheme.eq_ignore_ascii_case(r.scheme) && same_authority(c, r));
        }
        origin(r).is_some_and(|o| o.eq_ignore_ascii_case(candidate))
    })
}

/// Returns whether the tenant's owner can be told from a stranger by this callback: a web URL that is no loopback
/// (contract/oidc.md 3.6). A custom scheme or a port on the user's machine can be taken by any other program.
pub fn is_verifiable(callback: &str) -> bool {
    let Ok(url) = url::Url::parse(callback) else { return false };
    match url.host() {
        Some(url::Host::Domain(host)) => {
            url.scheme() == "https" && host != "localhost" && !host.ends_with(".localhost")
        }
        Some(url::Host::Ipv4(ip)) => url.scheme() == "https" && !ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => url.scheme() == "https" && !ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: [&str; 2] = ["https://app.example/cb", "https://*.pr.app.example/cb"];

    #[test]
    fn a_callback_is_matched_as_written() {
        let web = |c: &str| is_allowed_callback(c, WEB.into_iter(), false);
        assert!(web("https://app.example/cb"));
        assert!(web("HTTPS://App.Example/cb"));
        assert!(web("https://pr-1.pr.app.example/cb"));
        for bad in [
            "https://appXexample/cb",
            "https://app.example/cb/",
            "https://app.example/cb/..;/x",
            "https://app.example/cb/../x",
            "https://app.example/cb%2f..",
            "https://a@b@app.example/cb",
            "https://app.example@evil.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb#x",
            "https://app.example/cb?next=//evil",
            "https://app.example/CB",
            "https://a.b.pr.app.example/cb",
            "https://.pr.app.example/cb",
            "https://evil.example/.pr.app.example/cb",
            "https://evil.example\\.pr.app.example/cb",
            "https://evil.example?.pr.app.example/cb",
            "https://*.pr.app.example/cb",
            "https://a@x.pr.app.example/cb",
            "https://x.pr.app.example:8443/cb",
            "http://x.pr.app.example/cb",
            " https://app.example/cb",
            "https://app.example/cb\n",
            "//app.example/cb",
            "app.example/cb",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!web(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_native_loopback_addresses_have_a_free_port() {
        let native = |c: &str| {
            is_allowed_callback(c, ["http://127.0.0.1/cb", "http://[::1]:3000/cb"].into_iter(), true)
        };
        assert!(native("http://127.0.0.1:49152/cb"));
        assert!(native("http://127.0.0.1/cb"));
        assert!(native("http://[::1]:1/cb"));
        for bad in [
            "http://localhost:49152/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:1/other",
            "https://127.0.0.1:1/cb",
            "http://127.0.0.2:1/cb",
        ] {
            assert!(!native(bad), "{bad:?}");
        }
        assert!(!is_allowed_callback("http://127.0.0.1:1/cb", ["http://127.0.0.1/cb"].into_iter(), false));
    }

    #[test]
    fn wildcards_do_not_reach_what_strangers_can_register() {
        let allowed = |c: &str, r: &str| is_allowed_callback(c, [r].into_iter(), false);
        assert!(allowed("https://pr-7-x.example.com/cb", "https://pr-*-x.example.com/cb"));
        assert!(allowed("http://a.localhost:3000/cb", "http://*.localhost:3000/cb"));
        for (candidate, registered) in [
            ("https://evil.com/cb", "https://*.com/cb"),
            ("https://evil.co.uk/cb", "https://*.co.uk/cb"),
            ("https://evil.github.io/cb", "https://*.github.io/cb"),
            ("https://a.b.example.com/cb", "https://*.*.example.com/cb"),
            ("https://a.x.example.com/cb", "https://a.*.example.com/cb"),
            ("https://x.example.com/evil", "https://x.example.com/*"),
            ("https://evil/cb", "https://*/cb"),
            ("app://x.example.com/cb", "app://*.example.com/cb"),
        ] {
            assert!(!allowed(candidate, registered), "{candidate} for {registered}");
        }
    }

    #[test]
    fn custom_schemes_match_exactly() {
        let registered = ["com.example.app://login.example.org/ios/com.example.app/callback"];
        assert!(is_allowed_callback(registered[0], registered.into_iter(), true));
        assert!(!is_allowed_callback("com.example.app://evil/", registered.into_iter(), true));
    }

    #[test]
    fn return_to_ignores_query_and_hash_and_oidc_logout_does_not() {
        let list = ["https://app.example/out"];
        assert!(is_allowed_return_to("https://app.example/out?x=1#y", list.into_iter()));
        assert!(!is_allowed_return_to("https://app.example/Out", list.into_iter()));
        assert!(!is_allowed_return_to("https://evil.example?https://app.example/out", list.into_iter()));
        assert!(is_allowed_logout("https://app.example/out", list.into_iter()));
        assert!(!is_allowed_logout("https://app.example/out?x=1", list.into_iter()));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let list = ["https://app.example/cb", "http://localhost:3000", "https://*.pr.app.example"];
        let allowed = |o: &str| is_allowed_origin(o, list.into_iter());
        assert!(
            allowed("https://app.example")
                && allowed("http://localhost:3000")
                && allowed("https://x.pr.app.example")
        );
        for bad in [
            "http://app.example",
            "https://app.example:8443",
            "null",
            "https://app.example/",
            "http://localhost",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn callbacks_on_the_users_own_machine_prove_nothing() {
        assert!(is_verifiable("https://app.example/cb"));
        for url in [
            "http://localhost:3000/cb",
            "https://localhost/cb",
            "http://127.0.0.1/cb",
            "com.example.app://cb",
        ] {
            assert!(!is_verifiable(url), "{url}");
        }
    }
}
