//! The file of a database: made for its owner alone, and told from another one at its path.

use std::{fs, io, path::PathBuf};

use percent_encoding::percent_decode_str;

use super::Location;

/// The file that a database lies in, if it lies in one.
pub(super) struct DatabaseFile {
    path: Option<PathBuf>,
    /// Whether SQLite makes it where there is none.
    is_made: bool,
}

/// What tells a file from another one at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// What stood at the path, and its journals; `None` what did not, or could not be told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    file: Option<FileId>,
    journals: [Option<FileId>; 2],
}

/// What SQLite adds to the path for the journal and its index.
const JOURNALS: [&str; 2] = ["-wal", "-shm"];

impl DatabaseFile {
    pub(super) fn of(location: &Location) -> Self {
        let (path, mode) = match location {
            Location::Memory => (None, None),
            Location::File(name) => match name.strip_prefix("file:") {
                Some(uri) => path_of(uri),
                None => (Some(PathBuf::from(name)), None),
            },
        };
        Self {
            path: path.filter(|path| !path.as_os_str().is_empty()),
            is_made: mode.is_none_or(|mode| mode == "rwc"),
        }
    }

    /// Makes an empty file that is its owner's alone, where there is none: SQLite's own can be read
    /// by everybody. Its journals take the permissions of the file.
    pub(super) fn make(&self) {
        #[cfg(unix)]
        if let Some(path) = &self.path
            && self.is_made
        {
            use std::os::unix::fs::OpenOptionsExt;
            let mut options = fs::OpenOptions::new();
            // Where this fails SQLite says why.
            drop(options.write(true).create_new(true).mode(0o600).open(path));
        }
    }

    /// Whether something stands at the path.
    pub(super) fn is_there(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.exists())
    }

    /// What stands at the path now.
    pub(super) fn find(&self) -> Found {
        let id = |path| id_at(path).ok().flatten();
        Found {
            file: self.path.clone().and_then(id),
            journals: JOURNALS.map(|suffix| self.beside(suffix).and_then(id)),
        }
    }

    /// Whether what was found is known not to stand at the path any more.
    pub(super) fn is_another(&self, found: &Found) -> bool {
        let now = self.path.clone().map_or(Ok(None), id_at);
        found.file.is_some() && now.is_ok_and(|now| now != found.file)
    }

    /// Removes the journals of a file that does not stand at the path any more: SQLite would take
    /// them for those of the one that does.
    pub(super) fn remove_journals(&self, found: &Found) {
        for (suffix, journal) in JOURNALS.iter().zip(found.journals) {
            if let Some(path) = self.beside(suffix)
                && journal.is_some()
                && id_at(path.clone()).is_ok_and(|now| now == journal)
            {
                // Where it cannot be removed, the file is not to be written either.
                drop(fs::remove_file(path));
            }
        }
    }

    fn beside(&self, suffix: &str) -> Option<PathBuf> {
        let mut path = self.path.clone()?.into_os_string();
        path.push(suffix);
        Some(path.into())
    }
}

fn id_at(path: PathBuf) -> io::Result<Option<FileId>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(id_of(&metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn id_of(metadata: &fs::Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    Some(FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

#[cfg(not(unix))]
fn id_of(_: &fs::Metadata) -> Option<FileId> {
    None
}

/// The path in an URI behind its `file:`, and how it is to be opened.
fn path_of(uri: &str) -> (Option<PathBuf>, Option<&str>) {
    let uri = uri.split('#').next().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mode = query.split('&').find_map(|part| part.strip_prefix("mode="));
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.find('/').and_then(|slash| rest.get(slash..)),
        None => Some(path),
    };
    let is_file = mode != Some("memory") && path != Some(":memory:");
    let path = path.filter(|_| is_file).map(|path| {
        let path = percent_decode_str(path).decode_utf8_lossy();
        PathBuf::from(path.into_owned())
    });
    (path, mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_in_every_name_that_sqlite_takes() {
        let of = |name: &str| {
            let file = DatabaseFile::of(&Location::File(name.to_owned()));
            let path = file.path.map(|path| path.to_str().unwrap().to_owned());
            (path, file.is_made)
        };
        let found = |path: &str, is_made| (Some(path.to_owned()), is_made);
        assert_eq!(of("a b?c.db"), found("a b?c.db", true));
        assert_eq!(of("file:a%20b.db?cache=private#x"), found("a b.db", true));
        assert_eq!(of("file:/tmp/a.db?mode=ro"), found("/tmp/a.db", false));
        assert_eq!(of("file:///tmp/a.db?mode=rwc"), found("/tmp/a.db", true));
        assert_eq!(of("file://localhost/a.db"), found("/a.db", true));
        for nowhere in ["", "file:", "file::memory:", "file:a.db?mode=memory"] {
            assert_eq!(of(nowhere).0, None, "{nowhere}");
        }
        assert_eq!(DatabaseFile::of(&Location::Memory).path, None);
    }
}
