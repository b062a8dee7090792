use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{config::Environment, passphrase::VARIABLE};

const HOLDER: &str = "police.th.example/cyber-desk";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("desk.pem");
    create(&path, Purpose::Publisher, HOLDER, &key(1)).expect("written");
    (folder, path)
}

/// Nobody to ask.
fn nobody() -> Passphrases {
    Passphrases::default()
}

/// Changes the file's text, and expects `load` to fail with an error that contains `expected`.
fn check(change: impl FnOnce(String) -> String, expected: &str) {
    let (_folder, path) = written();
    let text = change(std::fs::read_to_string(&path).expect("read"));
    std::fs::write(&path, text).expect("written");
    let error = load(&path, Purpose::Publisher, &nobody()).expect_err("refused").to_string();
    assert!(error.contains(expected) && error.contains("desk.pem"), "{error}");
}

#[test]
fn a_key_comes_back_as_it_was_written_and_names_its_one_purpose() {
    let (_folder, path) = written();
    let text = std::fs::read_to_string(&path).expect("read");
    let first = format!(
        "# almenara: publisher key of {HOLDER}, public {}\n-----BEGIN PRIVATE KEY-----\n",
        PublicKey::of(&key(1))
    );
    assert!(text.starts_with(&first), "{text}");
    let loaded = load(&path, Purpose::Publisher, &nobody()).expect("loaded");
    assert_eq!((loaded.key.to_bytes(), loaded.holder.as_str()), (key(1).to_bytes(), HOLDER));
    assert!(!format!("{loaded:?}").contains("key: "), "a key is never shown");
}

#[test]
fn a_key_file_is_never_overwritten() {
    let (_folder, path) = written();
    let error = create(&path, Purpose::Publisher, HOLDER, &key(2)).expect_err("refused").to_string();
    assert!(error.contains("never overwritten"), "{error}");
    assert_eq!(load(&path, Purpose::Publisher, &nobody()).expect("loaded").key.to_bytes(), key(1).to_bytes());
}

#[test]
fn a_key_that_others_may_read_is_refused_with_the_command_that_mends_it() {
    let (_folder, path) = written();
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    let error = load(&path, Purpose::Publisher, &nobody()).expect_err("refused").to_string();
    assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
}

#[test]
fn a_key_signs_for_its_own_purpose_only() {
    let (_folder, path) = written();
    for purpose in [Purpose::Root, Purpose::Log, Purpose::Cosign] {
        let error = load(&path, purpose, &nobody()).expect_err("refused").to_string();
        assert!(error.contains("publisher key of police.th.example/cyber-desk"), "{error}");
        assert!(error.contains(&format!("a {purpose} key is needed")), "{error}");
    }
}

#[test]
fn a_file_whose_public_half_does_not_match_is_not_loaded() {
    // In the PEM itself (HOSTILE 12): the private half of one key with the public half of another.
    let forged = KeypairBytes {
        secret_key: key(1).to_bytes(),
        public_key: Some(PublicKeyBytes(key(2).verifying_key().to_bytes())),
    };
    let pem = forged.to_pkcs8_pem(LineEnding::LF).expect("encoded").to_string();
    check(
        |text| format!("{}\n{pem}", text.lines().next().expect("a header")),
        "does not belong to its private half",
    );
    // And in the line before it.
    let (one, two) = (PublicKey::of(&key(1)).to_string(), PublicKey::of(&key(2)).to_string());
    check(|text| text.replace(&one, &two), "does not belong to its private half");
}

#[test]
fn a_key_under_a_passphrase_opens_with_it_and_with_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root.pem");
    create_encrypted(&path, Purpose::Root, "police.th.example", &key(1), "beacon", &Random::system())
        .expect("written");
    let text = std::fs::read_to_string(&path).expect("read");
    assert!(text.starts_with("# almenara: root key of police.th.example, public "), "{text}");
    assert!(text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
    let with = |passphrase| {
        let environment = Environment::of(&[(VARIABLE, passphrase)]);
        load(&path, Purpose::Root, &Passphrases::new(None, &environment))
    };
    assert_eq!(with("beacon").expect("opened").key.to_bytes(), key(1).to_bytes());
    let error = with("beacons").expect_err("refused").to_string();
    assert!(error.contains("does not open with this passphrase") && error.contains("root.pem"), "{error}");
    let error = load(&path, Purpose::Root, &nobody()).expect_err("refused").to_string();
    assert!(error.contains(VARIABLE) && error.contains("--passphrase-fd"), "{error}");
    // What is written is another file each time, and the public half is checked here too.
    let again = folder.path().join("again.pem");
    create_encrypted(&again, Purpose::Root, "x.example", &key(2), "beacon", &Random::system())
        .expect("written");
    let other = std::fs::read_to_string(&again).expect("read").lines().next().expect("a line").to_owned();
    let swapped = text.lines().skip(1).fold(other, |all, line| all + "\n" + line);
    std::fs::write(&path, swapped).expect("written");
    assert!(matches!(with("beacon"), Err(KeyFileError::Halves { .. })));
}

#[test]
fn what_is_no_key_of_ours_is_refused_by_name() {
    check(|text| text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "holds no Ed25519 key");
    check(|text| text.lines().skip(1).collect::<Vec<_>>().join("\n"), "does not say what its key is for");
    check(|text| text.replace("publisher key", "signing key"), "does not say what its key is for");
    check(|text| text.lines().take(2).collect::<Vec<_>>().join("\n"), "no Ed25519 key");
    check(|text| text.replace("PRIVATE KEY", "EC PRIVATE KEY"), "no Ed25519 key");
}

#[test]
fn a_public_half_travels_in_a_file_of_its_own() {
    let (folder, path) = written();
    let path = public_path(&path);
    assert_eq!(path, folder.path().join("desk.pub.pem"));
    create_public(&path, Purpose::Publisher, HOLDER, PublicKey::of(&key(1))).expect("written");
    let label = Some((Purpose::Publisher, HOLDER.to_owned()));
    let loaded = load_public(&path).expect("loaded");
    assert_eq!(loaded, PublicKeyFile { label, key: PublicKey::of(&key(1)) });
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.lines().skip(1).collect::<Vec<_>>().join("\n")).expect("written");
    assert_eq!(load_public(&path).expect("made elsewhere").label, None);
    let other = text.replace(&PublicKey::of(&key(1)).to_string(), &PublicKey::of(&key(2)).to_string());
    std::fs::write(&path, other).expect("written");
    assert!(matches!(load_public(&path), Err(KeyFileError::Halves { .. })));
}

#[test]
fn a_weak_public_key_is_not_admitted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weak.pub.pem");
    let mut identity = [0; 32];
    identity[0] = 1;
    create_public(&path, Purpose::Publisher, HOLDER, PublicKey(identity)).expect("written");
    assert!(matches!(load_public(&path), Err(KeyFileError::Weak(_))));
}
