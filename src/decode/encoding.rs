//! Content encodings undone: pieces in, contiguous bytes out.

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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use proptest::prelude::*;

    use super::*;

    const CAP: usize = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    /// The bytes as an uncompressed brotli stream: the dependency only decodes.
    fn brotli(bytes: &[u8]) -> Vec<u8> {
        assert!((1..=65_536).contains(&bytes.len()));
        let length = u32::try_from(bytes.len() - 1).expect("short");
        // WBITS 16 (1 bit), ISLAST 0, MNIBBLES 4 (2 bits), MLEN - 1 (16 bits), ISUNCOMPRESSED 1.
        let head = length << 4 | 1 << 20;
        let mut stream = head.to_le_bytes()[..3].to_vec();
        stream.extend_from_slice(bytes);
        stream.push(3);
        stream
    }

    fn expanded(body: &[u8], encoding: &str) -> Vec<u8> {
        let segments = [body];
        let expanded = expand(&segments, encoding, CAP);
        assert!(
            !expanded.opaque && !expanded.capped && !expanded.damaged,
            "{encoding}: {expanded:?}"
        );
        expanded.bytes.into_owned()
    }

    #[test]
    fn every_coding_is_undone() {
        let text = "a tower of text, ".repeat(3000).into_bytes();
        assert_eq!(expanded(&gzip(&text), "gzip"), text);
        assert_eq!(expanded(&gzip(&text), " X-GZIP "), text);
        assert_eq!(expanded(&zlib(&text), "deflate"), text);
        assert_eq!(expanded(&deflate(&text), "deflate"), text);
        assert_eq!(expanded(&brotli(&text), "br"), text);
        assert_eq!(expanded(&zstd(&text), "zstd"), text);
        assert_eq!(expanded(&text, "identity"), text);
    }

    #[test]
    fn several_codings_are_undone_last_first() {
        assert_eq!(expanded(&brotli(&gzip(b"both")), "gzip, br"), b"both");
        assert_eq!(
            expanded(&gzip(&zstd(b"both")), "zstd,identity,gzip"),
            b"both"
        );
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        assert_eq!(
            expanded(&[gzip(b"one"), gzip(b"two")].concat(), "gzip"),
            b"onetwo"
        );
        assert_eq!(
            expanded(&[zstd(b"one"), zstd(b"two")].concat(), "zstd"),
            b"onetwo"
        );
    }

    #[test]
    fn an_unknown_coding_is_opaque() {
        let segments: [&[u8]; 1] = [b"bytes"];
        for encoding in ["snappy", "gzip, snappy", "br,br,br,br,br"] {
            let expanded = expand(&segments, encoding, CAP);
            assert!(expanded.opaque);
            assert_eq!(expanded.bytes.as_ref(), b"bytes");
        }
    }

    #[test]
    fn one_identity_piece_is_borrowed() {
        let segments: [&[u8]; 1] = [b"bytes"];
        assert!(matches!(
            expand(&segments, "", 0).bytes,
            Cow::Borrowed(b"bytes")
        ));
    }

    #[test]
    fn expansion_stops_at_the_cap() {
        let bomb = gzip(&vec![b'a'; 5_000_000]);
        let segments = [bomb.as_slice()];
        let expanded = expand(&segments, "gzip", 10_000);
        assert!(expanded.capped);
        assert_eq!(expanded.bytes.len(), 10_000);
        assert!(!expand(&segments, "gzip", 5_000_000).capped);
    }

    #[test]
    fn a_cut_body_keeps_what_could_be_expanded() {
        let text: Vec<u8> = (0..40_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        for (encoding, body) in [
            ("gzip", gzip(&text)),
            ("deflate", zlib(&text)),
            ("br", brotli(&text[..60_000])),
            ("zstd", zstd(&text)),
        ] {
            let segments = [&body[..body.len() / 2]];
            let expanded = expand(&segments, encoding, CAP);
            assert!(expanded.damaged, "{encoding}");
            assert!(text.starts_with(&expanded.bytes), "{encoding}");
            // A zstd block is whole or nothing.
            let kept = if encoding == "zstd" {
                0
            } else {
                body.len() / 2 - 2 * READ_BYTES
            };
            assert!(
                expanded.bytes.len() >= kept,
                "{encoding}: {}",
                expanded.bytes.len()
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, encoding in "(gzip|deflate|br|zstd)(, (gzip|deflate|br|zstd))?") {
            let segments = [bytes.as_slice()];
            let _ = expand(&segments, &encoding, 4096);
        }

        #[test]
        fn damage_never_panics_and_cuts_never_show(
            text in "[a-f]{1,4000}",
            coding in 0..4_usize,
            damage in prop::option::of((0..4000_usize, 1..=255_u8)),
            cuts in prop::collection::vec(1..300_usize, 0..40),
        ) {
            let text = text.as_bytes();
            let (encoding, mut body) = Vec::from(
                [("gzip", gzip(text)), ("deflate", zlib(text)), ("br", brotli(text)), ("zstd", zstd(text))]).swap_remove(coding);
            if let Some((at, flip)) = damage {
                let at = at % body.len();
                body[at] ^= flip;
            }
            let whole = [body.as_slice()];
            let mut rest = body.as_slice();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            pieces.push(rest);
            let whole = expand(&whole, encoding, 1 << 16);
            let cut = expand(&pieces, encoding, 1 << 16);
            prop_assert_eq!(&whole.bytes, &cut.bytes);
            prop_assert_eq!((whole.capped, whole.damaged), (cut.capped, cut.damaged));
            if damage.is_none() {
                prop_assert_eq!(whole.bytes.as_ref(), text);
            }
        }
    }
}
