//! Records for programs: one JSON object a line.

use serde::Serialize;

use super::{Encoder, ExportItem, Skip, printable};

pub(super) struct JsonLines;

/// The names are stable.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    value: &'a str,
    listed: bool,
    /// Percent.
    score: u32,
    categories: Vec<String>,
    include_subdomains: bool,
    lookup_only: bool,
    tlp: Option<&'static str>,
    pap: Option<&'static str>,
    /// RFC 3339.
    valid_until: String,
    addresses: Vec<String>,
}

impl Encoder for JsonLines {
    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip> {
        let record = Record {
            kind: item.indicator.kind().as_str(),
            value: printable(value)?,
            listed: item.listed,
            score: item.score,
            categories: item.categories.iter().map(ToString::to_string).collect(),
            include_subdomains: item.include_subdomains,
            lookup_only: item.lookup_only,
            tlp: item.tlp.map(|tlp| tlp.as_str()),
            pap: item.pap.map(|pap| pap.as_str()),
            valid_until: when(item.valid_until),
            addresses: item.addresses.iter().map(ToString::to_string).collect(),
        };
        serde_json::to_writer(&mut *line, &record).map_err(|_| Skip::NotPrintable)?;
        line.push(b'\n');
        Ok(())
    }
}

/// RFC 3339; empty beyond the year 9999, which no such text can hold.
pub(super) fn when(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|at| at.to_string())
        .unwrap_or_default()
}
