//! What an endpoint gives back, and what the OpenAPI document says of it: both from one type.

use crate::problem::Problem;
use crate::shape::{Components, Shape};
use crate::table::Views;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An answer ready to be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Media type; empty without a body.
    pub(crate) media: &'static str,
    pub(crate) body: Bytes,
    /// More headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Answer, Problem> {
        // Views are structures of strings and numbers, which always serialise.
        let body = serde_json::to_vec(value).map_err(|_| Problem::internal())?;
        Ok(Answer { status, media: JSON, body: body.into(), headers: Vec::new() })
    }
}

/// A type of answer.
pub(crate) trait Respond {
    /// Makes the answer.
    fn respond(self) -> Result<Answer, Problem>;
    /// Audiences with their views, where they differ.
    const VIEWS: Views = &[];
    /// The responses of the OpenAPI document: status, description, media type, schema.
    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)>;
}

/// 200 with a view.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize + Shape> Respond for Json<T> {
    const VIEWS: Views = T::VIEWS;

    fn respond(self) -> Result<Answer, Problem> {
        Answer::json(StatusCode::OK, &self.0)
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(200, "Found.", JSON, T::shape(components))]
    }
}

/// 202 with a view: what was asked is on its way.
pub(crate) struct Accepted<T>(pub(crate) T);

impl<T: Serialize + Shape> Respond for Accepted<T> {
    fn respond(self) -> Result<Answer, Problem> {
        Answer::json(StatusCode::ACCEPTED, &self.0)
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(202, "Accepted; it is on its way.", JSON, T::shape(components))]
    }
}

/// 201 with a view: it is there now, or was already.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize + Shape> Respond for Created<T> {
    fn respond(self) -> Result<Answer, Problem> {
        Answer::json(StatusCode::CREATED, &self.0)
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(201, "Done; the same key finds it again.", JSON, T::shape(components))]
    }
}

/// 200 with a view and its version, which a change must name.
pub(crate) struct Versioned<T> {
    /// The version, without quotes.
    pub(crate) version: String,
    pub(crate) view: T,
}

impl<T: Serialize + Shape> Respond for Versioned<T> {
    fn respond(self) -> Result<Answer, Problem> {
        let mut answer = Answer::json(StatusCode::OK, &self.view)?;
        let tag = HeaderValue::try_from(format!("\"{}\"", self.version));
        answer.headers.push((header::ETAG, tag.map_err(|_| Problem::internal())?));
        Ok(answer)
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(200, "Found; `ETag` is its version.", JSON, T::shape(components))]
    }
}

/// 201 with a view and its version: it is there now.
pub(crate) struct Made<T>(pub(crate) Versioned<T>);

impl<T: Serialize + Shape> Respond for Made<T> {
    fn respond(self) -> Result<Answer, Problem> {
        Ok(Answer { status: StatusCode::CREATED, ..self.0.respond()? })
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(201, "Made; `ETag` is its version.", JSON, T::shape(components))]
    }
}

/// 204: done, and there is nothing to show.
pub(crate) struct Done;

impl Respond for Done {
    fn respond(self) -> Result<Answer, Problem> {
        let (status, body) = (StatusCode::NO_CONTENT, Bytes::new());
        Ok(Answer { status, media: "", body, headers: Vec::new() })
    }

    fn describe(_: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(204, "Done.", "", Value::Null)]
    }
}

/// 200, or 503 when something is missing.
pub(crate) struct Health<T> {
    pub(crate) is_well: bool,
    pub(crate) view: T,
}

impl<T: Serialize + Shape> Respond for Health<T> {
    fn respond(self) -> Result<Answer, Problem> {
        let status = if self.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Answer::json(status, &self.view)
    }

    fn describe(components: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        let shape = T::shape(components);
        vec![
            (200, "All is well.", JSON, shape.clone()),
            (503, "Something is missing.", JSON, shape),
        ]
    }
}

/// Metrics as text.
pub(crate) struct MetricsText(pub(crate) String);

impl Respond for MetricsText {
    fn respond(self) -> Result<Answer, Problem> {
        let body = self.0.into();
        Ok(Answer { status: StatusCode::OK, media: METRICS, body, headers: Vec::new() })
    }

    fn describe(_: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(200, "Metrics.", METRICS, json!({"type": "string"}))]
    }
}

/// The OpenAPI document, made once.
pub(crate) struct Document(pub(crate) Bytes);

impl Respond for Document {
    fn respond(self) -> Result<Answer, Problem> {
        Ok(Answer { status: StatusCode::OK, media: JSON, body: self.0, headers: Vec::new() })
    }

    fn describe(_: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(200, "This document.", JSON, json!({"type": "object"}))]
    }
}

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `rows`, of which `limit + 1` were asked for: the one too many is cut off and tells
    /// that a page follows, which begins behind the last row shown.
    pub(crate) fn cut<R>(
        mut rows: Vec<R>,
        limit: u32,
        view: impl FnMut(&R) -> T,
        key: impl FnOnce(&R) -> String,
    ) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(key);
        Page { items: rows.iter().map(view).collect(), next }
    }

    /// A page that was cut elsewhere.
    pub(crate) fn of(items: Vec<T>, next: Option<String>) -> Page<T> {
        Page { items, next }
    }

    /// All there is.
    pub(crate) fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

impl<T: Shape> Shape for Page<T> {
    const VIEWS: Views = T::VIEWS;

    fn shape(components: &mut Components) -> Value {
        json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": Vec::<T>::shape(components),
                "next": {
                    "type": ["string", "null"],
                    "description": "The parameter `next` of the page after this; null on the last.",
                },
            },
        })
    }
}
