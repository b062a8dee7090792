//! Where pages come from: a node, or a folder in which somebody keeps the same pages as files.

use std::{
    fmt, io,
    num::NonZeroU8,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use almenara_proto::{
    limits::{ENTRY_BYTES, MESSAGE_BYTES},
    name::MemberName,
    tile::{TILE_BYTES, TILE_WIDTH, TileId, TilePath},
};

use crate::{
    exit::CliError,
    files,
    pages::{NOTE_BYTES, Pages},
};

/// Bytes of a bundle: 256 of the largest entries, each behind its length.
const BUNDLE_BYTES: usize = TILE_WIDTH * (ENTRY_BYTES + 2);

/// Somebody who shows logs and rosters.
#[derive(Clone, Debug)]
pub enum Source {
    /// A node, asked as nobody in particular; what it answers may be kept in a folder.
    Node {
        /// Its pages.
        pages: Pages,
        /// Where every page is kept, as another source.
        keep: Option<PathBuf>,
    },
    /// A folder with `roster/…` and `log/<member>/…`, as `--keep` or any mirror of a node's pages makes it.
    Folder(PathBuf),
}

/// The source in words, for blame.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { pages, .. } => write!(f, "{}", pages.member()),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl Source {
    /// A page; nothing where there is none. `path` begins with `/`, and is made by us.
    ///
    /// # Errors
    /// [`CliError`], when it cannot be read, or is longer than any such page.
    async fn get(&self, path: &str, most: usize) -> Result<Option<Bytes>, CliError> {
        match self {
            Self::Folder(folder) => read(&folder.join(path.trim_start_matches('/')), most),
            Self::Node { pages, keep } => {
                let page = pages.get(path, most).await?;
                if let (Some(page), Some(folder)) = (&page, keep) {
                    let file = folder.join(path.trim_start_matches('/'));
                    let parent = file.parent().unwrap_or(folder);
                    std::fs::create_dir_all(parent)
                        .and_then(|()| files::replace_file(&file, page))
                        .map_err(|error| CliError::file(&file, &error))?;
                }
                Ok(page)
            }
        }
    }

    /// A version of the roster.
    pub(super) async fn roster(&self, version: u64) -> Result<Option<Bytes>, CliError> {
        self.get(&format!("/roster/{version}"), MESSAGE_BYTES).await
    }

    /// The newest note of a log.
    pub(super) async fn checkpoint(&self, member: &MemberName) -> Result<Option<Bytes>, CliError> {
        self.get(&format!("/log/{member}/checkpoint"), NOTE_BYTES).await
    }

    /// The largest note that the roster's quorum has cosigned.
    pub(super) async fn settled(&self, member: &MemberName) -> Result<Option<Bytes>, CliError> {
        self.get(&format!("/log/{member}/settled"), NOTE_BYTES).await
    }

    /// A tile as it is at a size. Of a partial one that is not there any more, the beginning of the full one.
    pub(super) async fn tile(
        &self,
        member: &MemberName,
        id: TileId,
        size: u64,
    ) -> Result<Option<Bytes>, CliError> {
        let path = tree_path(id, size);
        match self.get(&format!("/log/{member}/{path}"), TILE_BYTES).await? {
            None if !path.is_full() => {
                let full = TilePath::Tree { id, partial: None };
                let page = self.get(&format!("/log/{member}/{full}"), TILE_BYTES).await?;
                Ok(page.map(|page| page.slice(..page.len().min(usize::from(path.width()) * 32))))
            }
            page => Ok(page),
        }
    }

    /// The bundle of the entries whose hashes are in this tile of level 0.
    pub(super) async fn bundle(
        &self,
        member: &MemberName,
        path: TilePath,
    ) -> Result<Option<Bytes>, CliError> {
        self.get(&format!("/log/{member}/{path}"), BUNDLE_BYTES).await
    }
}

/// The path of a tile at a size.
pub(super) fn tree_path(id: TileId, size: u64) -> TilePath {
    TilePath::Tree { id, partial: partial(id, size) }
}

/// The path of the bundle below a tile of level 0 at a size.
pub(super) fn bundle_path(index: u64, size: u64) -> TilePath {
    TilePath::Entries { index, partial: partial(TileId { level: 0, index }, size) }
}

/// A full tile has no width in its path.
fn partial(id: TileId, size: u64) -> Option<NonZeroU8> {
    u8::try_from(id.width(size)).ok().and_then(NonZeroU8::new)
}

fn read(path: &Path, most: usize) -> Result<Option<Bytes>, CliError> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::file(path, &error)),
    };
    if length > most as u64 {
        let why = format!("{length} bytes, and no such page is longer than {most}");
        return Err(CliError::misbehaved(why).at(path.display()));
    }
    std::fs::read(path).map(|bytes| Some(bytes.into())).map_err(|error| CliError::file(path, &error))
}
