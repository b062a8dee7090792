//! Comma-separated values (RFC 4180) with a header, whose columns are mapped to the names of a draft.
//!
//! A quoted cell may hold line breaks, so a quote that never closes would swallow the rest of a file. Here a record
//! that does not end well within [`LINE_BYTES`] and [`RECORD_LINES`] is refused with its first line only, and reading
//! goes on at the second.

mod splitter;

use std::{
    collections::{BTreeMap, VecDeque},
    io::BufRead,
    str::FromStr,
};

use super::{
    ImportError, Raw, Said,
    lines::{LINE_BYTES, Lines, Text, too_long},
};
use crate::draft::{Fields, Refusal};
use splitter::Splitter;

/// Lines of one record. Those after a quote that does not close are read again, so this also bounds how often a line
/// can be read.
const RECORD_LINES: usize = 64;

/// How to read the columns.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// Field of a draft → column: its name in the header or, without a header, its number from 1. A column that has
    /// a field's name already needs no entry.
    pub map: BTreeMap<String, String>,
    /// Between cells; `,` unless the file says otherwise.
    pub delimiter: u8,
    /// Whether the first record names the columns.
    pub header: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { map: BTreeMap::new(), delimiter: b',', header: true }
    }
}

impl CsvOptions {
    /// Reads `value=domain,category=type`.
    ///
    /// # Errors
    /// [`HeaderError::Map`] for what is no mapping, [`HeaderError::Field`] for a field that does not exist.
    pub fn map(text: &str) -> Result<BTreeMap<String, String>, HeaderError> {
        text.split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let (field, column) =
                    pair.split_once('=').ok_or_else(|| HeaderError::Map(pair.escape_debug().to_string()))?;
                let field = known(field)?;
                Ok((field.to_owned(), column.trim().to_owned()))
            })
            .collect()
    }
}

/// Why the columns cannot be told from each other: nothing of the file can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not `field=column`.
    #[error(
        "`{0}` is no mapping: field=column[,field=column…] is expected, such as value=domain,category=type"
    )]
    Map(String),
    /// A draft has no such field.
    #[error("there is no field `{field}` to map a column to; there are: {known}", known = Fields::COLUMNS.join(", "))]
    Field {
        /// As given.
        field: String,
    },
    /// The mapping names a column that the header does not have.
    #[error("the header has no column `{column}`; it has: {found}")]
    Column {
        /// As mapped.
        column: String,
        /// The header.
        found: String,
    },
    /// Two columns bear the name.
    #[error("two columns are called `{column}`; rename one of them")]
    Ambiguous {
        /// The name.
        column: String,
    },
    /// No column holds the value.
    #[error(
        "no column is called `value`; say which one it is with --map value=<column>; the header has: {found}"
    )]
    NoValue {
        /// The header.
        found: String,
    },
    /// The first record cannot be read.
    #[error("the header cannot be read: {0}")]
    Unreadable(String),
}

fn known(field: &str) -> Result<&'static str, HeaderError> {
    let field = field.trim();
    Fields::COLUMNS
        .into_iter()
        .find(|known| *known == field)
        .ok_or_else(|| HeaderError::Field { field: field.escape_debug().to_string() })
}

/// The field of each column, or none.
type Columns = Vec<Option<&'static str>>;

pub(crate) struct Csv<R> {
    lines: Lines<R>,
    /// Read ahead for a quoted cell that did not close in time.
    again: VecDeque<Text>,
    options: CsvOptions,
    columns: Option<Columns>,
    unused: Vec<String>,
}

impl<R: BufRead> Csv<R> {
    pub(crate) const fn new(lines: Lines<R>, options: CsvOptions) -> Self {
        Self { lines, again: VecDeque::new(), options, columns: None, unused: Vec::new() }
    }

    pub(crate) fn unused_columns(&self) -> Vec<String> {
        self.unused.clone()
    }

    pub(crate) fn next(&mut self) -> Result<Option<Raw>, ImportError> {
        let Some(record) = self.record()? else { return Ok(None) };
        let Record { number, lines, cells } = record;
        let said = match cells {
            Err(refusal) if self.columns.is_none() && self.options.header => {
                return Err(HeaderError::Unreadable(refusal.message).into());
            }
            Err(refusal) => Said::Refused(refusal),
            Ok(None) => Said::Nothing,
            Ok(Some(cells)) => match &self.columns {
                Some(columns) => fields(columns, &cells),
                None if self.options.header => {
                    self.columns = Some(self.read_header(&cells)?);
                    Said::Nothing
                }
                None => {
                    let columns = numbered(&self.options.map, cells.len())?;
                    let said = fields(&columns, &cells);
                    self.columns = Some(columns);
                    said
                }
            },
        };
        Ok(Some(Raw { number, lines, said }))
    }

