//! What a member says it keeps of other members' restricted statements (PROTOCOL.md §9).

use std::collections::BTreeMap;

use prost::Message as _;

use super::Entrusted;
use crate::{
    blame::Void,
    field,
    keys::Context,
    limits::{BATCH_STATEMENTS, CUSTODY_LOGS},
    merkle::{Hash, MAX_SIZE},
    name::MemberName,
    roster::Roster,
    signed::{Body, Signed},
    strict::{self, Table},
    wire,
};

/// The body of a custody report: it travels as a [`Signed`] under the member's cosign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyReport {
    /// Federation id.
    pub federation: String,
    /// Who reports.
    pub member: MemberName,
    /// The roster version under which it is judged.
    pub roster: u64,
    /// Unix seconds; the member's claim.
    pub made_at: u64,
    /// By origin; never the member itself.
    pub logs: BTreeMap<MemberName, CustodyOfLog>,
    /// What others are to keep of the member's own log; nothing when it does not say.
    pub entrusted: Option<Entrusted>,
}

/// What is kept of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustodyOfLog {
    /// Entries looked at.
    pub size: u64,
    /// Custodied leaves (with `copies` > 0) that are kept in clear.
    pub held: u64,
    /// Of so many: see [`super::custodied`].
    pub of: u64,
}

impl Body for CustodyReport {
    const CONTEXT: Context = Context::CustodyReport;
    const TABLE: &'static Table = &strict::CUSTODY_REPORT;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::CustodyReport = field::message("CustodyReport", body)?;
        let member: MemberName = wire.member.parse()?;
        if wire.roster == 0 {
            return Err(Void::new("CustodyReport.roster", "versions start at 1"));
        }
        if wire.logs.len() > CUSTODY_LOGS {
            return Err(Void::new("CustodyReport.logs", format!("more than {CUSTODY_LOGS}")));
        }
        if !wire.logs.is_sorted_by(|a, b| a.origin < b.origin) {
            return Err(Void::new("CustodyReport.logs", "their origins must ascend strictly"));
        }
        let logs = wire
            .logs
            .into_iter()
            .map(|wire| {
                let origin: MemberName = wire.origin.parse()?;
                if origin == member {
                    return Err(Void::new("CustodyOfLog.origin", "a member's own log is not foreign"));
                }
                let log = CustodyOfLog { size: wire.size, held: wire.held, of: wire.of };
                log.check()?;
                Ok((origin, log))
            })
            .collect::<Result<_, Void>>()?;
        let entrusted = wire.entrusted.map(|wire| Entrusted::parse(wire, &member)).transpose()?;
        Ok(Self {
            federation: field::federation(wire.federation)?,
            member,
            roster: wire.roster,
            made_at: wire.made_at,
            logs,
            entrusted,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::CustodyReport {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            roster: self.roster,
            made_at: self.made_at,
            logs: self
                .logs
                .iter()
                .map(|(origin, log)| wire::CustodyOfLog {
                    origin: origin.to_string(),
                    size: log.size,
                    held: log.held,
                    of: log.of,
                })
                .collect(),
            entrusted: self.entrusted.as_ref().map(Entrusted::to_wire),
        }
        .encode_to_vec()
    }
}

impl CustodyOfLog {
    fn check(&self) -> Result<(), Void> {
        if self.size > MAX_SIZE {
            return Err(Void::new("CustodyOfLog.size", "more entries than a log can have"));
        }
        if self.of > most(self.size) {
            return Err(Void::new("CustodyOfLog.of", "more statements than that many entries can hold"));
        }
        if self.held > self.of {
            return Err(Void::new("CustodyOfLog.held", "more than there are"));
        }
        Ok(())
    }
}

/// Statements that so many entries can hold.
pub(super) const fn most(size: u64) -> u64 {
    size.saturating_mul(BATCH_STATEMENTS as u64)
}

/// A report that its member signed.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedReport(Signed<CustodyReport>);

impl VerifiedReport {
    /// Checks who signed, under the roster version that the report names.
    ///
    /// # Errors
    /// [`Void`]: another federation or version, no member, or another key than its cosign key.
    pub fn verify(signed: Signed<CustodyReport>, roster: &Roster) -> Result<Self, Void> {
        let report = &signed.content;
        if report.federation != roster.federation {
            return Err(Void::new("CustodyReport.federation", format!("this one is {}", roster.federation)));
        }
        if report.roster != roster.version {
            return Err(Void::new(
                "CustodyReport.roster",
                format!("version {} is needed to check it, not {}", report.roster, roster.version),
            ));
        }
        let member = roster.member(&report.member).ok_or_else(|| {
            Void::new(
                "CustodyReport.member",
                format!("{} is not on roster {}", report.member, roster.version),
            )
        })?;
        signed.verify(&member.cosign_key.admit()?)?;
        Ok(Self(signed))
    }

    /// What it says.
    #[must_use]
    pub const fn report(&self) -> &CustodyReport {
        &self.0.content
    }

    /// With the bytes, to hand on.
    #[must_use]
    pub const fn signed(&self) -> &Signed<CustodyReport> {
        &self.0
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.0.id()
    }
}
