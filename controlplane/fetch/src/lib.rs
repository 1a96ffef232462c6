//! HTTP/1.1 as a client, with or without TLS: one request, one answer, everything bounded.
//!
//! For what the control plane asks of others: an authority for certificates, services that know
//! something of a call. A connection that is good for more is kept for a while and used again, so
//! that an answer costs one round trip. A redirect is an answer like any other: nobody leads us
//! elsewhere. Nothing is logged here, and no error shows a header or a body.
//!
//! Standards: RFC 9110, RFC 9112; TLS by `rustls`, whose roots are handed in.
//!
//! Where to start: [`Client::send`].

mod body;
mod pool;

pub use hyper::{Method, Request, Response, Uri};

use body::{Whole, whole};
use bytes::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use pool::Pool;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Media type of JSON.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not `http://HOST...` or `https://HOST...`.
    #[error("the URL is none of http or https with a host")]
    Url,
    /// The roots are no PEM of certificates.
    #[error("the trust holds no PEM certificates")]
    Trust,
    /// There is no trust, so no server can be asked over TLS.
    #[error("no trust was given, so nothing can be asked over https")]
    NoTrust,
    /// The connection.
    #[error("the connection")]
    Io(#[from] std::io::Error),
    /// What came over it.
    #[error("the server's HTTP")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer in time")]
    Late,
    /// The answer is longer than this.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// What an answer may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Time for all of it.
    pub time: Duration,
    /// Bytes of its body.
    pub bytes: usize,
}

/// Asks servers. A clone is the same, with the same connections.
#[derive(Clone)]
pub struct Client {
    tls: Option<TlsConnector>,
    pool: Arc<Pool>,
}

/// Where a request goes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Client {
    /// Asks over `https` the servers that these roots (PEM) vouch for; without any, nobody.
    ///
    /// # Errors
    /// [`FetchError::Trust`].
    pub fn new(trust: Option<&str>) -> Result<Client, FetchError> {
        let tls = trust.map(connector).transpose()?;
        Ok(Client { tls, pool: Arc::default() })
    }

    /// Gets `url`; `token` is shown as a bearer's (RFC 6750).
    ///
    /// # Errors
    /// [`FetchError`]. Any status is an answer.
    pub async fn get(
        &self,
        url: &str,
        token: Option<&str>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, FetchError> {
        self.send(request(Method::GET, url, token, Bytes::new())?, bounds).await
    }

    /// Posts JSON to `url`; the same otherwise.
    ///
    /// # Errors
    /// [`FetchError`]. Any status is an answer.
    pub async fn post_json(
        &self,
        url: &str,
        token: Option<&str>,
        json: Bytes,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = request(Method::POST, url, token, json)?;
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        self.send(request, bounds).await
    }

    /// Sends a request with a whole URL and takes the answer to it.
    ///
    /// # Errors
    /// [`FetchError`]. Any status is an answer.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = self.exchange(request, bounds.bytes);
        tokio::time::timeout(bounds.time, exchange).await.map_err(|_| FetchError::Late)?
    }

    async fn exchange(
        &self,
        mut request: Request<Bytes>,
        most: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let place = Place::of(request.uri()).ok_or(FetchError::Url)?;
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        let authority = HeaderValue::from_str(authority).map_err(|_| FetchError::Url)?;
        request.headers_mut().insert(HOST, authority);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| FetchError::Url)?;
        let mut request = request.map(Whole::new);
        while let Some(mut kept) = self.pool.take(&place) {
            match kept.try_send_request(request).await {
                Ok(response) => return self.finish(place, kept, response, most).await,
                // It closed while it waited, and has seen nothing of this request.
                Err(mut e) => match e.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(e.into_error().into()),
                },
            }
        }
        let mut new = self.connect(&place).await?;
        let response = new.send_request(request).await?;
        self.finish(place, new, response, most).await
    }

    async fn finish(
        &self,
        place: Place,
        connection: SendRequest<Whole>,
        response: Response<hyper::body::Incoming>,
        most: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let (parts, incoming) = response.into_parts();
        let body = whole(incoming, most).await?;
        self.pool.put(place, connection);
        Ok(Response::from_parts(parts, body))
    }

    async fn connect(&self, place: &Place) -> Result<SendRequest<Whole>, FetchError> {
        let tcp = TcpStream::connect((place.host.as_str(), place.port)).await?;
        // One request is one packet: nothing is won by waiting for more.
        tcp.set_nodelay(true)?;
        if !place.is_secure {
            let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        }
        let connector = self.tls.as_ref().ok_or(FetchError::NoTrust)?;
        let name = ServerName::try_from(place.host.clone()).map_err(|_| FetchError::Url)?;
        let tls = connector.connect(name, tcp).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl Place {
    fn of(uri: &Uri) -> Option<Place> {
        let (is_secure, usual) = match uri.scheme_str()? {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(usual);
        (!host.is_empty()).then_some(Place { is_secure, host, port })
    }
}

fn connector(trust: &str) -> Result<TlsConnector, FetchError> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(trust.as_bytes()) {
        roots.add(root.map_err(|_| FetchError::Trust)?).map_err(|_| FetchError::Trust)?;
    }
    if roots.is_empty() {
        return Err(FetchError::Trust);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| FetchError::Trust)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn request(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Bytes,
) -> Result<Request<Bytes>, FetchError> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|_| FetchError::Url)?;
    if let Some(token) = token {
        let shown = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut shown = shown.map_err(|_| FetchError::Url)?;
        shown.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, shown);
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
