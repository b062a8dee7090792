//! Which protobuf bytes are void (PROTOCOL.md §2), decided alike by every reader from the bytes alone.
//!
//! prost forgives what a signed body must not contain: of a field that stands twice it keeps the last, so two
//! readers with two libraries could read two meanings out of one signature. This walk runs before prost and
//! refuses such bytes. Its tables are derived from the .proto files at build time.

use std::str;

/// Why bytes are void: the field, as `Message.field`, and the broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Broken {
    /// `Message.field`, or `Message` when the bytes do not even name a field.
    pub place: String,
    /// The rule that is broken.
    pub fault: Fault,
}

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end within a field.
    #[error("the bytes end within a field")]
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    #[error("a varint is longer than 64 bits")]
    LongVarint,
    /// A value that the field's type cannot hold.
    #[error("a number is out of the field's range")]
    OutOfRange,
    /// Field number 0, above 2²⁹ − 1, or a group.
    #[error("a tag that the protocol does not allow (field number 0, a group, an unknown wire type)")]
    BadTag,
    /// A known field with another wire type.
    #[error("the field has another wire type")]
    WireType,
    /// A singular field or a oneof that stands twice.
    #[error("the field, or another of its oneof, stands twice")]
    Duplicate,
    /// A string that is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
}

/// What the walk noticed besides the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// `Release` holds a field that this version does not know: origin only (PROTOCOL.md §8).
    pub unknown_in_release: bool,
}

/// The byte rules of one message.
#[derive(Debug)]
pub struct Table {
    name: &'static str,
    /// Indexed by field number.
    fields: &'static [Option<Field>],
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: Kind,
    /// Bit of the seen-set; shared by the members of a oneof.
    slot: u32,
    repeated: bool,
}

#[derive(Debug)]
enum Kind {
    Uint64,
    Uint32,
    Bool,
    Enum,
    String,
    Bytes,
    Message(&'static Table),
}

include!(concat!(env!("OUT_DIR"), "/strict_tables.rs"));

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// Walks `bytes` as one message of `table`. Work is linear in the length; nesting is bounded by the tables,
/// which do not recurse.
///
/// # Errors
/// The first broken rule.
pub fn check(bytes: &[u8], table: &'static Table) -> Result<Noticed, Broken> {
    let mut noticed = Noticed::default();
    walk(bytes, table, &mut noticed)?;
    Ok(noticed)
}

fn walk(mut rest: &[u8], table: &'static Table, noticed: &mut Noticed) -> Result<(), Broken> {
    let mut seen = 0u64;
    while !rest.is_empty() {
        let tag = varint(&mut rest).map_err(|fault| table.void(None, fault))?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 || number >= 1 << 29 {
            return Err(table.void(None, Fault::BadTag));
        }
        let field = usize::try_from(number).ok().and_then(|at| table.fields.get(at)).and_then(Option::as_ref);
        match field {
            Some(field) => {
                let bit = 1u64 << field.slot;
                if !field.repeated && seen & bit != 0 {
                    return Err(table.void(Some(field), Fault::Duplicate));
                }
                seen |= bit;
                known(&mut rest, wire_type, table, field, noticed)?;
            }
            None => {
                skip(&mut rest, wire_type).map_err(|fault| table.void(None, fault))?;
                noticed.unknown_in_release |= std::ptr::eq(table, &RELEASE);
            }
        }
    }
    Ok(())
}

fn known(
    rest: &mut &[u8],
    wire_type: u64,
    table: &'static Table,
    field: &'static Field,
    noticed: &mut Noticed,
) -> Result<(), Broken> {
    let void = |fault| table.void(Some(field), fault);
    match (&field.kind, wire_type) {
        (Kind::Message(inner), LENGTH) => walk(slice(rest).map_err(void)?, inner, noticed),
        (Kind::Bytes, LENGTH) => slice(rest).map(drop).map_err(void),
        (Kind::String, LENGTH) => {
            str::from_utf8(slice(rest).map_err(void)?).map(drop).map_err(|_| void(Fault::Utf8))
        }
        (Kind::Message(_) | Kind::Bytes | Kind::String, _) => Err(void(Fault::WireType)),
        (scalar, VARINT) => in_range(scalar, varint(rest).map_err(void)?).map_err(void),
        // Repeated numbers may come packed.
        (scalar, LENGTH) if field.repeated => {
            let mut packed = slice(rest).map_err(void)?;
            while !packed.is_empty() {
                in_range(scalar, varint(&mut packed).map_err(void)?).map_err(void)?;
            }
            Ok(())
        }
        _ => Err(void(Fault::WireType)),
    }
}

fn in_range(kind: &Kind, value: u64) -> Result<(), Fault> {
    let largest = match kind {
        Kind::Uint32 => u64::from(u32::MAX),
        Kind::Enum => i32::MAX as u64,
        Kind::Bool => 1,
        _ => u64::MAX,
    };
    if value <= largest { Ok(()) } else { Err(Fault::OutOfRange) }
}

fn skip(rest: &mut &[u8], wire_type: u64) -> Result<(), Fault> {
    match wire_type {
        VARINT => varint(rest).map(drop),
        FIXED64 => take(rest, 8).map(drop),
        LENGTH => slice(rest).map(drop),
        FIXED32 => take(rest, 4).map(drop),
        _ => Err(Fault::BadTag),
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Fault::Truncated)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Fault::LongVarint);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::LongVarint)
}

fn slice<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let length = varint(rest)?;
    take(rest, length)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Fault> {
    let length = usize::try_from(length).map_err(|_| Fault::Truncated)?;
    let (taken, tail) = rest.split_at_checked(length).ok_or(Fault::Truncated)?;
    *rest = tail;
    Ok(taken)
}

impl Table {
    fn void(&self, field: Option<&Field>, fault: Fault) -> Broken {
        let place = match field {
            Some(field) => format!("{}.{}", self.name, field.name),
            None => self.name.to_owned(),
        };
        Broken { place, fault }
    }
}

#[cfg(test)]
mod tests;
