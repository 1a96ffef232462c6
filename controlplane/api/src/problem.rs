//! Errors as clients see them: `application/problem+json` (RFC 9457).

use crate::Unavailable;
use crate::dispatch::VERSION;
use crate::field::{Why, Wrong};
use crate::limits::{NAME_SHOWN_MAX, URI_BYTES_MAX};
use crate::permission::Permission;
use crate::reply::Answer;
use crate::table::Rule;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};
use strowger_store::StoreError;

/// Media type of a problem.
pub(crate) const MEDIA: &str = "application/problem+json";

/// What went wrong. Its type is always `about:blank`: the status says the kind.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Option<String>,
    field: Option<String>,
    hint: Hint,
}

/// A header that tells a client what to do about it.
#[derive(Debug)]
enum Hint {
    Nothing,
    /// How to authenticate.
    Challenge,
    /// Methods that the path has.
    Allow(String),
    /// Seconds to wait.
    RetryAfter(u64),
}

impl Hint {
    fn into_header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Hint::Nothing => None,
            Hint::Challenge => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Hint::Allow(methods) => Some((header::ALLOW, methods.try_into().ok()?)),
            Hint::RetryAfter(wait_s) => Some((header::RETRY_AFTER, wait_s.into())),
        }
    }
}

impl Problem {
    fn new(status: StatusCode) -> Problem {
        Problem { status, detail: None, field: None, hint: Hint::Nothing }
    }

    fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    /// A parameter, path segment, header or the body is not what the document says. Values are
    /// never repeated, for they may be secrets that stand in the wrong place.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::BAD_REQUEST).detail(detail);
        problem.field = Some(field.chars().take(NAME_SHOWN_MAX).collect());
        problem
    }

    /// The request is what the document says, and must not be done for all that: what says why may
    /// be another row, another member, the clock.
    pub(crate) fn refused(field: &str, detail: impl Into<String>) -> Problem {
        Problem { status: StatusCode::UNPROCESSABLE_ENTITY, ..Problem::field(field, detail) }
    }

    /// A value of the body that cannot be taken, at its place.
    pub(crate) fn wrong(field: &str, wrong: Wrong) -> Problem {
        match wrong.why {
            Why::Form | Why::Missing => Problem::field(field, wrong.detail),
            Why::Unfit => Problem::refused(field, wrong.detail),
        }
    }

    /// The request does not fit what is there: another row has the value, or refers to this one.
    pub(crate) fn conflict(field: &str, detail: impl Into<String>) -> Problem {
        Problem { status: StatusCode::CONFLICT, ..Problem::field(field, detail) }
    }

    /// What is stored does not fit together: somebody has edited the database.
    pub(crate) fn broken(detail: &str) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail(format!("the stored configuration does not fit together: {detail}"))
    }

    /// The body is of a media type that is not taken; `media` is.
    pub(crate) fn other_media(media: &str) -> Problem {
        let mut problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        problem.field = Some(header::CONTENT_TYPE.to_string());
        problem.detail(format!("is not {media}"))
    }

    /// The same, of a part of the body.
    pub(crate) fn within(mut self, at: &str) -> Problem {
        if !at.is_empty() {
            let field = self.field.take().filter(|field| field != "body");
            self.field = Some(field.map_or(at.to_owned(), |field| format!("{at}.{field}")));
        }
        self
    }

    /// No token, a wrong one, or none that can be read: always the same.
    pub(crate) fn unauthorized() -> Problem {
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED);
        problem.hint = Hint::Challenge;
        problem
    }

    /// The password was right, something more is asked for.
    pub(crate) fn unproven(field: &str, detail: &str) -> Problem {
        let hint = Hint::Challenge;
        Problem { status: StatusCode::UNAUTHORIZED, hint, ..Problem::field(field, detail) }
    }

    /// The token is good, its role is too small.
    pub(crate) fn forbidden(permission: Permission) -> Problem {
        Problem::new(StatusCode::FORBIDDEN).detail(format!("needs {}", permission.0))
    }

    /// The permission is there, the scope is too small.
    pub(crate) fn too_narrow(rule: Rule) -> Problem {
        let needs = match rule {
            Rule::Host => "only those who see the whole host may",
            Rule::Tenant | Rule::Rows | Rule::Caller => "only those who see a whole tenant may",
        };
        Problem::new(StatusCode::FORBIDDEN).detail(needs)
    }

    /// The permission is there, but not for this.
    pub(crate) fn denied(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN).detail(detail)
    }

    /// A change that does not say which version it is meant for (RFC 6585 section 3).
    pub(crate) fn needs_version() -> Problem {
        let detail = "a change names the version that it is meant for";
        let mut problem = Problem::new(StatusCode::PRECONDITION_REQUIRED).detail(detail);
        problem.field = Some(VERSION.to_owned());
        problem
    }

    /// What is to be changed is no longer what the client saw.
    pub(crate) fn other_version() -> Problem {
        let detail = "it has changed meanwhile: read it again";
        let mut problem = Problem::new(StatusCode::PRECONDITION_FAILED).detail(detail);
        problem.field = Some(VERSION.to_owned());
        problem
    }

    pub(crate) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND)
    }

    /// Another method; `allow` are those that the path has.
    pub(crate) fn method(allow: String) -> Problem {
        let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED);
        problem.hint = Hint::Allow(allow);
        problem
    }

    /// Too many wrong tokens came from the source.
    pub(crate) fn too_many(wait_s: u64) -> Problem {
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS);
        problem.hint = Hint::RetryAfter(wait_s);
        problem
    }

    pub(crate) fn uri_too_long() -> Problem {
        Problem::new(StatusCode::URI_TOO_LONG)
            .detail(format!("path and query have at most {URI_BYTES_MAX} octets"))
    }

    pub(crate) fn body_too_large(bytes_max: usize) -> Problem {
        let mut problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail(format!("at most {bytes_max} octets"));
        problem.field = Some("body".to_owned());
        problem
    }

    /// The time of the request is over.
    pub(crate) fn too_slow() -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail("the request took too long")
    }

    /// A part that is needed does not answer.
    pub(crate) fn unavailable(part: &str) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(format!("{part} does not answer"))
    }

    /// Our bug; the log has more.
    pub(crate) fn internal() -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The schema of a problem, for the OpenAPI document.
    pub(crate) fn shape() -> Value {
        let text = |what: &str| json!({"type": "string", "description": what});
        json!({
            "type": "object",
            "description": "What went wrong (RFC 9457).",
            "required": ["type", "title", "status"],
            "properties": {
                "type": text("Always `about:blank`: the status says the kind."),
                "title": text("The status in words."),
                "status": {"type": "integer", "description": "The HTTP status."},
                "detail": text("What it was this time."),
                "field": text("The parameter, path segment, header or `body` that is wrong."),
            },
        })
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Answer {
        let mut body = json!({
            "type": "about:blank",
            "title": problem.status.canonical_reason().unwrap_or_default(),
            "status": problem.status.as_u16(),
        });
        if let Value::Object(members) = &mut body {
            let optional = [("detail", problem.detail), ("field", problem.field)];
            for (name, text) in optional {
                if let Some(text) = text {
                    members.insert(name.to_owned(), Value::String(text));
                }
            }
        }
        Answer {
            status: problem.status,
            media: MEDIA,
            body: Bytes::from(body.to_string()),
            headers: problem.hint.into_header().into_iter().collect(),
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(_: Unavailable) -> Problem {
        Problem::unavailable("the control plane's live state")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let chain = chain(&error);
        match error {
            StoreError::Refused { field, why } => Problem::refused(field, why),
            StoreError::Taken { field } => Problem::conflict(field, "is taken by another row"),
            StoreError::Database { .. } => {
                tracing::warn!(error = chain, "the database does not answer REST");
                Problem::unavailable("the database")
            }
            StoreError::Row { .. }
            | StoreError::Migrate(_)
            | StoreError::Cursor { .. }
            | StoreError::Place(_) => {
                tracing::error!(error = chain, "REST cannot read what is stored");
                Problem::internal()
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
