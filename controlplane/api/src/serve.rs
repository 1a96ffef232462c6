//! The listeners and their connections.

mod proxy;

use crate::Api;
use crate::dispatch::{Peer, router};
use crate::limits::{
    ACCEPT_PAUSE_MS, CONNECTION_MS_MAX, CONNECTIONS_MAX, DRAIN_MS_MAX, HEAD_BYTES_MAX, HEAD_MS_MAX,
    RELAYED_MAX,
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
use std::os::unix::fs::MetadataExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Where REST answers.
#[derive(Debug)]
pub struct Doors {
    /// The listener of `admin.listen`.
    pub listener: std::net::TcpListener,
    /// Where the dataplane brings the HTTP that came to its listeners, each connection with a
    /// header of PROXY protocol version 2 that says from where. Only processes of our own user are
    /// believed.
    pub relayed: Option<std::os::unix::net::UnixListener>,
}

/// Serves REST until `shutdown`; then requests that run are given a few seconds to end. Runs inside
/// a tokio runtime with I/O and time.
///
/// # Errors
/// A listener cannot be used.
pub async fn serve(
    doors: Doors,
    api: Api,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    doors.listener.set_nonblocking(true)?;
    let is_loopback = doors.listener.local_addr()?.ip().to_canonical().is_loopback();
    let direct = Door::Direct(TcpListener::from_std(doors.listener)?);
    let relayed = doors.relayed.map(Door::relayed).transpose()?;
    let shared = Arc::new(Shared::new(api, is_loopback));
    let (router, (stop, stopped)) = (router(&shared), watch::channel(false));
    // Dropped anywhere it leaves a draft, which the next start begins again.
    let publisher = tokio::spawn(crate::import::keep_publishing(Arc::clone(&shared)));
    let host = Host { shared, router, stopped };
    let mut both = pin!(async {
        let relayed = async {
            if let Some(door) = relayed {
                host.keep(door, RELAYED_MAX).await;
            }
        };
        tokio::join!(host.keep(direct, CONNECTIONS_MAX), relayed);
    });
    tokio::select! {
        () = shutdown => {}
        () = &mut both => {}
    }
    // Both wait for it.
    let _told = stop.send(true);
    both.await;
    publisher.abort();
    Ok(())
}

/// Where connections come in.
enum Door {
    Direct(TcpListener),
    /// The socket's owner is ourselves.
    Relayed(UnixListener, u32),
}

/// A connection that came in.
enum Arrived {
    Direct(TcpStream, SocketAddr),
    Relayed(UnixStream),
}

impl Door {
    fn relayed(listener: std::os::unix::net::UnixListener) -> io::Result<Door> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
        let owner = std::fs::metadata(path)?.uid();
        Ok(Door::Relayed(UnixListener::from_std(listener)?, owner))
    }

    async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Door::Direct(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Arrived::Direct(stream, peer))
            }
            Door::Relayed(listener, owner) => {
                let (stream, _) = listener.accept().await?;
                if stream.peer_cred()?.uid() == *owner {
                    return Ok(Arrived::Relayed(stream));
                }
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Host {
    shared: Arc<Shared>,
    router: Router,
    stopped: watch::Receiver<bool>,
}

impl Host {
    /// Lets in `most` at a time, until the end.
    async fn keep(&self, door: Door, most: usize) {
        let slots = Arc::new(Semaphore::new(most));
        let mut connections = JoinSet::new();
        let mut stopped = self.stopped.clone();
        loop {
            // A connection without a slot waits in the listener's queue.
            let slot = tokio::select! {
                () = end(&mut stopped) => break,
                slot = slots.clone().acquire_owned() => slot,
            };
            let accepted = tokio::select! {
                () = end(&mut stopped) => break,
                accepted = door.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok(arrived) => {
                    self.shared.counts.connected();
                    let host = self.clone();
                    connections.spawn(async move {
                        host.receive(arrived).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "REST cannot accept a connection");
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            }
        }
        drop(door);
        let all = async { while connections.join_next().await.is_some() {} };
        // What has not ended by then is dropped with the set.
        let _in_time = timeout(Duration::from_millis(2 * DRAIN_MS_MAX), all).await;
    }

    async fn receive(self, arrived: Arrived) {
        match arrived {
            Arrived::Direct(stream, at) => {
                // Answers are written whole; waiting to fill a segment only delays them.
                let _ok = stream.set_nodelay(true);
                self.connection(stream, Peer { at, is_relayed: false }).await;
            }
            Arrived::Relayed(mut stream) => {
                let head = timeout(Duration::from_millis(HEAD_MS_MAX), proxy::read(&mut stream));
                let Ok(Ok(at)) = head.await else {
                    tracing::warn!("a relayed REST connection does not say whose it is");
                    return;
                };
                self.connection(stream, Peer { at, is_relayed: true }).await;
            }
        }
    }

    /// Serves one connection until it ends, the server stops, or it is too old.
    async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let Host { router, mut stopped, .. } = self;
        let inner = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
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
                    tracing::debug!(peer = %peer.at, %error, "REST connection ended");
                }
                return;
            }
            () = end(&mut stopped) => {}
            () = sleep(Duration::from_millis(CONNECTION_MS_MAX)) => {}
        }
        served.as_mut().graceful_shutdown();
        let _in_time = timeout(Duration::from_millis(DRAIN_MS_MAX), served).await;
    }
}

/// Waits for the end of everything.
async fn end(stopped: &mut watch::Receiver<bool>) {
    let _told_or_gone = stopped.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
