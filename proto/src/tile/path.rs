//! The paths under which tiles are served.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use thiserror::Error;

use super::{TILE_WIDTH, TileId};

/// The path of a tile or of an entry bundle, below the log's prefix: `tile/<L>/<N>[.p/<W>]` or
/// `tile/entries/<N>[.p/<W>]`. One text for each path: the parser takes only what the printer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TilePath {
    /// A tile of the tree.
    Tree {
        /// Which tile.
        id: TileId,
        /// Its width in hashes when partial.
        partial: Option<NonZeroU8>,
    },
    /// A bundle of entries: those whose hashes are in tile `index` of level 0.
    Entries {
        /// Which bundle.
        index: u64,
        /// Its width in entries when partial.
        partial: Option<NonZeroU8>,
    },
}

impl TilePath {
    /// The position of the tile within its level, or of the bundle.
    #[must_use]
    pub const fn index(&self) -> u64 {
        match self {
            Self::Tree { id, .. } => id.index,
            Self::Entries { index, .. } => *index,
        }
    }

    /// The level of a tile; a bundle has none.
    #[must_use]
    pub const fn level(&self) -> Option<u8> {
        match self {
            Self::Tree { id, .. } => Some(id.level),
            Self::Entries { .. } => None,
        }
    }

    /// Hashes of the tile or entries of the bundle: 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        let (Self::Tree { partial, .. } | Self::Entries { partial, .. }) = self;
        partial.map_or(TILE_WIDTH as u16, |width| width.get().into())
    }

    /// Whether it holds all that it ever will.
    #[must_use]
    pub fn is_full(&self) -> bool {
        usize::from(self.width()) == TILE_WIDTH
    }

    /// Whether it holds entries.
    #[must_use]
    pub const fn is_bundle(&self) -> bool {
        matches!(self, Self::Entries { .. })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, partial) = match self {
            Self::Tree { id, partial } => {
                write!(f, "tile/{}/", id.level)?;
                (id.index, partial)
            }
            Self::Entries { index, partial } => {
                write!(f, "tile/entries/")?;
                (*index, partial)
            }
        };
        write_index(f, index)?;
        partial.map_or(Ok(()), |width| write!(f, ".p/{width}"))
    }
}

/// Groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let groups = index.checked_ilog10().unwrap_or(0) / 3;
    for group in (1..=groups).rev() {
        write!(f, "x{:03}/", index / 1000_u64.pow(group) % 1000)?;
    }
    write!(f, "{:03}", index % 1000)
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let path = parse(text).ok_or(TilePathError)?;
        // Whatever the reading below lets through, a second spelling of a path is refused here.
        if path.to_string() == text { Ok(path) } else { Err(TilePathError) }
    }
}

fn parse(text: &str) -> Option<TilePath> {
    let (what, place) = text.strip_prefix("tile/")?.split_once('/')?;
    let (place, partial) = match place.split_once(".p/") {
        Some((place, width)) => (place, Some(width.parse().ok()?)),
        None => (place, None),
    };
    let mut index: u64 = 0;
    for group in place.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        index = index.checked_mul(1000)?.checked_add(digits.parse::<u16>().ok()?.into())?;
    }
    if what == "entries" {
        return Some(TilePath::Entries { index, partial });
    }
    let level = what.parse().ok().filter(|level| *level <= 63)?;
    Some(TilePath::Tree { id: TileId { level, index }, partial })
}

/// This text is not the path of a tile. The blame is `Malformed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a tile path; one looks like tile/0/x001/x234/067 or tile/entries/000.p/17")]
pub struct TilePathError;
