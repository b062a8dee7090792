//! What a certificate says, for people and for those who check it.

use std::fmt;
use std::net::IpAddr;

use data_encoding::HEXLOWER;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::id::{IdError, SpiffeId, check_name};
use crate::{moment, tame};

/// What a certificate says of itself. Nothing here is verified: that is [`crate::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Who it names.
    pub bearer: Bearer,
    /// The issuer's distinguished name, fit for a terminal.
    pub issuer: String,
    /// First second of its life, in Unix seconds.
    pub not_before: u64,
    /// Last second of its life, in Unix seconds.
    pub not_after: u64,
    /// DNS names that it may serve.
    pub dns: Vec<String>,
    /// Addresses that it may serve.
    pub ips: Vec<IpAddr>,
    /// SHA-256 of the certificate's DER, in lowercase hex.
    pub fingerprint_sha256: String,
}

/// Who a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A node, desk, account or person of a member.
    Leaf(SpiffeId),
    /// A member's authority itself, `spiffe://<member>`.
    Authority {
        /// The member.
        member: String,
    },
}

impl fmt::Display for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(id) => id.fmt(f),
            Self::Authority { member } => write!(f, "the authority of {member}"),
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "names         {}", self.bearer)?;
        writeln!(f, "issued by     {}", self.issuer)?;
        writeln!(f, "valid from    {}", moment(self.not_before))?;
        writeln!(f, "valid until   {}", moment(self.not_after))?;
        if !self.dns.is_empty() {
            writeln!(f, "DNS names     {}", self.dns.join(", "))?;
        }
        if !self.ips.is_empty() {
            let ips: Vec<String> = self.ips.iter().map(IpAddr::to_string).collect();
            writeln!(f, "addresses     {}", ips.join(", "))?;
        }
        write!(f, "SHA-256       {}", self.fingerprint_sha256)
    }
}

/// Reads what the first certificate of a PEM text says.
///
/// # Errors
/// [`InspectError`] if there is none, or if it is not one that this protocol could use.
pub fn inspect(pem: &str) -> Result<Inspection, InspectError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| InspectError::Pem(error.to_string()))?;
    let certificate = read(&der)?;
    let names = Names::of(&certificate)?;
    let uri = names.one_uri()?;
    let bearer = match uri.strip_prefix("spiffe://").filter(|_| certificate.is_ca()) {
        Some(member) => {
            check_name(member)?;
            Bearer::Authority { member: member.to_owned() }
        }
        None => Bearer::Leaf(uri.parse()?),
    };
    let (not_before, not_after) = life(&certificate);
    Ok(Inspection {
        bearer,
        issuer: tame(&certificate.issuer().to_string()),
        not_before,
        not_after,
        dns: names.dns,
        ips: names.ips,
        fingerprint_sha256: HEXLOWER.encode(&Sha256::digest(&der)),
    })
}

/// Parses exactly one certificate, to its last byte.
pub(crate) fn read<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, InspectError> {
    match parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(InspectError::Malformed("bytes follow after its end".to_owned())),
        Err(error) => Err(InspectError::Malformed(error.to_string())),
    }
}

/// First and last second of a certificate, in Unix seconds; what lies before 1970 is 1970.
pub(crate) fn life(certificate: &X509Certificate<'_>) -> (u64, u64) {
    let validity = certificate.validity();
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    (seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp()))
}

/// The alternative names of a certificate.
pub(crate) struct Names {
    subject: String,
    uris: Vec<String>,
    dns: Vec<String>,
    ips: Vec<IpAddr>,
}

impl Names {
    /// Reads them; a name of a kind that we read and cannot is a malformed certificate, so that no reader
    /// counts fewer names than another.
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Result<Self, InspectError> {
        let mut names = Self {
            subject: tame(&certificate.subject().to_string()),
            uris: Vec::new(),
            dns: Vec::new(),
            ips: Vec::new(),
        };
        let extension = certificate
            .subject_alternative_name()
            .map_err(|error| InspectError::Malformed(error.to_string()))?;
        for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::DNSName(dns) => names.dns.push(tame(dns)),
                GeneralName::IPAddress(bytes) => names.ips.push(address(bytes)?),
                GeneralName::Invalid(..) => {
                    return Err(InspectError::Malformed("one of its names cannot be read".to_owned()));
                }
                _ => {} // e-mail and directory names say nothing to us
            }
        }
        Ok(names)
    }

    /// The one URI. A common name never stands in for it.
    pub(crate) fn one_uri(&self) -> Result<&str, InspectError> {
        match self.uris.as_slice() {
            [uri] => Ok(uri),
            [] => Err(InspectError::NoUri { subject: self.subject.clone() }),
            [first, second, ..] => Err(InspectError::ManyUris { first: tame(first), second: tame(second) }),
        }
    }
}

fn address(bytes: &[u8]) -> Result<IpAddr, InspectError> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes)
        .map(IpAddr::from)
        .map_err(|_| InspectError::Malformed("an address in it has neither 4 nor 16 bytes".to_owned()))
}

/// Why a certificate says nothing that we could use. Blame: `Malformed`, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// No PEM certificate in the text.
    #[error(
        "there is no certificate in it ({0}): it should hold a block that begins with -----BEGIN CERTIFICATE-----"
    )]
    Pem(String),
    /// Not an X.509 certificate.
    #[error("the certificate is malformed: {0}")]
    Malformed(String),
    /// No URI among its alternative names.
    #[error(
        "the certificate of '{subject}' has no URI among its alternative names, and its subject does not count: issue one with `almenarad cert issue`"
    )]
    NoUri {
        /// Its distinguished name, fit for a terminal.
        subject: String,
    },
    /// More than one URI among its alternative names.
    #[error(
        "the certificate names both '{first}' and '{second}', and only one may speak: issue one with `almenarad cert issue`"
    )]
    ManyUris {
        /// The first, fit for a terminal.
        first: String,
        /// The second, fit for a terminal.
        second: String,
    },
    /// Its URI is no identity of the protocol.
    #[error("the certificate names nobody: {0}; issue one with `almenarad cert issue`")]
    Id(#[from] IdError),
}
