//! Each exchange that was written as a span of OpenTelemetry (feature `otel`), with the attributes of the
//! conventions for generative AI. Only here is opentelemetry.

#[cfg(feature = "otel")]
mod content;
#[cfg(feature = "otel")]
mod draft;
#[cfg(feature = "otel")]
mod emit;
#[cfg(not(feature = "otel"))]
mod none;
#[cfg(feature = "otel")]
mod parent;

#[cfg(feature = "otel")]
pub(crate) use self::{draft::Draft, emit::emit};
#[cfg(not(feature = "otel"))]
pub(crate) use none::{Draft, emit};
