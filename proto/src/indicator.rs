//! Stub until the real one lands.
#![allow(missing_docs)]
use std::str::FromStr;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Domain = 1,
    Company = 13,
}
impl Kind {
    pub fn from_number(_n: i32) -> Option<Kind> {
        None
    }
    pub fn default_validity_days(self) -> u32 {
        1
    }
    pub fn as_str(self) -> &'static str {
        ""
    }
}
impl FromStr for Kind {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Err(String::new())
    }
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Indicator(Kind, String);
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("x")]
pub struct NotWellFormed;
impl Indicator {
    pub fn new(kind: Kind, value: impl Into<String>) -> Result<Indicator, NotWellFormed> {
        Ok(Indicator(kind, value.into()))
    }
    pub fn kind(&self) -> Kind {
        self.0
    }
    pub fn value(&self) -> &str {
        &self.1
    }
}
