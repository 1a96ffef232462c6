//! One request: bounds, token, method, permission, parameters, answer; in this order.

use crate::limits::{BODY_BYTES_MAX, KEY_BYTES_MAX, REQUEST_MS_MAX, URI_BYTES_MAX};
use crate::problem::Problem;
use crate::query::Query;
use crate::reply::Answer;
use crate::shared::Shared;
use crate::table::{Access, Endpoint, ROOT, paths};
use crate::token::{Caller, authorise};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::response::Response;
use axum::routing::any;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Where a connection came from; put into each of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What an endpoint gets that asks for a token.
pub(crate) struct Context {
    pub(crate) api: Arc<Shared>,
    pub(crate) caller: Caller,
    pub(crate) query: Query,
    id: Option<i128>,
    /// What stands in `Idempotency-Key`, where the endpoint takes one.
    key: Option<String>,
    body: Vec<u8>,
}

impl Context {
    /// The id of the path.
    ///
    /// # Errors
    /// 404 when it does not fit: nothing has such an id.
    pub(crate) fn id<T: TryFrom<i128>>(&self) -> Result<T, Problem> {
        self.id.and_then(|id| T::try_from(id).ok()).ok_or_else(Problem::not_found)
    }

    /// The client's key of this request.
    ///
    /// # Errors
    /// A problem that names the header.
    pub(crate) fn key(&self) -> Result<&str, Problem> {
        self.key.as_deref().ok_or_else(|| Problem::field(KEY, "must stand there once"))
    }

    /// The body, whole.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Rows to ask for: one more than the page shows.
    pub(crate) fn rows(&self) -> usize {
        usize::try_from(self.query.rows()).unwrap_or(usize::MAX)
    }
}

/// The router of the table.
pub(crate) fn router(api: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for (path, endpoints) in paths() {
        let (api, endpoints) = (api.clone(), Arc::<[_]>::from(endpoints));
        let handle = move |request| respond(api.clone(), endpoints.clone(), request);
        router = router.route(path, any(handle));
    }
    let (api, nothing) = (api.clone(), Arc::<[_]>::from([]));
    router.fallback(move |request| respond(api.clone(), nothing.clone(), request))
}

/// Answers a request to a path with these endpoints; an unknown path has none.
async fn respond(
    api: Arc<Shared>,
    endpoints: Arc<[&'static Endpoint]>,
    request: Request,
) -> Response {
    let limit = Duration::from_millis(REQUEST_MS_MAX);
    let outcome = tokio::time::timeout(limit, answer(&api, &endpoints, request)).await;
    let answer = match outcome {
        Ok(Ok(answer)) => answer,
        Ok(Err(problem)) => problem.into(),
        Err(_) => Problem::too_slow().into(),
    };
    api.counts.answered(answer.status);
    response(answer)
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some((name, value)) = answer.header {
        headers.insert(name, value);
    }
    response
}

async fn answer(
    api: &Arc<Shared>,
    endpoints: &[&'static Endpoint],
    request: Request,
) -> Result<Answer, Problem> {
    let (mut parts, body) = request.into_parts();
    check_head(&parts)?;
    let endpoint = endpoints.iter().find(|endpoint| endpoint.verb.takes(&parts.method));
    let caller = match needs_token(api, endpoint.copied(), parts.uri.path()) {
        true => Some(authorise(api, &parts.headers, source(&parts)).await?),
        false => None,
    };
    let Some(endpoint) = endpoint else { return Err(not_here(endpoints)) };
    if let (Some(caller), Access::Local(permission, _) | Access::Token(permission, _)) =
        (&caller, &endpoint.access)
    {
        caller.must(*permission)?;
    }
    let id = path_id(endpoint, &mut parts).await?;
    let query = Query::parse(parts.uri.query().unwrap_or_default(), endpoint.parameters)?;
    let takes_body = endpoint.body.is_some();
    let key = if endpoint.needs_key { Some(read_key(&parts.headers)?) } else { None };
    let body = read_body(&parts, body).await?;
    if !takes_body && !body.is_empty() {
        return Err(Problem::field("body", "this endpoint takes none"));
    }
    match (&endpoint.access, caller) {
        (Access::Open(run) | Access::Local(_, run), _) => run(api.clone()).await,
        (Access::Token(_, run), Some(caller)) => {
            run(Context { api: api.clone(), caller, query, id, key, body }).await
        }
        (Access::Token(..), None) => Err(Problem::unauthorized()),
    }
}

fn check_head(parts: &Parts) -> Result<(), Problem> {
    let len = parts.uri.path_and_query().map_or(0, |text| text.as_str().len());
    if len > URI_BYTES_MAX {
        return Err(Problem::uri_too_long());
    }
    // RFC 9112 section 3.2: a request of HTTP/1.1 without one Host header is answered 400.
    let hosts = parts.headers.get_all(header::HOST).iter().count();
    if parts.version == Version::HTTP_11 && hosts != 1 {
        return Err(Problem::field("Host", "does not stand there once"));
    }
    Ok(())
}

/// An unknown path or method below the root asks for a token, so that strangers learn nothing.
fn needs_token(api: &Shared, endpoint: Option<&Endpoint>, path: &str) -> bool {
    match endpoint.map(|endpoint| &endpoint.access) {
        Some(Access::Open(_)) => false,
        Some(Access::Local(..)) => !api.is_loopback,
        Some(Access::Token(..)) => true,
        None => {
            path.strip_prefix(ROOT).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        }
    }
}

/// A source that is not known is one source like any other.
fn source(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// The problem of a path with none of the right method, or no endpoint at all.
fn not_here(endpoints: &[&'static Endpoint]) -> Problem {
    if endpoints.is_empty() {
        return Problem::not_found();
    }
    let allow: Vec<_> = endpoints.iter().map(|endpoint| endpoint.verb.allow()).collect();
    Problem::method(allow.join(", "))
}

/// Reads `{id}`: an integer, whether or not anything has it.
async fn path_id(endpoint: &Endpoint, parts: &mut Parts) -> Result<Option<i128>, Problem> {
    if !endpoint.path.contains("{id}") {
        return Ok(None);
    }
    let wrong = || Problem::field("id", "is not an id");
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| wrong())?;
    let text = params.iter().find(|(name, _)| *name == "id").map(|(_, text)| text);
    let text = text.filter(|text| !text.starts_with('+') && text.len() <= ID_LEN_MAX);
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong)
}

/// Longest id as text.
const ID_LEN_MAX: usize = 20;

/// The header that makes a request that is sent twice count once.
pub(crate) const KEY: &str = "Idempotency-Key";

/// Reads the key: printable ASCII, once.
fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let key = values.next().and_then(|value| value.to_str().ok());
    match (key, values.next()) {
        (Some(key), None) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(key.to_owned()),
        (Some(_), None) => Err(Problem::field(KEY, format!("has 1 to {KEY_BYTES_MAX} characters"))),
        (Some(_) | None, Some(_)) | (None, None) => {
            Err(Problem::field(KEY, "must stand there once, in printable ASCII"))
        }
    }
}

/// Reads the body to its end, within its bound.
async fn read_body(parts: &Parts, mut body: Body) -> Result<Vec<u8>, Problem> {
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if usize::try_from(announced).map_or(true, |len| len > BODY_BYTES_MAX) {
        return Err(Problem::body_too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Problem::field("body", "cannot be read"))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len().saturating_add(data.len()) > BODY_BYTES_MAX {
            return Err(Problem::body_too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}
