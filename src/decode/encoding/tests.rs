use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;

use super::{members::MAX_MEMBERS, *};

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
    for encoding in ["snappy", "gzip, snappy", "gzip, gzip, gzip"] {
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
fn what_the_inner_coding_makes_is_capped_too() {
    let inner = gzip(b"").repeat(MAX_MEMBERS);
    for encoding in ["gzip, gzip", "gzip, br"] {
        let body = match encoding {
            "gzip, br" => brotli(&inner),
            _ => gzip(&inner),
        };
        let segments = [body.as_slice()];
        let expanded = expand(&segments, encoding, inner.len());
        assert!(!expanded.capped && !expanded.damaged, "{encoding}");
        let expanded = expand(&segments, encoding, inner.len() - 1);
        assert!(expanded.capped, "{encoding}");
    }
}

#[test]
fn members_beyond_their_number_are_lost() {
    for (encoding, empty, full) in [
        ("gzip", gzip(b""), gzip(b"x")),
        ("zstd", zstd(b""), zstd(b"x")),
    ] {
        let most = [full.clone(), empty.repeat(MAX_MEMBERS - 2), full.clone()].concat();
        assert_eq!(expanded(&most, encoding), b"xx");
        let more = [full.as_slice(), &empty.repeat(MAX_MEMBERS - 1), &full].concat();
        let segments = [more.as_slice()];
        let expanded = expand(&segments, encoding, CAP);
        assert!(expanded.damaged, "{encoding}");
        assert_eq!(expanded.bytes.as_ref(), b"x");
    }
}

#[test]
fn a_window_that_http_does_not_allow_is_refused() {
    let magic: &[u8] = b"\x28\xB5\x2F\xFD";
    // One block of 1 byte, raw and last.
    let block: &[u8] = b"\x09\0\0x";
    for (head, is_read) in [
        (&b"\0\x68"[..], true),
        (b"\0\x69", false),
        (b"\0\xFF", false),
        (b"\xA0\0\0\x80\0", true),
        (b"\xA0\x01\0\x80\0", false),
        (b"\xE3____\0\0\0\0\0\0\0\xFF", false),
    ] {
        let frame = [magic, head, block].concat();
        let segments = [frame.as_slice()];
        let expanded = expand(&segments, "zstd", CAP);
        assert_eq!(expanded.damaged, !is_read, "{head:x?}");
        assert_eq!(expanded.bytes.as_ref() == b"x", is_read, "{head:x?}");
    }
    let segments: [&[u8]; 1] = [b"\x11\x1E\x03"];
    assert!(expand(&segments, "br", CAP).damaged);
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
