//! Names as DNS files hold them (RFC 1035 §2.3.4), judged here once more whatever the indicator was checked for.

use super::Skip;

/// Bytes of a name in text form, without the last dot: 255 octets on the wire are a length byte for each label and
/// one for the root, besides the letters.
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// Labels that a response policy zone reads as an instruction (draft-vixie-dnsop-dns-rpz §3 and §4).
const RESERVED: [&str; 7] =
    ["rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname", "rpz-passthru", "rpz-drop", "rpz-tcp-only"];

/// A zone's own name that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no domain name: lowercase letters, digits, hyphens and underscores in labels of at most 63", .0.escape_debug())]
pub struct NameFault(pub String);

/// A lowercase name of one label or more, without a last dot.
pub(super) fn is_name(name: &str) -> bool {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    name.len() <= NAME_BYTES
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_BYTES
                && label.bytes().all(letter)
                && !label.starts_with('-')
        })
}

/// A name that a blocklist may hold: two labels at least, for a single one would block a whole top-level domain or a
/// host of the local network.
pub(super) fn blocked_name(value: &str) -> Result<&str, Skip> {
    let value = super::printable(value)?;
    if value.contains('*') {
        return Err(Skip::Pattern);
    }
    // The last label of a real name is never all digits: that would be an address.
    let last_is_number =
        value.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if !is_name(value) || !value.contains('.') || last_is_number {
        return Err(Skip::Name);
    }
    if value.split('.').any(|label| RESERVED.contains(&label)) {
        return Err(Skip::Reserved);
    }
    Ok(value)
}

/// Whether `prefix` + name + `.` + origin is no longer than a DNS name can be.
pub(super) fn fits_under(prefix: &str, name: &str, origin: &str) -> bool {
    prefix.len().saturating_add(name.len()).saturating_add(1).saturating_add(origin.len()) <= NAME_BYTES
}
