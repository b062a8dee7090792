//! Who calls, and what the caller may do.

use almenara_certs::{Role, SpiffeId};
use almenara_proto::{
    name::{Jurisdiction, MemberName},
    release::Recipient,
    wire::RefusalCode,
};

use crate::ingest::Refusal;

/// A caller whose certificate the roster vouches for, seen by one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// From the certificate.
    pub id: SpiffeId,
    /// Of the certificate.
    pub member: MemberName,
    /// Whose node this is.
    pub node: MemberName,
    /// Of a consumer account, when the node's configuration gives it one.
    pub jurisdiction: Option<Jurisdiction>,
    /// Its member gets what is public and nothing else: the operator of this node narrowed it.
    pub narrowed: bool,
}

impl Account {
    /// Whether the caller may publish as `publisher`: a desk as itself, at its own member's node.
    pub(crate) fn may_publish(&self, publisher: &str) -> Result<(), Refusal> {
        let own = format!("{}/{}", self.member, self.id.name());
        if self.member == self.node && self.id.role() == Role::Publisher && own == publisher {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::NotYours,
            format!(
                "{} may not publish as {publisher} at the node of {}: use that desk's certificate",
                self.id, self.node
            ),
        ))
    }

    /// Whether the caller may log grants and revocations: an operator of this member. The root key's signature
    /// is what counts; the role keeps others from filling the log.
    pub(crate) fn may_grant(&self) -> Result<(), Refusal> {
        if self.member == self.node && self.id.role() == Role::Operator {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::NotYours,
            format!(
                "{} may not log keys at the node of {}: use an operator certificate of it",
                self.id, self.node
            ),
        ))
    }

    /// As whom release sees the caller.
    #[must_use]
    pub fn recipient(&self, own: Option<Jurisdiction>) -> Recipient {
        let member = self.member.clone();
        match self.id.role() {
            _ if self.narrowed => Recipient::Public,
            Role::Node => Recipient::Node(member),
            Role::Publisher | Role::Operator => Recipient::Staff(member),
            Role::Auditor => Recipient::Auditor,
            Role::Consumer => match self.jurisdiction.or(own) {
                Some(jurisdiction) => Recipient::Consumer { member, jurisdiction },
                // A member without a jurisdiction left the roster: it sees what everybody sees.
                None => Recipient::Public,
            },
        }
    }
}