    fn line(&mut self) -> Result<Option<Text>, ImportError> {
        match self.again.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    fn record(&mut self) -> Result<Option<Record>, ImportError> {
        let Some(first) = self.line()? else { return Ok(None) };
        let number = first.number;
        let one = |cells| Ok(Some(Record { number, lines: 1, cells }));
        let Some(bytes) = first.bytes else { return one(Err(too_long())) };
        if bytes.iter().all(|byte| byte.is_ascii_whitespace()) || bytes.starts_with(b"#") {
            return one(Ok(None));
        }
        let mut splitter = Splitter::new(self.options.delimiter);
        if !splitter.line(&bytes) {
            return one(splitter.finish());
        }
        let mut total = bytes.len();
        let mut ahead = Vec::new();
        while let Some(line) = self.line()? {
            let fits = line.bytes.as_ref().is_some_and(|bytes| {
                total = total.saturating_add(bytes.len()).saturating_add(1);
                total <= LINE_BYTES
            });
            let open = match &line.bytes {
                Some(bytes) if fits => splitter.line(bytes),
                _ => true,
            };
            ahead.push(line);
            if !open {
                let lines = u64::try_from(ahead.len()).unwrap_or(u64::MAX).saturating_add(1);
                match splitter.finish() {
                    Ok(cells) => return Ok(Some(Record { number, lines, cells: Ok(cells) })),
                    Err(_) => break,
                }
            }
            if !fits || ahead.len() >= RECORD_LINES {
                break;
            }
        }
        for line in ahead.into_iter().rev() {
            self.again.push_front(line);
        }
        one(Err(Refusal::new(
            "unclosed_quote",
            "a quoted cell begins here and does not end; double the quotes in it",
        )))
    }

    fn read_header(&mut self, names: &[String]) -> Result<Columns, HeaderError> {
        let found =
            || names.iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
        let mut columns: Columns = vec![None; names.len()];
        for (field, column) in &self.options.map {
            let mut places = names.iter().enumerate().filter(|(_, name)| name.trim() == column);
            let Some((at, _)) = places.next() else {
                let column = column.escape_debug().to_string();
                return Err(HeaderError::Column { column, found: found() });
            };
            if places.next().is_some() {
                return Err(HeaderError::Ambiguous { column: column.escape_debug().to_string() });
            }
            put(&mut columns, at, known(field)?)?;
        }
        for (at, name) in names.iter().enumerate() {
            let name = name.trim().to_ascii_lowercase();
            let taken = self.options.map.contains_key(&name) || columns.get(at).is_some_and(Option::is_some);
            match known(&name) {
                Ok(field) if !taken => put(&mut columns, at, field)?,
                _ if columns.get(at).is_some_and(Option::is_some) => {}
                _ => self.unused.push(name),
            }
        }
        if columns.contains(&Some("value")) {
            Ok(columns)
        } else {
            Err(HeaderError::NoValue { found: found() })
        }
    }
}

fn put(columns: &mut Columns, at: usize, field: &'static str) -> Result<(), HeaderError> {
    if columns.contains(&Some(field)) {
        return Err(HeaderError::Ambiguous { column: field.to_owned() });
    }
    match columns.get_mut(at) {
        Some(free @ None) => *free = Some(field),
        _ => return Err(HeaderError::Ambiguous { column: field.to_owned() }),
    }
    Ok(())
}

fn numbered(map: &BTreeMap<String, String>, count: usize) -> Result<Columns, HeaderError> {
    let mut columns: Columns = vec![None; count];
    let found = || format!("{count} columns without names: map their numbers, from 1");
    for (field, column) in map {
        let at =
            usize::from_str(column).ok().and_then(|number| number.checked_sub(1)).filter(|at| *at < count);
        let Some(at) = at else {
            return Err(HeaderError::Column { column: column.escape_debug().to_string(), found: found() });
        };
        put(&mut columns, at, known(field)?)?;
    }
    if columns.contains(&Some("value")) { Ok(columns) } else { Err(HeaderError::NoValue { found: found() }) }
}

fn fields(columns: &Columns, cells: &[String]) -> Said {
    if cells.len() != columns.len() {
        let (found, required) = (cells.len(), columns.len());
        return Said::Refused(Refusal::new(
            "columns",
            format!("{found} cells, the file has {required} columns"),
        ));
    }
    let mut fields = Box::<Fields>::default();
    for (column, cell) in columns.iter().zip(cells) {
        if let Some(column) = column
            && let Err(why) = fields.set(column, cell)
        {
            return Said::Refused(Refusal::new("cell", why));
        }
    }
    Said::Fields(fields)
}

struct Record {
    number: u64,
    lines: u64,
    /// No cells: a blank line or a comment.
    cells: Result<Option<Vec<String>>, Refusal>,
}
