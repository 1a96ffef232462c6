//! Tokens: read from the header, looked up by their hash.

use crate::limits::TOKEN_BYTES_MAX;
use crate::permission::{Permission, Role};
use crate::problem::Problem;
use crate::shared::Shared;
use axum::http::{HeaderMap, header};
use ring::digest::{SHA256, digest};
use std::net::IpAddr;
use strowger_store::Scope;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Name of the token, for logs.
    pub(crate) name: String,
    /// What it may see and touch.
    pub(crate) scope: Scope,
    role: Option<Role>,
}

impl Caller {
    /// # Errors
    /// 403 when its role has not got `permission`.
    pub(crate) fn must(&self, permission: Permission) -> Result<(), Problem> {
        let may = self.role.is_some_and(|role| role.may(permission));
        if may { Ok(()) } else { Err(Problem::forbidden(permission)) }
    }
}

/// The hash under which the store keeps a token: SHA-256 in hex.
///
/// Tokens are random and long, so the hash needs no salt and no work factor.
#[must_use]
pub fn token_hash(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The token of a `Bearer` header (RFC 6750 section 2.1); `None` when there is not exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Finds out who asks. The hash is looked up in an index, so the time it takes tells nothing about
/// a token.
///
/// # Errors
/// 401, 429 when the source tried too often, 503 when the store cannot say.
pub(crate) async fn authorise(
    api: &Shared,
    headers: &HeaderMap,
    source: IpAddr,
) -> Result<Caller, Problem> {
    let Some(token) = bearer(headers) else { return Err(Problem::unauthorized()) };
    if let Some(wait_s) = api.limiter().wait_s(source, api.now_ms()) {
        return Err(Problem::too_many(wait_s));
    }
    let found = if token.len() <= TOKEN_BYTES_MAX {
        api.reader.token(&token_hash(token)).await?
    } else {
        None
    };
    let Some(token) = found else {
        api.counts.token_failed();
        if api.limiter().failed(source, api.now_ms()) {
            tracing::warn!(%source, "too many wrong tokens, refused for a minute");
        }
        return Err(Problem::unauthorized());
    };
    Ok(Caller { name: token.name, scope: token.scope, role: Role::parse(&token.role) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&str], expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(bearer(&headers), expect, "{values:?}");
    }

    #[test]
    fn one_bearer_header_counts() {
        check(&["Bearer a.b"], Some("a.b"));
        check(&["bEARER  a "], Some("a"));
        check(&[], None);
        check(&["Bearer"], None);
        check(&["Bearer "], None);
        check(&["Basic YTpi"], None);
        check(&["Bearer a", "Bearer a"], None);
    }

    #[test]
    fn hashes_are_sha256_in_hex() {
        // FIPS 180-2, appendix B.1.
        let expect = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_hash("abc"), expect);
    }

    #[test]
    fn a_caller_without_a_known_role_may_nothing() {
        let caller = |role| Caller { name: "t".into(), scope: Scope::All, role };
        assert!(caller(Some(Role::Owner)).must(Permission("calls:read")).is_ok());
        assert!(caller(None).must(Permission("calls:read")).is_err());
    }
}
