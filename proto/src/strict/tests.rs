use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use super::*;
use crate::statement::tests::{dispute, full_report, report, sighting};

/// `expected` is the fault, or none.
fn check_bytes(hex: &str, table: &'static Table, expected: Option<Fault>) {
    let bytes = data_encoding::HEXLOWER.decode(hex.replace(' ', "").as_bytes()).expect("test hex");
    assert_eq!(check(&bytes, table).err().map(|void| void.fault), expected, "{hex}");
}

#[test]
fn what_a_signed_body_must_not_contain_is_void() {
    check_bytes("", &STATEMENT, None);
    check_bytes("1805", &STATEMENT, None);
    check_bytes("1885808000", &STATEMENT, None); // a padded varint is legal and stays as it is
    check_bytes("1805 1805", &STATEMENT, Some(Fault::Duplicate));
    check_bytes("3a00 4200", &STATEMENT, Some(Fault::Duplicate)); // two claims of one oneof
    check_bytes("1203 0801 12", &STATEMENT, Some(Fault::Truncated));
    check_bytes("1204 0801 0802", &STATEMENT, Some(Fault::Duplicate)); // nested
    check_bytes("18ffffffffffffffffff01", &STATEMENT, None);
    check_bytes("18ffffffffffffffffff02", &STATEMENT, Some(Fault::LongVarint));
    check_bytes("18ffffffffffffffffffff01", &STATEMENT, Some(Fault::LongVarint));
    check_bytes("308080808010", &STATEMENT, Some(Fault::OutOfRange)); // copies = 2^32
    check_bytes("4002", &WITHDRAWAL, Some(Fault::OutOfRange)); // a bool of 2
    check_bytes("0a02c328", &WITHDRAWAL, Some(Fault::Utf8));
    check_bytes("1a00", &STATEMENT, Some(Fault::WireType)); // made_at as bytes
    check_bytes("0b0c", &STATEMENT, Some(Fault::WireType)); // a group for the nonce
    check_bytes("a301a401", &STATEMENT, Some(Fault::BadTag)); // an unknown group
    check_bytes("00", &STATEMENT, Some(Fault::BadTag));
    check_bytes("3a03 a60100", &STATEMENT, Some(Fault::BadTag)); // wire type 6, nested
    check_bytes("f20102abcd", &STATEMENT, None); // an unknown field survives
    check_bytes("32020103 3005", &OVERRIDE, None); // packed and plain
}

#[test]
fn an_unknown_field_is_noticed_only_within_release() {
    let inside = check(&[0x2a, 0x02, 0x78, 0x01], &STATEMENT).expect("well formed");
    assert!(inside.unknown_in_release);
    let outside = check(&[0x78, 0x01], &STATEMENT).expect("well formed");
    assert!(!outside.unknown_in_release);
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(crate::wire::DESCRIPTOR_SET).expect("built with the crate")
}

