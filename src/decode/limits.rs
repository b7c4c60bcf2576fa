//! How much of one exchange is read, whatever its dialect.

/// Messages of a request beyond this are left out, since each becomes a row: a context of a million tokens
/// leaves 64 for each of so many.
pub(super) const MAX_MESSAGES: usize = 16_384;

/// Choices beyond this are left out: no provider allows more than 128.
pub(super) const MAX_CHOICES: usize = 1024;

/// Content parts of one message beyond this are left out: no provider comes near it.
pub(super) const MAX_PARTS: usize = 4096;

/// Tool calls of one message beyond this are left out: no provider comes near it.
pub(super) const MAX_TOOL_CALLS: usize = 4096;
