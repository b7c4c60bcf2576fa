//! Private database servers, shared with the stores' own tests, which use all of them.

#[expect(dead_code, reason = "the stores' own tests use the rest")]
pub(crate) mod mariadb;
#[expect(dead_code, reason = "the stores' own tests use the rest")]
pub(crate) mod postgres;
