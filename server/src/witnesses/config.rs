//! `[witnesses.NAME]` of almenarad.toml.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use bytes::Bytes;
use http::{Uri, uri::Scheme};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use almenara_client::tls::{Clock, provider, time_provider};
use almenara_proto::note::{KeyKind, VerifierKey};

use super::http::{Unanswered, post};

/// Where Debian, and what follows it, keeps the authorities of the public web.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A witness outside the federation.
#[derive(Clone, Debug)]
pub struct Witness {
    name: String,
    key: VerifierKey,
    place: Place,
    tls: Option<Arc<ClientConfig>>,
}

/// Where it listens, out of its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `host:port`.
    pub(super) address: String,
    pub(super) host: ServerName<'static>,
    /// The whole path that is posted to.
    pub(super) path: String,
    secure: bool,
}

/// Its verifier key: only what it cosigns is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey(VerifierKey);

/// Its URL: the prefix before `/add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessUrl(Place);

impl Witness {
    /// A witness under the name that its operator is known by here. Over HTTPS its certificate must lead to one of the
    /// `authorities` (PEM); of plain HTTP nothing is asked, since a cosignature proves itself and nothing secret is sent.
    ///
    /// # Errors
    /// What to mend, in words.
    pub fn new(
        name: &str,
        url: WitnessUrl,
        key: WitnessKey,
        authorities: Option<PathBuf>,
        clock: &Clock,
    ) -> Result<Self, String> {
        let tls = url.0.secure.then(|| tls(authorities, clock)).transpose()?;
        Ok(Self { name: name.to_owned(), key: key.0, place: url.0, tls })
    }

    /// Its name here.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Under which its cosignatures hold.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    pub(super) async fn post(&self, body: Bytes) -> Result<(u16, Bytes), Unanswered> {
        post(&self.place, self.tls.as_ref(), body).await
    }
}

fn tls(authorities: Option<PathBuf>, clock: &Clock) -> Result<Arc<ClientConfig>, String> {
    let file = authorities.unwrap_or_else(|| AUTHORITIES.into());
    let unreadable = |why: &dyn std::fmt::Display| {
        format!("{}: {why}; name the authorities of its certificate with `authorities`", file.display())
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| unreadable(&error))? {
        // One authority that cannot be used is no reason to do without the others.
        drop(roots.add(certificate.map_err(|error| unreadable(&error))?));
    }
    if roots.is_empty() {
        return Err(unreadable(&"there is no authority in it"));
    }
    let config = ClientConfig::builder_with_details(provider(), time_provider(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl FromStr for WitnessKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let key: VerifierKey = text.parse().map_err(|error| format!("{error}"))?;
        match key.kind() {
            KeyKind::CosignatureV1 => Ok(Self(key)),
            KeyKind::Ed25519 => {
                Err("this is the key of a log: the base64 of a witness's begins with BA".to_owned())
            }
        }
    }
}

impl FromStr for WitnessUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write https://HOST[:PORT][/PREFIX], or http://…".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (secure, port) = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => (true, 443),
            Some(scheme) if *scheme == Scheme::HTTP => (false, 80),
            _ => return Err(wrong()),
        };
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority.host();
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self(Place {
            address: format!("{host}:{}", authority.port_u16().unwrap_or(port)),
            host: ServerName::try_from(name).map_err(|_| wrong())?,
            path: format!("{}/add-checkpoint", uri.path().trim_end_matches('/')),
            secure,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, &str, bool)>) {
        let found = url.parse::<WitnessUrl>().ok().map(|url| url.0);
        let found = found.as_ref().map(|place| (place.address.as_str(), place.path.as_str(), place.secure));
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn a_url_is_read_in_one_way() {
        check("https://w.example", Some(("w.example:443", "/add-checkpoint", true)));
        check("https://w.example:8443/a/b/", Some(("w.example:8443", "/a/b/add-checkpoint", true)));
        check("http://127.0.0.1:7380", Some(("127.0.0.1:7380", "/add-checkpoint", false)));
        check("http://[::1]:7380/w", Some(("[::1]:7380", "/w/add-checkpoint", false)));
        for bad in
            ["", "w.example", "ftp://w.example", "https://", "https://u:p@w.example", "https://w.example?x=1"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn a_key_is_that_of_a_witness() {
        let public =
            almenara_proto::keys::PublicKey::of(&almenara_proto::keys::SigningKey::from_bytes(&[7; 32]));
        let text = |kind| VerifierKey::new("w.example/w1", kind, &public.0).expect("a key").to_string();
        assert!(text(KeyKind::CosignatureV1).parse::<WitnessKey>().is_ok());
        let error = text(KeyKind::Ed25519).parse::<WitnessKey>().expect_err("of a log");
        assert!(error.contains("key of a log"), "{error}");
        assert!("w.example".parse::<WitnessKey>().is_err());
    }
}
