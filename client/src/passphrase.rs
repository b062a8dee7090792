//! Passphrases of key files: from a file descriptor, the environment, or a person at the terminal; never from the
//! command line, which every process of the machine may read.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use zeroize::Zeroizing;

use crate::{config::Environment, exit::CliError};

/// The variable in which a service manager may put the passphrase.
pub const VARIABLE: &str = "ALMENARA_PASSPHRASE";

/// Bytes of a passphrase: more is a file given by mistake.
const LONGEST: u64 = 1_024;

/// Where passphrases come from, in this order: a descriptor, the environment, the terminal. All clones of what a
/// command needs share the one that was given, so that a node with two keys under one passphrase asks once.
#[derive(Default)]
pub struct Passphrases {
    descriptor: Option<u32>,
    environment: Option<Zeroizing<String>>,
    given: Mutex<Option<Zeroizing<String>>>,
    /// What a person types when a test has no terminal.
    typed: Option<fn(&str) -> io::Result<String>>,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum NoPassphrase {
    /// Nobody can be asked.
    #[error(
        "a passphrase is needed and nobody can be asked here: run it in a terminal, set {VARIABLE}, or give \
         --passphrase-fd N"
    )]
    Nobody,
    /// The descriptor, or the terminal, cannot be read.
    #[error("the passphrase cannot be read from {from}: {error}")]
    Unreadable {
        /// Where.
        from: String,
        /// Why.
        error: io::Error,
    },
    /// Nothing was given.
    #[error("the passphrase is empty: nothing would be protected")]
    Empty,
    /// Two typings differ.
    #[error("the two passphrases differ: nothing was written")]
    Differ,
}

impl From<NoPassphrase> for CliError {
    fn from(error: NoPassphrase) -> Self {
        Self::usage(error)
    }
}

impl Passphrases {
    /// From the descriptor of `--passphrase-fd`, else from the environment, else from the terminal.
    #[must_use]
    pub fn new(descriptor: Option<u32>, environment: &Environment) -> Self {
        let environment = environment.get(VARIABLE).map(|text| Zeroizing::new(text.to_owned()));
        Self { descriptor, environment, ..Self::default() }
    }

    /// The passphrase that was given before, as the first to try for another file.
    #[must_use]
    pub fn given(&self) -> Option<Zeroizing<String>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The passphrase of the key in `path`.
    ///
    /// # Errors
    /// [`NoPassphrase`].
    pub fn ask(&self, path: &Path) -> Result<Zeroizing<String>, NoPassphrase> {
        self.obtain(&format!("Passphrase of {}: ", path.display()))
    }

    /// A passphrase for a new key in `path`; whoever types it does so twice.
    ///
    /// # Errors
    /// [`NoPassphrase`].
    pub fn choose(&self, path: &Path) -> Result<Zeroizing<String>, NoPassphrase> {
        let first = self.obtain(&format!("New passphrase for {}: ", path.display()))?;
        let typed = self.descriptor.is_none() && self.environment.is_none();
        if typed && self.obtain("The same again: ")? != first {
            return Err(NoPassphrase::Differ);
        }
        Ok(first)
    }

    fn obtain(&self, prompt: &str) -> Result<Zeroizing<String>, NoPassphrase> {
        let text = match (self.descriptor, &self.environment) {
            // A descriptor gives its line once.
            (Some(descriptor), _) => match self.given() {
                Some(given) => given,
                None => read_descriptor(descriptor)?,
            },
            (None, Some(text)) => text.clone(),
            (None, None) => self.type_in(prompt)?,
        };
        if text.is_empty() {
            return Err(NoPassphrase::Empty);
        }
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
        Ok(text)
    }

    fn type_in(&self, prompt: &str) -> Result<Zeroizing<String>, NoPassphrase> {
        let typed = match self.typed {
            Some(typed) => typed(prompt),
            None if io::stdin().is_terminal() => rpassword::prompt_password(prompt),
            None => return Err(NoPassphrase::Nobody),
        };
        typed
            .map(Zeroizing::new)
            .map_err(|error| NoPassphrase::Unreadable { from: "the terminal".into(), error })
    }
}

/// The first line of an open descriptor of this process, by its name: opening it by number would be unsafe.
fn read_descriptor(descriptor: u32) -> Result<Zeroizing<String>, NoPassphrase> {
    let from = format!("/dev/fd/{descriptor}");
    let mut line = Zeroizing::new(String::new());
    let read = File::open(&from).and_then(|file| BufReader::new(file).take(LONGEST).read_line(&mut line));
    read.map_err(|error| NoPassphrase::Unreadable { from, error })?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passphrases").field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn path() -> &'static Path {
        Path::new("root.pem")
    }

    #[test]
    fn a_descriptor_gives_its_first_line_and_comes_before_the_environment() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "correct horse\nbattery").expect("written");
        let open = File::open(file.path()).expect("opened");
        let number = u32::try_from(open.as_raw_fd()).expect("a number");
        let environment = Environment::of(&[(VARIABLE, "another")]);
        let passphrases = Passphrases::new(Some(number), &environment);
        assert_eq!(passphrases.ask(path()).expect("given").as_str(), "correct horse");
        drop(open);
        assert_eq!(passphrases.ask(path()).expect("remembered").as_str(), "correct horse");
        let environment = Passphrases::new(None, &environment);
        assert_eq!(environment.choose(path()).expect("given").as_str(), "another");
        let closed = Passphrases::new(Some(4_000_000), &Environment::default()).ask(path());
        assert!(closed.is_err_and(|error| error.to_string().contains("/dev/fd/4000000")));
    }

    #[test]
    fn a_new_passphrase_is_typed_twice_and_is_not_empty() {
        let typed = |typed| Passphrases { typed: Some(typed), ..Passphrases::default() };
        let says = |passphrases: &Passphrases| passphrases.choose(path()).map(|text| text.to_string());
        assert_eq!(says(&typed(|_| Ok("one".into()))).ok().as_deref(), Some("one"));
        let differ = typed(|prompt| Ok(if prompt.contains("again") { "two" } else { "one" }.into()));
        assert!(matches!(says(&differ), Err(NoPassphrase::Differ)));
        assert!(matches!(says(&typed(|_| Ok(String::new()))), Err(NoPassphrase::Empty)));
    }

    #[test]
    fn no_passphrase_is_shown() {
        let passphrases = Passphrases::new(None, &Environment::of(&[(VARIABLE, "hidden")]));
        assert!(!format!("{passphrases:?}").contains("hidden"));
    }
}
