//! A body that is written while it is sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::Error;
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::{sync::mpsc, task::AbortHandle};

/// What is sent at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for a slow client; then the database is read no further.
const PIECES: usize = 4;

type Piece = Result<Bytes, Error>;

/// Where an export is written to, piece by piece.
pub(super) struct Output {
    pieces: mpsc::Sender<Piece>,
    held: Vec<u8>,
}

/// What is read by whoever asked for it, and no longer written once he has gone away.
pub(super) struct Streamed {
    pieces: mpsc::Receiver<Piece>,
    work: AbortHandle,
}

/// A body that this work writes. Dropped, it ends the work, whatever that waits for.
pub(super) fn streamed<W>(work: impl FnOnce(Output) -> W) -> Streamed
where
    W: Future<Output = ()> + Send + 'static,
{
    let (pieces, body) = mpsc::channel(PIECES);
    let output = Output {
        pieces,
        held: Vec::new(),
    };
    Streamed {
        pieces: body,
        work: tokio::spawn(work(output)).abort_handle(),
    }
}

impl Output {
    /// Writes this, once the client has taken what came before.
    pub(super) async fn write(&mut self, text: String) {
        self.held.extend_from_slice(text.as_bytes());
        if self.held.len() >= PIECE_BYTES {
            self.flush().await;
        }
    }

    /// Sends what is held back.
    pub(super) async fn flush(&mut self) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            // Whoever asked may just have gone away.
            let _ = self.pieces.send(Ok(held.into())).await;
        }
    }

    /// Lets the client see that it is not whole.
    pub(super) async fn fail(&mut self) {
        let error = Error::new("the export ended early");
        let _ = self.pieces.send(Err(error)).await;
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = self.pieces.poll_recv(cx);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.work.abort();
    }
}
