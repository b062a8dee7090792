//! Addresses of Ethereum and every chain like it: 20 bytes in hex, with the checksum of EIP-55 in their case.

use super::{Address, Misfit};
use sha3::{Digest, Keccak256};

pub(super) fn read(address: &str) -> Result<Address, Misfit> {
    let hex = address.strip_prefix("0x").or_else(|| address.strip_prefix("0X")).ok_or(Misfit::Form)?;
    if hex.len() != 40 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Misfit::Form);
    }
    let canonical = checksummed(&hex.to_ascii_lowercase());
    // Without mixed case there is no checksum to be wrong.
    let one_case =
        !hex.bytes().any(|b| b.is_ascii_uppercase()) || !hex.bytes().any(|b| b.is_ascii_lowercase());
    if one_case || canonical == hex {
        Ok(format!("0x{canonical}").into())
    } else {
        Err(Misfit::Checksum("EIP-55"))
    }
}

/// EIP-55: a letter is uppercase where the nibble of Keccak-256 over the lowercase digits is 8 or more.
fn checksummed(lower: &str) -> String {
    let hash = Keccak256::digest(lower);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    lower
        .chars()
        .zip(nibbles)
        .map(|(c, nibble)| if nibble >= 8 { c.to_ascii_uppercase() } else { c })
        .collect()
}
