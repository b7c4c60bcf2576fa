//! Values of any kind.

use serde_json::{Map, Value};

use super::{Fault, Source};

/// What is larger may be a whole number that has lost digits.
const MAX_EXACT: f64 = 9e18;

impl Source<'_> {
    /// The next value.
    pub(super) fn value(&mut self) -> Result<Value, Fault> {
        match self.peek()? {
            b'"' => Ok(Value::String(self.text()?.into_owned())),
            b'{' => self.map().map(Value::Object),
            b'[' => {
                self.enter()?;
                let mut values = Vec::new();
                let mut is_first = true;
                while self.element(&mut is_first)? {
                    values.push(self.value()?);
                }
                Ok(Value::Array(values))
            }
            _ => self.scalar_within(),
        }
    }

    /// The members of the object that comes next.
    pub(super) fn map(&mut self) -> Result<Map<String, Value>, Fault> {
        self.enter()?;
        let mut members = Map::new();
        let mut is_first = true;
        while let Some(key) = self.key(&mut is_first)? {
            let value = self.value()?;
            members.insert(key.into_owned(), value);
        }
        Ok(members)
    }

    /// The next value, which is neither a string nor a container.
    pub(super) fn scalar(&mut self) -> Result<Value, Fault> {
        match self.peek()? {
            b'n' => self.word("null").map(|()| Value::Null),
            b't' => self.word("true").map(|()| Value::Bool(true)),
            b'f' => self.word("false").map(|()| Value::Bool(false)),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            _ => Err(Fault),
        }
    }

    /// The same where it is not to lose digits.
    pub(super) fn scalar_within(&mut self) -> Result<Value, Fault> {
        let value = self.scalar()?;
        let is_exact = |value: &Value| match value.as_number().filter(|number| number.is_f64()) {
            Some(number) => number
                .as_f64()
                .is_some_and(|float| float.abs() <= MAX_EXACT),
            None => true,
        };
        Some(value).filter(is_exact).ok_or(Fault)
    }
}
