//! Requests to an authority: over TLS only, everything bounded.

use crate::{Error, FILE_LEN_MAX};
use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::Body;
use instant_acme::{BodyWrapper, BytesResponse, Error as AcmeError, HttpClient};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;
use strowger_fetch::{Bounds, Client};

/// What one request may cost.
const REQUEST: Bounds = Bounds { time: Duration::from_secs(20), bytes: FILE_LEN_MAX };

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks the servers that these roots vouch for.
#[derive(Clone)]
pub(crate) struct Https(Client);

impl Https {
    /// `trust` is PEM.
    pub(crate) fn new(trust: &str) -> Result<Https, Error> {
        Client::new(Some(trust)).map(Https).map_err(|_| Error::Trust)
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move { ask(&client, request).await.map_err(AcmeError::Other) })
    }
}

async fn ask(
    client: &Client,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Failure> {
    if request.uri().scheme_str() != Some("https") {
        return Err(io::Error::other("the authority is not asked over https").into());
    }
    let (parts, mut body) = request.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    let request = Request::from_parts(parts, bytes.freeze());
    let (parts, body) = client.send(request, REQUEST).await?.into_parts();
    Ok(BytesResponse { parts, body: Box::new(body) })
}
