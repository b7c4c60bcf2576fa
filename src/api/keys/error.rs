//! Why keys could not be read. No text shows one.

use std::{io, path::PathBuf};

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not a key, a colon and a user.
    #[error("is not `key:user` or `key:*`")]
    Incomplete,
    /// Its user has a name that clients send for nobody (such as `null` or `0`), or one longer than
    /// 255 bytes: nothing would be recorded under it.
    #[error("has a user name that is not recorded as it is")]
    UnusableUser,
    /// Its key stands further ahead already.
    #[error("repeats the key of an earlier one")]
    Repeated,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    NotText,
    /// It has a comma, as a list of keys has between its entries; a file has one entry a line.
    #[error("has a comma, where a file has one entry a line")]
    Several,
    /// It has a comment behind it.
    #[error("has a comment behind its entry; a comment takes a line of its own")]
    Comment,
    /// It is the last one of its file and has no end: the file may not have been written to its own.
    #[error("does not end, as if the file were only half written")]
    Unended,
}

/// Why a list of keys could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {position} of the list of keys {problem}")]
#[non_exhaustive]
pub struct ParseKeysError {
    /// Which entry, from 1.
    pub position: usize,
    /// What is wrong with it.
    pub problem: KeyProblem,
}

/// Why a file of keys could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadKeysError {
    /// The file is absent, or may not be read.
    #[error("the file of keys {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no usable entry.
    #[error("line {line} of the file of keys {} {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The file has no entry, so that nobody would get in.
    #[error("the file of keys {} holds no key", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}
