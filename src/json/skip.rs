//! Values that are passed over.

use super::{
    Fault, Source,
    text::{is_escape, special},
};

impl Source<'_> {
    /// Passes over the next value, however deeply it is nested.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.open.clear();
        loop {
            match self.peek()? {
                b'"' => self.pass_text()?,
                b'-' | b'0'..=b'9' => self.pass_number().map(drop)?,
                b'n' => self.word("null")?,
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    self.open.push(bracket);
                    // In ASCII a bracket's other half is the second after it.
                    if self.peek()? != bracket + 2 {
                        self.pass_key(bracket)?;
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
                        self.pass_key(bracket)?;
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
                return Ok(());
            }
        }
    }

    /// Passes over the key that comes next in an object, and over nothing in a list.
    fn pass_key(&mut self, bracket: u8) -> Result<(), Fault> {
        if bracket == b'[' {
            return Ok(());
        }
        self.pass_text()?;
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
