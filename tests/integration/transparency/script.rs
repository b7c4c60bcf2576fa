//! A body that plays a script, and all that its reader can see of it.

use std::{
    collections::VecDeque,
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Buf, Bytes, buf::Chain};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use std::io::IoSlice;

/// Data in buffers that are not all `Bytes`.
#[derive(Debug)]
pub enum Piece {
    Whole(Bytes),
    Chained(Chain<Bytes, Bytes>),
    Ring(VecDeque<u8>),
    /// It shows its first piece only, as the default of `chunks_vectored` does.
    Shy(Chain<Bytes, Bytes>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Whole,
    Chained,
    Ring,
    Shy,
}

impl Piece {
    fn new(shape: Shape, first: &[u8], second: &[u8]) -> Self {
        let chain = || Bytes::copy_from_slice(first).chain(Bytes::copy_from_slice(second));
        match shape {
            Shape::Whole => Self::Whole([first, second].concat().into()),
            Shape::Chained => Self::Chained(chain()),
            Shape::Ring => {
                let mut ring: VecDeque<u8> = second.iter().copied().collect();
                for byte in first.iter().rev() {
                    ring.push_front(*byte);
                }
                Self::Ring(ring)
            }
            Shape::Shy => Self::Shy(chain()),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Self::Whole(_) => Shape::Whole,
            Self::Chained(_) => Shape::Chained,
            Self::Ring(_) => Shape::Ring,
            Self::Shy(_) => Shape::Shy,
        }
    }

    fn buf(&self) -> &dyn Buf {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Chained(chain) | Self::Shy(chain) => chain,
            Self::Ring(ring) => ring,
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.buf().remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.buf().chunk()
    }

    fn advance(&mut self, bytes: usize) {
        match self {
            Self::Whole(piece) => piece.advance(bytes),
            Self::Chained(chain) | Self::Shy(chain) => chain.advance(bytes),
            Self::Ring(ring) => ring.advance(bytes),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match (self, slices.first_mut()) {
            (Self::Shy(chain), Some(slice)) => {
                *slice = IoSlice::new(chain.chunk());
                usize::from(chain.has_remaining())
            }
            _ => self.buf().chunks_vectored(slices),
        }
    }
}

/// The error of a scripted body or service, told apart by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub u32);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {}", self.0)
    }
}

impl std::error::Error for Failure {}

#[derive(Clone, Debug)]
pub enum Step {
    Data(Shape, Vec<u8>, Vec<u8>),
    Pending,
    Trailers(u8),
    Failure(u32),
}

/// When a body says that it is at its end, rightly or not.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    Never,
    WithNone,
    WithLastStep,
    AfterSteps(usize),
}

/// What a body says of its length, rightly or not.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Unknown,
    Exact,
    Around(u64, u64),
    Claimed(u64),
}

#[derive(Clone, Debug)]
pub struct Script {
    pub steps: Vec<Step>,
    pub ends: Ends,
    pub length: Length,
}

/// A body that plays a script.
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    taken: usize,
    ended: bool,
    polls: Arc<AtomicUsize>,
}

impl Scripted {
    pub fn new(script: &Script, polls: &Arc<AtomicUsize>) -> Self {
        Self {
            script: script.clone(),
            taken: 0,
            ended: false,
            polls: Arc::clone(polls),
        }
    }
}

impl Body for Scripted {
    type Data = Piece;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Failure>>> {
        self.polls.fetch_add(1, SeqCst);
        let Some(step) = self.script.steps.get(self.taken).cloned() else {
            self.ended = true;
            return Poll::Ready(None);
        };
        self.taken += 1;
        Poll::Ready(Some(match step {
            Step::Data(shape, first, second) => Ok(Frame::data(Piece::new(shape, &first, &second))),
            Step::Trailers(value) => {
                let trailers = HeaderMap::from_iter([(
                    http::HeaderName::from_static("x-checksum"),
                    HeaderValue::from(u16::from(value)),
                )]);
                Ok(Frame::trailers(trailers))
            }
            Step::Failure(number) => Err(Failure(number)),
            Step::Pending => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        match self.script.ends {
            Ends::Never => false,
            Ends::WithNone => self.ended,
            Ends::WithLastStep => self.taken >= self.script.steps.len(),
            Ends::AfterSteps(steps) => self.taken >= steps,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = |step: &Step| match step {
            Step::Data(_, first, second) => (first.len() + second.len()) as u64,
            _ => 0,
        };
        let left: u64 = self.script.steps[self.taken..].iter().map(left).sum();
        match self.script.length {
            Length::Unknown => SizeHint::new(),
            Length::Exact => SizeHint::with_exact(left),
            Length::Claimed(bytes) => SizeHint::with_exact(bytes),
            Length::Around(below, above) => {
                let mut hint = SizeHint::new();
                hint.set_lower(left.saturating_sub(below));
                hint.set_upper(left + above);
                hint
            }
        }
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// It is dropped after so many polls, wherever it stands.
    pub polls: usize,
    /// It is polled no further once it says that it is at its end, as hyper does.
    pub obeys_end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Pending,
    Data(Shape, Vec<u8>),
    Trailers(HeaderMap),
    Failure(Failure),
    None,
    Dropped,
}

/// What is seen of a body at one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub lower: u64,
    pub upper: Option<u64>,
    pub at_end: bool,
    pub event: Event,
    pub wakes: usize,
}

/// Counts how often it was woken.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Reads a body, and drops it.
pub fn watch(body: impl Body<Data = Piece, Error = Failure>, reader: Reader) -> Vec<Look> {
    let mut body = pin!(body);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut looks = Vec::new();
    for poll in 0..=reader.polls {
        let (hint, at_end) = (body.size_hint(), body.is_end_stream());
        let event = if poll == reader.polls || (reader.obeys_end && at_end) {
            Event::Dropped
        } else {
            match body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
                Poll::Pending => Event::Pending,
                Poll::Ready(None) => Event::None,
                Poll::Ready(Some(Err(failure))) => Event::Failure(failure),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(mut piece) => {
                        let shape = piece.shape();
                        let bytes = piece.copy_to_bytes(piece.remaining());
                        Event::Data(shape, bytes.to_vec())
                    }
                    Err(frame) => Event::Trailers(frame.into_trailers().expect("trailers")),
                },
            }
        };
        let is_over = event == Event::Dropped;
        looks.push(Look {
            lower: hint.lower(),
            upper: hint.upper(),
            at_end,
            event,
            wakes: wakes.count(),
        });
        if is_over {
            break;
        }
    }
    looks
}
