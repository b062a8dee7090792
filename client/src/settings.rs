//! Reads a TOML file into final types, one key at a time; every error names the key and the line.
//!
//! ```text
//! file ─parse→ Section ─override(environment)→ Section ─required / optional / section→ values ─finish→ unknown keys refused
//! ```
//!
//! A key of the environment, `ALMENARA__TLS__KEY`, overrides `key` of `[tls]`; its text is read as the key's
//! type, lists with commas.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    path::{Path, PathBuf},
    str::FromStr,
};

use toml::de::{DeTable, DeValue};

use crate::{exit::CliError, text::tame};

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

fn section(
    path: &Path,
    text: &str,
    name: &str,
    line: usize,
    table: &DeTable<'_>,
) -> Result<Section, SettingsError> {
    let mut section = Section::empty(path, name.to_owned(), line);
    for (key, value) in table {
        let line = line_of(text, key.span().start);
        let whole = section.whole(key.get_ref());
        let entry = match value.get_ref() {
            DeValue::Table(table) => Entry::Section(self::section(path, text, &whole, line, table)?),
            value => Entry::Raw(raw(value).map_err(|reason| SettingsError::Value {
                place: Place::File { path: path.to_owned(), line }.to_string(),
                key: whole,
                reason,
            })?),
        };
        let place = Place::File { path: path.to_owned(), line };
        section.entries.insert(key.get_ref().to_string(), (place, entry));
    }
    Ok(section)
}

