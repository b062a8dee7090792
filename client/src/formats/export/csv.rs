//! Records for programs and for spreadsheets (RFC 4180), with a header.
//!
//! Spreadsheets run a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break as a formula (OWASP, "CSV
//! Injection"). The spreadsheet profile puts an apostrophe before those and quotes every cell; so a phone number
//! reads `'+66…` there. The machine profile is exact, for programs only.

use std::io::{self, Write};

use super::{Encoder, ExportItem, Skip, jsonl::when, printable};

/// Who reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Programs: values exactly.
    Machine,
    /// People with a spreadsheet: no cell can be a formula.
    Spreadsheet,
}

pub(super) struct Csv {
    pub(super) profile: Profile,
}

/// Columns in order; lists are separated by spaces.
const COLUMNS: [&str; 10] = [
    "kind",
    "value",
    "listed",
    "score",
    "categories",
    "include_subdomains",
    "lookup_only",
    "tlp",
    "pap",
    "valid_until",
];

impl Csv {
    pub(super) fn cell(&self, cell: &str, line: &mut Vec<u8>) {
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']);
        let quoted = match self.profile {
            Profile::Spreadsheet => true,
            Profile::Machine => cell.contains(['"', ',', '\n', '\r']),
        };
        if quoted {
            line.push(b'"');
        }
        if formula && self.profile == Profile::Spreadsheet {
            line.push(b'\'');
        }
        for byte in cell.bytes() {
            if byte == b'"' {
                line.push(b'"');
            }
            line.push(byte);
        }
        if quoted {
            line.push(b'"');
        }
    }

    fn record<'a>(&self, cells: impl IntoIterator<Item = &'a str>, line: &mut Vec<u8>) {
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            self.cell(cell, line);
        }
        line.extend_from_slice(b"\r\n");
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Vec::new();
        self.record(COLUMNS.into_iter().chain(["addresses"]), &mut line);
        out.write_all(&line)
    }

    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip> {
        let yes = |yes: bool| if yes { "true" } else { "false" };
        let joined = |parts: Vec<String>| parts.join(" ");
        self.record(
            [
                item.indicator.kind().as_str(),
                printable(value)?,
                yes(item.listed),
                &item.score.to_string(),
                &joined(item.categories.iter().map(ToString::to_string).collect()),
                yes(item.include_subdomains),
                yes(item.lookup_only),
                item.tlp.map_or("", |tlp| tlp.as_str()),
                item.pap.map_or("", |pap| pap.as_str()),
                &when(item.valid_until),
                &joined(item.addresses.iter().map(ToString::to_string).collect()),
            ],
            line,
        );
        Ok(())
    }
}
