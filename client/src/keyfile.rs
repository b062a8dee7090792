//! Signing keys on disk: PKCS#8 PEM (RFC 5958, RFC 8410) of mode 0600, with one line before it that names the
//! key's one purpose and its holder.
//!
//! ```text
//! # almenara: publisher key of police.th.example/cyber-desk, public 5f0c…
//! -----BEGIN PRIVATE KEY-----
//! ```
//!
//! With a passphrase it is an ENCRYPTED PRIVATE KEY: PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914), which
//! OpenSSL reads too.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use almenara_certs::{FileError, read_private, write_private};
use almenara_proto::keys::{PublicKey, SigningKey, WeakKey};
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
    PublicKeyBytes, spki::der::pem::LineEnding,
};
use pkcs8::{
    EncryptedPrivateKeyInfoOwned, PrivateKeyInfoRef, SecretDocument,
    der::{Decode as _, pem::PemLabel as _},
    pkcs5::{pbes2, scrypt},
};
use zeroize::Zeroizing;

use crate::{
    exit::CliError,
    files,
    passphrase::{NoPassphrase, Passphrases},
    random::Random,
    text::tame,
};

/// What a key signs. One key has one purpose, one holder and one life (PROTOCOL.md §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A member's root key: grants and revokes desks' keys, votes on rosters. Belongs offline.
    Root,
    /// Signs the checkpoints of a member's log.
    Log,
    /// Cosigns other members' checkpoints.
    Cosign,
    /// Signs a desk's batches and withdrawals.
    Publisher,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Root, Self::Log, Self::Cosign, Self::Publisher];

    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Log => "log",
            Self::Cosign => "cosign",
            Self::Publisher => "publisher",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or_else(|| {
            format!("`{}` is no purpose: use root, log, cosign or publisher", text.escape_default())
        })
    }
}

/// A signing key with what its file says about it.
pub struct KeyFile {
    /// Whose it is: a member, or a publisher.
    pub holder: String,
    /// What it signs.
    pub purpose: Purpose,
    /// The key.
    pub key: SigningKey,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("purpose", &self.purpose)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// A public key with what its file says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyFile {
    /// Purpose and holder, when `almenara keygen` wrote the file.
    pub label: Option<(Purpose, String)>,
    /// The key, admitted: neither weak nor of another encoding.
    pub key: PublicKey,
}

/// Why a key file cannot be used. Blame: the person at the machine.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read, may be read by others, or exists already.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is under a passphrase, and there is none.
    #[error("{}: {error}", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// Why there is none.
        error: NoPassphrase,
    },
    /// It is under another passphrase.
    #[error("{} does not open with this passphrase: try again, or restore the file if it is damaged", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// It does not say what the key is for.
    #[error(
        "{} does not say what its key is for: a line `# almenara: PURPOSE key of HOLDER, public HEX` must stand before -----BEGIN; make keys with `almenara keygen`",
        path.display()
    )]
    NoPurpose {
        /// The file.
        path: PathBuf,
    },
    /// The key is for something else.
    #[error(
        "{} holds the {found} key of {}, and a {required} key is needed here: one key has one purpose",
        path.display(), tame(holder)
    )]
    WrongPurpose {
        /// The file.
        path: PathBuf,
        /// Whose key it is.
        holder: String,
        /// What it is for.
        found: Purpose,
        /// What is needed.
        required: Purpose,
    },
    /// Private and public half are of two keys.
    #[error(
        "{} is damaged or forged: its public half ({found}) does not belong to its private half ({required}); a signature made with it would betray the key. Restore it from a backup or make a new one",
        path.display()
    )]
    Halves {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: PublicKey,
        /// What follows from the private half.
        required: PublicKey,
    },
    /// It is no Ed25519 key.
    #[error("{} holds no Ed25519 key in PEM ({reason}): make one with `almenara keygen`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A public key that nobody may use.
    #[error(transparent)]
    Weak(#[from] WeakKey),
}

impl From<KeyFileError> for CliError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::File(error) => error.into(),
            other => Self::usage(other),
        }
    }
}

