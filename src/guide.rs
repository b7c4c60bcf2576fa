//! What the front page has no room for.

#[doc = include_str!("../docs/recording.md")]
pub mod recording {}

#[doc = include_str!("../docs/databases.md")]
pub mod databases {}

#[doc = include_str!("../docs/operating.md")]
pub mod operating {}

#[doc = include_str!("../docs/figures.md")]
pub mod figures {}