/// Every message, field, number and type: a change here changes what others read in signed bytes.
#[test]
fn the_shape_of_the_wire_is_kept() {
    let mut lines = Vec::new();
    for file in descriptors().file {
        for message in &file.message_type {
            lines.push(format!("message {}", message.name()));
            lines.extend(message.field.iter().map(|field| format!("  {}", shape(message, field))));
        }
        for list in &file.enum_type {
            lines.push(format!("enum {}", list.name()));
            lines.extend(list.value.iter().map(|value| format!("  {} {}", value.number(), value.name())));
        }
        for service in &file.service {
            lines.push(format!("service {}", service.name()));
            for method in &service.method {
                let stream = |streams: bool| if streams { "stream " } else { "" };
                lines.push(format!(
                    "  {} {}{} -> {}{}",
                    method.name(),
                    stream(method.client_streaming()),
                    method.input_type(),
                    stream(method.server_streaming()),
                    method.output_type()
                ));
            }
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// The listings of docs/protocol.md: `Name   1 field type · 2 field type* · oneof which: 3 field type`, on one or more
/// lines, each with the message's name and its fields as `number name type`.
fn documented() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../../docs/protocol.md");
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    for block in text.split("```").skip(1).step_by(2) {
        for line in block.lines() {
            let name: String = line.chars().take_while(|letter| letter.is_ascii_alphabetic()).collect();
            if !name.is_empty() {
                current = name;
            }
            for part in line.split(" · ") {
                let words: Vec<&str> = part.split_whitespace().collect();
                let Some(at) = words.iter().position(|word| word.parse::<u32>().is_ok()) else { continue };
                if let Some([number, field, kind]) = words.get(at..at + 3) {
                    messages.entry(current.clone()).or_default().push(format!("{number} {field} {kind}"));
                }
            }
        }
    }
    messages
}

#[test]
fn the_document_lists_every_field_of_every_message() {
    let documented = documented();
    // Shown in the line of their call.
    let inline = [
        "GetCheckpointRequest",
        "GetCheckpointResponse",
        "GetRosterRequest",
        "CosignResponse",
        "ReportsRequest",
    ];
    for message in descriptors().file.into_iter().flat_map(|file| file.message_type) {
        if inline.contains(&message.name()) {
            continue;
        }
        let fields = message.field.iter().map(|field| {
            let kind = match field.r#type() {
                Type::Message => field.type_name().trim_start_matches(".almenara.v1.").to_owned(),
                other => format!("{other:?}").to_lowercase(),
            };
            let presence = match (repeated(field), field.proto3_optional()) {
                (true, _) => "*",
                (_, true) => "?",
                _ => "",
            };
            format!("{} {} {kind}{presence}", field.number(), field.name())
        });
        assert_eq!(documented.get(message.name()), Some(&fields.collect()), "{}", message.name());
    }
}

fn shape(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let label = match (repeated(field), field.proto3_optional(), field.oneof_index) {
        (true, ..) => "repeated ".to_owned(),
        (_, true, _) => "optional ".to_owned(),
        (.., Some(index)) => {
            format!("oneof {} ", message.oneof_decl[usize::try_from(index).expect("small")].name())
        }
        _ => String::new(),
    };
    let kind = match field.type_name() {
        "" => format!("{:?}", field.r#type()).to_lowercase(),
        name => name.to_owned(),
    };
    format!("{} {label}{kind} {}", field.number(), field.name())
}

fn repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == prost_types::field_descriptor_proto::Label::Repeated
}

/// The dumb walker: cuts the bytes into fields first, in wide numbers, and then asks the descriptors about each.
struct Oracle(BTreeMap<String, DescriptorProto>);

/// A field as it was cut: number, wire type, number or content.
type Cut<'a> = (u128, u128, Result<u128, &'a [u8]>);

impl Oracle {
    fn new() -> Self {
        let messages = descriptors().file.into_iter().flat_map(|file| file.message_type);
        Self(messages.map(|message| (format!(".almenara.v1.{}", message.name()), message)).collect())
    }

    fn number(bytes: &mut &[u8]) -> Option<u128> {
        let length = bytes.iter().position(|byte| *byte < 0x80)? + 1;
        let (varint, rest) = bytes.split_at(length);
        *bytes = rest;
        let value = varint.iter().rev().fold(0u128, |sum, byte| (sum << 7) + u128::from(byte & 0x7f));
        (length <= 10 && value < 1 << 64).then_some(value)
    }