/// Writes `key` to a new file that only its owner may read.
///
/// # Errors
/// [`KeyFileError::File`]; a file that exists is never overwritten.
pub fn create(path: &Path, purpose: Purpose, holder: &str, key: &SigningKey) -> Result<(), KeyFileError> {
    let pem = plain(key).to_pkcs8_pem(LineEnding::LF).map_err(|error| malformed(path, &error))?;
    write_labelled(path, purpose, holder, key, &pem)
}

/// The same, under a passphrase.
///
/// # Errors
/// As [`create`]; [`CliError`] (internal) without random bytes.
pub fn create_encrypted(
    path: &Path,
    purpose: Purpose,
    holder: &str,
    key: &SigningKey,
    passphrase: &str,
    random: &Random,
) -> Result<(), CliError> {
    let (salt, iv) = (random.bytes::<16>()?, random.bytes::<16>()?);
    let pem = encrypted(key, passphrase, &salt, iv).map_err(|error| malformed(path, &error))?;
    Ok(write_labelled(path, purpose, holder, key, &pem)?)
}

/// Version 1, without the public half: OpenSSL 3 does not read version 2. The line before it has that half.
fn plain(key: &SigningKey) -> KeypairBytes {
    KeypairBytes { secret_key: key.to_bytes(), public_key: None }
}

/// 16 MiB and five passes, some 200 ms: what OWASP counts equal to its first choice, within the 32 MiB that OpenSSL
/// gives to scrypt.
fn encrypted(
    key: &SigningKey,
    passphrase: &str,
    salt: &[u8],
    iv: [u8; 16],
) -> Result<Zeroizing<String>, pkcs8::Error> {
    let costs = scrypt::Params::new(14, 8, 5).map_err(|_| pkcs8::Error::ParametersMalformed)?;
    let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(costs, salt, iv)?;
    let document = plain(key).to_pkcs8_der()?;
    let sealed = PrivateKeyInfoRef::from_der(document.as_bytes())?.encrypt_with_params(scheme, passphrase)?;
    Ok(sealed.to_pem(EncryptedPrivateKeyInfoOwned::PEM_LABEL, LineEnding::LF)?)
}

fn write_labelled(
    path: &Path,
    purpose: Purpose,
    holder: &str,
    key: &SigningKey,
    pem: &str,
) -> Result<(), KeyFileError> {
    Ok(write_private(path, &format!("{}\n{pem}", header(purpose, holder, PublicKey::of(key))))?)
}

/// Writes the public half beside the private one, as [`public_path`] names it.
///
/// # Errors
/// [`KeyFileError::File`]; a file that exists is never overwritten.
pub fn create_public(
    path: &Path,
    purpose: Purpose,
    holder: &str,
    key: PublicKey,
) -> Result<(), KeyFileError> {
    let pem =
        PublicKeyBytes(key.0).to_public_key_pem(LineEnding::LF).map_err(|error| malformed(path, &error))?;
    let text = format!("{}\n{pem}", header(purpose, holder, key));
    files::create_file(path, text.as_bytes()).map_err(|error| {
        KeyFileError::File(match error.kind() {
            std::io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
            _ => FileError::Io { path: path.to_owned(), error },
        })
    })
}

/// Where the public half of a key file lies: `desk.pem` → `desk.pub.pem`.
#[must_use]
pub fn public_path(private: &Path) -> PathBuf {
    private.with_extension("pub.pem")
}

