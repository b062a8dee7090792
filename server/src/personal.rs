//! Stub until the real one lands.
use almenara_proto::indicator::Indicator;
/// F
pub struct Finding {
    /// w
    pub what: &'static str,
}
/// s
pub fn scan(_t: &str, _i: &Indicator) -> Option<Finding> {
    None
}
