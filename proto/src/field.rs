//! Fields that stand in many bodies, and are parsed alike in all of them.

use bytes::Buf;

use crate::{
    blame::Void,
    keys::PublicKey,
    name::{MemberName, Publisher},
};

/// A message; which bytes are void whatever they mean was decided before.
pub(crate) fn message<M: prost::Message + Default>(place: &'static str, bytes: impl Buf) -> Result<M, Void> {
    M::decode(bytes).map_err(|error| Void::new(place, error.to_string()))
}

/// A public key; whether it may be used is judged where it is granted or rostered.
pub(crate) fn key(place: &'static str, bytes: &[u8]) -> Result<PublicKey, Void> {
    bytes.try_into().map(PublicKey).map_err(|_| Void::new(place, "32 bytes are expected"))
}

/// A desk, which must be the member's own.
pub(crate) fn publisher_of(member: &MemberName, name: &str) -> Result<Publisher, Void> {
    let publisher: Publisher = name.parse()?;
    if publisher.member() == member.as_str() {
        Ok(publisher)
    } else {
        Err(Void::new("publisher", format!("{publisher} is no desk of {member}")))
    }
}

/// A federation's id, which is written like a name.
pub(crate) fn federation(text: String) -> Result<String, Void> {
    if crate::name::is_name(&text) {
        Ok(text)
    } else {
        Err(Void::new("federation", "lowercase letters, digits, hyphens and dots only"))
    }
}

/// A text of one line: no control character (category Cc of Unicode, which is fixed for good).
pub(crate) fn line(place: &'static str, text: String) -> Result<String, Void> {
    if text.chars().any(char::is_control) {
        return Err(Void::new(place, "control characters cannot stand in a text"));
    }
    Ok(text)
}

/// A text of several lines: a line feed and a tab may stand in it.
pub(crate) fn paragraphs(place: &'static str, text: String) -> Result<String, Void> {
    if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return Err(Void::new(place, "control characters cannot stand in a text, except line feed and tab"));
    }
    Ok(text)
}
