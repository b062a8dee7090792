//! Compiles the .proto files: prost messages, a descriptor set for reflection, and the tables behind
//! `strict` (which bytes are void), so that the byte rules can never drift from the messages.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::PathBuf};

use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, field_descriptor_proto::Type};

const FILES: [&str; 9] = [
    "almenara/v1/statement.proto",
    "almenara/v1/log.proto",
    "almenara/v1/roster.proto",
    "almenara/v1/custody.proto",
    "almenara/v1/evidence.proto",
    "almenara/v1/proof.proto",
    "almenara/v1/publish.proto",
    "almenara/v1/replicate.proto",
    "almenara/v1/lookup.proto",
];

/// The messages that somebody signs or hashes, and evidence and proofs, which must read alike for everybody; and what
/// they contain.
const STRICT: [&str; 11] = [
    "Statement",
    "LogEntry",
    "BatchHeader",
    "Withdrawal",
    "KeyGrant",
    "KeyRevocation",
    "Override",
    "Roster",
    "CustodyReport",
    "Evidence",
    "Proof",
];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells build scripts where to write through the environment"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let set = protox::compile(FILES, ["."])?;
    fs::write(out.join("descriptor_set.bin"), set.encode_to_vec())?;

    let messages: BTreeMap<String, &DescriptorProto> = set
        .file
        .iter()
        .flat_map(|file| &file.message_type)
        .map(|message| (message.name().to_owned(), message))
        .collect();
    let mut tables = String::new();
    let mut wanted: Vec<String> = STRICT.iter().map(|&name| name.to_owned()).collect();
    let mut done = Vec::new();
    while let Some(name) = wanted.pop() {
        if !done.contains(&name) {
            table(&mut tables, messages[&name], &mut wanted)?;
            done.push(name);
        }
    }
    fs::write(out.join("strict_tables.rs"), tables)?;

    prost_build::Config::new().bytes(["."]).compile_fds(set)?;
    Ok(())
}

/// Writes one message's table; asks for the tables of the messages in it.
fn table(
    out: &mut String,
    message: &DescriptorProto,
    wanted: &mut Vec<String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let name = message.name();
    let fields: BTreeMap<i32, &FieldDescriptorProto> =
        message.field.iter().map(|field| (field.number(), field)).collect();
    let last = fields.keys().next_back().copied().unwrap_or(0);
    assert!(last < 48, "{name}: the seen-set holds 48 field numbers");
    writeln!(out, "/// The byte rules of `{name}`.")?;
    writeln!(out, "pub static {}: Table = Table {{ name: \"{name}\", fields: &[", constant(name))?;
    for number in 0..=last {
        let Some(field) = fields.get(&number) else {
            writeln!(out, "    None,")?;
            continue;
        };
        let kind = match field.r#type() {
            Type::Uint64 => "Kind::Uint64".to_owned(),
            Type::Uint32 => "Kind::Uint32".to_owned(),
            Type::Bool => "Kind::Bool".to_owned(),
            Type::Enum => "Kind::Enum".to_owned(),
            Type::String => "Kind::String".to_owned(),
            Type::Bytes => "Kind::Bytes".to_owned(),
            Type::Message => {
                let inner = field.type_name().rsplit('.').next().unwrap_or_default().to_owned();
                let kind = format!("Kind::Message(&{})", constant(&inner));
                wanted.push(inner);
                kind
            }
            other => return Err(format!("{name}.{}: no byte rule for {other:?}", field.name()).into()),
        };
        // Members of one oneof share a slot of the seen-set above the field numbers; `optional` scalars are
        // one-member oneofs of their own and keep their number.
        let slot = match field.oneof_index {
            Some(index) if !field.proto3_optional() => 48 + index,
            _ => number,
        };
        let repeated = field.label() == prost_types::field_descriptor_proto::Label::Repeated;
        writeln!(
            out,
            "    Some(Field {{ name: \"{}\", kind: {kind}, slot: {slot}, repeated: {repeated} }}),",
            field.name()
        )?;
    }
    writeln!(out, "] }};")?;
    Ok(())
}

/// `BatchHeader` → `BATCH_HEADER`.
fn constant(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}
