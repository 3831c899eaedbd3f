//! Finds out what is at the path where a Unix socket is to be created.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The kind of file at a path, as far as it can be determined.
#[derive(Debug)]
pub(crate) enum SocketFile {
    Nothing,
    /// A socket that no process listens on: its process ended without removing it.
    LeftBehind,
    /// A socket that a process listens on.
    Served,
    /// A socket that may or may not have a listener, for example because this user may not connect to it.
    Unclear(io::Error),
    NoSocket,
}

impl SocketFile {
    /// Looks at `path`, and connects to it if a socket is there.
    ///
    /// # Errors
    /// The path cannot be examined.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => return Ok(Self::NoSocket),
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(why) => return Err(why),
        }
        // Only ECONNREFUSED means that no process listens (connect(2)).
        Ok(match UnixStream::connect(path) {
            Ok(_) => Self::Served,
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => Self::LeftBehind,
            Err(why) if why.kind() == io::ErrorKind::NotFound => Self::Nothing,
            Err(why) => Self::Unclear(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn only_a_refused_connection_means_that_no_process_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(matches!(SocketFile::at(&path("none")), Ok(SocketFile::Nothing)));
        fs::write(path("file"), "").unwrap();
        assert!(matches!(SocketFile::at(&path("file")), Ok(SocketFile::NoSocket)));
        let listener = UnixListener::bind(path("socket")).unwrap();
        assert!(matches!(SocketFile::at(&path("socket")), Ok(SocketFile::Served)));
        drop(listener);
        assert!(matches!(SocketFile::at(&path("socket")), Ok(SocketFile::LeftBehind)));
        // A socket of another type is in use there: EPROTOTYPE.
        let _log = UnixDatagram::bind(path("log")).unwrap();
        assert!(matches!(SocketFile::at(&path("log")), Ok(SocketFile::Unclear(_))));
        assert!(SocketFile::at(&path("file").join("below")).is_err());
    }
}
