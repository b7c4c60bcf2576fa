//! The names by which conversations and users are known.

use http::HeaderName;

use super::BuildError;
use crate::identity::{BODY, CODEX_CACHE_KEY};

/// The setting that may say of whom a member is meant.
pub(super) const SESSION_NAMES: &str = "session_names";

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
                let expected = match setting {
                    SESSION_NAMES if name == CODEX_CACHE_KEY => None,
                    SESSION_NAMES => {
                        Some("names without \" of \", but for `body:prompt_cache_key of codex`")
                    }
                    _ => Some("names without \" of \""),
                };
                if let Some(expected) = expected.filter(|_| name.contains(" of ")) {
                    return Err(BuildError::Setting { setting, expected });
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(setting: &'static str, name: &str) -> Result<Vec<String>, String> {
        Names::read(setting, [name.to_owned()])
            .map(|read| read.names)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn of_whom_a_member_is_meant_is_said_of_one_name_of_a_session_alone() {
        assert_eq!(
            read(SESSION_NAMES, CODEX_CACHE_KEY).as_deref(),
            Ok(&[CODEX_CACHE_KEY.to_owned()][..])
        );
        let error = read(SESSION_NAMES, "body:user of codex").expect_err("no such name");
        assert_eq!(
            error,
            "the setting session_names must be names without \" of \", but for \
             `body:prompt_cache_key of codex`"
        );
        for setting in ["user_names", "hint_names"] {
            for name in [CODEX_CACHE_KEY, "body:user of codex"] {
                let error = read(setting, name).expect_err("no such name");
                assert!(error.contains(setting), "{error}");
            }
            assert!(read(setting, "body:user").is_ok());
        }
    }
}