    fn cut<'a>(bytes: &mut &'a [u8]) -> Option<Cut<'a>> {
        let tag = Self::number(bytes)?;
        let value = match tag % 8 {
            0 => Ok(Self::number(bytes)?),
            wire_type @ (1 | 2 | 5) => {
                let length = match wire_type {
                    1 => 8,
                    5 => 4,
                    _ => usize::try_from(Self::number(bytes)?).ok()?,
                };
                let (content, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                Err(content)
            }
            _ => return None,
        };
        (1..1 << 29).contains(&(tag / 8)).then_some((tag / 8, tag % 8, value))
    }

    /// Whether every reader takes the bytes as this message.
    fn takes(&self, name: &str, mut bytes: &[u8]) -> bool {
        let message = &self.0[name];
        let mut cuts = Vec::new();
        while !bytes.is_empty() {
            let Some(cut) = Self::cut(&mut bytes) else { return false };
            cuts.push(cut);
        }
        let field_of =
            |number: u128| message.field.iter().find(|field| u128::from(field.number() as u32) == number);
        let known: Vec<(&FieldDescriptorProto, &Cut<'_>)> =
            cuts.iter().filter_map(|cut| Some((field_of(cut.0)?, cut))).collect();
        let sound = known.iter().all(|(field, cut)| self.takes_field(field, cut));
        // One field once, and of a oneof one field once.
        let once = |group: &dyn Fn(&FieldDescriptorProto) -> bool| {
            known.iter().filter(|(field, _)| group(field)).count() <= 1
        };
        let single =
            message.field.iter().all(|one| repeated(one) || once(&|field| field.number() == one.number()));
        let oneofs =
            (0..message.oneof_decl.len() as i32).all(|index| once(&|field| field.oneof_index == Some(index)));
        sound && single && oneofs
    }

    fn takes_field(&self, field: &FieldDescriptorProto, (_, wire_type, value): &Cut<'_>) -> bool {
        let most: u128 = match field.r#type() {
            Type::String => {
                return matches!(value, Err(text) if *wire_type == 2 && str::from_utf8(text).is_ok());
            }
            Type::Bytes => return *wire_type == 2,
            Type::Message => {
                return matches!(value, Err(inner) if *wire_type == 2 && self.takes(field.type_name(), inner));
            }
            Type::Uint64 => u128::from(u64::MAX),
            Type::Uint32 => u128::from(u32::MAX),
            Type::Enum => i32::MAX as u128,
            Type::Bool => 1,
            other => panic!("{other:?}"),
        };
        match value {
            Ok(number) => *number <= most,
            Err(packed) if *wire_type == 2 && repeated(field) => {
                let mut packed = *packed;
                while !packed.is_empty() {
                    match Self::number(&mut packed) {
                        Some(number) if number <= most => {}
                        _ => return false,
                    }
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// A field that some message may or may not have: known numbers, odd types, contents that nest.
fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![8 => 0..20u64, 1 => Just(1 << 29), 1 => any::<u64>()];
    let value = prop_oneof![0..3u64, Just(u64::from(u32::MAX)), Just(1 << 32), Just(1 << 31), any::<u64>()];
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::collection::vec(0..0x20u8, 0..8),
        "[a-z]{0,4}".prop_map(String::into_bytes),
    ];
    (number, 0..8u64, value, content).prop_map(|(number, wire_type, value, content)| {
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(number << 3 | wire_type, &mut bytes);
        match wire_type {
            0 => prost::encoding::encode_varint(value, &mut bytes),
            2 => {
                prost::encoding::encode_varint(content.len() as u64, &mut bytes);
                bytes.extend(content);
            }
            _ => bytes.extend(content),
        }
        bytes
    })
}

/// Honest statements with bytes changed, put in, taken out or said twice; and fields in any order.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let honest = prop::sample::select(
        [report(1), full_report(), sighting(), dispute()].map(|one| one.encode()).to_vec(),
    );
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>(), 0..8usize), 0..4);
    let changed = (honest, changes).prop_map(|(mut bytes, changes)| {
        for (at, change, byte, length) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match change {
                0 if at < bytes.len() => bytes[at] = byte,
                0 | 1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let twice = bytes[at..end].to_vec();
                    bytes.splice(at..at, twice);
                }
            }
        }
        bytes
    });
    let fields = prop::collection::vec(any_field(), 0..5).prop_map(|fields| fields.concat());
    prop_oneof![changed, fields]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_walk_takes_exactly_what_a_dumb_reader_takes(bytes in any_bytes(), head in any_field()) {
        static ORACLE: LazyLock<Oracle> = LazyLock::new(Oracle::new);
        let tables = [
            ("Statement", &STATEMENT),
            ("LogEntry", &LOG_ENTRY),
            ("BatchHeader", &BATCH_HEADER),
            ("Withdrawal", &WITHDRAWAL),
            ("Override", &OVERRIDE),
            ("Roster", &ROSTER),
            ("CustodyReport", &CUSTODY_REPORT),
            ("Evidence", &EVIDENCE),
        ];
        for bytes in [bytes.clone(), [head, bytes].concat()] {
            for (name, table) in tables {
                let found = check(&bytes, table);
                prop_assert_eq!(found.is_ok(), ORACLE.takes(&format!(".almenara.v1.{name}"), &bytes), "{}: {:?}", name, found);
            }
            // And what it takes, prost reads.
            if check(&bytes, &STATEMENT).is_ok() {
                prop_assert!(crate::wire::Statement::decode(bytes.as_slice()).is_ok());
            }
        }
    }
}
