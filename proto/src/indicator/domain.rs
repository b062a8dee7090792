//! Domains: UTS #46 A-labels, lowercase, without a trailing dot.

use super::{Kind, NotCanonical, Shown, Warning, refang};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// RFC 1035: a name in presentation form, without the trailing dot.
const MAX_NAME_BYTES: usize = 253;
/// RFC 1035: one label.
const MAX_LABEL_BYTES: usize = 63;

/// Names that every network answers for itself (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`): a report of one
/// would mean another machine for each reader. `.onion` is not among them: it is a name in one world.
const LOCAL: [&str; 5] = ["localhost", "local", "internal", "localdomain", "arpa"];

pub(super) fn well_formed(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME_BYTES {
        return Err("a name has at most 253 bytes");
    }
    let (mut labels, mut last) = (0_u32, "");
    for label in name.split('.') {
        label_well_formed(label.as_bytes())?;
        labels += 1;
        last = label;
    }
    if labels < 2 {
        return Err("a name has at least two labels");
    }
    if is_number(last) {
        return Err("the last label is a number, as in an IP address");
    }
    Ok(())
}

fn label_well_formed(label: &[u8]) -> Result<(), &'static str> {
    let (Some(first), Some(last)) = (label.first(), label.last()) else {
        return Err("a label is empty");
    };
    if label.len() > MAX_LABEL_BYTES {
        return Err("a label has at most 63 bytes");
    }
    if *first == b'-' || *last == b'-' {
        return Err("a label starts or ends with a hyphen");
    }
    // Underscores are no host names by RFC 952, but they are legal in DNS, and scammers use them.
    if !label.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
        return Err("a label has only a-z, 0-9, hyphens and underscores");
    }
    Ok(())
}

/// WHATWG URL, "ends in a number": browsers read a host whose last label is one as an IPv4 address.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        || !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit())
}

/// Admission of a well-formed name: only `xn--` labels need the Unicode tables.
pub(super) fn admissible(name: &str) -> Result<(), NotCanonical> {
    if name.split('.').any(|label| label.starts_with("xn--")) {
        let canonical = to_ascii(name)?;
        if canonical != name {
            return Err(NotCanonical::Differs {
                kind: Kind::Domain,
                value: Shown::new(name),
                canonical: Shown::new(&canonical),
            });
        }
    }
    permitted(Kind::Domain, name)
}

/// The canonical name and its warnings, from cleaned input.
pub(super) fn canonical(input: &str) -> Result<(String, Vec<Warning>), NotCanonical> {
    let input = spaceless(&refang::signs(input));
    if input.contains(['/', ':', '@']) {
        let instead = "give the bare name, or report it as url, email or ip";
        return Err(NotCanonical::form(Kind::Domain, &input, "it is more than a name", instead));
    }
    if input.starts_with("*.") {
        let instead = "give the name without it, and say include_subdomains";
        return Err(NotCanonical::form(Kind::Domain, &input, "a pattern is no name", instead));
    }
    host(Kind::Domain, &input)
}

/// The host of anything that has one: a domain, a URL, an e-mail address.
pub(super) fn host(kind: Kind, input: &str) -> Result<(String, Vec<Warning>), NotCanonical> {
    let name = to_ascii(input)?;
    if name.rsplit('.').next().is_some_and(is_number) {
        return Err(NotCanonical::LooksLikeIp { value: Shown::new(input) });
    }
    well_formed(&name).map_err(|rule| super::NotWellFormed::new(kind, &name, rule))?;
    permitted(kind, &name)?;
    let warnings = warnings(&name);
    Ok((name, warnings))
}

/// Spaces around dots, as in `evil . example`, go; any other space stays and is refused later.
fn spaceless(name: &str) -> String {
    name.split('.').map(str::trim).collect::<Vec<_>>().join(".")
}

fn to_ascii(name: &str) -> Result<String, NotCanonical> {
    // The URL deny list is the STD3 rule without its ban on underscores; `well_formed` refuses the rest.
    let ascii = Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| NotCanonical::Undecodable { value: Shown::new(name) })?;
    Ok(ascii.strip_suffix('.').unwrap_or(&ascii).to_owned())
}

/// `name` is well formed, so it is lowercase, which the public suffix list needs.
fn permitted(kind: Kind, name: &str) -> Result<(), NotCanonical> {
    if name.rsplit('.').next().is_some_and(|last| LOCAL.contains(&last)) {
        let because = "such names mean another machine in every network";
        return Err(NotCanonical::refused(kind, name, because, "report names of the public DNS"));
    }
    if is_suffix(name) && !is_customer(name) {
        return Err(NotCanonical::PublicSuffix { value: Shown::new(name) });
    }
    Ok(())
}

fn is_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.as_bytes().len() == name.len())
}

/// Whether a suffix is one customer's: hosters list `*.compute-1.example`, which makes a suffix of each machine. It
/// is so if any other label in its place is a suffix of a private entry as well.
fn is_customer(suffix: &str) -> bool {
    let Some((_, parent)) = suffix.split_once('.') else { return false };
    // No list names a label with two underscores.
    let sibling = format!("__.{parent}");
    let private = psl::suffix(suffix.as_bytes()).and_then(|suffix| suffix.typ()) == Some(psl::Type::Private);
    private && is_suffix(&sibling)
}

fn warnings(name: &str) -> Vec<Warning> {
    let shared = psl::suffix(name.as_bytes())
        .filter(|suffix| suffix.typ() == Some(psl::Type::Private) && suffix.as_bytes().len() < name.len())
        .and_then(|suffix| str::from_utf8(suffix.as_bytes()).ok())
        .map(|suffix| Warning::SharedHost { suffix: Shown::new(suffix) });
    looks_like(name).into_iter().chain(shared).collect()
}