fn raw(value: &DeValue<'_>) -> Result<Raw, String> {
    Ok(match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Integer(
            i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| "the number is too large".to_owned())?,
        ),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(list) => {
            Raw::List(list.iter().map(|value| raw(value.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Float(_) => return Err("no key takes a number with a fraction".to_owned()),
        DeValue::Datetime(_) => return Err("no key takes a date".to_owned()),
        DeValue::Table(_) => return Err("no list takes tables".to_owned()),
    })
}

/// The line, from 1, in which byte `offset` stands.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Reads a text into whatever can be parsed from one.
///
/// # Errors
/// The reason in words.
pub fn text<T: FromStr<Err: Display>>(raw: &Raw) -> Result<T, String> {
    match raw {
        Raw::Text(text) | Raw::Written(text) => text.parse().map_err(|error: T::Err| error.to_string()),
        _ => Err("a text in quotes is expected".to_owned()),
    }
}

/// Reads a whole number that fits `T`.
///
/// # Errors
/// The reason in words.
pub fn integer<T: TryFrom<i64>>(raw: &Raw) -> Result<T, String> {
    let number = match raw {
        Raw::Integer(number) => Some(*number),
        Raw::Written(text) => text.replace('_', "").parse().ok(),
        _ => None,
    };
    let number = number.ok_or("a whole number is expected")?;
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

/// Reads `true` or `false`.
///
/// # Errors
/// The reason in words.
pub fn flag(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Flag(flag) => Ok(*flag),
        Raw::Written(text) if text == "true" => Ok(true),
        Raw::Written(text) if text == "false" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

/// Reads a list of texts into whatever collects them.
///
/// # Errors
/// The reason in words.
pub fn list<T: FromStr<Err: Display>, C: FromIterator<T>>(raw: &Raw) -> Result<C, String> {
    match raw {
        Raw::List(list) => list.iter().map(text).collect(),
        Raw::Written(all) => all
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| text(&Raw::Text(part.trim().to_owned())))
            .collect(),
        _ => Err("a list is expected, such as [\"a\", \"b\"]".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Sample {
        name: String,
        size: u32,
        on: bool,
        members: Vec<String>,
    }

    fn read(text_of_file: &str, variables: &[(&str, &str)]) -> Result<Sample, SettingsError> {
        let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut top = Section::parse(Path::new("a.toml"), text_of_file, &variables)?;
        let mut inner = top.section("inner")?;
        let sample = Sample {
            name: top.required("name", text)?,
            size: inner.optional("size", integer)?.unwrap_or(7),
            on: inner.optional("on", flag)?.unwrap_or(false),
            members: inner.optional("members", list)?.unwrap_or_default(),
        };
        inner.finish()?;
        top.finish()?;
        Ok(sample)
    }

    fn check(text_of_file: &str, variables: &[(&str, &str)], error: &str) {
        let found = read(text_of_file, variables).expect_err("an error").to_string();
        assert_eq!(found, error);
    }

    #[test]
    fn a_file_becomes_final_types() {
        let sample = read("name = \"x\"\n[inner]\nsize = 1_000\non = true\nmembers = [\"a\", \"b\"]\n", &[]);
        let members = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(sample, Ok(Sample { name: "x".into(), size: 1000, on: true, members }));
    }

    #[test]
    fn the_environment_overrides_any_key_and_adds_sections() {
        let variables = [
            ("ALMENARA__NAME", "y"),
            ("ALMENARA__INNER__SIZE", "2_000"),
            ("ALMENARA__INNER__ON", "true"),
            ("ALMENARA__INNER__MEMBERS", "c, d"),
            ("OTHER", "ignored"),
        ];
        let members = vec!["c".to_owned(), "d".to_owned()];
        let expected = Sample { name: "y".into(), size: 2000, on: true, members };
        assert_eq!(read("name = \"x\"\n[inner]\nsize = 1\n", &variables), Ok(expected.clone()));
        assert_eq!(read("", &variables), Ok(expected));
    }

    #[test]
    fn every_error_names_key_and_line() {
        check("name = 3\n", &[], "a.toml:1: name: a text in quotes is expected");
        check("name = \"x\"\n\n[inner]\nsize = -1\n", &[], "a.toml:4: inner.size: -1 is out of range");
        check("name = \"x\"\ninner.on = 1\n", &[], "a.toml:2: inner.on: true or false is expected");
        check(
            "name = \"x\"\n[inner]\nmembers = [1]\n",
            &[],
            "a.toml:3: inner.members: a text in quotes is expected",
        );
        check("name = \"x\"\nsize = 1.5\n", &[], "a.toml:2: size: no key takes a number with a fraction");
        check(
            "name = \"x\"\ninner = 1\n",
            &[],
            "a.toml:2: inner: a section is expected: write [inner] and its keys below",
        );
        check("[name]\n", &[], "a.toml:1: name: a value is expected, not a section");
        check("\n[inner]\n", &[], "a.toml: name is missing: add it (line 1 begins where it belongs)");
        check(
            "name = \"x\"\n",
            &[("ALMENARA__INNER__SIZE", "many")],
            "environment variable ALMENARA__INNER__SIZE: inner.size: a whole number is expected",
        );
        check(
            "name = \"x\"\n",
            &[("ALMENARA__NAME__X", "1")],
            "environment variable ALMENARA__NAME__X: name: it is a value and no section",
        );
    }

    #[test]
    fn a_key_that_nothing_reads_is_refused_with_those_that_exist() {
        check(
            "name = \"x\"\n[inner]\nsise = 3\n",
            &[],
            "a.toml:3: inner.sise is not a key: members, on, size are",
        );
        check("name = \"x\"\nnmae = 3\n", &[], "a.toml:2: nmae is not a key: inner, name are");
        check(
            "name = \"x\"\n",
            &[("ALMENARA__OTHER", "1")],
            "environment variable ALMENARA__OTHER: other is not a key: inner, name are",
        );
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        let error = read("name = \"x\"\nname = \"y\"\n", &[]).expect_err("twice").to_string();
        assert!(error.starts_with("a.toml:2: "), "{error}");
        let error = read("name = \"x\n", &[]).expect_err("no end").to_string();
        assert!(error.starts_with("a.toml:1: "), "{error}");
    }
}
