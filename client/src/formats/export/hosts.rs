//! A hosts file: `0.0.0.0 name`. `0.0.0.0` is refused at once everywhere, where `127.0.0.1` may reach a local server.

use almenara_proto::indicator::Kind;

use super::{Encoder, ExportItem, Skip, name::blocked_name};

pub(super) struct Hosts;

impl Encoder for Hosts {
    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip> {
        if item.indicator.kind() != Kind::Domain {
            return Err(Skip::Kind);
        }
        let name = blocked_name(value)?;
        line.extend_from_slice(b"0.0.0.0 ");
        line.extend_from_slice(name.as_bytes());
        line.push(b'\n');
        Ok(())
    }
}
