//! From TOML to sections whose keys know where they were written.

use std::path::Path;

use ::toml::de::{DeTable, DeValue};

use super::{Entry, Place, Raw, Section, SettingsError};

pub(super) fn section(
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
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
