//! Stub until the real one lands.
use almenara_proto::indicator::Indicator;
/// S
#[derive(Default)]
pub struct Safeguards;
/// P
pub struct Protected<'a> {
    /// l
    pub list: &'a str,
}
impl Safeguards {
    /// none
    pub fn none() -> Self {
        Self
    }
    /// p
    pub fn protects(&self, _i: &Indicator) -> Option<Protected<'_>> {
        None
    }
}
impl std::fmt::Debug for Safeguards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("S")
    }
}
