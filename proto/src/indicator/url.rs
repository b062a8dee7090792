//! URLs: the WHATWG serialisation of an http or https URL, without userinfo and fragment.

use super::{Kind, NotCanonical, NotWellFormed, Warning, domain, ip, refang};
use std::borrow::Cow;
use url::{Host, Url};

/// Longest URL, in bytes. Browsers and blocklists agree on URLs up to about 2,000 characters, and the longest are
/// tracking parameters that identify victims.
pub(super) const MAX_URL_BYTES: usize = 2_048;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    if value.len() > MAX_URL_BYTES {
        return Err("a URL has at most 2,048 bytes");
    }
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let rest = rest.ok_or("a URL starts with http:// or https://")?;
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'#')) {
        return Err(
            "a URL is printable ASCII without spaces, quotes, angle brackets, backslashes and fragment",
        );
    }
    let (authority, _path) = rest.split_once('/').ok_or("a URL has a path, at least /")?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|p| {
        p.starts_with('0') || p.parse::<u16>().is_err() || !p.bytes().all(|b| b.is_ascii_digit())
    }) {
        return Err("a port is a number from 1 to 65535");
    }
    // An authority with userinfo or a query fails here: neither `@` nor `?` is part of any host.
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return if v6.contains('/') { Err("a host is no network") } else { ip::well_formed(v6) };
    }
    domain::well_formed(host).or_else(|rule| host.parse::<std::net::Ipv4Addr>().map(|_| ()).map_err(|_| rule))
}

pub(super) fn canonical(input: &str) -> Result<(String, Vec<Warning>), NotCanonical> {
    let because =
        |because| NotCanonical::form(Kind::Url, input, because, "give the whole URL, http:// or https://");
    if input.chars().any(char::is_control) {
        // The parser would drop tabs and newlines silently, and make one URL of two lines.
        return Err(because("it has a control character"));
    }
    let fanged = refanged(input).ok_or_else(|| because("it does not start with http:// or https://"))?;
    let mut url = Url::parse(&fanged).map_err(|_| because("the URL standard (WHATWG) cannot read it"))?;

    url.set_fragment(None);
    // A URL with a host takes these; an http URL always has one.
    let bare = url.set_username("").and_then(|()| url.set_password(None));
    bare.map_err(|()| because("it has no host"))?;
    let warnings = set_canonical_host(&mut url, input)?;

    // The standard keeps a backslash in a query; ours never has one.
    let value = url.as_str().replace('\\', "%5C");
    well_formed(&value).map_err(|rule| NotWellFormed::new(Kind::Url, &value, rule))?;
    // The parser must read its own output as it wrote it, or two readers would sign two forms.
    match Url::parse(&value) {
        Ok(again) if again.as_str() == value => Ok((value, warnings)),
        _ => Err(because("the URL standard (WHATWG) reads it in two ways")),
    }
}

fn set_canonical_host(url: &mut Url, input: &str) -> Result<Vec<Warning>, NotCanonical> {
    let reason = || NotCanonical::form(Kind::Url, input, "it has no host", "give the whole URL");
    match url.host().ok_or_else(reason)? {
        Host::Domain(name) => {
            // The parser decodes percent signs, maps by UTS #46 and lowercases; the rule of names comes on top.
            let (name, warnings) = domain::host(Kind::Url, name)?;
            url.set_host(Some(&name)).map_err(|_| reason())?;
            Ok(warnings)
        }
        Host::Ipv4(v4) => {
            ip::public(Kind::Url, v4.into(), input)?;
            Ok(Vec::new())
        }
        Host::Ipv6(v6) => {
            let address = ip::public(Kind::Url, v6.to_canonical(), input)?;
            url.set_ip_host(address).map_err(|()| reason())?;
            Ok(Vec::new())
        }
    }
}

/// A defanged URL whole again. The path is touched only if the scheme or the host was defanged: `?q=[.]` may be meant.
fn refanged(input: &str) -> Option<String> {
    let scheme = refang::scheme(input)?;
    let end = scheme.rest.find(['/', '?', '#', '\\']).unwrap_or(scheme.rest.len());
    let (authority, path) = scheme.rest.split_at_checked(end)?;
    let host = refang::signs(authority);
    let path =
        if scheme.defanged || host != authority { Cow::from(refang::signs(path)) } else { Cow::from(path) };
    Some(format!("{}://{host}{path}", scheme.name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, differs, refused, void};
    use super::*;

    #[test]
    fn one_url_has_one_form() {
        let u = Kind::Url;
        check(u, "http://evil.com\\@good.com", "http://evil.com/@good.com");
        check(u, "hxxps://Evil[.]Example/a[.]php", "https://evil.example/a.php");
        check(u, "http://evil.example", "http://evil.example/");
        check(u, "http://evil.example./", "http://evil.example/");
        check(u, "HTTP://user:pass@evil.example:80/a#frag", "http://evil.example/a");
        check(u, "https://evil.example:8443/a/../b?q=1", "https://evil.example:8443/b?q=1");
        check(u, "http://evil.example/?q=[.]", "http://evil.example/?q=[.]");
        check(u, "http://evil.example/?q=a\\b", "http://evil.example/?q=a%5Cb");
        check(u, "http://evil.example/a b\"c", "http://evil.example/a%20b%22c");
        check(u, "http://раураl.com/", "http://xn--l-7sba6dbr.com/");
        check(u, "http://134744072/", "http://8.8.8.8/");
        check(u, "http://[2600:0::1]/", "http://[2600::1]/");
        check(u, "http://[::ffff:8.8.8.8]/", "http://8.8.8.8/");
        check(u, "http[:]//evil[.]example?a=1", "http://evil.example/?a=1");
    }

    #[test]
    fn what_is_no_public_web_url_is_refused() {
        for url in [
            "evil.example/a",
            "ftp://evil.example/",
            "javascript:alert(1)",
            "http://",
            "http://0x7f.1/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://localhost/",
            "http://co.uk/",
            "http://evil.example/a\tb",
            "http://evil.example/a\nhttp://b.example",
            "http://evil.example:0/",
            "http://ev il.example/",
            "http://xn--example-.org/",
        ] {
            refused(Kind::Url, url);
        }
        refused(Kind::Url, &format!("http://evil.example/{}", "a".repeat(2_048)));
    }

    #[test]
    fn a_url_is_void_by_its_bytes_alone() {
        for url in [
            "http://evil.example",
            "http://user@evil.example/",
            "http://evil.example/#a",
            "http://evil.example/a b",
            "http://evil.example/\\",
            "http://evil.example:/",
            "http://evil.example:080/",
            "http://evil.example:+80/",
            "http://evil.example:65536/",
            "http://Evil.example/",
            "http://[2600::0001]/",
            "http://[2600::/48]/",
            "http://evil.example?a=/",
            "https:///a",
        ] {
            void(Kind::Url, url);
        }
        differs(Kind::Url, "http://evil.example/a/../b");
        differs(Kind::Url, "https://evil.example:443/");
    }
}