/// Reads a key that signs what `purpose` says, and nothing else. One under a passphrase asks `passphrases`.
///
/// # Errors
/// [`KeyFileError`]: a mode looser than 0600, another purpose, halves that do not match, no passphrase or another, no
/// key.
pub fn load(path: &Path, purpose: Purpose, passphrases: &Passphrases) -> Result<KeyFile, KeyFileError> {
    let text = Zeroizing::new(read_private(path)?);
    let label = Label::find(&text).ok_or_else(|| KeyFileError::NoPurpose { path: path.to_owned() })?;
    if label.purpose != purpose {
        return Err(KeyFileError::WrongPurpose {
            path: path.to_owned(),
            holder: label.holder,
            found: label.purpose,
            required: purpose,
        });
    }
    // Not `SigningKey::from_pkcs8_pem`: it refuses halves that do not match with the words for a malformed file.
    let pair = if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        let document = decrypt(path, &text, passphrases)?;
        KeypairBytes::from_pkcs8_der(document.as_bytes())
    } else {
        KeypairBytes::from_pkcs8_pem(&text)
    };
    let pair = pair.map_err(|error| malformed(path, &error))?;
    let key = SigningKey::from_bytes(&pair.secret_key);
    let required = PublicKey::of(&key);
    let stated = pair.public_key.map(|bytes| PublicKey(bytes.to_bytes()));
    for found in stated.into_iter().chain([label.public]) {
        if found != required {
            return Err(KeyFileError::Halves { path: path.to_owned(), found, required });
        }
    }
    Ok(KeyFile { holder: label.holder, purpose, key })
}

fn decrypt(path: &Path, text: &str, passphrases: &Passphrases) -> Result<SecretDocument, KeyFileError> {
    // The reader of PEM wants the block alone.
    let block = text.find("-----BEGIN").and_then(|from| text.get(from..)).unwrap_or_default();
    let (_, sealed) = SecretDocument::from_pem(block).map_err(|error| malformed(path, &error))?;
    let sealed = EncryptedPrivateKeyInfoOwned::try_from(sealed.as_bytes());
    let sealed = sealed.map_err(|error| malformed(path, &error))?;
    if let Some(opened) = passphrases.given().and_then(|given| sealed.decrypt(given.as_bytes()).ok()) {
        return Ok(opened);
    }
    let passphrase = passphrases.ask(path);
    let passphrase = passphrase.map_err(|error| KeyFileError::Passphrase { path: path.to_owned(), error })?;
    sealed.decrypt(passphrase.as_bytes()).map_err(|_| KeyFileError::WrongPassphrase { path: path.to_owned() })
}

/// Reads a public key: what [`create_public`] wrote, or any SPKI PEM such as `openssl pkey -pubout` makes.
///
/// # Errors
/// [`KeyFileError::Malformed`], [`KeyFileError::Weak`], [`KeyFileError::Halves`] when line and key differ.
pub fn load_public(path: &Path) -> Result<PublicKeyFile, KeyFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| KeyFileError::File(FileError::Io { path: path.to_owned(), error }))?;
    let bytes = PublicKeyBytes::from_public_key_pem(&text).map_err(|error| malformed(path, &error))?;
    let key = PublicKey(bytes.to_bytes());
    key.admit()?;
    let label = Label::find(&text);
    if let Some(label) = label.as_ref().filter(|label| label.public != key) {
        return Err(KeyFileError::Halves { path: path.to_owned(), found: label.public, required: key });
    }
    Ok(PublicKeyFile { label: label.map(|label| (label.purpose, label.holder)), key })
}

fn malformed(path: &Path, error: &dyn fmt::Display) -> KeyFileError {
    KeyFileError::Malformed { path: path.to_owned(), reason: error.to_string() }
}

fn header(purpose: Purpose, holder: &str, public: PublicKey) -> String {
    format!("# almenara: {purpose} key of {holder}, public {public}")
}

/// What the line before the PEM block says.
struct Label {
    purpose: Purpose,
    holder: String,
    public: PublicKey,
}

impl Label {
    fn find(text: &str) -> Option<Self> {
        text.lines().take_while(|line| !line.starts_with("-----BEGIN")).find_map(|line| {
            let rest = line.trim_end().strip_prefix("# almenara: ")?;
            let (purpose, rest) = rest.split_once(" key of ")?;
            let (holder, public) = rest.split_once(", public ")?;
            Some(Self {
                purpose: purpose.parse().ok()?,
                holder: holder.to_owned(),
                public: public.parse().ok()?,
            })
        })
    }
}

#[cfg(all(test, unix))]
mod tests;
