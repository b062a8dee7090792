//! Companies: `<register>:<registration id>`. Always lookup_only: never exported to a blocklist.

use super::{Kind, NotCanonical, Shown, iban};

/// The registers that a node admits: `lei` (ISO 17442), and every register of GLEIF's Registration Authorities List
/// by its code in lowercase, `ra000585` being Companies House.
pub const REGISTERS: [&str; 2] = ["lei", "ra<six digits of GLEIF's list>"];

/// The longest ids of GLEIF's registers have about 30 characters.
const MAX_ID_BYTES: usize = 64;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let (register, id) = value.split_once(':').ok_or("a company is <register>:<registration id>")?;
    super::handle::name_well_formed(register)?;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err("a registration id has 1 to 64 bytes");
    }
    if !id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'/')) {
        return Err("a registration id has only A-Z, 0-9, hyphens, dots and slashes");
    }
    Ok(())
}

pub(super) fn canonical(input: &str, register: Option<&str>) -> Result<String, NotCanonical> {
    let (register, id) = match (input.split_once(':'), register) {
        (Some(parts), _) => parts,
        (None, Some(register)) => (register, input),
        (None, None) => {
            let instead = "give <register>:<id>, for example ra000585:01234567";
            return Err(NotCanonical::form(Kind::Company, input, "it does not say which register", instead));
        }
    };
    let register = register.trim().to_ascii_lowercase();
    let mut id: String = id.chars().filter(|c| !c.is_whitespace()).collect();
    id.make_ascii_uppercase();
    let listed =
        register.strip_prefix("ra").is_some_and(|n| n.len() == 6 && n.bytes().all(|b| b.is_ascii_digit()));
    if register == "lei" {
        if id.len() != 20 {
            return Err(NotCanonical::form(
                Kind::Company,
                input,
                "an LEI has 20 characters",
                "copy it again",
            ));
        }
        if iban::digits_mod_97(id.bytes()) != 1 {
            return Err(NotCanonical::Checksum { value: Shown::new(input), scheme: "ISO 7064, mod 97-10" });
        }
    } else if !listed {
        return Err(NotCanonical::unknown_name("register", &register, REGISTERS));
    }
    Ok(format!("{register}:{id}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;
    use crate::indicator::Hints;

    #[test]
    fn one_company_has_one_form() {
        let c = Kind::Company;
        check(c, "RA000585: 01234567", "ra000585:01234567");
        check(c, "lei:5493 0084 UKLV MY22 DS16", "lei:54930084UKLVMY22DS16");
        check_with(
            c,
            "0105561234567",
            &Hints { platform: Some("RA000603"), ..Hints::default() },
            "ra000603:0105561234567",
        );
    }

    #[test]
    fn unknown_registers_and_wrong_ids_are_refused() {
        for company in
            ["lei:54930084UKLVMY22DS17", "lei:5493", "kvk:123", "01234567", "ra000585:", "ra000585:é"]
        {
            refused(Kind::Company, company);
        }
        for company in ["RA000585:1", "ra000585:a", "ra000585:1 2", "1"] {
            void(Kind::Company, company);
        }
    }
}
