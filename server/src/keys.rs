//! The keys that a node needs to run.

use std::path::{Path, PathBuf};

use almenara_certs::{FileError, read_private, write_private};
use almenara_client::{
    exit::CliError,
    keyfile::{self, KeyFile, Purpose},
    passphrase::Passphrases,
    text::tame,
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    name::MemberName,
    roster::Member,
};
use data_encoding::HEXLOWER;

use crate::config::KeyFiles;

/// A node's keys. The root key is not among them.
pub struct NodeKeys {
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Cosigns other members' checkpoints.
    pub cosign: SigningKey,
    /// Hides which indicators were withdrawn.
    pub tombstone: [u8; 32],
}

impl NodeKeys {
    /// Loads the keys of `member`. Where the roster lists another key than a file holds, and one that was made for a
    /// later roster is it (`log.next.pem` beside `log.pem`), that one.
    ///
    /// # Errors
    /// [`CliError`], when one is missing, may be read by others, is damaged, or is another's.
    pub fn load(
        files: &KeyFiles,
        member: &MemberName,
        listed: Option<&Member>,
        passphrases: &Passphrases,
    ) -> Result<Self, CliError> {
        let own = |path: &Path, purpose| -> Result<SigningKey, CliError> {
            let KeyFile { holder, key, .. } = keyfile::load(path, purpose, passphrases)?;
            if holder == member.as_str() {
                return Ok(key);
            }
            let path = path.display();
            Err(CliError::usage(format!("{path} is the {purpose} key of {}, not of {member}", tame(&holder))))
        };
        let in_force = |path: &Path, purpose, listed: Option<PublicKey>| -> Result<SigningKey, CliError> {
            let (key, next) = (own(path, purpose)?, next_path(path));
            if listed.is_some_and(|listed| listed != PublicKey::of(&key)) && next.exists() {
                let next = own(&next, purpose)?;
                if listed == Some(PublicKey::of(&next)) {
                    return Ok(next);
                }
            }
            Ok(key)
        };
        let log_key = listed.and_then(Member::segment).map(|segment| segment.log_key);
        Ok(Self {
            log: in_force(&files.log, Purpose::Log, log_key)?,
            cosign: in_force(&files.cosign, Purpose::Cosign, listed.map(|member| member.cosign_key))?,
            tombstone: load_tombstone(&files.tombstone)?,
        })
    }
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKeys")
    }
}

/// Where the key for a later roster lies: `log.pem` → `log.next.pem`.
#[must_use]
pub fn next_path(path: &Path) -> PathBuf {
    path.with_extension("next.pem")
}

/// Writes a new tombstone key: 64 hex digits below a line that names it.
///
/// # Errors
/// [`FileError`]; a file that exists is never overwritten.
pub fn create_tombstone(path: &Path, member: &MemberName, key: &[u8; 32]) -> Result<(), FileError> {
    write_private(path, &format!("# almenara: tombstone key of {member}\n{}\n", HEXLOWER.encode(key)))
}

fn load_tombstone(path: &Path) -> Result<[u8; 32], CliError> {
    let text = read_private(path)?;
    let digits = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    digits
        .and_then(|digits| HEXLOWER.decode(digits.as_bytes()).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            CliError::usage(format!(
                "{} holds no tombstone key (64 hex digits): restore it from a backup, since with a new one withdrawn \
                 indicators could come back",
                path.display()
            ))
        })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_key_comes_back_and_damage_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tombstone.key");
        create_tombstone(&path, &"a.example".parse().expect("a name"), &[7; 32]).expect("written");
        assert_eq!(load_tombstone(&path).expect("loaded"), [7; 32]);
        let text = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, text.replace("0707", "07")).expect("written");
        let error = load_tombstone(&path).expect_err("damaged").to_string();
        assert!(error.contains("tombstone.key") && error.contains("backup"), "{error}");
    }
}
