//! Who may see a single statement, as `sight` and `dispute` take it.

use almenara_proto::release::{Audience, Pap, Release, Tlp};

/// Who may see it.
#[derive(Clone, Debug, clap::Args)]
pub struct Handling {
    /// Who may see it: CLEAR, GREEN, AMBER, AMBER+STRICT or RED
    #[arg(long)]
    pub tlp: Tlp,
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
    pub(super) fn release(self) -> Release {
        Release {
            tlp: Some(self.tlp),
            pap: self.pap,
            to: self.to.into_iter().collect(),
            not_to: self.not_to.into_iter().collect(),
        }
    }
}
