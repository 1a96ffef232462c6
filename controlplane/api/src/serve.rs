//! The listener and its connections.

use crate::Api;
use crate::dispatch::{Peer, router};
use crate::limits::{
    ACCEPT_PAUSE_MS, CONNECTION_MS_MAX, CONNECTIONS_MAX, DRAIN_MS_MAX, HEAD_BYTES_MAX, HEAD_MS_MAX,
};
use crate::shared::Shared;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Serves REST on `listener` until `shutdown`; then requests that run are given a few seconds to
/// end. Runs inside a tokio runtime with I/O and time.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: std::net::TcpListener,
    api: Api,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let is_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let listener = TcpListener::from_std(listener)?;
    let shared = Arc::new(Shared::new(api, is_loopback));
    let router = router(&shared);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // A connection without a slot waits in the listener's queue.
        let slot = tokio::select! {
            () = &mut shutdown => break,
            slot = slots.clone().acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "REST cannot accept a connection");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        shared.counts.connected();
        let (router, stopped) = (router.clone(), stopped.clone());
        connections.spawn(async move {
            connection(stream, peer, router, stopped).await;
            drop(slot);
        });
    }
    drop(listener);
    drop(stop);
    let all = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is dropped with the set.
    let _in_time = timeout(Duration::from_millis(2 * DRAIN_MS_MAX), all).await;
    Ok(())
}

/// Serves one connection until it ends, the server stops, or it is too old.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    // Answers are written whole; waiting to fill a segment only delays them.
    let _ok = stream.set_nodelay(true);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        inner.call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS_MAX))
        .max_buf_size(HEAD_BYTES_MAX);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut served => {
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "REST connection ended");
            }
            return;
        }
        _ = stopped.changed() => {}
        () = sleep(Duration::from_millis(CONNECTION_MS_MAX)) => {}
    }
    served.as_mut().graceful_shutdown();
    let _in_time = timeout(Duration::from_millis(DRAIN_MS_MAX), served).await;
}

#[cfg(test)]
mod tests;
