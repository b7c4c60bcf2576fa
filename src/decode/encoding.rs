//! Content encodings undone: pieces in, contiguous bytes out.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// More codings than this on one body are somebody's attack, not a compression.
const MAX_LAYERS: usize = 4;

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
/// The cap is for what expansion makes: an identity body was bounded when it was captured. Where the pieces
/// were cut never changes the result, not even for a damaged body.
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
    let mut reader: Box<dyn BufRead + 'a> = Box::new(BufReader::new(Pieces { segments, at: 0 }));
    for coding in codings.into_iter().rev() {
        reader = coding.undo(reader);
    }
    let (bytes, capped, damaged) = read_to_cap(&mut reader, cap);
    Expanded {
        bytes: Cow::Owned(bytes),
        opaque: false,
        capped,
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
            Self::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(reader))),
            Self::Deflate if has_zlib_header(&mut reader) => {
                Box::new(BufReader::new(ZlibDecoder::new(reader)))
            }
            Self::Deflate => Box::new(BufReader::new(DeflateDecoder::new(reader))),
            Self::Brotli => Box::new(BufReader::new(brotli_decompressor::Decompressor::new(
                reader, READ_BYTES,
            ))),
            Self::Zstd => Box::new(BufReader::new(Frames::Between(reader))),
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

/// A zstd body: any number of frames, one after the other.
enum Frames<R: Read> {
    Between(R),
    Within(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    Done,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            *self = match std::mem::replace(self, Self::Done) {
                Self::Done => return Ok(0),
                Self::Between(mut reader) => {
                    if reader.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    Self::Within(Box::new(
                        StreamingDecoder::new(reader).map_err(io::Error::other)?,
                    ))
                }
                Self::Within(mut decoder) => match decoder.read(buf)? {
                    0 => Self::Between(decoder.into_inner()),
                    read => {
                        *self = Self::Within(decoder);
                        return Ok(read);
                    }
                },
            };
        }
    }
}
