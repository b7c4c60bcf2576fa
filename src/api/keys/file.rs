//! A file with an entry a line.

use std::{fs, path::Path};

use super::{
    entries::Entries,
    error::{KeyProblem, ReadKeysError},
};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(path: &Path) -> Result<Entries, ReadKeysError> {
    let bytes = fs::read(path).map_err(|source| ReadKeysError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let mut entries = Entries::default();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let added = match entry(line) {
            Ok(Some(entry)) => entries.add(entry),
            Ok(None) => Ok(()),
            Err(problem) => Err(problem),
        };
        added.map_err(|problem| ReadKeysError::Line {
            path: path.to_owned(),
            line: index + 1,
            problem,
        })?;
    }
    // A file that is being written again has nothing in it for a moment.
    if entries.len() == 0 {
        return Err(ReadKeysError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(entries)
}

/// What a line says; `None` where it is empty or a comment.
fn entry(line: &[u8]) -> Result<Option<&str>, KeyProblem> {
    if !line.ends_with(b"\n") {
        return Err(KeyProblem::Unended);
    }
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let entry = str::from_utf8(line).map_err(|_| KeyProblem::NotText)?;
    // Both would become part of a user's name, under which nobody records anything.
    if entry.contains(',') {
        return Err(KeyProblem::Several);
    }
    let begins_comment = |(at, _)| entry[..at].ends_with(char::is_whitespace);
    if entry.match_indices('#').any(begins_comment) {
        return Err(KeyProblem::Comment);
    }
    Ok(Some(entry))
}
