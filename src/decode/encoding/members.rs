//! Bodies of several parts, each compressed by itself: gzip's members and zstd's frames.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// To begin a member costs as much as to expand some kilobytes, and an empty one takes 20 bytes of the body:
/// more of them are an attack. Of blocks of 64 KiB, as bgzip writes them, 64 MiB fit.
pub(super) const MAX_MEMBERS: usize = 1024;

/// What a zstd frame may ask its decoder to hold: 8 MiB, the most that RFC 9659 allows in HTTP.
pub(super) const MAX_ZSTD_WINDOW_BYTES: u64 = 8 << 20;

/// The decoder of one member.
pub(super) trait Member<R>: Read + Sized {
    fn begin(reader: R) -> io::Result<Self>;

    /// The reader, at what follows the member.
    fn end(self) -> R;
}

/// A body of up to [`MAX_MEMBERS`] members, one after the other. One more is damage.
pub(super) struct Members<R, M> {
    at: At<R, M>,
    begun: usize,
}

enum At<R, M> {
    Between(R),
    Within(M),
    Done,
}

impl<R, M> Members<R, M> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            at: At::Between(reader),
            begun: 0,
        }
    }
}

impl<R: BufRead, M: Member<R>> Read for Members<R, M> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            self.at = match std::mem::replace(&mut self.at, At::Done) {
                At::Done => return Ok(0),
                At::Between(mut reader) => {
                    if reader.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    if self.begun == MAX_MEMBERS {
                        return Err(io::Error::other("too many members"));
                    }
                    self.begun += 1;
                    At::Within(M::begin(reader)?)
                }
                At::Within(mut member) => match member.read(buf)? {
                    0 => At::Between(member.end()),
                    read => {
                        self.at = At::Within(member);
                        return Ok(read);
                    }
                },
            };
        }
    }
}

impl<R: BufRead> Member<R> for GzDecoder<R> {
    fn begin(reader: R) -> io::Result<Self> {
        Ok(Self::new(reader))
    }

    fn end(self) -> R {
        self.into_inner()
    }
}

/// One zstd frame. Its decoder holds a window before it gives a byte away, and believes any that is asked for.
pub(super) struct Frame<R> {
    decoder: Box<FrameDecoder>,
    reader: R,
}

impl<R: Read> Member<R> for Frame<R> {
    fn begin(mut reader: R) -> io::Result<Self> {
        let mut head = Vec::new();
        read_more(&mut reader, &mut head, 5)?;
        let descriptor = head.last().copied().unwrap_or_default();
        let is_single_segment = descriptor & 0x20 != 0;
        let dictionary_bytes = match descriptor & 3 {
            bits if bits < 3 => usize::from(bits),
            _ => 4,
        };
        let stated = if is_single_segment {
            read_more(&mut reader, &mut head, dictionary_bytes)?;
            read_more(&mut reader, &mut head, 1 << (descriptor >> 6))?
        } else {
            read_more(&mut reader, &mut head, 1)?
        };
        let window_bytes = match is_single_segment {
            true => stated,
            false => (1 << (10 + (stated >> 3))) / 8 * (8 + (stated & 7)),
        };
        if window_bytes > MAX_ZSTD_WINDOW_BYTES {
            return Err(io::Error::other("too large a window"));
        }
        let mut decoder = Box::new(FrameDecoder::new());
        decoder
            .init(head.as_slice().chain(&mut reader))
            .map_err(io::Error::other)?;
        Ok(Self { decoder, reader })
    }

    fn end(self) -> R {
        self.reader
    }
}

impl<R: Read> Read for Frame<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Self { decoder, reader } = self;
        while decoder.can_collect() < buf.len() && !decoder.is_finished() {
            let missing = buf.len() - decoder.can_collect();
            decoder
                .decode_blocks(&mut *reader, BlockDecodingStrategy::UptoBytes(missing))
                .map_err(io::Error::other)?;
        }
        decoder.read(buf)
    }
}

/// Reads so many bytes more, at most 8; their value, the lowest first.
fn read_more(reader: &mut impl Read, head: &mut Vec<u8>, bytes: usize) -> io::Result<u64> {
    let mut value = [0; 8];
    let read = value.get_mut(..bytes).unwrap_or_default();
    reader.read_exact(read)?;
    head.extend_from_slice(read);
    Ok(u64::from_le_bytes(value))
}
