//! Requests to an authority: HTTP/1.1 over TLS, one connection each, everything bounded.

use crate::{Error, FILE_LEN_MAX};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error as AcmeError, HttpClient};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PORT: u16 = 443;
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks the servers that these roots vouch for.
#[derive(Clone)]
pub(crate) struct Https(TlsConnector);

impl Https {
    /// `trust` is PEM.
    pub(crate) fn new(trust: &str) -> Result<Https, Error> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(trust.as_bytes()) {
            roots.add(root.map_err(|_| Error::Trust)?).map_err(|_| Error::Trust)?;
        }
        if roots.is_empty() {
            return Err(Error::Trust);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::Trust)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Https(TlsConnector::from(Arc::new(config))))
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let answer = tokio::time::timeout(REQUEST, ask(connector, request)).await;
            answer.map_err(|late| AcmeError::Other(late.into()))?.map_err(AcmeError::Other)
        })
    }
}

async fn ask(
    connector: TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Failure> {
    let uri = request.uri().clone();
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host = host.ok_or_else(|| io::Error::other("the authority is not asked over https"))?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let tcp = TcpStream::connect((name.to_str().as_ref(), uri.port_u16().unwrap_or(PORT))).await?;
    let tls = connector.connect(name, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
    // It ends with the answer, or when both are dropped.
    let connection = tokio::spawn(connection);
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority)?);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = whole(body).await;
    connection.abort();
    Ok(BytesResponse { parts, body: Box::new(body?) })
}

/// The body, if it is not too long.
async fn whole(mut body: Incoming) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > FILE_LEN_MAX {
            return Err(Error::TooLong.into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
