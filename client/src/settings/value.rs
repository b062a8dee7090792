//! From a value of the file, or of the environment, to a type.

use std::{fmt::Display, str::FromStr};

use super::Raw;

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
