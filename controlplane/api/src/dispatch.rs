//! One request: bounds, token, method, permission, rule, parameters, answer; in this order.

use crate::limits::{AGENT_CHARS_MAX, KEY_BYTES_MAX, REQUEST_MS_MAX, URI_BYTES_MAX};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::query::Query;
use crate::reply::Answer;
use crate::shared::Shared;
use crate::table::{Access, Endpoint, Key, ROOT, Rule, paths};
use crate::token::{Caller, authorise};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strowger_store::Actor;

/// Media type of a merge patch (RFC 7396).
pub(crate) const PATCH: &str = "application/merge-patch+json";

/// Where a connection came from; put into each of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) at: SocketAddr,
    /// The dataplane took it in, from whoever may connect there.
    pub(crate) is_relayed: bool,
}

/// A request that asks for no token.
pub(crate) struct Visit {
    pub(crate) api: Arc<Shared>,
    /// It came to a loopback address, so it comes from this host.
    pub(crate) is_local: bool,
}

/// What an endpoint gets that asks for a token, or that strangers log in at.
pub(crate) struct Context {
    pub(crate) api: Arc<Shared>,
    pub(crate) caller: Caller,
    pub(crate) query: Query,
    /// Where the request came from.
    pub(crate) source: IpAddr,
    /// What the program says that it is; empty when it does not.
    pub(crate) agent: String,
    /// Number of the request, for logs and the change log.
    request: String,
    /// The path.
    pub(crate) target: String,
    /// The variable parts of the path, by name.
    path: Vec<(String, Segment)>,
    /// What stands in `Idempotency-Key`, where the endpoint takes one.
    key: Option<String>,
    /// What stands in `If-Match`, where the endpoint takes a version.
    version: Option<String>,
    /// Media type of the body, one of the endpoint's; empty without a body.
    media: &'static str,
    body: Vec<u8>,
    /// The body of an endpoint that reads it piece by piece.
    stream: Mutex<Option<Body>>,
}

/// A variable part of a path: `{name}` is a word, every other an integer.
enum Segment {
    Id(i128),
    Word(String),
}

impl Context {
    /// The id of the path.
    ///
    /// # Errors
    /// 404 when it does not fit: nothing has such an id.
    pub(crate) fn id<T: TryFrom<i128>>(&self) -> Result<T, Problem> {
        self.number("id")
    }

    /// The integer of the path with this name, for paths with several.
    ///
    /// # Errors
    /// 404 when it does not fit: nothing has such a number.
    pub(crate) fn number<T: TryFrom<i128>>(&self, name: &str) -> Result<T, Problem> {
        let number = self.path.iter().find_map(|(known, segment)| match segment {
            Segment::Id(id) if known == name => Some(*id),
            Segment::Id(_) | Segment::Word(_) => None,
        });
        number.and_then(|id| T::try_from(id).ok()).ok_or_else(Problem::not_found)
    }

    /// The word `{name}` of the path; empty when the path has none.
    pub(crate) fn word(&self) -> &str {
        let word = self.path.iter().find_map(|(_, segment)| match segment {
            Segment::Word(word) => Some(word.as_str()),
            Segment::Id(_) => None,
        });
        word.unwrap_or_default()
    }

    /// Who acts, for the change log.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            name: self.caller.name.clone(),
            on_behalf: self.caller.on_behalf.clone(),
            request: self.request.clone(),
        }
    }

    /// The version that the client means: what an `ETag` said, without its quotes.
    ///
    /// # Errors
    /// A problem that names the header.
    pub(crate) fn version(&self) -> Result<&str, Problem> {
        self.version.as_deref().ok_or_else(|| Problem::field(VERSION, "must stand there once"))
    }

    /// Media type of the body, one of the endpoint's; empty without a body.
    pub(crate) const fn media(&self) -> &'static str {
        self.media
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

    /// The body of an endpoint that reads it piece by piece; once.
    pub(crate) fn stream(&self) -> Option<Body> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    let asked = endpoints.iter().find(|endpoint| endpoint.verb.takes(request.method()));
    let limit = Duration::from_millis(asked.map_or(REQUEST_MS_MAX, |asked| asked.ms_max()));
    let number = api.request_number();
    let outcome = tokio::time::timeout(limit, answer(&api, &endpoints, request, &number)).await;
    let mut answer = match outcome {
        Ok(Ok(answer)) => answer,
        Ok(Err(problem)) => problem.into(),
        Err(_) => Problem::too_slow().into(),
    };
    if let Ok(number) = HeaderValue::from_str(&number) {
        answer.headers.push((HeaderName::from_static("x-request-id"), number));
    }
    api.counts.answered(answer.status);
    response(answer)
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if !answer.media.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in answer.headers {
        headers.insert(name, value);
    }
    response
}

