//! Wallets: `<chain>:<address>`, with an exchange's deposit memo or tag as part of the value.
//!
//! - A token is no chain: the form of a USDT address decides between `eth`, `tron` and the others.
//! - `eth` is any EVM chain, since one key has one address on all of them; `eip155:<id>:<address>` (CAIP-10) says
//!   that the chain matters. `eip155:61` is `etc`.
//! - An exchange's deposit address is shared by all its customers; the tag names one. XRP: `?dt=<number>`, as in its
//!   URIs; TON: `?memo=<text>`. Without it such a report hits everybody.

mod base58;
mod bech32;
mod cashaddr;
mod chain;
mod evm;
mod monero;
mod ton;

pub use chain::{CHAINS, Chain, ChainInfo};

use super::{Kind, NotCanonical, Shown, Warning};
use chain::{Named, named, prefix, recognise};

/// An address in its one form.
struct Address {
    text: String,
    /// The deposit tag that the address itself carries (XRP's X-addresses).
    tag: Option<String>,
}

/// Why an address is none of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfit {
    /// Another chain's, or none.
    Form,
    /// This chain's, with a wrong character.
    Checksum(&'static str),
    /// This chain's, but must not be reported; the reason.
    Refused(&'static str),
}

/// Deposits are never made on a test network: its coins are worth nothing.
const TESTNET: Misfit = Misfit::Refused("it is an address of a test network");

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self { text, tag: None }
    }
}

/// Zcash's unified addresses are the longest, with about 300 characters.
const MAX_WALLET_BYTES: usize = 512;
/// Longest memo, in bytes: exchanges give numbers, TON's comments of one cell hold 123.
const MAX_MEMO_BYTES: usize = 120;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    if value.len() > MAX_WALLET_BYTES {
        return Err("a wallet has at most 512 bytes");
    }
    let (chain, address) = value.split_once(':').ok_or("a wallet is <chain>:<address>")?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    // Any word: tomorrow's chain is not void today.
    if !(2..=16).contains(&chain.len()) || !chain.bytes().all(plain) {
        return Err("a chain has 2 to 16 of a-z and 0-9");
    }
    if address.len() < 10 {
        return Err("an address has at least 10 bytes");
    }
    if !address.bytes().all(|b| b.is_ascii_alphanumeric() || b":-._?=".contains(&b)) {
        return Err("an address has only letters, digits and : - . _ ? =");
    }
    Ok(())
}

pub(super) fn canonical(
    input: &str,
    chain: Chain<'_>,
    memo: Option<&str>,
) -> Result<(String, Vec<Warning>), NotCanonical> {
    if input.len() > MAX_WALLET_BYTES {
        return Err(NotCanonical::form(
            Kind::Wallet,
            input,
            "it has more than 512 bytes",
            "give one address",
        ));
    }
    let hinted = match chain {
        Chain::Auto => None,
        Chain::Named(name) => named(name.trim())?,
    };
    let (prefixed, rest) = prefix(input)?;
    if let (Some(hinted), Some(prefixed)) = (&hinted, &prefixed)
        && hinted.label != prefixed.label
    {
        return Err(other_chain(input, &hinted.label, prefixed.info));
    }
    let (text, query) = rest.split_once('?').map_or((rest, None), |(text, query)| (text, Some(query)));
    let (named, address) = match prefixed.or(hinted) {
        Some(named) => {
            let address = (named.info.read)(text).map_err(|misfit| match (misfit, recognise(text)) {
                (Misfit::Form, Ok((other, _))) => other_chain(text, &named.label, other),
                _ => refusal(text, named.info, misfit),
            })?;
            (named, address)
        }
        None => {
            let (info, address) = recognise(text).map_err(|best| match best {
                Some((info, misfit)) => refusal(text, info, misfit),
                None => NotCanonical::form(
                    Kind::Wallet,
                    input,
                    "no known chain has such addresses",
                    "name its chain",
                ),
            })?;
            (Named { label: info.name.to_owned(), info }, address)
        }
    };
    let tag = tag(input, named.info, [address.tag.as_deref(), query_tag(input, named.info, query)?, memo])?;
    let warnings =
        if named.info.name == "sol" { vec![Warning::NoChecksum { chain: "sol" }] } else { Vec::new() };
    Ok((format!("{}:{}{tag}", named.label, address.text), warnings))
}

fn other_chain(address: &str, named: &str, recognised: &ChainInfo) -> NotCanonical {
    NotCanonical::OtherChain {
        address: Shown::new(address),
        named: Shown::new(named),
        recognised: recognised.name,
    }
}

fn refusal(address: &str, info: &ChainInfo, misfit: Misfit) -> NotCanonical {
    match misfit {
        Misfit::Form => {
            NotCanonical::NotOn { value: Shown::new(address), name: info.name, forms: info.forms }
        }
        Misfit::Checksum(scheme) => NotCanonical::Checksum { value: Shown::new(address), scheme },
        Misfit::Refused(because) => {
            NotCanonical::refused(Kind::Wallet, address, because, "report the address on the main network")
        }
    }
}

/// The tag in the query of an address, under the chain's own word for it.
fn query_tag<'a>(
    input: &str,
    info: &ChainInfo,
    query: Option<&'a str>,
) -> Result<Option<&'a str>, NotCanonical> {
    let Some(query) = query else { return Ok(None) };
    let tag = tag_word(info).and_then(|word| query.strip_prefix(word)?.strip_prefix('='));
    tag.map(Some).ok_or_else(|| {
        let because = "what follows ? is no deposit tag of its chain";
        NotCanonical::form(
            Kind::Wallet,
            input,
            because,
            "give the address alone, or ?dt= (xrp), ?memo= (ton)",
        )
    })
}

fn tag_word(info: &ChainInfo) -> Option<&'static str> {
    match info.name {
        "xrp" => Some("dt"),
        "ton" => Some("memo"),
        _ => None,
    }
}

/// The tag's part of the value, from all who name it: they must agree.
fn tag(input: &str, info: &ChainInfo, named: [Option<&str>; 3]) -> Result<String, NotCanonical> {
    let because = |because| {
        NotCanonical::form(
            Kind::Wallet,
            input,
            because,
            "give the tag as the exchange shows it: a number, or one word",
        )
    };
    let mut tags = named.into_iter().flatten().map(str::trim).filter(|tag| !tag.is_empty());
    let Some(tag) = tags.next() else { return Ok(String::new()) };
    if tags.any(|other| other != tag) {
        return Err(because("two different deposit tags are given"));
    }
    let word = tag_word(info).ok_or_else(|| because("its chain has no deposit tags"))?;
    let fits = match word {
        // XRP: 32 bits, without signs and leading zeros, which would be a second form.
        "dt" => tag.parse::<u32>().is_ok_and(|number| number.to_string() == tag),
        _ => {
            tag.len() <= MAX_MEMO_BYTES
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    if fits { Ok(format!("?{word}={tag}")) } else { Err(because("its deposit tag does not fit its chain")) }
}

#[cfg(test)]
mod tests;
