//! Content encodings undone: pieces in, contiguous bytes out.

mod members;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use self::members::{Frame, Members};

/// Nobody compresses twice by intent; more codings than this on one body are an attack.
const MAX_LAYERS: usize = 2;

/// A decoder that meets damage loses what it expanded in that call, so the calls are small.
const READ_BYTES: usize = 4096;

/// A body without its content encoding.
#[derive(Debug)]
pub(super) struct Expanded<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// The encoding is not known here, and the bytes stand as they came.
    pub(super) opaque: bool,
    /// The bytes end at the cap.
    pub(super) capped: bool,
    /// The compressed body was damaged or cut, and what follows is lost.
    pub(super) damaged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Undoes the codings of a `content-encoding` header, last one first, to at most `cap` bytes.
///
/// The cap is for what expansion makes, of every coding by itself, so that the work is linear in the body and
/// the cap: an identity body was bounded when it was captured. Where the pieces were cut never changes the
/// result, not even for a damaged body.
pub(super) fn expand<'a>(
    segments: &'a [&'a [u8]],
    content_encoding: &str,
    cap: usize,
) -> Expanded<'a> {
    let codings = codings(content_encoding);
    let Some(codings) = codings.filter(|codings| !codings.is_empty()) else {
        return Expanded {
            bytes: joined(segments),
            opaque: !content_encoding.trim().is_empty() && !is_identity(content_encoding),
            capped: false,
            damaged: false,
        };
    };
    let is_cut = Cell::new(false);
    let mut reader: Box<dyn BufRead + '_> = Box::new(BufReader::new(Pieces { segments, at: 0 }));
    for (layer, coding) in codings.into_iter().rev().enumerate() {
        if layer > 0 {
            reader = Box::new(BufReader::new(Capped {
                inner: reader,
                room: cap,
                is_cut: &is_cut,
            }));
        }
        reader = coding.undo(reader);
    }
    let (bytes, capped, damaged) = read_to_cap(&mut reader, cap);
    Expanded {
        bytes: Cow::Owned(bytes),
        opaque: false,
        capped: capped || is_cut.get(),
        damaged,
    }
}

fn joined<'a>(segments: &'a [&'a [u8]]) -> Cow<'a, [u8]> {
    match segments {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only),
        several => Cow::Owned(several.concat()),
    }
}

fn is_identity(content_encoding: &str) -> bool {
    content_encoding
        .split(',')
        .all(|word| word.trim().is_empty() || word.trim().eq_ignore_ascii_case("identity"))
}

/// The codings in the order in which they were applied; `None` where one is not known.
fn codings(content_encoding: &str) -> Option<Vec<Coding>> {
    let mut codings = Vec::new();
    for word in content_encoding.split(',').map(str::trim) {
        let coding = match word.to_ascii_lowercase().as_str() {
            "" | "identity" => continue,
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            _ => return None,
        };
        codings.push(coding);
    }
    (codings.len() <= MAX_LAYERS).then_some(codings)
}

impl Coding {
    fn undo<'a>(self, mut reader: Box<dyn BufRead + 'a>) -> Box<dyn BufRead + 'a> {
        match self {
            Self::Gzip => Box::new(BufReader::new(Members::<_, GzDecoder<_>>::new(reader))),
            Self::Deflate if has_zlib_header(&mut reader) => {
                Box::new(BufReader::new(ZlibDecoder::new(reader)))
            }
            Self::Deflate => Box::new(BufReader::new(DeflateDecoder::new(reader))),
            Self::Brotli if has_large_window(&mut reader) => Box::new(BufReader::new(Refused)),
            Self::Brotli => Box::new(BufReader::new(brotli_decompressor::Decompressor::new(
                reader, READ_BYTES,
            ))),
            Self::Zstd => Box::new(BufReader::new(Members::<_, Frame<_>>::new(reader))),
        }
    }
}

/// RFC 9110 says zlib, and half of the world sends the bare stream: the first two bytes tell.
fn has_zlib_header(reader: &mut impl BufRead) -> bool {
    match reader.fill_buf() {
        Ok(&[method, flags, ..]) => {
            method & 0x0F == 8
                && method >> 4 <= 7
                && (u16::from(method) << 8 | u16::from(flags)) % 31 == 0
        }
        _ => false,
    }
}

/// Not in RFC 7932, but the decoder takes it: a window of up to 1 GiB that is held in memory.
fn has_large_window(reader: &mut impl BufRead) -> bool {
    matches!(reader.fill_buf(), Ok(&[bits, ..]) if bits & 0x7F == 0x11)
}

/// A body that would take too much memory to read.
struct Refused;

impl Read for Refused {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("too large a window"))
    }
}

fn read_to_cap(reader: &mut impl Read, cap: usize) -> (Vec<u8>, bool, bool) {
    let mut bytes = Vec::new();
    let mut chunk = [0; READ_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return (bytes, false, false),
            Ok(read) => {
                let room = cap - bytes.len();
                bytes.extend_from_slice(chunk.get(..read.min(room)).unwrap_or_default());
                if read > room {
                    return (bytes, true, false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return (bytes, false, true),
        }
    }
}

/// The pieces as one stream; a read is short only at the end, so that their cuts cannot be seen.
struct Pieces<'a> {
    segments: &'a [&'a [u8]],
    at: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let (Some((segment, rest)), true) = (self.segments.split_first(), filled < buf.len())
        {
            let left = segment.get(self.at..).unwrap_or_default();
            let taken = left.len().min(buf.len() - filled);
            buf[filled..filled + taken].copy_from_slice(&left[..taken]);
            filled += taken;
            self.at += taken;
            if taken == left.len() {
                self.segments = rest;
                self.at = 0;
            }
        }
        Ok(filled)
    }
}

/// What one coding made, as the next one reads it: it ends at the cap.
struct Capped<'c, R> {
    inner: R,
    room: usize,
    is_cut: &'c Cell<bool>,
}

impl<R: BufRead> Read for Capped<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.is_cut.set(!self.inner.fill_buf()?.is_empty());
            return Ok(0);
        }
        let wanted = self.room.min(buf.len());
        let read = self.inner.read(buf.get_mut(..wanted).unwrap_or_default())?;
        self.room -= read;
        Ok(read)
    }
}
