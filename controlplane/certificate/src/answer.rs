//! Answers to an authority that asks over HTTP whether a name is ours: RFC 8555 8.3.

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Where an authority asks.
pub const PATH: &str = "/.well-known/acme-challenge/";
/// Answers held at once: one for each name of a certificate.
const ANSWERS_MAX: usize = crate::NAMES_MAX;
/// Connections at once; an authority asks from a few places.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may take.
const CONNECTION: Duration = Duration::from_secs(10);

/// Answers by token. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<BTreeMap<String, String>>>);

impl Answers {
    /// The answer to a request for this path, if it is asked for just now.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    pub(crate) fn put(&self, token: &str, answer: &str) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < ANSWERS_MAX {
            answers.insert(token.to_owned(), answer.to_owned());
        }
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Answers on a listener of its own until the future is dropped: GET of a known token is 200, all
/// else 404.
pub async fn serve(listener: TcpListener, answers: Answers) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, or a peer that has gone already.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = respond(&request, &answers);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(CONNECTION)
                .max_headers(64)
                .serve_connection(TokioIo::new(stream), service);
            // What goes wrong on it is the peer's.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(place);
        });
    }
}

fn respond(request: &Request<Incoming>, answers: &Answers) -> Response<String> {
    let asked = matches!(*request.method(), Method::GET | Method::HEAD);
    let found = asked.then(|| answers.find(request.uri().path())).flatten();
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(found.unwrap_or_default());
    *response.status_mut() = status;
    response
}
