//! Where a statement stands, in one 64-bit number that sorts like the logs.

use super::StoreError;

/// A log by its number in this store: 15 bits, far above the 512 members of a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u16);

/// Log (15 bits), entry (36 bits), leaf (12 bits, as a batch has at most 4,096): positive in an `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(i64);

const LEAF_BITS: u32 = 12;
const ENTRY_BITS: u32 = 36;

impl Place {
    /// The place of a leaf.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a number does not fit: 68 billion entries, or a leaf beyond a batch.
    pub fn new(log: LogId, entry: u64, leaf: u32) -> Result<Self, StoreError> {
        let fits = log.0 < 1 << 15 && entry < 1 << ENTRY_BITS && leaf < 1 << LEAF_BITS;
        let number = (u64::from(log.0) << (ENTRY_BITS + LEAF_BITS)) | (entry << LEAF_BITS) | u64::from(leaf);
        match i64::try_from(number) {
            Ok(number) if fits => Ok(Self(number)),
            _ => Err(StoreError::Damaged {
                what: "position",
                why: format!("{log:?}:{entry}.{leaf} is out of range"),
            }),
        }
    }

    /// From a column.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// For a column.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Whose log.
    #[must_use]
    pub const fn log(self) -> LogId {
        LogId((self.0 >> (ENTRY_BITS + LEAF_BITS)) as u16)
    }

    /// Which entry.
    #[must_use]
    pub const fn entry(self) -> u64 {
        (self.0 as u64 >> LEAF_BITS) & ((1 << ENTRY_BITS) - 1)
    }

    /// Which leaf.
    #[must_use]
    pub const fn leaf(self) -> u32 {
        (self.0 & ((1 << LEAF_BITS) - 1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_its_parts_and_their_order() {
        for (log, entry, leaf) in [(0, 0, 0), (1, 2, 3), (0x7fff, (1 << 36) - 1, 4095)] {
            let place = Place::new(LogId(log), entry, leaf).expect("in range");
            assert_eq!((place.log(), place.entry(), place.leaf()), (LogId(log), entry, leaf));
            assert!(place.number() >= 0);
        }
        assert!(Place::new(LogId(0), 1, 0).ok() > Place::new(LogId(0), 0, 4095).ok());
        assert!(Place::new(LogId(0), 1 << 36, 0).is_err());
        assert!(Place::new(LogId(0), 0, 4096).is_err());
        assert!(Place::new(LogId(1 << 15), 0, 0).is_err());
    }
}
