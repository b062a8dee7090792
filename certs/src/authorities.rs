//! Whose authority may speak for whom: the `tls_ca` of each member in a roster, as trust anchors.

use std::collections::BTreeMap;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::id::{IdError, check_name};
use crate::inspect::{life, read};

/// How many authorities a member may have at once: one, its successor, and as many again for an emergency.
/// Each of them costs every handshake one more try.
pub const MAX_AUTHORITIES_PER_MEMBER: usize = 4;

/// The authorities of every member of one roster. Immutable once shared: a roster change makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    members: BTreeMap<String, Vec<Anchor>>,
}

/// One authority's key and name, with its own life: webpki does not look at an anchor's.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) anchor: TrustAnchor<'static>,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl Authorities {
    /// Nobody's: every certificate is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a member with its authorities (the DER of their certificates), all or none.
    ///
    /// # Errors
    /// [`AuthoritiesError`] for a wrong or repeated name, for none or too many certificates, and for one
    /// that is malformed or no authority's. The map is then unchanged.
    pub fn insert(
        &mut self,
        member: &str,
        certificates: &[impl AsRef<[u8]>],
    ) -> Result<(), AuthoritiesError> {
        check_name(member)?;
        let refuse = |reason: String| AuthoritiesError::Refused { member: member.to_owned(), reason };
        if self.contains(member) {
            return Err(refuse("it is listed twice".to_owned()));
        }
        if certificates.is_empty() {
            return Err(refuse("it has no authority, so that nobody could recognise it".to_owned()));
        }
        if certificates.len() > MAX_AUTHORITIES_PER_MEMBER {
            return Err(refuse(format!("it has more than {MAX_AUTHORITIES_PER_MEMBER} authorities")));
        }
        let anchors: Result<Vec<Anchor>, String> =
            certificates.iter().map(|der| anchor(&CertificateDer::from(der.as_ref()))).collect();
        self.members.insert(member.to_owned(), anchors.map_err(refuse)?);
        Ok(())
    }

    /// Whether the roster has this member.
    #[must_use]
    pub fn contains(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    /// The names of all members, in byte order.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    pub(crate) fn of(&self, member: &str) -> Option<&[Anchor]> {
        self.members.get(member).map(Vec::as_slice)
    }
}

/// Reads one authority: a well-formed X.509 v3 certificate that may sign others.
fn anchor(der: &CertificateDer<'_>) -> Result<Anchor, String> {
    let certificate = read(der).map_err(|error| error.to_string())?;
    if !certificate.is_ca() {
        return Err(
            "one of its certificates is not an authority's (basicConstraints CA is missing)".to_owned()
        );
    }
    let usage = certificate.key_usage().map_err(|error| error.to_string())?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(
            "one of its authorities may not sign certificates (keyUsage keyCertSign is missing)".to_owned()
        );
    }
    let (not_before, not_after) = life(&certificate);
    let anchor = webpki::anchor_from_trusted_cert(der)
        .map_err(|error| format!("one of its certificates is malformed: {error}"))?
        .to_owned();
    Ok(Anchor { anchor, not_before, not_after })
}

/// Why a roster's authorities cannot be used. Blame: `Malformed`, those who signed the roster; the old one
/// stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesError {
    /// The member's name is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The member's authorities cannot be used.
    #[error("the authorities of {member} cannot be used: {reason}; have the roster corrected")]
    Refused {
        /// The member.
        member: String,
        /// Why not.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Authority, Role};

    const NOW: u64 = 1_800_000_000;
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    fn check(certificates: &[CertificateDer<'_>], expected: &str) {
        let mut authorities = Authorities::new();
        let error = authorities.insert("ngo.example", certificates).unwrap_err().to_string();
        assert!(error.contains("ngo.example") && error.contains(expected), "{error}");
        assert!(!authorities.contains("ngo.example"), "nothing is entered by halves");
    }

    #[test]
    fn only_well_formed_authorities_enter() {
        let authority = Authority::create("ngo.example", YEAR, NOW).unwrap();
        let good = authority.cert_der().clone();
        let mut longer = good.to_vec();
        longer.push(0);
        let shorter = good.get(..good.len() - 1).unwrap().to_vec();
        let leaf = authority.issue(Role::Consumer, "desk", &[], YEAR, NOW).unwrap();
        let leaf = rustls_pki_types::pem::PemObject::from_pem_slice(leaf.chain_pem.as_bytes()).unwrap();
        check(&[], "no authority");
        check(&vec![good.clone(); 5], "more than 4");
        check(&[good.clone(), CertificateDer::from(vec![])], "malformed");
        check(&[CertificateDer::from(longer)], "bytes follow");
        check(&[CertificateDer::from(shorter)], "malformed");
        check(&[good.clone(), leaf], "not an authority's");
        let mut authorities = Authorities::new();
        authorities.insert("ngo.example", &[&good]).unwrap();
        assert!(authorities.insert("ngo.example", &[&good]).is_err(), "no member twice");
        assert!(authorities.insert("NGO.example", &[&good]).is_err(), "no member without a name");
        assert_eq!(authorities.members().collect::<Vec<_>>(), ["ngo.example"]);
    }
}
