//! A member's own authority: made once, kept offline or on the node, listed in the roster as `tls_ca`.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::authorities::Authorities;
use crate::id::{Role, SpiffeId, check_name};
use crate::inspect::{Bearer, InspectError, inspect, read};
use crate::verify::{Usage, verify};

mod error;
#[cfg(test)]
mod tests;

pub use error::AuthorityError;

/// How long an authority lives unless told otherwise: ten years, since replacing it takes a roster change.
pub const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3_650 * 86_400);

/// How long a leaf lives unless told otherwise: 90 days, so that renewal is a habit and not an emergency.
pub const LEAF_VALIDITY: Duration = Duration::from_secs(90 * 86_400);

/// How far before its making a certificate is valid: a peer whose clock is up to an hour slow accepts it.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(3_600);

/// The last second that X.509 can express: 9999-12-31 23:59:59 UTC (RFC 5280 §4.1.2.5), in Unix seconds.
const END_OF_TIME: u64 = 253_402_300_799;

/// A member's authority: its certificate, and the key that issues leaves.
pub struct Authority {
    member: String,
    certificate: CertificateDer<'static>,
    pem: String,
    not_before: u64,
    not_after: u64,
    issuer: Issuer<'static, KeyPair>,
}

/// A new leaf: what its bearer presents, and the key that proves it.
///
/// Shown with `{:?}`, it keeps its key to itself.
pub struct Leaf {
    /// Who it names.
    pub id: SpiffeId,
    /// The certificate, in PEM. The authority's own certificate is in the roster and not sent along.
    pub chain_pem: String,
    /// The private key: PKCS#8 in PEM, P-256.
    pub key_pem: String,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority for `member`, with a new P-256 key, valid from an hour before `now` (Unix
    /// seconds) until `validity` after it. It may issue leaves and no further authorities.
    ///
    /// # Errors
    /// [`AuthorityError::Id`] if `member` is no name; [`AuthorityError::Validity`] if X.509 cannot express
    /// the end; [`AuthorityError::Making`] if the key cannot be made.
    pub fn create(member: &str, validity: Duration, now: u64) -> Result<Self, AuthorityError> {
        check_name(member)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        set_life(&mut params, now, validity, 0..=END_OF_TIME)?;
        params.distinguished_name = distinguished(member, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![SanType::URI(format!("spiffe://{member}").try_into()?)];
        let pem = params.self_signed(&key)?.pem();
        Self::load(&pem, &key.serialize_pem())
    }

    /// Takes up an authority that [`Authority::create`] made, from the PEM of its certificate and its key.
    ///
    /// # Errors
    /// [`AuthorityError::Inspect`] if the certificate cannot be read; [`AuthorityError::NoAuthority`] if it
    /// is somebody's leaf; [`AuthorityError::KeyMismatch`] if the key is another one's.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let inspection = inspect(certificate_pem)?;
        let Bearer::Authority { member } = inspection.bearer else {
            return Err(AuthorityError::NoAuthority(inspection.bearer));
        };
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| InspectError::Pem(error.to_string()))?;
        let key = KeyPair::from_pem(key_pem)?;
        if read(&certificate)?.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::KeyMismatch { member });
        }
        Ok(Self {
            member,
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
            pem: certificate_pem.to_owned(),
            not_before: inspection.not_before,
            not_after: inspection.not_after,
        })
    }

    /// Whose authority it is.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// The certificate, for the roster's `tls_ca`.
    #[must_use]
    pub fn cert_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate, for a file.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.pem
    }

    /// The private key in PKCS#8 PEM, for [`crate::write_private`] and nothing else.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues a leaf with a new P-256 key, valid from an hour before `now` (Unix seconds) until `validity`
    /// after it, and never longer than the authority itself.
    ///
    /// Its one URI SAN is `spiffe://<member>/<role>/<name>`. A node's leaf serves and calls, and also
    /// carries its `hosts` (DNS names and addresses), which grpcurl and grpcio check; other leaves only call.
    ///
    /// # Errors
    /// [`AuthorityError::Id`] for a wrong name; [`AuthorityError::NoHosts`] for a node without hosts;
    /// [`AuthorityError::NeedlessHosts`] for hosts of anybody else; [`AuthorityError::NotInForce`] outside
    /// the authority's own life.
    pub fn issue(
        &self,
        role: Role,
        name: &str,
        hosts: &[ServerName<'_>],
        validity: Duration,
        now: u64,
    ) -> Result<Leaf, AuthorityError> {
        let id = SpiffeId::new(&self.member, role, name)?;
        match (role, hosts.is_empty()) {
            (Role::Node, true) => return Err(AuthorityError::NoHosts(id)),
            (Role::Node, false) | (_, true) => {}
            (_, false) => return Err(AuthorityError::NeedlessHosts(id)),
        }
        if now < self.not_before || self.not_after <= now {
            return Err(AuthorityError::NotInForce {
                member: self.member.clone(),
                not_before: self.not_before,
                not_after: self.not_after,
            });
        }
        let mut params = CertificateParams::default();
        set_life(&mut params, now, validity, self.not_before..=self.not_after)?;
        params.distinguished_name = distinguished(&self.member, &format!("{role} {name}"));
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
        for host in hosts {
            params.subject_alt_names.push(match host {
                ServerName::DnsName(name) => SanType::DnsName(name.as_ref().try_into()?),
                ServerName::IpAddress(address) => SanType::IpAddress(IpAddr::from(*address)),
                other => return Err(AuthorityError::Host(format!("{other:?}"))),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match role {
            Role::Node => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            _ => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let chain_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { id, chain_pem, key_pem: key.serialize_pem() })
    }

    /// Issues a leaf for whom `leaf_pem` names, with the same hosts, a new key and a new life.
    ///
    /// An expired leaf may be renewed; one that this authority did not issue may not.
    ///
    /// # Errors
    /// [`AuthorityError::Foreign`] for a leaf of another authority, and those of [`Authority::issue`].
    pub fn renew(&self, leaf_pem: &str, validity: Duration, now: u64) -> Result<Leaf, AuthorityError> {
        let old = inspect(leaf_pem)?;
        let leaf = CertificateDer::from_pem_slice(leaf_pem.as_bytes())
            .map_err(|error| InspectError::Pem(error.to_string()))?;
        let mut own = Authorities::new();
        own.insert(&self.member, std::slice::from_ref(&self.certificate))?;
        // Judged at its own beginning: that it has expired since is why it is renewed.
        let beginning = UnixTime::since_unix_epoch(Duration::from_secs(old.not_before));
        let id = verify(&leaf, &[], &own, beginning, Usage::Client)
            .map_err(|reason| AuthorityError::Foreign { member: self.member.clone(), reason })?;
        let mut hosts: Vec<ServerName<'_>> = Vec::new();
        for name in &old.dns {
            hosts.push(ServerName::try_from(name.as_str()).map_err(|_| AuthorityError::Host(name.clone()))?);
        }
        hosts.extend(old.ips.iter().map(|address| ServerName::from(*address)));
        self.issue(id.role(), id.name(), &hosts, validity, now)
    }
}

/// The subject: for people who look at a certificate; no decision rests on it.
fn distinguished(member: &str, what: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, member);
    name.push(DnType::CommonName, what);
    name
}

/// Sets the life of a certificate: from [`CLOCK_TOLERANCE`] before `now` until `validity` after it, within
/// the `issuer`'s own life (all in Unix seconds).
fn set_life(
    params: &mut CertificateParams,
    now: u64,
    validity: Duration,
    issuer: RangeInclusive<u64>,
) -> Result<(), AuthorityError> {
    let end = now.checked_add(validity.as_secs()).filter(|end| (now + 1..=END_OF_TIME).contains(end));
    let Some(end) = end else { return Err(AuthorityError::Validity { now, validity }) };
    let begin = now.saturating_sub(CLOCK_TOLERANCE.as_secs());
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(begin.max(*issuer.start()));
    params.not_after = epoch + Duration::from_secs(end.min(*issuer.end()));
    Ok(())
}
