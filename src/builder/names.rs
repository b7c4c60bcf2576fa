//! The names by which conversations and users are known.

use http::HeaderName;

use super::BuildError;
use crate::identity::BODY;

/// Names of headers and of members of the body, in order.
pub(super) struct Names {
    pub(super) names: Vec<String>,
    /// The headers among them.
    pub(super) headers: Vec<HeaderName>,
}

impl Names {
    pub(super) fn read(
        setting: &'static str,
        given: impl IntoIterator<Item = String>,
    ) -> Result<Self, BuildError> {
        let (mut names, mut headers) = (Vec::new(), Vec::new());
        for name in given {
            if name.starts_with(BODY) {
                names.push(name);
                continue;
            }
            let header = header_name(setting, &name)?;
            names.push(header.as_str().to_owned());
            headers.push(header);
        }
        Ok(Self { names, headers })
    }
}

pub(super) fn header_name(setting: &'static str, name: &str) -> Result<HeaderName, BuildError> {
    name.parse().map_err(|_| BuildError::Setting {
        setting,
        expected: "a header's name",
    })
}
