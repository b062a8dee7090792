//! Base58Check: a version, a payload, and four bytes of double SHA-256. Solana's base 58 has no checksum.

use super::{Address, Misfit, TESTNET};
use sha2::{Digest, Sha256};

/// Decoding is quadratic: the longest of these addresses (Zcash's old shielded ones) has 95 characters.
const MAX_CHARS: usize = 100;

const SCHEME: &str = "Base58Check";

/// The versions of one chain.
pub(super) struct Versions {
    /// Bytes before the payload of main-network addresses.
    main: &'static [&'static [u8]],
    /// The same of its test networks.
    test: &'static [&'static [u8]],
    payload: usize,
}

/// Pay to public key hash, pay to script hash; the same for the chains below.
pub(super) const BTC: Versions = Versions { main: &[&[0], &[5]], test: &[&[111], &[196]], payload: 20 };
pub(super) const BSV: Versions = BTC;
pub(super) const LTC: Versions = Versions { main: &[&[48], &[50]], test: &[&[58]], payload: 20 };
pub(super) const DOGE: Versions = Versions { main: &[&[30], &[22]], test: &[&[113]], payload: 20 };
pub(super) const DASH: Versions = Versions { main: &[&[76], &[16]], test: &[&[140], &[19]], payload: 20 };
pub(super) const BTG: Versions = Versions { main: &[&[38], &[23]], test: &[], payload: 20 };
pub(super) const XVG: Versions = Versions { main: &[&[30], &[33]], test: &[&[115], &[198]], payload: 20 };
pub(super) const TRON: Versions = Versions { main: &[&[0x41]], test: &[&[0xa0]], payload: 20 };
/// t1, t3.
pub(super) const ZEC: Versions =
    Versions { main: &[&[0x1c, 0xb8], &[0x1c, 0xbd]], test: &[&[0x1d, 0x25], &[0x1c, 0xba]], payload: 20 };

/// An address with one of the versions; base 58 has one spelling of each, so that it is canonical already.
pub(super) fn read(address: &str, versions: &Versions) -> Result<Address, Misfit> {
    let (body, intact) = decode(address, bs58::Alphabet::BITCOIN)?;
    let of =
        |list: &[&[u8]]| list.iter().any(|v| body.len() == v.len() + versions.payload && body.starts_with(v));
    match (of(versions.main), of(versions.test), intact) {
        (true, _, true) => Ok(address.to_owned().into()),
        (true, _, false) => Err(Misfit::Checksum(SCHEME)),
        (_, true, true) => Err(TESTNET),
        _ => Err(Misfit::Form),
    }
}

/// Version and payload of an intact address with a one-byte version.
pub(super) fn version_and_hash(address: &str) -> Result<(u8, Vec<u8>), Misfit> {
    let (body, intact) = decode(address, bs58::Alphabet::BITCOIN)?;
    let (version, hash) = body.split_first().ok_or(Misfit::Form)?;
    if hash.len() != 20 {
        return Err(Misfit::Form);
    }
    if intact { Ok((*version, hash.to_vec())) } else { Err(Misfit::Checksum(SCHEME)) }
}

/// An address of the given version and hash.
pub(super) fn write(version: u8, hash: &[u8]) -> String {
    bs58::encode(with_checksum([&[version], hash].concat())).into_string()
}

/// What stands before the checksum, and whether the checksum holds.
fn decode(address: &str, alphabet: &bs58::Alphabet) -> Result<(Vec<u8>, bool), Misfit> {
    if address.len() > MAX_CHARS {
        return Err(Misfit::Form);
    }
    let bytes = bs58::decode(address).with_alphabet(alphabet).into_vec().map_err(|_| Misfit::Form)?;
    let (body, check) = bytes.split_last_chunk::<4>().ok_or(Misfit::Form)?;
    Ok((body.to_vec(), *check == checksum(body)))
}

pub(super) fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    body.extend(checksum(&body));
    body
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::digest(Sha256::digest(body)).into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// Solana: any 32 bytes. On the curve or not (an account of a program), money can be sent there.
pub(super) fn read_sol(address: &str) -> Result<Address, Misfit> {
    if !(32..=44).contains(&address.len()) {
        return Err(Misfit::Form);
    }
    let bytes = bs58::decode(address).into_vec().map_err(|_| Misfit::Form)?;
    if bytes.len() == 32 { Ok(address.to_owned().into()) } else { Err(Misfit::Form) }
}

/// XRP: base 58 of its own alphabet; an X-address (XLS-5) holds account and tag in one.
pub(super) fn read_xrp(address: &str) -> Result<Address, Misfit> {
    let (body, intact) = decode(address, bs58::Alphabet::RIPPLE)?;
    let address = match body.as_slice() {
        [0, account @ ..] if account.len() == 20 => Ok(address.to_owned().into()),
        [0x05, 0x44, rest @ ..] if rest.len() == 29 => x_address(rest),
        [0x04, 0x93, rest @ ..] if rest.len() == 29 => Err(TESTNET),
        _ => Err(Misfit::Form),
    };
    if address.is_ok() && !intact { Err(Misfit::Checksum(SCHEME)) } else { address }
}

/// 20 bytes of account, a flag (0: no tag, 1: a tag of 32 bits), the tag in little endian, zeros.
fn x_address(rest: &[u8]) -> Result<Address, Misfit> {
    let (account, rest) = rest.split_at_checked(20).ok_or(Misfit::Form)?;
    let tag = match rest {
        [0, 0, 0, 0, 0, 0, 0, 0, 0] => None,
        [1, a, b, c, d, 0, 0, 0, 0] => Some(u32::from_le_bytes([*a, *b, *c, *d]).to_string()),
        _ => return Err(Misfit::Form),
    };
    let bytes = with_checksum([&[0], account].concat());
    Ok(Address { text: bs58::encode(bytes).with_alphabet(bs58::Alphabet::RIPPLE).into_string(), tag })
}
