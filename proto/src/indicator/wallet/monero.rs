//! Monero: base 58 in blocks of 11 characters for 8 bytes, and four bytes of Keccak-256.

use super::{Address, Misfit, TESTNET};
use sha3::{Digest, Keccak256};

const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

pub(super) fn read(address: &str) -> Result<Address, Misfit> {
    // 69 bytes: network, two keys, checksum. 77: a payment id of 8 bytes as well, the deposit tag of old exchanges.
    if !matches!(address.len(), 95 | 106) {
        return Err(Misfit::Form);
    }
    let bytes = decode(address).ok_or(Misfit::Form)?;
    let (body, check) = bytes.split_last_chunk::<4>().ok_or(Misfit::Form)?;
    // Primary, integrated, subaddress.
    match (body.first(), body.len()) {
        (Some(18 | 42), 65) | (Some(19), 73) => {}
        (Some(53 | 54 | 63 | 24 | 25 | 36), _) => return Err(TESTNET),
        _ => return Err(Misfit::Form),
    }
    if Keccak256::digest(body).iter().take(4).eq(check) {
        Ok(address.to_owned().into())
    } else {
        Err(Misfit::Checksum("Keccak-256"))
    }
}

fn decode(address: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(77);
    for block in address.as_bytes().chunks(11) {
        let size: u32 = match block.len() {
            11 => 8,
            7 => 5,
            _ => return None,
        };
        let mut number = 0_u128;
        for b in block {
            let digit = ALPHABET.find(char::from(*b))?;
            number = number * 58 + u128::try_from(digit).ok()?;
        }
        // More than the bytes of the block hold would be a second spelling of the same address.
        if number >> (8 * size) != 0 {
            return None;
        }
        let skipped = 16_usize.checked_sub(usize::try_from(size).ok()?)?;
        bytes.extend(number.to_be_bytes().into_iter().skip(skipped));
    }
    Some(bytes)
}
