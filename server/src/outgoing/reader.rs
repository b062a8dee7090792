//! Who reads, and what of it is wanted.

use almenara_proto::{
    custody::{Keeping, Placer},
    indicator::Kind,
    merkle::Hash,
    release::Recipient,
    statement::{Category, Statement},
    wire,
};

/// Which statements a reader wants, of those it may have.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    kinds: Vec<Kind>,
    categories: Vec<Category>,
    publishers: Vec<String>,
    nothing: bool,
}

impl Filter {
    /// From a call; a kind that this version does not know matches nothing.
    #[must_use]
    pub fn from_wire(wire: wire::Filter) -> Self {
        let kinds: Vec<Kind> = wire.kinds.iter().filter_map(|&number| Kind::from_number(number)).collect();
        let categories: Vec<Category> =
            wire.categories.iter().filter_map(|&number| Category::from_number(number)).collect();
        let unknown = (!wire.kinds.is_empty() && kinds.is_empty())
            || (!wire.categories.is_empty() && categories.is_empty());
        Self { kinds, categories, publishers: wire.publishers, nothing: wire.no_statements || unknown }
    }

    pub(super) fn is_all(&self) -> bool {
        self.kinds.is_empty() && self.categories.is_empty()
    }

    pub(super) fn wants_publisher(&self, publisher: &str) -> bool {
        !self.nothing
            && (self.publishers.is_empty() || self.publishers.iter().any(|wanted| wanted == publisher))
    }

    /// Sightings and disputes have no category: they come with every category.
    pub(super) fn wants(&self, statement: &Statement) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&statement.indicator.kind()))
            && (self.categories.is_empty()
                || statement.report().is_none_or(|report| {
                    report.categories.iter().any(|category| self.categories.contains(category))
                }))
    }
}

/// Who reads, and how.
#[derive(Clone, Debug)]
pub struct Reader {
    /// As release sees the caller.
    pub recipient: Recipient,
    /// What it wants.
    pub filter: Filter,
    /// Whether it wants all leaf hashes of partly disclosed batches.
    pub leaf_hashes: bool,
    /// The log's key that is in force: notes under an earlier one are none to this reader.
    pub log_key: Option<[u8; 32]>,
    /// Its roster version is ours.
    pub agreed: bool,
    /// It asks for what its member may see and does not keep, too.
    pub on_request: bool,
}

impl Reader {
    /// Whether a statement that is released to it is shown; or else only told of.
    pub(super) fn is_shown(
        &self,
        placer: &mut Placer<'_>,
        leaf: Option<&Hash>,
        statement: &Statement,
    ) -> bool {
        // Without a number of copies everybody keeps what it may see.
        if self.on_request || statement.copies == 0 {
            return true;
        }
        let (Some(member), Some(leaf)) = (self.recipient.member(), leaf) else { return true };
        placer.keeps(member, leaf, &statement.release, statement.copies) == Keeping::Keep
    }
}
