//! JSON read as it stands: what can be borrowed is not copied, and what nobody asks for is passed over.

use std::{borrow::Cow, mem};

use serde_json::Number;

use super::{
    skip::{Passed, Watch},
    text::{special, unescaped},
};

/// What is no JSON, or is nested too deeply, or holds a number that may have no room in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault;

/// The source of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    source: &'a str,
    /// What there is in it.
    pub(crate) passed: Passed,
}

impl<'a> Raw<'a> {
    #[cfg(test)]
    pub(crate) fn new(source: &'a str) -> Self {
        let raw = Source::new(source, false).raw();
        raw.unwrap_or_else(|Fault| panic!("no JSON: {source}"))
    }

    pub(crate) fn get(self) -> &'a str {
        self.source
    }
}

/// Containers within containers, as many as serde_json reads: each takes a part of the stack.
const MAX_DEPTH: u8 = 127;
/// So many digits have room in 64 bits, whatever they are.
const SURE_DIGITS: usize = 18;

/// Whether a number is spelt as it is written, and has room in 64 bits.
pub(super) fn is_plain_number(source: &str) -> bool {
    let mut rest = source.strip_prefix('-').unwrap_or(source).bytes();
    source.len() <= SURE_DIGITS && source != "-0" && rest.all(|byte| byte.is_ascii_digit())
}

/// A place in a document.
#[derive(Debug)]
pub(crate) struct Source<'de> {
    pub(super) source: &'de str,
    pub(super) at: usize,
    depth: u8,
    is_careful: bool,
    /// The brackets that stand open in what is passed over.
    pub(super) open: Vec<u8>,
    /// Room for strings with escapes.
    unescaped: String,
}

impl<'de> Source<'de> {
    /// At the beginning. What is read carefully is read by its source, as [`document`](super::document) has it.
    pub(crate) fn new(source: &'de str, is_careful: bool) -> Self {
        Self {
            source,
            at: 0,
            depth: 0,
            is_careful,
            open: Vec::new(),
            unescaped: String::new(),
        }
    }

    pub(super) fn is_careful(&self) -> bool {
        self.is_careful
    }

    /// Whether all was read, be it in vain.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.source.len()
    }

    /// Fails where anything follows.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Err(Fault) => Ok(()),
            Ok(_) => Err(Fault),
        }
    }

    /// What was not read.
    pub(super) fn rest(&self) -> &'de str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Passes over a null, where one comes next.
    pub(crate) fn is_null(&mut self) -> Result<bool, Fault> {
        let is_null = self.peek()? == b'n';
        if is_null {
            self.word("null")?;
        }
        Ok(is_null)
    }

    /// Whether a string comes next.
    pub(crate) fn is_text(&mut self) -> Result<bool, Fault> {
        Ok(self.peek()? == b'"')
    }

    /// The byte with which what comes next begins.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Fault> {
        loop {
            match self.source.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Fault),
            }
        }
    }

    /// Enters the container of which the bracket comes next.
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(Fault),
            false => Ok(()),
        }
    }

    fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// The key of an object's next member; behind the last one `None`, and the object is left.
    #[inline]
    pub(super) fn key(&mut self, is_first: &mut bool) -> Result<Option<Cow<'de, str>>, Fault> {
        match (self.peek()?, mem::take(is_first)) {
            (b'"', true) => {}
            (b',', false) => {
                self.at += 1;
                if self.peek()? != b'"' {
                    return Err(Fault);
                }
            }
            (b'}', _) => {
                self.leave();
                return Ok(None);
            }
            _ => return Err(Fault),
        }
        let key = self.text()?;
        self.colon()?;
        Ok(Some(key))
    }

    /// Whether a list has a next element; behind the last one it is left.
    #[inline]
    pub(super) fn element(&mut self, is_first: &mut bool) -> Result<bool, Fault> {
        if self.peek()? == b']' {
            self.leave();
            return Ok(false);
        }
        if !mem::take(is_first) {
            self.take(b',')?;
        }
        Ok(true)
    }

    /// The string of which the quote comes next.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Cow<'de, str>, Fault> {
        let start = self.at + 1;
        let end = special(self.source.as_bytes(), start);
        if self.source.as_bytes().get(end) != Some(&b'"') {
            let room = &mut self.unescaped;
            return unescaped(self.source, start, end, room, &mut self.at).map(Cow::Owned);
        }
        self.at = end + 1;
        let text = self.source.get(start..end);
        text.map(Cow::Borrowed).ok_or(Fault)
    }

    /// The number that comes next.
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let is_whole = self.pass_number()?;
        let source = self.source.get(start..self.at).ok_or(Fault)?;
        if is_whole && source.len() <= SURE_DIGITS && source != "-0" {
            let number: i64 = source.parse().map_err(|_| Fault)?;
            return Ok(match u64::try_from(number) {
                Ok(number) => number.into(),
                Err(_) => number.into(),
            });
        }
        serde_json::from_str(source).map_err(|_| Fault)
    }

    /// The word that comes next.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.source.as_bytes().get(self.at..).ok_or(Fault)?;
        if !rest.starts_with(word.as_bytes()) {
            return Err(Fault);
        }
        self.at += word.len();
        Ok(())
    }

    /// The source of the next value.
    pub(crate) fn raw(&mut self) -> Result<Raw<'de>, Fault> {
        self.seen(&mut ())
    }

    /// The same, while somebody sees it.
    pub(crate) fn seen(&mut self, watch: &mut impl Watch) -> Result<Raw<'de>, Fault> {
        self.peek()?;
        let start = self.at;
        let passed = self.pass(watch)?;
        let source = self.source.get(start..self.at).ok_or(Fault)?;
        Ok(Raw { source, passed })
    }

    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Fault> {
        self.peek()?;
        self.take(b':')
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Fault> {
        if self.source.as_bytes().get(self.at) != Some(&byte) {
            return Err(Fault);
        }
        self.at += 1;
        Ok(())
    }
}
