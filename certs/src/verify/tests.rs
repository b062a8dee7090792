use std::time::Duration;

use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::{Authority, Leaf, Role};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const MONTH: Duration = Duration::from_secs(30 * DAY);
const YEAR: Duration = Duration::from_secs(365 * DAY);

fn authority(member: &str) -> Authority {
    Authority::create(member, YEAR, NOW).unwrap()
}

fn roster(listed: &[&Authority]) -> Authorities {
    let mut authorities = Authorities::new();
    for authority in listed {
        authorities.insert(authority.member(), &[authority.cert_der()]).unwrap();
    }
    authorities
}

fn der(leaf: &Leaf) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(leaf.chain_pem.as_bytes()).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn judged(leaf: &CertificateDer<'_>, authorities: &Authorities) -> Result<SpiffeId, IdentityError> {
    verify(leaf, &[], authorities, at(NOW), Usage::Client)
}

/// A certificate that the authority signs although no tool of ours would make it.
fn forged(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let key = KeyPair::from_pem(&authority.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_der(authority.cert_der(), key).unwrap();
    let mut params = CertificateParams::default();
    change(&mut params);
    params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[test]
fn each_role_of_a_member_is_named_by_its_own_authority() {
    let (police, ngo) = (authority("police.example"), authority("ngo.example"));
    let listed = roster(&[&police, &ngo]);
    for role in Role::ALL {
        let hosts: &[ServerName<'_>] =
            if role == Role::Node { &[ServerName::try_from("node.police.example").unwrap()] } else { &[] };
        let leaf = police.issue(role, "one", hosts, MONTH, NOW).unwrap();
        let id = judged(&der(&leaf), &listed).unwrap();
        assert_eq!(id, leaf.id);
        assert_eq!((id.member(), id.role(), id.name()), ("police.example", role, "one"));
        let serves = verify(&der(&leaf), &[], &listed, at(NOW), Usage::Server);
        assert_eq!(serves.is_ok(), role == Role::Node, "only nodes serve: {serves:?}");
    }
}

#[test]
fn the_authority_of_one_member_cannot_name_another() {
    let (police, ngo) = (authority("police.example"), authority("ngo.example"));
    let listed = roster(&[&police, &ngo]);
    let leaf = forged(&police, |params| params.subject_alt_names = vec![uri("spiffe://ngo.example/node/a")]);
    let error = judged(&leaf, &listed).unwrap_err();
    assert!(
        matches!(&error, IdentityError::ForeignAuthority { id } if id.member() == "ngo.example"),
        "{error}"
    );
}

#[test]
fn an_authority_with_a_member_s_name_but_another_key_is_a_foreign_one() {
    let (real, fake) = (authority("police.example"), authority("police.example"));
    let leaf = fake.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
    let error = judged(&der(&leaf), &roster(&[&real])).unwrap_err();
    assert!(matches!(error, IdentityError::ForeignAuthority { .. }), "{error}");
}

#[test]
fn a_valid_certificate_of_nobody_on_the_roster_is_refused() {
    let (police, ngo) = (authority("police.example"), authority("ngo.example"));
    let leaf = ngo.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
    let error = judged(&der(&leaf), &roster(&[&police])).unwrap_err();
    assert!(matches!(error, IdentityError::NotOnRoster { .. }), "{error}");
    assert!(error.to_string().contains("spiffe://ngo.example/consumer/one"), "{error}");
    assert_eq!(error.id(), Some(&leaf.id));
}

#[test]
fn a_common_name_without_an_alternative_name_is_nobody() {
    let police = authority("police.example");
    let leaf = forged(&police, |params| {
        params.distinguished_name.push(DnType::CommonName, "spiffe://police.example/node/a\u{1b}[2J");
    });
    let error = judged(&leaf, &roster(&[&police])).unwrap_err();
    assert!(matches!(error, IdentityError::Unreadable(InspectError::NoUri { .. })), "{error}");
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

#[test]
fn two_uris_are_nobody_even_if_both_would_do() {
    let police = authority("police.example");
    for second in ["spiffe://police.example/node/b", "spiffe://police.example/node/a", "https://x.example/"] {
        let leaf = forged(&police, |params| {
            params.subject_alt_names = vec![uri("spiffe://police.example/node/a"), uri(second)];
        });
        let error = judged(&leaf, &roster(&[&police])).unwrap_err();
        assert!(matches!(error, IdentityError::Unreadable(InspectError::ManyUris { .. })), "{error}");
    }
}

#[test]
fn a_uri_that_is_no_identity_is_nobody() {
    let police = authority("police.example");
    for text in ["https://police.example/", "spiffe://police.example", "spiffe://police.example/root/a"] {
        let leaf = forged(&police, |params| params.subject_alt_names = vec![uri(text)]);
        let error = judged(&leaf, &roster(&[&police])).unwrap_err();
        assert!(matches!(error, IdentityError::Unreadable(InspectError::Id(_))), "{error}");
    }
}

#[test]
fn a_certificate_counts_only_during_its_life() {
    let police = authority("police.example");
    let listed = roster(&[&police]);
    let leaf = police.issue(Role::Consumer, "one", &[], MONTH, NOW + DAY).unwrap();
    let judge = |now| verify(&der(&leaf), &[], &listed, at(now), Usage::Client);
    let begin = NOW + DAY - 3_600;
    let end = NOW + 31 * DAY;
    assert!(
        matches!(judge(begin - 1), Err(IdentityError::NotYetValid { not_before, .. }) if not_before == begin)
    );
    assert!(judge(begin).is_ok());
    assert!(judge(end).is_ok());
    assert!(matches!(judge(end + 1), Err(IdentityError::Expired { not_after, .. }) if not_after == end));
}

#[test]
fn an_expired_authority_names_nobody() {
    let old = Authority::create("police.example", MONTH, NOW).unwrap();
    let key = KeyPair::from_pem(&old.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_der(old.cert_der(), key).unwrap();
    let mut params = CertificateParams::default(); // lives for millennia, longer than who issued it
    params.subject_alt_names = vec![uri("spiffe://police.example/consumer/one")];
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone();
    let judge = |now| verify(&leaf, &[], &roster(&[&old]), at(now), Usage::Client);
    assert!(judge(NOW + 29 * DAY).is_ok());
    assert!(matches!(judge(NOW + 31 * DAY), Err(IdentityError::AuthorityNotInForce { .. })));
}

#[test]
fn a_leaf_counts_under_the_old_and_the_new_authority_while_the_roster_lists_both() {
    let (old, new) = (authority("police.example"), authority("police.example"));
    let mut both = Authorities::new();
    both.insert("police.example", &[old.cert_der(), new.cert_der()]).unwrap();
    for authority in [&old, &new] {
        let leaf = authority.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
        assert!(judged(&der(&leaf), &both).is_ok());
    }
}

#[test]
fn an_authority_or_a_self_signed_certificate_is_no_leaf() {
    let police = authority("police.example");
    let ca = forged(&police, |params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.subject_alt_names = vec![uri("spiffe://police.example/node/a")];
    });
    assert!(matches!(judged(&ca, &roster(&[&police])), Err(IdentityError::Chain { .. })));
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://police.example/node/a")];
    let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    assert!(matches!(judged(&own, &roster(&[&police])), Err(IdentityError::ForeignAuthority { .. })));
}

#[test]
fn a_leaf_cannot_issue_another() {
    let police = authority("police.example");
    let leaf = police.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
    let key = KeyPair::from_pem(&leaf.key_pem).unwrap();
    let issuer = Issuer::from_ca_cert_der(&der(&leaf), key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://police.example/operator/root")];
    let second = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone();
    let error = verify(&second, &[der(&leaf)], &roster(&[&police]), at(NOW), Usage::Client).unwrap_err();
    assert!(matches!(error, IdentityError::Chain { .. } | IdentityError::ForeignAuthority { .. }), "{error}");
}

#[test]
fn no_bytes_make_it_panic_and_no_changed_byte_names_somebody_else() {
    let police = authority("police.example");
    let listed = roster(&[&police]);
    let leaf = police.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
    let good = der(&leaf).to_vec();
    for index in 0..good.len() {
        let mut changed = good.clone();
        *changed.get_mut(index).unwrap() ^= 0x55;
        assert!(judged(&CertificateDer::from(changed), &listed).is_err(), "byte {index}");
        let cut = good.get(..index).unwrap().to_vec();
        assert!(judged(&CertificateDer::from(cut), &listed).is_err(), "cut at {index}");
    }
}
