use super::*;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const MONTH: Duration = Duration::from_secs(30 * DAY);
const YEAR: Duration = Duration::from_secs(365 * DAY);

fn authority() -> Authority {
    Authority::create("police.th.example", YEAR, NOW).unwrap()
}

fn hosts() -> Vec<ServerName<'static>> {
    ["node.police.th.example", "127.0.0.1", "::1"]
        .into_iter()
        .map(|host| ServerName::try_from(host).unwrap())
        .collect()
}

#[test]
fn an_authority_survives_its_files() {
    let made = authority();
    let loaded = Authority::load(made.cert_pem(), &made.key_pem()).unwrap();
    assert_eq!(loaded.member(), "police.th.example");
    assert_eq!(loaded.cert_der(), made.cert_der());
    let leaf = loaded.issue(Role::Consumer, "desk", &[], MONTH, NOW).unwrap();
    assert!(made.renew(&leaf.chain_pem, MONTH, NOW).is_ok(), "both are the same authority");
    let other = authority();
    assert!(matches!(
        Authority::load(made.cert_pem(), &other.key_pem()),
        Err(AuthorityError::KeyMismatch { .. })
    ));
    assert!(matches!(
        Authority::load(&leaf.chain_pem, &leaf.key_pem),
        Err(AuthorityError::NoAuthority(Bearer::Leaf(_)))
    ));
    assert!(Authority::load("", &made.key_pem()).is_err());
    assert!(Authority::load(made.cert_pem(), "").is_err());
}

#[test]
fn a_node_s_leaf_says_who_it_is_and_where() {
    let leaf = authority().issue(Role::Node, "main", &hosts(), MONTH, NOW).unwrap();
    let said = inspect(&leaf.chain_pem).unwrap();
    assert_eq!(said.bearer, Bearer::Leaf(leaf.id));
    assert_eq!(said.dns, ["node.police.th.example"]);
    assert_eq!(said.ips, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    assert_eq!((said.not_before, said.not_after), (NOW - 3_600, NOW + 30 * DAY));
    assert_eq!(said.fingerprint_sha256.len(), 64);
    let shown = said.to_string();
    assert!(shown.contains("spiffe://police.th.example/node/main") && shown.contains("Feb 14"), "{shown}");
}

#[test]
fn hosts_belong_to_nodes_and_to_nobody_else() {
    let authority = authority();
    assert!(matches!(authority.issue(Role::Node, "main", &[], MONTH, NOW), Err(AuthorityError::NoHosts(_))));
    for role in [Role::Publisher, Role::Consumer, Role::Auditor, Role::Operator] {
        assert!(matches!(
            authority.issue(role, "one", &hosts(), MONTH, NOW),
            Err(AuthorityError::NeedlessHosts(_))
        ));
        assert!(authority.issue(role, "one", &[], MONTH, NOW).is_ok());
    }
    assert!(authority.issue(Role::Consumer, "Not A Name", &[], MONTH, NOW).is_err());
}

#[test]
fn no_leaf_outlives_its_authority_and_none_is_issued_outside_its_life() {
    let authority = authority();
    let end = NOW + 365 * DAY;
    let leaf = authority.issue(Role::Consumer, "one", &[], YEAR, end - DAY).unwrap();
    assert_eq!(inspect(&leaf.chain_pem).unwrap().not_after, end);
    for now in [NOW - 3_601, end, end + DAY, u64::MAX] {
        assert!(authority.issue(Role::Consumer, "one", &[], MONTH, now).is_err(), "{now}");
    }
}

#[test]
fn a_life_that_no_certificate_can_express_is_refused() {
    let refused = |now, seconds| Authority::create("a", Duration::from_secs(seconds), now).is_err();
    assert!(refused(NOW, 0));
    assert!(refused(NOW, u64::MAX));
    assert!(refused(u64::MAX, 1));
    assert!(refused(END_OF_TIME, 1));
    assert!(!refused(END_OF_TIME - 1, 1));
    assert!(!refused(0, 1));
}

#[test]
fn a_renewal_keeps_the_name_and_the_hosts_and_changes_the_key_and_the_life() {
    let authority = authority();
    let old = authority.issue(Role::Node, "main", &hosts(), MONTH, NOW).unwrap();
    let later = NOW + 60 * DAY; // long expired
    let new = authority.renew(&old.chain_pem, MONTH, later).unwrap();
    assert_eq!(new.id, old.id);
    assert_ne!(new.key_pem, old.key_pem);
    let (was, is) = (inspect(&old.chain_pem).unwrap(), inspect(&new.chain_pem).unwrap());
    assert_eq!((is.bearer, is.dns, is.ips), (was.bearer, was.dns, was.ips));
    assert_eq!(is.not_after, later + 30 * DAY);
    assert_ne!(is.fingerprint_sha256, was.fingerprint_sha256);
}

#[test]
fn what_another_authority_issued_is_not_renewed() {
    let (own, other) = (authority(), authority());
    let ngo = Authority::create("ngo.example", YEAR, NOW).unwrap();
    for foreign in [other, ngo] {
        let leaf = foreign.issue(Role::Operator, "root", &[], MONTH, NOW).unwrap();
        assert!(matches!(own.renew(&leaf.chain_pem, MONTH, NOW), Err(AuthorityError::Foreign { .. })));
    }
    assert!(own.renew(own.cert_pem(), MONTH, NOW).is_err());
}

#[test]
fn nothing_that_is_printed_shows_a_private_key() {
    let authority = authority();
    let leaf = authority.issue(Role::Consumer, "one", &[], MONTH, NOW).unwrap();
    let shown = format!("{authority:?} {leaf:?}");
    assert!(shown.contains("police.th.example") && shown.contains("Consumer"), "{shown}");
    let secret = leaf.key_pem.lines().nth(1).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("BEGIN"), "{shown}");
}
