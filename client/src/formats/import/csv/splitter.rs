//! One record of RFC 4180, which quotes may spread over lines.

use super::super::lines::not_utf8;
use crate::draft::Refusal;

/// Splits a record into cells, line by line.
pub(super) struct Splitter {
    delimiter: u8,
    cells: Vec<Vec<u8>>,
    cell: Vec<u8>,
    state: State,
    stray: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of the cell was read.
    Start,
    Bare,
    Quoted,
    /// After a quote within a quoted cell: its end, or the first half of `""`.
    Closing,
}

impl Splitter {
    pub(super) const fn new(delimiter: u8) -> Self {
        Self { delimiter, cells: Vec::new(), cell: Vec::new(), state: State::Start, stray: false }
    }

    /// Whether a quoted cell goes on in the next line.
    pub(super) fn line(&mut self, bytes: &[u8]) -> bool {
        if self.state == State::Quoted {
            self.cell.push(b'\n');
        }
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Closing,
                (State::Quoted, _) => self.keep(byte, State::Quoted),
                (State::Closing, b'"') => self.keep(byte, State::Quoted),
                (_, byte) if byte == self.delimiter => {
                    self.cells.push(std::mem::take(&mut self.cell));
                    State::Start
                }
                (State::Start, b'"') => State::Quoted,
                (State::Closing, _) => {
                    self.stray = true;
                    self.keep(byte, State::Closing)
                }
                (State::Start | State::Bare, _) => self.keep(byte, State::Bare),
            };
        }
        self.state == State::Quoted
    }

    fn keep(&mut self, byte: u8, state: State) -> State {
        self.cell.push(byte);
        state
    }

    /// The cells.
    pub(super) fn finish(mut self) -> Result<Option<Vec<String>>, Refusal> {
        if self.stray {
            return Err(Refusal::new(
                "stray_quote",
                "text follows a closing quote; double the quotes within a cell",
            ));
        }
        self.cells.push(std::mem::take(&mut self.cell));
        self.cells
            .into_iter()
            .map(|cell| String::from_utf8(cell).map_err(|error| not_utf8(&error.utf8_error())))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}