/// The ASCII name that a reader takes an internationalised one for (UTS #39 confusables, letter by letter).
fn looks_like(name: &str) -> Option<Warning> {
    if !name.split('.').any(|label| label.starts_with("xn--")) {
        return None;
    }
    let (unicode, _) = Uts46::new().to_unicode(name.as_bytes(), AsciiDenyList::URL, Hyphens::Allow);
    let mut ascii = String::with_capacity(unicode.len());
    for c in unicode.chars() {
        // ASCII stays: the skeleton of `m` is `rn`, which would name something that nobody sees.
        if c.is_ascii() {
            ascii.push(c);
        } else {
            ascii.extend(unicode_security::confusable_detection::skeleton(c.encode_utf8(&mut [0; 4])));
        }
    }
    (ascii.is_ascii())
        .then(|| Warning::LooksLike { ascii: Shown::new(&ascii), unicode: Shown::new(&unicode) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, differs, refused, void};
    use super::*;
    use crate::indicator::{Hints, Indicator, canonicalise};

    #[test]
    fn one_name_has_one_form() {
        let d = Kind::Domain;
        check(d, "EXAMPLE.CO.UK", "example.co.uk");
        check(d, "ｇｏｏｇｌｅ。ｃｏｍ", "google.com");
        check(d, " hello[.]example. ", "hello.example");
        check(d, "evil . example", "evil.example");
        check(d, "_dmarc.evil.example", "_dmarc.evil.example");
        check(d, "münchen.example", "xn--mnchen-3ya.example");
        check(d, "XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example");
        check(d, "faß.example", "xn--fa-hia.example");
        check(d, "r3---sn-abc.example", "r3---sn-abc.example");
        check(d, "a\u{200b}b.example", "ab.example");
        check(d, "abcdefghij.onion", "abcdefghij.onion");
    }

    #[test]
    fn suffixes_look_alikes_and_undecodable_names_are_refused() {
        let d = Kind::Domain;
        for suffix in ["co.uk", "CO.UK", "github.io", "foo.ck"] {
            assert!(matches!(
                canonicalise(d, suffix, &Hints::default()),
                Err(NotCanonical::PublicSuffix { .. })
            ));
        }
        for ip in ["0x7f.1", "127.0.0.1", "1.2.3", "a.0x", "evil.00000000000000000001", "1。2。3。4"] {
            assert!(
                matches!(canonicalise(d, ip, &Hints::default()), Err(NotCanonical::LooksLikeIp { .. })),
                "{ip}"
            );
        }
        for name in
            ["xn--example-.org", "xn--a.example", "xn--.example", "xn--a-ecp.ru\u{300}.example\u{fffe}"]
        {
            assert!(
                matches!(canonicalise(d, name, &Hints::default()), Err(NotCanonical::Undecodable { .. })),
                "{name}"
            );
        }
        for name in ["com", "", "a..example", "-a.example", "a-.example", "a b.example", "*.evil.example"] {
            refused(d, name);
        }
        for name in [
            "http://evil.example",
            "evil.example/a",
            "a@evil.example",
            "evil.example:80",
            "a.local",
            "1.10.in-addr.arpa",
        ] {
            refused(d, name);
        }
        refused(d, &format!("{}.example", "a".repeat(64)));
        refused(d, &format!("{}example", "a.".repeat(124)));
    }

    #[test]
    fn a_node_refuses_what_is_not_canonical() {
        for name in [
            "EXAMPLE.com",
            "example.com.",
            "example",
            "a b.example",
            "münchen.example",
            "a.b-.example",
            "1.2.3.4",
            "xn--example-.org",
        ] {
            void(Kind::Domain, name);
        }
        for name in ["co.uk", "xn--a.example", "xn--example.org", "a.localhost"] {
            assert!(Indicator::new(Kind::Domain, name).unwrap().admissible().is_err(), "{name}");
        }
        for name in ["xn--mnchen-3ya.example", "fake-broker.example", "_a.example"] {
            assert_eq!(Indicator::new(Kind::Domain, name).unwrap().admissible(), Ok(()), "{name}");
        }
        differs(Kind::Url, "http://evil.example:80/");
    }

    #[test]
    fn a_cyrillic_look_alike_is_another_name_and_warned_about() {
        let look_alike = canonicalise(Kind::Domain, "раураl.com", &Hints::default()).unwrap();
        assert_eq!(look_alike.indicator.value(), "xn--l-7sba6dbr.com");
        let warning = look_alike.warnings.first().unwrap().to_string();
        assert!(warning.starts_with("reads like \"paypal.com\""), "{warning}");
        for honest in ["paypal.com", "münchen.example", "москва.example"] {
            assert_eq!(
                canonicalise(Kind::Domain, honest, &Hints::default()).unwrap().warnings,
                [],
                "{honest}"
            );
        }
    }

    #[test]
    fn a_machine_of_a_hoster_is_no_public_suffix() {
        let machine =
            canonicalise(Kind::Domain, "ec2-8-8-8-8.compute-1.amazonaws.com", &Hints::default()).unwrap();
        assert_eq!((machine.indicator.admissible(), machine.warnings), (Ok(()), Vec::new()));
        refused(Kind::Domain, "foo.ck");
        refused(Kind::Domain, "pages.dev");
    }

    #[test]
    fn a_customer_of_a_shared_host_is_marked() {
        let warnings = canonicalise(Kind::Domain, "evil.pages.dev", &Hints::default()).unwrap().warnings;
        assert_eq!(warnings, [Warning::SharedHost { suffix: Shown::new("pages.dev") }]);
    }
}
