//! REST: what people and programs see of the switch, under `/api/v1/`.
//!
//! One table of endpoints (path, method, permission, parameters, response) makes three things: the
//! router, the OpenAPI document at `/api/v1/openapi.json`, and the matrix of the tests. Rows and
//! records are read through the store; what runs now comes through [`Live`], which `controld`
//! implements. Answers are views, structures of their own: what a view does not name (secrets above
//! all) cannot leak.
//!
//! It never holds a row, a balance or a call of its own, never speaks SQL, and never decides about
//! a call.
//!
//! Conventions of the answers:
//! - Ids are JSON strings, money is a decimal string with its currency, times are RFC 3339 in UTC
//!   with microseconds, durations are numbers of milliseconds (`_ms`), enumerations are words.
//! - A field without a value is `null`, never missing. Limits of 0 mean none.
//! - Lists are `{"items": [..], "next": ..}`: `next` is given back as the parameter `next`, and is
//!   `null` on the last page.
//! - Errors are `application/problem+json` (RFC 9457) and name the field that is wrong. 400, 415
//!   and 428: the document says that it is wrong. 409 and 422: the document cannot say it, because
//!   it takes another row, another member, the clock, or what this host knows. In queries a `+`
//!   stands for itself, so that times with an offset need no escape.
//! - A body says its media type, and it is one of the endpoint's. A key in `Idempotency-Key` is
//!   heeded where the document has one, and refused elsewhere.
//!
//! Who may (`permission.rs`, `grant.rs`, `token.rs`):
//! - A caller has a role, which is a set of permissions and an audience, and a scope, which is what
//!   he sees. An endpoint asks for one permission, reaches as far as its rule says, and answers
//!   each audience with a view of its own. `tests/rest/matrix.txt` says the outcome for every
//!   endpoint, role and relation; an endpoint that has no line there fails the test.
//! - People log in (`session.rs`) with name and password (argon2id) and, if they turned it on, a
//!   second factor; their token ends when it is not used, and after half a day. Programs have
//!   long-lived tokens, of no more than their maker may, checked at every use against what he may
//!   then. Acting for another is a session of an hour at most, with both names in the change log.
//! - Guessing waits (`guess.rs`): each login and each source, longer each time. Who does not come
//!   in is not told why, and not sooner.
//! - `/healthz` and `/readyz` are open. `/metrics` is open on a listener of a loopback address, and
//!   asks for a token of the whole host with `metrics:read` on every other, and of who is brought
//!   by the dataplane ([`Doors`]): it tells how much traffic there is.
//! - All below `/api/v1` but the login asks for `Authorization: Bearer TOKEN`, unknown paths too.
//!   The store holds the hashes of tokens ([`token_hash`]). What is outside of a caller's scope
//!   answers 404.
//! - Every change is logged in its own transaction: who, for whom, in which request
//!   (`X-Request-Id`), before and after. Secrets are a type that prints and serialises as a mark.
//! - A source that tried many wrong tokens is answered 429 for the rest of the minute.
//!
//! Bounds (`limits.rs`): connections, time and size of a request head, URI, body, time of a
//! request, life of a connection, page, failed tokens. A head that is no HTTP or beyond its bound
//! is refused by hyper with a bare status.
//!
//! How to drive it: [`Api::new`], then [`serve()`] on bound [`Doors`]. Start reading at
//! `table.rs`.

mod allowance;
mod api_token;
mod call;
mod cdr;
mod certificate;
mod change;
mod codec;
mod comparison;
mod currency;
mod cursor;
mod dispatch;
mod edit;
mod field;
mod form;
mod grant;
mod guess;
mod health;
mod import;
mod limiter;
mod limits;
mod live;
mod log_line;
mod me;
mod message;
mod metrics;
mod money;
mod number_list;
mod openapi;
mod password;
mod permission;
mod ported;
mod problem;
mod query;
mod registration;
mod replay;
mod reply;
mod rerate;
mod resource;
mod role;
mod route_test;
mod serve;
mod session;
mod setting;
mod shape;
mod shared;
mod statistic;
mod status;
mod stranger;
mod table;
mod tariff;
mod token;
mod totp;
mod trace;
mod upstream;
mod user;
mod value;
mod weak;

pub use edit::world_rows;
pub use limits::{
    BULK_ROWS_MAX, CONNECTIONS_MAX, KEY_BYTES_MAX, LOGIN_CHARS_MAX, METRICS_BYTES_MAX,
    NAME_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, PASSWORD_CHARS_MAX, RATES_ROWS_MAX, REASON_CHARS_MAX,
};
pub use live::{
    AccountBalance, AccountHold, AllowancePool, Behind, CallId, CallMessages, CallSound, CallState,
    CertificateStanding, Contact, HostStanding, ListDeed, ListOrder, ListSeen, Live, LiveCall,
    LogLevel, LogLine, LogOrder, LoginCause, LoginPhase, LoginStanding, MessagesOrder, MoneyOrder,
    MoneyRefusal, PortedOrder, PortedSeen, Readiness, Registration, RegistrationKey, ReplayOrder,
    ReplayRefusal, ReplayStanding, ReplayState, Reply, Unavailable,
};
pub use live::{
    RouteBranch, RoutePayer, RouteRefusal, RouteSender, RouteTarget, RouteTest, RouteTested,
    RouteVerdict, SipMessage, Stranger, TraceEyes, TraceOrder, TraceStep, TraceWords, TrunkFailure,
};
pub use metrics::{Family, MetricsWriter};
pub use resource::radius_secret_place;
pub use serve::{Doors, serve};
pub use shared::Api;
pub use table::{EndpointInfo, endpoints};
pub use token::token_hash;