async fn answer(
    api: &Arc<Shared>,
    endpoints: &[&'static Endpoint],
    request: Request,
    number: &str,
) -> Result<Answer, Problem> {
    let (mut parts, body) = request.into_parts();
    check_head(&parts)?;
    let endpoint = endpoints.iter().find(|endpoint| endpoint.verb.takes(&parts.method));
    let is_local = is_local(api, &parts);
    let caller = match needs_token(is_local, endpoint.copied(), parts.uri.path()) {
        true => Some(authorise(api, &parts.headers, source(&parts)).await?),
        false => None,
    };
    let Some(endpoint) = endpoint else { return Err(not_here(endpoints)) };
    admit(caller.as_ref(), &endpoint.access)?;
    let path = segments(endpoint, &mut parts).await?;
    let query = parts.uri.query().unwrap_or_default();
    let query = Query::parse(query, endpoint.parameters, endpoint.filters)?;
    let takes_body = endpoint.body.is_some();
    let key = key_of(endpoint.key, &parts.headers)?;
    let version = if endpoint.needs_version { Some(read_version(&parts.headers)?) } else { None };
    check_announced(&parts, endpoint.body_max)?;
    let (body, stream) = match endpoint.is_stream {
        true => (Vec::new(), Some(body)),
        false => (read_body(body, endpoint.body_max).await?, None),
    };
    if !takes_body && !body.is_empty() {
        return Err(Problem::field("body", "this endpoint takes none"));
    }
    let (source, agent) = (source(&parts), agent(&parts.headers));
    let has_body = !body.is_empty() || stream.is_some();
    let media = if has_body { media_of(&parts.headers, endpoint.media)? } else { "" };
    let target = parts.uri.path().to_owned();
    let (api, request) = (api.clone(), number.to_owned());
    let context = |caller| {
        let api = api.clone();
        Context {
            api,
            caller,
            query,
            source,
            agent,
            request,
            target,
            path,
            key,
            version,
            media,
            body,
            stream: Mutex::new(stream),
        }
    };
    match (&endpoint.access, caller) {
        (Access::Open(run) | Access::Local(_, run), _) => run(Visit { api, is_local }).await,
        (Access::Stranger(run), _) => run(context(Caller::stranger())).await,
        (Access::Token(_, _, run), Some(caller)) => run(context(caller)).await,
        (Access::Token(..), None) => Err(Problem::unauthorized()),
    }
}

/// Whether the caller comes in: permission, then rule.
fn admit(caller: Option<&Caller>, access: &Access) -> Result<(), Problem> {
    let Some(caller) = caller else { return Ok(()) };
    match access {
        Access::Open(_) | Access::Stranger(_) => Ok(()),
        Access::Local(permission, _) => within(caller, *permission, Rule::Host),
        Access::Token(permission, rule, _) => within(caller, *permission, *rule),
    }
}

fn within(caller: &Caller, permission: Permission, rule: Rule) -> Result<(), Problem> {
    caller.must(permission)?;
    if rule.admits(caller.scope) { Ok(()) } else { Err(Problem::too_narrow(rule)) }
}

/// What a program says that it is, cut to its bound.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.unwrap_or_default().chars().take(AGENT_CHARS_MAX).collect()
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
fn needs_token(is_local: bool, endpoint: Option<&Endpoint>, path: &str) -> bool {
    match endpoint.map(|endpoint| &endpoint.access) {
        Some(Access::Open(_) | Access::Stranger(_)) => false,
        Some(Access::Local(..)) => !is_local,
        Some(Access::Token(..)) => true,
        None => {
            path.strip_prefix(ROOT).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        }
    }
}

/// A source that is not known is one source like any other.
fn source(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.at.ip())
}

fn is_local(api: &Shared, parts: &Parts) -> bool {
    let peer = parts.extensions.get::<Peer>();
    api.is_loopback && peer.is_some_and(|peer| !peer.is_relayed)
}

