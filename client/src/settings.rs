//! Reads a TOML file into final types, one key at a time; every error names the key and the line.
//!
//! ```text
//! file ─parse→ Section ─override(environment)→ Section ─required / optional / section→ values ─finish→ unknown keys refused
//! ```
//!
//! A key of the environment, `ALMENARA__TLS__KEY`, overrides `key` of `[tls]`; its text is read as the key's
//! type, lists with commas.

#[cfg(test)]
mod tests;
mod toml;
mod value;

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    path::{Path, PathBuf},
};

use ::toml::de::DeTable;

use self::toml::{line_of, section};
use crate::{exit::CliError, text::tame};

pub use value::{flag, integer, list, text};

/// Before the names of environment variables that override a key.
pub const ENVIRONMENT_PREFIX: &str = "ALMENARA__";

/// The largest configuration that is read, in bytes: a consumer table of ten thousand accounts fits.
const MAX_FILE: u64 = 1024 * 1024;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File { path: PathBuf, line: usize },
    Environment(String),
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A value before its type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// `"text"`.
    Text(String),
    /// `42`.
    Integer(i64),
    /// `true`.
    Flag(bool),
    /// `["a", "b"]`.
    List(Vec<Self>),
    /// From the environment: whatever type the key has.
    Written(String),
}

/// Why a configuration cannot be used. Blame: whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// It is no TOML.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A key has a value that it cannot have.
    #[error("{place}: {key}: {reason}")]
    Value {
        /// File and line, or environment variable.
        place: String,
        /// The whole key, `section.key`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that nothing reads: most likely a slip of the pen.
    #[error("{place}: {key} is not a key{}", known.first().map(|_| format!(": {} are", known.join(", "))).unwrap_or_default())]
    Unknown {
        /// File and line, or environment variable.
        place: String,
        /// The whole key.
        key: String,
        /// Keys that exist there.
        known: Vec<String>,
    },
    /// A key that must be there is not.
    #[error("{}: {key} is missing: add it (line {line} begins where it belongs)", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The first line of the section it belongs to.
        line: usize,
        /// The whole key.
        key: String,
    },
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::usage(error)
    }
}

/// A table of the file, with what of it was not read yet.
#[derive(Clone, Debug)]
pub struct Section {
    /// `publisher`, or nothing for the top.
    name: String,
    path: PathBuf,
    line: usize,
    entries: BTreeMap<String, (Place, Entry)>,
    /// Keys that were asked for, for the error about unknown ones.
    asked: Vec<String>,
}

#[derive(Clone, Debug)]
enum Entry {
    Raw(Raw),
    Section(Section),
}

impl Section {
    /// Reads `path`, and lets the environment's `variables` that begin with [`ENVIRONMENT_PREFIX`] override it.
    ///
    /// # Errors
    /// [`SettingsError::Read`], [`SettingsError::Syntax`].
    pub fn read(path: &Path, variables: &[(String, String)]) -> Result<Self, SettingsError> {
        let unreadable = |reason: String| SettingsError::Read { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > MAX_FILE {
            return Err(unreadable(format!(
                "{size} bytes, over {MAX_FILE}: this is no configuration of ours"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(path, &text, variables)
    }

    /// Parses `text`, which came from `path`.
    ///
    /// # Errors
    /// [`SettingsError::Syntax`]; [`SettingsError::Value`] for a type that no key has.
    pub fn parse(path: &Path, text: &str, variables: &[(String, String)]) -> Result<Self, SettingsError> {
        let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            reason: tame(error.message()).into_owned(),
        })?;
        let mut section = section(path, text, "", 1, table.get_ref())?;
        for (variable, value) in variables {
            let Some(key) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = key.to_ascii_lowercase();
            let keys: Vec<&str> = key.split("__").collect();
            section.put(&keys, variable, value)?;
        }
        Ok(section)
    }

    fn put(&mut self, keys: &[&str], variable: &str, value: &str) -> Result<(), SettingsError> {
        let place = Place::Environment(variable.to_owned());
        match keys {
            [] => Ok(()),
            [key] => {
                let written = Entry::Raw(Raw::Written(value.to_owned()));
                self.entries.insert((*key).to_owned(), (place, written));
                Ok(())
            }
            [key, rest @ ..] => {
                let empty = Self::empty(&self.path, self.whole(key), self.line);
                let (_, entry) = self
                    .entries
                    .entry((*key).to_owned())
                    .or_insert_with(|| (place.clone(), Entry::Section(empty)));
                match entry {
                    Entry::Section(section) => section.put(rest, variable, value),
                    Entry::Raw(_) => Err(SettingsError::Value {
                        place: place.to_string(),
                        key: self.whole(key),
                        reason: "it is a value and no section".to_owned(),
                    }),
                }
            }
        }
    }

    fn empty(path: &Path, name: String, line: usize) -> Self {
        Self { name, path: path.to_owned(), line, entries: BTreeMap::new(), asked: Vec::new() }
    }

    fn whole(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Takes a key that may be absent, as `read` reads it.
    ///
    /// # Errors
    /// [`SettingsError::Value`].
    pub fn optional<T>(
        &mut self,
        key: &str,
        read: fn(&Raw) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        self.asked.push(key.to_owned());
        let Some((place, entry)) = self.entries.remove(key) else { return Ok(None) };
        let read = match &entry {
            Entry::Raw(raw) => read(raw),
            Entry::Section(_) => Err("a value is expected, not a section".to_owned()),
        };
        read.map(Some).map_err(|reason| SettingsError::Value {
            place: place.to_string(),
            key: self.whole(key),
            reason: tame(&reason).into_owned(),
        })
    }

    /// Takes a key that must be there.
    ///
    /// # Errors
    /// [`SettingsError::Missing`], [`SettingsError::Value`].
    pub fn required<T>(
        &mut self,
        key: &str,
        read: fn(&Raw) -> Result<T, String>,
    ) -> Result<T, SettingsError> {
        self.optional(key, read)?.ok_or_else(|| SettingsError::Missing {
            path: self.path.clone(),
            line: self.line,
            key: self.whole(key),
        })
    }

    /// Takes a section that may be absent.
    ///
    /// # Errors
    /// [`SettingsError::Value`], when a value stands in its place.
    pub fn optional_section(&mut self, key: &str) -> Result<Option<Self>, SettingsError> {
        self.asked.push(key.to_owned());
        match self.entries.remove(key) {
            None => Ok(None),
            Some((_, Entry::Section(section))) => Ok(Some(section)),
            Some((place, Entry::Raw(_))) => Err(SettingsError::Value {
                place: place.to_string(),
                key: self.whole(key),
                reason: format!("a section is expected: write [{}] and its keys below", self.whole(key)),
            }),
        }
    }

    /// Takes a section whose absence means that none of its keys is set.
    ///
    /// # Errors
    /// As [`Self::optional_section`].
    pub fn section(&mut self, key: &str) -> Result<Self, SettingsError> {
        let empty = Self::empty(&self.path, self.whole(key), self.line);
        Ok(self.optional_section(key)?.unwrap_or(empty))
    }

    /// The keys that were not taken yet, for sections whose keys are names.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// [`SettingsError::Unknown`], with the first such key.
    pub fn finish(mut self) -> Result<(), SettingsError> {
        match self.entries.first_key_value() {
            None => Ok(()),
            Some((key, (place, _))) => {
                let (place, key) = (place.to_string(), self.whole(&tame(key)));
                self.asked.sort();
                Err(SettingsError::Unknown { place, key, known: self.asked })
            }
        }
    }
}
