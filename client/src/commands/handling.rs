//! Who may see a single statement, as `sight` and `dispute` take it.

use almenara_proto::release::{Audience, Pap, Release, Tlp};

use crate::exit::CliError;

/// Who may see it.
#[derive(Clone, Debug, clap::Args)]
pub struct Handling {
    /// Who may see it: CLEAR, GREEN, AMBER, AMBER+STRICT or RED
    #[arg(long)]
    pub tlp: Option<Tlp>,
    /// What they may do with it: CLEAR, GREEN, AMBER or RED
    #[arg(long)]
    pub pap: Option<Pap>,
    /// Audience: a member, group:NAME or jurisdiction:XX; may be repeated
    #[arg(long, value_name = "AUDIENCE")]
    pub to: Vec<Audience>,
    /// Never these; always wins
    #[arg(long, value_name = "AUDIENCE")]
    pub not_to: Vec<Audience>,
}

impl Handling {
    /// What was said; nothing when no TLP was given, for then nobody said who may see it.
    pub(super) fn release(self) -> Result<Option<Release>, CliError> {
        match self.tlp {
            Some(tlp) => Ok(Some(Release {
                tlp: Some(tlp),
                pap: self.pap,
                to: self.to.into_iter().collect(),
                not_to: self.not_to.into_iter().collect(),
            })),
            None if self.pap.is_some() || !self.to.is_empty() || !self.not_to.is_empty() => {
                Err(CliError::usage("--pap, --to and --not-to need --tlp"))
            }
            None => Ok(None),
        }
    }
}
