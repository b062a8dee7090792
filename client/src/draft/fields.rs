//! The names of a draft in JSON, and of the columns that a CSV file may have.

use serde::{Deserialize, Deserializer, Serialize, de};

/// One line of a drafts file or of a `jsonl` import. Every field may be absent; an unknown one refuses the line,
/// for `lokup_only` or `notto` must not pass as if it had never been written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// File that the draft came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// `domain`, `url`, `phone`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// As people write it; it is canonicalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Country of a national phone number or a bank account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Chain of a wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Deposit memo or tag of a wallet at an exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// Platform of a handle, store of an app, register of a company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// PDQ quality of an image hash, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,

    /// `report` (when absent), `sighting` or `dispute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Category ids, or their last part when it is enough: `phishing` for `scam.phishing`.
    #[serde(alias = "category", deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// `observed` or `imported`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Name of the list, with basis `imported`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
    /// Unix seconds, a date, or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// Unix seconds, a date, or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// Unix seconds, a date, or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    /// Days after last_seen, instead of valid_until.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u32>,
    /// Domains only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_subdomains: Option<bool>,
    /// Never in a blocklist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup_only: Option<bool>,
    /// The person behind it may be a victim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possibly_coerced: Option<bool>,
    /// A name that several reports share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// Free labels.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// BCP 47, of the description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where more stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Referred>,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Named>,
    /// Why the publisher may process this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lawful_basis: Option<String>,
    /// A withdrawal that this report deliberately overrides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reinstates: Option<Reinstated>,

    /// How often a sighting saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When a sighting's counting began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_start: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_end: Option<Time>,
    /// `seen`, `warned` or `blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,

    /// Address of the report that a dispute is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disputes: Option<String>,
    /// Id of that report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it is disputed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// TLP 2.0. `WHITE` is read as CLEAR, an unknown marking as RED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlp: Option<String>,
    /// PAP. An unknown marking is read as RED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pap: Option<String>,
    /// Members, `group:x`, `jurisdiction:XX`.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The same; always wins.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub not_to: Vec<String>,
    /// Custody: in how many other jurisdictions it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Referred {
    /// Where.
    pub url: String,
    /// SHA-256 of what stood there, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Another indicator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its kind.
    pub kind: String,
    /// Its value.
    pub value: String,
}

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reinstated {
    /// Its log index.
    pub entry: u64,
    /// Its id, in hex.
    pub id: String,
}

/// Unix seconds; read from a number, a date (`2026-01-31`, midnight UTC) or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Time(pub u64);

impl std::str::FromStr for Time {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return Ok(Self(seconds));
        }
        let midnight =
            |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp());
        text.parse::<jiff::Timestamp>()
            .ok()
            .or_else(|| text.parse().ok().and_then(midnight))
            .and_then(|at| u64::try_from(at.as_second()).ok())
            .map(Self)
            .ok_or_else(|| {
                let text = text.escape_debug();
                format!(
                    "`{text}` is no time since 1970: Unix seconds, 2026-01-31 or 2026-01-31T12:00:00Z are"
                )
            })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Self(seconds)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(text) => vec![text],
        Written::Many(texts) => texts,
    })
}

impl Fields {
    /// Columns that a CSV file may have, as `--map` names them. What is a list in JSON is separated by `;` or `|`.
    pub const COLUMNS: [&'static str; 29] = [
        "kind",
        "value",
        "region",
        "chain",
        "memo",
        "platform",
        "quality",
        "category",
        "confidence",
        "basis",
        "imported_from",
        "first_seen",
        "last_seen",
        "valid_until",
        "valid_days",
        "include_subdomains",
        "lookup_only",
        "possibly_coerced",
        "campaign",
        "labels",
        "description",
        "language",
        "reference",
        "lawful_basis",
        "tlp",
        "pap",
        "to",
        "not_to",
        "copies",
    ];

    /// Sets the field of a column; an empty cell says nothing.
    ///
    /// # Errors
    /// A sentence, when the text is not what the column holds.
    pub fn set(&mut self, column: &str, cell: &str) -> Result<(), String> {
        if cell.trim().is_empty() {
            return Ok(());
        }
        let text = || Some(cell.to_owned());
        match column {
            "kind" => self.kind = Some(cell.trim().to_ascii_lowercase()),
            "value" => self.value = text(),
            "region" => self.region = text(),
            "chain" => self.chain = text(),
            "memo" => self.memo = text(),
            "platform" => self.platform = text(),
            "quality" => self.quality = Some(number(column, cell)?),
            "category" => self.categories = list(cell),
            "confidence" => self.confidence = Some(number(column, cell)?),
            "basis" => self.basis = text(),
            "imported_from" => self.imported_from = text(),
            "first_seen" => self.first_seen = Some(cell.parse()?),
            "last_seen" => self.last_seen = Some(cell.parse()?),
            "valid_until" => self.valid_until = Some(cell.parse()?),
            "valid_days" => self.valid_days = Some(number(column, cell)?),
            "include_subdomains" => self.include_subdomains = Some(yes(column, cell)?),
            "lookup_only" => self.lookup_only = Some(yes(column, cell)?),
            "possibly_coerced" => self.possibly_coerced = Some(yes(column, cell)?),
            "campaign" => self.campaign = text(),
            "labels" => self.labels = list(cell),
            "description" => self.description = text(),
            "language" => self.language = text(),
            "reference" => self.references = vec![Referred { url: cell.trim().to_owned(), sha256: None }],
            "lawful_basis" => self.lawful_basis = text(),
            "tlp" => self.tlp = text(),
            "pap" => self.pap = text(),
            "to" => self.to = list(cell),
            "not_to" => self.not_to = list(cell),
            "copies" => self.copies = Some(number(column, cell)?),
            _ => return Err(format!("there is no field `{}`", column.escape_debug())),
        }
        Ok(())
    }
}

fn list(cell: &str) -> Vec<String> {
    cell.split([';', '|']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(column: &str, cell: &str) -> Result<T, String> {
    cell.trim().parse().map_err(|_| format!("{column}: `{}` is no number that fits", cell.escape_debug()))
}

fn yes(column: &str, cell: &str) -> Result<bool, String> {
    match cell.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("{column}: `{}` is neither true nor false", cell.escape_debug())),
    }
}
