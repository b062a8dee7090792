//! Bech32 (BIP 173) and bech32m (BIP 350): segwit addresses of Bitcoin and Litecoin, shielded ones of Zcash.

use super::{Address, Misfit, TESTNET, base58};
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Bech32m, Checksum};

pub(super) fn read_btc(address: &str) -> Result<Address, Misfit> {
    segwit(address, "bc", &["tb", "bcrt"]).unwrap_or_else(|| base58::read(address, &base58::BTC))
}

pub(super) fn read_ltc(address: &str) -> Result<Address, Misfit> {
    if let Some(read) = segwit(address, "ltc", &["tltc", "rltc"]) {
        return read;
    }
    // A script hash was once written as Bitcoin's 3…, today as M…: one script, one form. Reached only if the chain is
    // named, for Bitcoin is recognised first.
    match base58::version_and_hash(address) {
        Ok((5, hash)) => Ok(base58::write(50, &hash).into()),
        _ => base58::read(address, &base58::LTC),
    }
}

pub(super) fn read_zec(address: &str) -> Result<Address, Misfit> {
    match human_part(address).as_deref() {
        // Sapling: 43 bytes. Unified: at least the 48 that F4Jumble (ZIP 316) needs; what is inside stays inside.
        Some("zs") => shielded::<Bech32>(address, 43..=43),
        Some("u") => shielded::<Bech32m>(address, 48..=512),
        Some("ztestsapling" | "utest" | "textest") => Err(TESTNET),
        _ => base58::read(address, &base58::ZEC),
    }
}

/// What a segwit address is, or none if it is another form. The crate refuses mixed case, as BIP 173 asks.
fn segwit(address: &str, main: &str, test: &[&str]) -> Option<Result<Address, Misfit>> {
    let human = human_part(address)?;
    if test.contains(&human.as_str()) {
        return Some(Err(TESTNET));
    }
    (human == main).then(|| match bech32::segwit::decode(address) {
        Ok(_) => Ok(address.to_ascii_lowercase().into()),
        Err(_) => Err(Misfit::Checksum("bech32, one case throughout")),
    })
}

fn shielded<Ck: Checksum>(address: &str, bytes: std::ops::RangeInclusive<usize>) -> Result<Address, Misfit> {
    let decoded =
        CheckedHrpstring::new::<Ck>(address).map_err(|_| Misfit::Checksum("bech32, one case throughout"))?;
    if bytes.contains(&decoded.byte_iter().count()) {
        Ok(address.to_ascii_lowercase().into())
    } else {
        Err(Misfit::Form)
    }
}

/// The part before the last `1`, which says the network.
fn human_part(address: &str) -> Option<String> {
    Some(address.rsplit_once('1')?.0.to_ascii_lowercase())
}
