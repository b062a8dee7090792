//! The flags that say how lists are read, and what holds for all their lines.

use std::path::{Path, PathBuf};

use almenara_proto::{
    indicator::Kind,
    release::{Audience, Pap, Tlp},
    roster::CustodyRule,
    statement::{Basis, Category},
};

use crate::{
    draft::{self, Defaults},
    exit::CliError,
    formats::import::{CsvOptions, Format},
};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// One value a line; # begins a comment
    Plain,
    /// RFC 4180 with a header
    Csv,
    /// One JSON object a line; also a drafts file
    Jsonl,
}

/// How lists are read, and what to say where their lines do not.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListArgs {
    /// How the files are written [default: by their names: .csv, .jsonl, else plain]
    #[arg(long, value_enum)]
    pub format: Option<FormatName>,
    /// Kind of the values: domain, url, email, phone, wallet, iban, handle, ip …
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Category of the reports, such as scam.phishing; may be repeated
    #[arg(long, value_name = "CATEGORY", value_parser = category)]
    pub category: Vec<Category>,
    /// 0 to 100
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub confidence: Option<u8>,
    /// Who may see it: CLEAR, GREEN, AMBER, AMBER+STRICT or RED
    #[arg(long)]
    pub tlp: Option<Tlp>,
    /// What they may do with it: CLEAR or GREEN lets it into blocklists; AMBER, RED
    #[arg(long)]
    pub pap: Option<Pap>,
    /// Audience: a member, group:NAME or jurisdiction:XX; may be repeated
    #[arg(long, value_name = "AUDIENCE")]
    pub to: Vec<Audience>,
    /// Never these; always wins
    #[arg(long, value_name = "AUDIENCE")]
    pub not_to: Vec<Audience>,
    /// In how many other jurisdictions it is kept (AMBER)
    #[arg(long)]
    pub copies: Option<u32>,
    /// Days after last_seen until it expires [default: the kind's own]
    #[arg(long, value_name = "DAYS")]
    pub valid_days: Option<u32>,
    /// The values come from this list
    #[arg(long, value_name = "LIST", conflicts_with = "observed")]
    pub from: Option<String>,
    /// We saw the values ourselves
    #[arg(long)]
    pub observed: bool,
    /// The report covers all subdomains (domains)
    #[arg(long)]
    pub include_subdomains: bool,
    /// Never in a blocklist
    #[arg(long)]
    pub lookup_only: bool,
    /// The person behind it may be a victim (implies --lookup-only)
    #[arg(long)]
    pub possibly_coerced: bool,
    /// A name that several reports share
    #[arg(long)]
    pub campaign: Option<String>,
    /// Free label; may be repeated
    #[arg(long)]
    pub label: Vec<String>,
    /// Why you may process this
    #[arg(long)]
    pub lawful_basis: Option<String>,
    /// Country of national phone numbers and bank accounts, such as TH
    #[arg(long)]
    pub region: Option<String>,
    /// Chain of wallets: btc, eth, tron, sol … or auto
    #[arg(long)]
    pub chain: Option<String>,
    /// Platform of handles, store of apps, register of companies
    #[arg(long)]
    pub platform: Option<String>,
    /// CSV: which column holds which field, such as value=domain,category=type
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    pub map: Option<String>,
    /// CSV: the character between cells
    #[arg(long, value_name = "CHARACTER", default_value_t = ',')]
    pub delimiter: char,
    /// CSV: there is no header; --map names columns by number, from 1
    #[arg(long, requires = "map")]
    pub no_header: bool,
    /// Write what became of each line, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

fn category(name: &str) -> Result<Category, String> {
    draft::category(name).map_err(|refusal| refusal.message)
}

impl ListArgs {
    /// What is said where a line does not.
    pub(super) fn defaults(&self, now: u64, custody: CustodyRule) -> Defaults {
        let basis = match (&self.from, self.observed) {
            (Some(list), _) => Some(Basis::Imported(list.clone())),
            (None, true) => Some(Basis::Observed),
            (None, false) => None,
        };
        Defaults {
            now,
            file: None,
            kind: self.kind,
            categories: self.category.clone(),
            confidence: self.confidence,
            basis,
            valid_days: self.valid_days,
            include_subdomains: self.include_subdomains,
            lookup_only: self.lookup_only,
            possibly_coerced: self.possibly_coerced,
            campaign: self.campaign.clone(),
            labels: self.label.clone(),
            lawful_basis: self.lawful_basis.clone(),
            tlp: self.tlp,
            pap: self.pap,
            to: self.to.iter().cloned().collect(),
            not_to: self.not_to.iter().cloned().collect(),
            copies: self.copies,
            custody,
            region: self.region.clone(),
            chain: self.chain.clone(),
            platform: self.platform.clone(),
        }
    }

    /// How the file at `path` is written.
    ///
    /// # Errors
    /// [`CliError`] (usage), when --map or --delimiter make no sense.
    pub(super) fn format(&self, path: &Path) -> Result<Format, CliError> {
        let by_name = || match path.extension().and_then(|name| name.to_str()) {
            Some("csv") => FormatName::Csv,
            Some("jsonl" | "ndjson") => FormatName::Jsonl,
            _ => FormatName::Plain,
        };
        Ok(match self.format.unwrap_or_else(by_name) {
            FormatName::Plain => {
                self.says_enough(path)?;
                Format::Plain
            }
            FormatName::Jsonl => Format::JsonLines,
            FormatName::Csv => Format::Csv(CsvOptions {
                map: CsvOptions::map(self.map.as_deref().unwrap_or_default()).map_err(CliError::usage)?,
                delimiter: u8::try_from(self.delimiter)
                    .map_err(|_| CliError::usage("--delimiter: one ASCII character is expected"))?,
                header: !self.no_header,
            }),
        })
    }

    /// A plain list says nothing but values: what else a report needs must stand here.
    fn says_enough(&self, path: &Path) -> Result<(), CliError> {
        let needed = [
            (self.kind.is_none(), "--kind"),
            (self.category.is_empty(), "--category"),
            (self.tlp.is_none(), "--tlp"),
            (self.from.is_none() && !self.observed, "--from LIST or --observed"),
        ];
        let missing: Vec<&str> =
            needed.into_iter().filter_map(|(missing, flag)| missing.then_some(flag)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (path, missing) = (path.display(), missing.join(", "));
        Err(CliError::usage(format!(
            "{path} is a plain list of values, so the command must say the rest: give {missing} \
             (or --format csv or jsonl, if it is no plain list)"
        )))
    }
}
