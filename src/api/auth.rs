//! Whose key a request carries.

use http::request::Parts;

/// Whom a request speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// One user, by the name that his conversations are recorded under.
    User(String),
    /// An application, which may act for any user.
    Application,
}

/// Says whom a request speaks for.
///
/// Where it goes by what a request has without the doing of the page that makes it (a header of the
/// ingress as below, a client certificate, a cookie), do not put it behind
/// [`Cors::any`](super::Cors::any) or `*` as the list of origins: every page that a visitor opens could read the
/// visitor's history.
///
/// # Examples
/// ```
/// use tower_recording::api::{Authenticate, Principal};
///
/// /// Trusts the header that the ingress sets.
/// struct Ingress;
///
/// impl Authenticate for Ingress {
///     fn authenticate(&self, request: &http::request::Parts) -> Option<Principal> {
///         let user = request.headers.get("x-verified-user")?.to_str().ok()?;
///         Some(Principal::User(user.to_owned()))
///     }
/// }
/// ```
pub trait Authenticate: Send + Sync + 'static {
    /// The principal of a request with this head; `None` where it carries no valid key.
    fn authenticate(&self, request: &Parts) -> Option<Principal>;
}
