//! TON: `<workchain>:<hex>`. The base64 forms (EQ…, UQ…, kQ…) are flags, workchain, hash and CRC-16 of one account.

use super::{Address, Misfit, TESTNET};
use data_encoding::{BASE64, BASE64URL, HEXLOWER};

pub(super) fn read(address: &str) -> Result<Address, Misfit> {
    if let Some((workchain, hash)) = address.split_once(':') {
        // The base chain and the masterchain: there are no others.
        let known = matches!(workchain, "0" | "-1");
        return match known && hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Ok(format!("{workchain}:{}", hash.to_ascii_lowercase()).into()),
            false => Err(Misfit::Form),
        };
    }
    if address.len() != 48 {
        return Err(Misfit::Form);
    }
    let bytes = BASE64URL
        .decode(address.as_bytes())
        .or_else(|_| BASE64.decode(address.as_bytes()))
        .map_err(|_| Misfit::Form)?;
    let (body, check) = bytes.split_last_chunk::<2>().ok_or(Misfit::Form)?;
    let [flags, workchain, hash @ ..] = body else { return Err(Misfit::Form) };
    let workchain = match workchain {
        0 => "0",
        0xff => "-1",
        _ => return Err(Misfit::Form),
    };
    if u16::from_be_bytes(*check) != crc16(body) {
        return Err(Misfit::Checksum("CRC-16"));
    }
    match flags {
        // Whether a failed payment bounces is the sender's choice: both are one account.
        0x11 | 0x51 => Ok(format!("{workchain}:{}", HEXLOWER.encode(hash)).into()),
        0x91 | 0xd1 => Err(TESTNET),
        _ => Err(Misfit::Form),
    }
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}
