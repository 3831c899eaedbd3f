//! Identities of files: a file that is held open may no longer be the one that others find at its path.

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};
use std::fs::File;
use std::io;
use std::path::Path;

/// The identity of a file: its device and inode.
///
/// It is read without the file's times. Once these were read, Linux (since 6.13) gives the file new ones with the next
/// write, and the next sync has to write them to the disk as well, in another place than the data
/// (`Documentation/filesystems/multigrain-ts.rst`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    /// The major and minor number.
    device: (u32, u32),
    inode: u64,
}

impl FileId {
    /// Returns the identity of the file that `path` names now, following symbolic links.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(statx(CWD, path, AtFlags::empty(), StatxFlags::INO)?))
    }

    /// Returns the identity of an open file, whatever its path names now.
    pub(crate) fn of_open(file: &File) -> io::Result<Self> {
        Ok(Self::from(statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)?))
    }
}

impl From<Statx> for FileId {
    fn from(found: Statx) -> Self {
        Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino }
    }
}
