//! Values that are passed over.

use super::{
    Fault, Source,
    text::{is_escape, special},
};

/// One who sees what is passed over.
pub(crate) trait Watch {
    /// The source of a member's name.
    fn key(&mut self, _: &str) {}
    /// The source of a string.
    fn text(&mut self, _: &str) {}
    /// The source of a number.
    fn number(&mut self, _: &str) {}
}

/// What there was in a value that was passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// Elements of lists and members of objects: those behind a comma, and the beginnings of lists.
    pub(crate) elements: u32,
    pub(crate) objects: u32,
    /// It can be read as it stands, for sure: it is not nested too deeply, and its numbers have room.
    pub(crate) is_regular: bool,
}

/// Far less deep than can be read.
const REGULAR_DEPTH: usize = 64;
/// No number as short as this is too large, unless it has an exponent.
const REGULAR_NUMBER: usize = 18;

/// Nobody.
impl Watch for () {}

impl Source<'_> {
    /// Passes over the next value, however deeply it is nested.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.pass(&mut ()).map(drop)
    }

    /// The same, while somebody sees it.
    pub(super) fn pass(&mut self, watch: &mut impl Watch) -> Result<Passed, Fault> {
        self.open.clear();
        let mut passed = Passed {
            elements: 0,
            objects: 0,
            is_regular: true,
        };
        loop {
            let first = self.peek()?;
            let start = self.at;
            match first {
                b'"' => {
                    self.pass_text()?;
                    watch.text(self.since(start));
                }
                b'-' | b'0'..=b'9' => {
                    let is_whole = self.pass_number()?;
                    let number = self.since(start);
                    let is_plain = is_whole || !number.contains(['e', 'E']);
                    passed.is_regular &= is_plain && number.len() <= REGULAR_NUMBER;
                    watch.number(number);
                }
                b'n' => self.word("null")?,
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    self.open.push(bracket);
                    passed.is_regular &= self.open.len() <= REGULAR_DEPTH;
                    match bracket {
                        b'{' => passed.objects = passed.objects.saturating_add(1),
                        _ => passed.elements = passed.elements.saturating_add(1),
                    }
                    // In ASCII a bracket's other half is the second after it.
                    if self.peek()? != bracket + 2 {
                        self.pass_key(bracket, watch)?;
                        continue;
                    }
                }
                _ => return Err(Fault),
            }
            while let Some(&bracket) = self.open.last() {
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        self.peek()?;
                        passed.elements = passed.elements.saturating_add(1);
                        self.pass_key(bracket, watch)?;
                        break;
                    }
                    byte if byte == bracket + 2 => {
                        self.at += 1;
                        self.open.pop();
                    }
                    _ => return Err(Fault),
                }
            }
            if self.open.is_empty() {
                return Ok(passed);
            }
        }
    }

    /// What was passed over since this place.
    fn since(&self, start: usize) -> &str {
        self.source.get(start..self.at).unwrap_or_default()
    }

    /// Passes over the key that comes next in an object, and over nothing in a list.
    fn pass_key(&mut self, bracket: u8, watch: &mut impl Watch) -> Result<(), Fault> {
        if bracket == b'[' {
            return Ok(());
        }
        let start = self.at;
        self.pass_text()?;
        watch.key(self.since(start));
        self.colon()
    }

    /// Passes over the string of which the quote comes next.
    pub(super) fn pass_text(&mut self) -> Result<(), Fault> {
        self.take(b'"')?;
        let bytes = self.source.as_bytes();
        let mut end = special(bytes, self.at);
        while bytes.get(end) == Some(&b'\\') {
            let escape = bytes.get(end + 1..).unwrap_or_default();
            if !is_escape(escape) {
                return Err(Fault);
            }
            end = special(bytes, end + 2);
        }
        self.at = end;
        self.take(b'"')
    }

    /// Passes over a number; whether it is a whole one.
    pub(super) fn pass_number(&mut self) -> Result<bool, Fault> {
        let bytes = self.source.as_bytes();
        let mut at = self.at;
        if bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        at = match bytes.get(at) {
            // No digit follows a leading zero.
            Some(b'0') => at + 1,
            _ => behind_digits(bytes, at)?,
        };
        let whole_until = at;
        if bytes.get(at) == Some(&b'.') {
            at = behind_digits(bytes, at + 1)?;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            if let Some(b'+' | b'-') = bytes.get(at) {
                at += 1;
            }
            at = behind_digits(bytes, at)?;
        }
        self.at = at;
        Ok(at == whole_until)
    }
}

/// The place behind the digits that stand at this one.
fn behind_digits(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let rest = bytes.get(start..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        0 => Err(Fault),
        _ => Ok(start + digits),
    }
}
