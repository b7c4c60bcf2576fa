//! Text that every database can hold, from bytes that it could not: reversible, and the same everywhere.
//!
//! `U+0000` becomes `␛00`, a byte that is not UTF-8 becomes `␛` and its two hexadecimal digits
//! (`␛FF`), and `␛` (U+241B) itself is doubled. All other text stays as it is.

use std::borrow::Cow;
