//! The chains, and how an input or an address names one.

use super::super::NotCanonical;
use super::{Address, Misfit, base58, bech32, cashaddr, evm, monero, ton};

/// A chain as people and files name it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Chain<'a> {
    /// The address's own form decides.
    #[default]
    Auto,
    /// A name or an alias of [`CHAINS`], `eip155:<id>`, or a token's name, which decides nothing.
    Named(&'a str),
}

/// A chain that a node admits.
#[derive(Clone, Copy, Debug)]
pub struct ChainInfo {
    /// The word before the colon.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// The forms that are read, for people; the canonical one first.
    pub forms: &'static str,
    /// [`Chain::Auto`] recognises it. The others share their forms with an earlier chain.
    pub recognised: bool,
    pub(super) read: fn(&str) -> Result<Address, Misfit>,
}

macro_rules! chain {
    ($name:literal, $aliases:expr, $forms:literal, $recognised:literal, $read:expr) => {
        ChainInfo { name: $name, aliases: &$aliases, forms: $forms, recognised: $recognised, read: $read }
    };
}

/// The chains that a node admits, in the order in which [`Chain::Auto`] tries them: forms with a strong checksum
/// first, Solana, which has none, last.
pub static CHAINS: [ChainInfo; 16] = [
    chain!(
        "eth",
        [
            "ethereum", "evm", "bsc", "bnb", "arb", "arbitrum", "polygon", "matic", "optimism", "base",
            "avax", "erc20"
        ],
        "0x and 40 hex digits with the case of EIP-55 (all-lower and all-upper are read); any EVM chain",
        true,
        evm::read
    ),
    chain!("btc", ["bitcoin", "xbt"], "bc1… (segwit, taproot), 1…, 3…", true, bech32::read_btc),
    chain!("tron", ["trx", "trc20"], "T…", true, |a| base58::read(a, &base58::TRON)),
    chain!("ltc", ["litecoin"], "ltc1…, L…, M… (3… only when the chain is named)", true, bech32::read_ltc),
    chain!("doge", ["dogecoin"], "D…, 9…, A…", true, |a| base58::read(a, &base58::DOGE)),
    chain!("dash", [], "X…, 7…", true, |a| base58::read(a, &base58::DASH)),
    chain!("zec", ["zcash"], "t1…, t3…, zs1…, u1…", true, bech32::read_zec),
    chain!("btg", ["bitcoingold"], "G…, A…", true, |a| base58::read(a, &base58::BTG)),
    chain!(
        "bch",
        ["bitcoincash", "bchabc"],
        "q…, p… (with or without bitcoincash:; 1…, 3… only when the chain is named)",
        true,
        cashaddr::read
    ),
    chain!("xmr", ["monero"], "4…, 8… (95 or 106 characters)", true, monero::read),
    chain!("xrp", ["ripple"], "r…, with ?dt=<tag> for a deposit (X… is read)", true, base58::read_xrp),
    chain!(
        "ton",
        ["toncoin"],
        "0:<hex>, with ?memo=<text> for a deposit (EQ…, UQ… are read)",
        true,
        ton::read
    ),
    chain!("sol", ["solana"], "32 bytes in base 58; no checksum", true, base58::read_sol),
    chain!("etc", ["ethereumclassic"], "the forms of eth", false, evm::read),
    chain!("bsv", ["bitcoinsv"], "1…, 3…", false, |a| base58::read(a, &base58::BSV)),
    chain!("xvg", ["verge"], "D…, E…", false, |a| base58::read(a, &base58::XVG)),
];

/// Tokens live on several chains: their name decides nothing.
pub(super) const TOKENS: [&str; 6] = ["usdt", "usdc", "dai", "busd", "tether", "token"];

/// A chain as a value names it: `btc`, `eip155:56`.
pub(super) struct Named {
    pub(super) label: String,
    pub(super) info: &'static ChainInfo,
}

/// The first chain whose form the address has; else the nearest miss.
pub(super) type Recognised = Result<(&'static ChainInfo, Address), Option<(&'static ChainInfo, Misfit)>>;

pub(super) fn recognise(text: &str) -> Recognised {
    let mut miss = None;
    for info in CHAINS.iter().filter(|info| info.recognised) {
        match (info.read)(text) {
            Ok(address) => return Ok((info, address)),
            Err(Misfit::Form) => {}
            Err(misfit) => miss = miss.or(Some((info, misfit))),
        }
    }
    Err(miss)
}

/// The chain before the colon, if the input says one, and the rest.
pub(super) fn prefix(input: &str) -> Result<(Option<Named>, &str), NotCanonical> {
    let Some((first, rest)) = input.split_once(':') else { return Ok((None, input)) };
    // A raw TON address has a workchain there.
    if first.parse::<i8>().is_ok() {
        return Ok((None, input));
    }
    if first.trim().eq_ignore_ascii_case("eip155") {
        let (id, address) = rest.split_once(':').unwrap_or((rest, ""));
        return Ok((named(&format!("eip155:{id}"))?, address.trim()));
    }
    Ok((named(first.trim())?, rest.trim()))
}

/// The chain of a name or alias; none for a token.
pub(super) fn named(name: &str) -> Result<Option<Named>, NotCanonical> {
    let lower = name.to_ascii_lowercase();
    if TOKENS.contains(&lower.as_str()) {
        return Ok(None);
    }
    let unknown = || {
        NotCanonical::unknown_name("chain", name, CHAINS.iter().map(|info| info.name).chain(["eip155:<id>"]))
    };
    let (plain, label) = match lower.strip_prefix("eip155:") {
        Some("61") => ("etc", None),
        Some(id) => {
            let number: u64 = id.parse().map_err(|_| unknown())?;
            // CAIP-2; `+1`, `01` and 0 are other spellings or nothing.
            let label = format!("eip155:{number}");
            if number == 0 || label != lower {
                return Err(unknown());
            }
            ("eth", Some(label))
        }
        None => (lower.as_str(), None),
    };
    let info =
        CHAINS.iter().find(|info| info.name == plain || info.aliases.contains(&plain)).ok_or_else(unknown)?;
    Ok(Some(Named { label: label.unwrap_or_else(|| info.name.to_owned()), info }))
}
