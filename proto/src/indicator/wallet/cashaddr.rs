//! Bitcoin Cash: CashAddr, written without its prefix. Old 1… and 3… addresses become it.

use super::{Address, Misfit, TESTNET, base58};

const PREFIX: &str = "bitcoincash";
const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const SCHEME: &str = "CashAddr, one case throughout";

pub(super) fn read(address: &str) -> Result<Address, Misfit> {
    let lower = address.to_ascii_lowercase();
    if lower.starts_with("bchtest:") || lower.starts_with("bchreg:") {
        return Err(TESTNET);
    }
    // 42 characters hold a hash of 20 bytes, 61 one of 32.
    let body = lower.strip_prefix("bitcoincash:").unwrap_or(&lower);
    let values = (body.len() == 42 || body.len() == 61)
        .then(|| {
            body.chars()
                .map(|c| CHARSET.find(c).and_then(|v| u8::try_from(v).ok()))
                .collect::<Option<Vec<u8>>>()
        })
        .flatten();
    match values {
        Some(values) => {
            if polymod(&values) != 0 || (address != lower && address != address.to_ascii_uppercase()) {
                return Err(Misfit::Checksum(SCHEME));
            }
            decode(&values)
        }
        None => legacy(address),
    }
}

fn decode(values: &[u8]) -> Result<Address, Misfit> {
    let (data, _checksum) = values.split_last_chunk::<8>().ok_or(Misfit::Form)?;
    let bytes = to_bytes(data).ok_or(Misfit::Form)?;
    let (version, hash) = bytes.split_first().ok_or(Misfit::Form)?;
    // Types 2 and 3 say that the owner understands tokens; the account is that of types 0 and 1.
    match (version >> 3, version & 7, hash.len()) {
        (0 | 2, 0, 20) => Ok(encode(0, hash).into()),
        (1 | 3, 0, 20) => Ok(encode(8, hash).into()),
        (1 | 3, 3, 32) => Ok(encode(11, hash).into()),
        _ => Err(Misfit::Form),
    }
}

/// The same forms as Bitcoin's: reached only if the chain is named, for Bitcoin is recognised first.
fn legacy(address: &str) -> Result<Address, Misfit> {
    match base58::version_and_hash(address)? {
        (0, hash) => Ok(encode(0, &hash).into()),
        (5, hash) => Ok(encode(8, &hash).into()),
        (111 | 196, _) => Err(TESTNET),
        _ => Err(Misfit::Form),
    }
}

fn encode(version: u8, hash: &[u8]) -> String {
    let mut values = to_values(std::iter::once(version).chain(hash.iter().copied()));
    let mut padded = values.clone();
    padded.extend([0; 8]);
    let check = polymod(&padded);
    values.extend((0..8).rev().map(|i| u8::try_from((check >> (5 * i)) & 31).unwrap_or_default()));
    values.iter().filter_map(|v| CHARSET.get(usize::from(*v)..=usize::from(*v))).collect()
}

/// Bytes in groups of five bits, the last filled with zeros.
fn to_values(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let (mut values, mut pending, mut bits) = (Vec::new(), 0_u16, 0_u32);
    for byte in bytes {
        pending = (pending << 8 | u16::from(byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push(u8::try_from((pending >> bits) & 31).unwrap_or_default());
        }
    }
    if bits > 0 {
        values.push(u8::try_from((pending << (5 - bits)) & 31).unwrap_or_default());
    }
    values
}

/// The reverse; none if the filling is not zero, or longer than four bits.
fn to_bytes(values: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut pending, mut bits) = (Vec::new(), 0_u16, 0_u32);
    for value in values {
        pending = (pending << 5 | u16::from(*value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((pending >> bits) & 0xff).ok()?);
        }
    }
    let filling = pending & ((1 << bits) - 1);
    (bits < 5 && filling == 0).then_some(bytes)
}

/// The checksum of the specification, over the prefix, a zero and the values: zero when it holds.
fn polymod(values: &[u8]) -> u64 {
    const GENERATORS: [u64; 5] =
        [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let prefix = PREFIX.bytes().map(|b| b & 31).chain([0]);
    let sum = prefix.chain(values.iter().copied()).fold(1_u64, |sum, value| {
        let top = sum >> 35;
        let next = ((sum & 0x07_ffff_ffff) << 5) ^ u64::from(value);
        (0..)
            .zip(GENERATORS)
            .filter(|(i, _)| (top >> i) & 1 == 1)
            .fold(next, |sum, (_, generator)| sum ^ generator)
    });
    sum ^ 1
}
