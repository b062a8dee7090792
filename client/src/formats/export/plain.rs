//! One value a line, of one kind.

use almenara_proto::indicator::Kind;

use super::{Encoder, ExportItem, Skip, name::blocked_name, printable};

pub(super) struct Plain {
    pub(super) kind: Kind,
}

impl Encoder for Plain {
    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip> {
        if item.indicator.kind() != self.kind {
            return Err(Skip::Kind);
        }
        let value = match self.kind {
            Kind::Domain => blocked_name(value)?,
            _ => printable(value)?,
        };
        if value.starts_with(['#', ';', '!', '$', '*', '@', '[']) {
            return Err(Skip::Directive);
        }
        line.extend_from_slice(value.as_bytes());
        line.push(b'\n');
        Ok(())
    }
}
