//! The span that a request says it belongs to.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};

/// What a `traceparent` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl Parent {
    /// Reads the header; `None` where it names no span.
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(header).ok()?.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // The first version has nothing behind the flags; a later one may.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        bytes::<1>(version)?;
        let [flags] = bytes(flags)?;
        let parent = Self {
            trace: bytes(trace)?,
            span: bytes(span)?,
            flags,
        };
        (parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
    }

    pub(super) fn context(self) -> Context {
        let Self { trace, span, flags } = self;
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from_bytes(trace),
            SpanId::from_bytes(span),
            TraceFlags::new(flags),
            true,
            TraceState::default(),
        ))
    }
}

/// So many bytes in hexadecimal digits, no more and no less.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let pairs = digits.as_bytes().chunks(2);
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_names_no_span_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent::read(good.as_bytes()).expect("a parent");
        assert_eq!(
            (parent.trace[0], parent.span[7], parent.flags),
            (0x0a, 0x31, 1)
        );
        assert!(Parent::read(format!("01{}-more", &good[2..]).as_bytes()).is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033+1-01",
        ] {
            assert_eq!(Parent::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