/// The problem of a path with none of the right method, or no endpoint at all.
fn not_here(endpoints: &[&'static Endpoint]) -> Problem {
    if endpoints.is_empty() {
        return Problem::not_found();
    }
    let allow: Vec<_> = endpoints.iter().map(|endpoint| endpoint.verb.allow()).collect();
    Problem::method(allow.join(", "))
}

/// Reads the variable parts: integers, whether or not anything has them, and the word `{name}`.
async fn segments(
    endpoint: &Endpoint,
    parts: &mut Parts,
) -> Result<Vec<(String, Segment)>, Problem> {
    if !endpoint.path.contains('{') {
        return Ok(Vec::new());
    }
    let wrong = |name: &str| Problem::field(name, "is not an id");
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| wrong("id"))?;
    let mut segments = Vec::new();
    for (name, text) in &params {
        let segment = if name == "name" {
            let fits = text.len() <= WORD_LEN_MAX;
            fits.then(|| Segment::Word(text.to_owned())).ok_or_else(Problem::not_found)?
        } else {
            // Ids of running calls are beyond those of rows; one text each they have, too.
            let is_one = |id: &i128| text.len() <= ID_LEN_MAX && id.to_string() == *text;
            let id = text.parse().ok().filter(is_one);
            id.map(Segment::Id).ok_or_else(|| wrong(name))?
        };
        segments.push((name.to_owned(), segment));
    }
    Ok(segments)
}

/// Longest text of an id, sign and digits.
const ID_LEN_MAX: usize = 20;

/// Longest word of a path.
const WORD_LEN_MAX: usize = 64;

/// The header that says which version a change is meant for (RFC 9110 section 13.1.1).
pub(crate) const VERSION: &str = "If-Match";

/// The pattern of a version: an entity tag (RFC 9110 section 8.8.3) in ASCII.
pub(crate) const VERSION_PATTERN: &str = "^\"[!#-~]{1,128}\"$";

/// Reads the version: one strong entity tag, which `GET` gave as `ETag`.
fn read_version(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(VERSION).iter();
    let Some(value) = values.next() else { return Err(Problem::needs_version()) };
    let tag = value.to_str().ok().filter(|_| values.next().is_none());
    let tag = tag.and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"'));
    let is_inner = |byte: u8| byte == b'!' || (b'#'..=b'~').contains(&byte);
    let tag =
        tag.filter(|tag| (1..=KEY_BYTES_MAX).contains(&tag.len()) && tag.bytes().all(is_inner));
    tag.map(str::to_owned).ok_or_else(|| Problem::field(VERSION, "is not one strong entity tag"))
}

/// The header that makes a request that is sent twice count once.
pub(crate) const KEY: &str = "Idempotency-Key";

/// The key of a request, as far as the endpoint heeds one. It is refused where it would do nothing:
/// who sends one relies on it.
fn key_of(of: Key, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    match (of, headers.contains_key(KEY)) {
        (Key::Refused, true) => Err(Problem::field(KEY, "this endpoint takes none")),
        (Key::Refused | Key::Heeded, false) => Ok(None),
        (Key::Heeded, true) | (Key::Needed, _) => read_key(headers).map(Some),
    }
}

/// Which of the endpoint's media types the client says that the body has (RFC 9110 section 8.3).
/// One rule for all: what is not said is not guessed.
fn media_of(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, Problem> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let said = values.next().filter(|_| values.next().is_none());
    let said = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    let found = known.iter().find(|media| media.eq_ignore_ascii_case(said));
    found.copied().ok_or_else(|| Problem::other_media(&known.join(" or ")))
}

/// The pattern of a key.
pub(crate) const KEY_PATTERN: &str = "^[!-~]([ -~]{0,126}[!-~])?$";
const _: () = assert!(KEY_BYTES_MAX == 128);

/// Reads the key: printable ASCII, once.
fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let key = values.next().and_then(|value| value.to_str().ok());
    // A tab is no character of a key.
    let key = key.filter(|key| key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    match (key, values.next()) {
        (Some(key), None) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(key.to_owned()),
        (Some(_), None) => Err(Problem::field(KEY, format!("has 1 to {KEY_BYTES_MAX} characters"))),
        (Some(_) | None, Some(_)) | (None, None) => {
            Err(Problem::field(KEY, "must stand there once, in printable ASCII"))
        }
    }
}

/// A body that says that it is longer than its bound is not read at all.
fn check_announced(parts: &Parts, bytes_max: usize) -> Result<(), Problem> {
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if usize::try_from(announced).map_or(true, |len| len > bytes_max) {
        return Err(Problem::body_too_large(bytes_max));
    }
    Ok(())
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Problem::field("body", "cannot be read"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads the body to its end, within its bound.
async fn read_body(mut body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(data) = piece(&mut body).await? {
        if bytes.len().saturating_add(data.len()) > bytes_max {
            return Err(Problem::body_too_large(bytes_max));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
