//! Connections that are good for another request.

use crate::Place;
use crate::body::Whole;
use hyper::client::conn::http1::SendRequest;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most connections that are kept.
const KEPT_MAX: usize = 64;
/// How long one is kept that nobody uses; many servers close after a minute.
const KEEP: Duration = Duration::from_secs(30);

struct Kept {
    place: Place,
    connection: SendRequest<Whole>,
    until: Instant,
}

/// Those that nobody uses now, the oldest first.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<Kept>>);

impl Pool {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was used last.
    pub(crate) fn take(&self, place: &Place) -> Option<SendRequest<Whole>> {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.retain(|one| one.until > now && !one.connection.is_closed());
        let at = kept.iter().rposition(|one| one.place == *place && one.connection.is_ready())?;
        kept.remove(at).map(|one| one.connection)
    }

    pub(crate) fn put(&self, place: Place, connection: SendRequest<Whole>) {
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept { place, connection, until: Instant::now() + KEEP });
    }
}
