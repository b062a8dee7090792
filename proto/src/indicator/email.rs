//! E-mail addresses: a lowercase local part without quotes, and a domain.

use super::{Kind, NotCanonical, Warning, domain, refang};

/// RFC 5321: a local part.
const MAX_LOCAL_BYTES: usize = 64;
/// RFC 5321: a path of 256 bytes, without its angle brackets.
const MAX_ADDRESS_BYTES: usize = 254;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    if value.len() > MAX_ADDRESS_BYTES {
        return Err("an address has at most 254 bytes");
    }
    let (local, host) = value.split_once('@').ok_or("an address has an @")?;
    local_well_formed(local)?;
    domain::well_formed(host)
}

/// RFC 5322's dot-atom in lowercase. Quoted local parts are legal, never seen, and break every format downstream.
fn local_well_formed(local: &str) -> Result<(), &'static str> {
    let is_atext =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if local.len() > MAX_LOCAL_BYTES {
        return Err("the part before @ has at most 64 bytes");
    }
    if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext)) {
        return Err("the part before @ is a dotted word in lowercase ASCII, without quotes");
    }
    Ok(())
}

pub(super) fn canonical(input: &str) -> Result<(String, Vec<Warning>), NotCanonical> {
    let address = refang::signs(input);
    let address = address.strip_prefix("mailto:").unwrap_or(&address);
    let because =
        |because| NotCanonical::form(Kind::Email, input, because, "give one bare address, name@host");
    let (local, host) = address.rsplit_once('@').ok_or_else(|| because("it has no @"))?;
    if host.starts_with('[') {
        return Err(because("its host is an IP address"));
    }
    let local = local.to_ascii_lowercase();
    local_well_formed(&local).map_err(because)?;
    let (host, warnings) = domain::host(Kind::Email, host)?;
    // The host of an address is shared by design (mail providers): only the look-alike is news.
    let warnings = warnings.into_iter().filter(|w| matches!(w, Warning::LooksLike { .. })).collect();
    Ok((format!("{local}@{host}"), warnings))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, refused, void};
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        let e = Kind::Email;
        check(e, "Agent.Smith@Evil.Example", "agent.smith@evil.example");
        check(e, "<agent@evil.example>", "agent@evil.example");
        check(e, "agent[at]evil(dot)example", "agent@evil.example");
        check(e, "mailto:agent+1@evil.example.", "agent+1@evil.example");
        check(e, "agent@münchen.example", "agent@xn--mnchen-3ya.example");
    }

    #[test]
    fn quoted_parts_and_address_literals_are_refused() {
        for address in [
            "\"a b\"@evil.example",
            "agent@[127.0.0.1]",
            "agent@127.0.0.1",
            "agent",
            "@evil.example",
            "agent@",
            ".a@evil.example",
            "a..b@evil.example",
            "a@b@evil.example",
            "é@evil.example",
            "agent@co.uk",
            "Agent <agent@evil.example>",
        ] {
            refused(Kind::Email, address);
        }
        refused(Kind::Email, &format!("{}@evil.example", "a".repeat(65)));
    }

    #[test]
    fn an_address_is_void_by_its_bytes_alone() {
        for address in
            ["Agent@evil.example", "agent@Evil.example", "a@b@evil.example", "agent@evil", "a b@evil.example"]
        {
            void(Kind::Email, address);
        }
    }
}
