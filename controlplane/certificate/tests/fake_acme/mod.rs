//! A made-up authority after RFC 8555, over HTTPS on this host: it checks every signature, nonce
//! and address as a real one does, and asks for the answers over HTTP; but it asks one place,
//! whatever the name, and its certificates are worth nothing.

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    SanType,
};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The authority.
pub(crate) struct FakeAcme {
    /// What vouches for its server and for what it signs, as PEM.
    pub(crate) trust: String,
    base: String,
    /// Where the answers are asked for.
    answers: SocketAddr,
    issuer: Issuer<'static, KeyPair>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nonces: BTreeSet<String>,
    made: usize,
    requests: usize,
    /// Keys of accounts, as `x` and `y`.
    accounts: Vec<(String, String)>,
    orders: Vec<Order>,
    /// How long certificates have been and will be valid; `None` = for ever.
    span: Option<(Duration, Duration)>,
    /// The next signed request is told that its nonce is bad.
    spoil: bool,
}

struct Order {
    names: Vec<String>,
    proven: Vec<Option<bool>>,
    chain: Option<String>,
}

/// What a request says, its signature checked.
struct Said {
    account: usize,
    payload: Value,
}

type Answer = (u16, Value, Option<String>);

impl FakeAcme {
    /// Listens on a port of the system's choice and asks for answers at `answers`.
    pub(crate) async fn start(answers: SocketAddr) -> Arc<FakeAcme> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let trust = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let chain = vec![names.signed_by(&own, &issuer).unwrap().der().clone()];
        let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let state = Mutex::new(State { spoil: true, ..State::default() });
        let fake = Arc::new(FakeAcme { trust, base, answers, issuer, state });
        let server = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (Arc::clone(&server), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| {
                        let server = Arc::clone(&server);
                        async move { Ok::<_, Infallible>(server.respond(request).await) }
                    });
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        fake
    }

    pub(crate) fn directory(&self) -> String {
        format!("{}/directory", self.base)
    }

    /// Certificates are valid since so long and for so long, from now on.
    pub(crate) fn give_for(&self, since: Duration, left: Duration) {
        self.state.lock().unwrap().span = Some((since, left));
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn accounts(&self) -> usize {
        self.state.lock().unwrap().accounts.len()
    }

    fn nonce(&self) -> String {
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let nonce = format!("nonce{}", state.made);
        state.nonces.insert(nonce.clone());
        nonce
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<String> {
        self.state.lock().unwrap().requests += 1;
        let path = request.uri().path().to_owned();
        let post = request.method() == "POST";
        let body = whole(request.into_body()).await;
        let (status, body, location) = match (path.as_str(), post) {
            ("/directory", false) => (200, self.urls(), None),
            ("/nonce", false) => (200, json!({}), None),
            (path, true) => match self.check(path, &body) {
                Ok(said) => self.act(path, &said).await,
                Err(problem) => (400, problem, None),
            },
            (_, false) => (405, problem("malformed"), None),
        };
        // Everything is JSON but a certificate.
        let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let mut response = Response::builder().status(status).header("Replay-Nonce", self.nonce());
        if let Some(location) = location {
            response = response.header("Location", location);
        }
        response.body(text).unwrap()
    }

    fn urls(&self) -> Value {
        let url = |path: &str| format!("{}/{path}", self.base);
        json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order") })
    }

    /// RFC 8555 6.2 to 6.5: signature, nonce, address.
    fn check(&self, path: &str, body: &[u8]) -> Result<Said, Value> {
        let bad = || problem("malformed");
        let jws: Value = serde_json::from_slice(body).map_err(|_| bad())?;
        let text = |name: &str| jws[name].as_str().map(str::to_owned).ok_or_else(bad);
        let (protected, payload) = (text("protected")?, text("payload")?);
        let head: Value = serde_json::from_slice(&decode(&protected)).map_err(|_| bad())?;
        if head["alg"] != "ES256" || head["url"] != format!("{}{path}", self.base) {
            return Err(problem("unauthorized"));
        }
        let mut state = self.state.lock().unwrap();
        let nonce = head["nonce"].as_str().unwrap_or_default();
        if !state.nonces.remove(nonce) || std::mem::take(&mut state.spoil) {
            return Err(problem("badNonce"));
        }
        let account = match head["kid"].as_str() {
            Some(kid) => kid.rsplit('/').next().and_then(|n| n.parse().ok()).ok_or_else(bad)?,
            None if path == "/account" => {
                let part = |name: &str| head["jwk"][name].as_str().unwrap_or_default().to_owned();
                state.accounts.push((part("x"), part("y")));
                state.accounts.len() - 1
            }
            None => return Err(problem("unauthorized")),
        };
        let (x, y) = state.accounts.get(account).cloned().ok_or_else(bad)?;
        let point = [&[4][..], &decode(&x), &decode(&y)].concat();
        let signed = format!("{protected}.{payload}");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decode(&text("signature")?))
            .map_err(|_| problem("unauthorized"))?;
        let payload = decode(&payload);
        let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
        Ok(Said { account, payload })
    }

    async fn act(&self, path: &str, said: &Said) -> Answer {
        let mut parts = path.trim_matches('/').split('/');
        let what = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|n| n.parse::<usize>().ok());
        match (what, number(), number()) {
            ("account", None, None) => {
                let location = format!("{}/account/{}", self.base, said.account);
                (201, json!({ "status": "valid" }), Some(location))
            }
            ("order", None, None) => self.order(&said.payload),
            ("order", Some(n), None) => (200, self.order_state(n), None),
            ("authorization", Some(n), Some(m)) => (200, self.authorization(n, m), None),
            ("challenge", Some(n), Some(m)) => {
                self.ask(said.account, n, m).await;
                (200, self.challenge(n, m), None)
            }
            ("finalize", Some(n), None) => self.finalize(n, &said.payload),
            ("certificate", Some(n), None) => {
                let state = self.state.lock().unwrap();
                (200, json!(state.orders[n].chain), None)
            }
            _ => (404, problem("malformed"), None),
        }
    }

    fn order(&self, payload: &Value) -> Answer {
        let names = payload["identifiers"].as_array().cloned().unwrap_or_default();
        let name = |id: &Value| id["value"].as_str().unwrap_or_default().to_owned();
        let names: Vec<String> = names.iter().map(name).collect();
        let mut state = self.state.lock().unwrap();
        let proven = vec![None; names.len()];
        state.orders.push(Order { names, proven, chain: None });
        let n = state.orders.len() - 1;
        drop(state);
        (201, self.order_state(n), Some(format!("{}/order/{n}", self.base)))
    }

    fn order_state(&self, n: usize) -> Value {
        let state = self.state.lock().unwrap();
        let order = &state.orders[n];
        let status = match order {
            Order { chain: Some(_), .. } => "valid",
            Order { proven, .. } if proven.contains(&Some(false)) => "invalid",
            Order { proven, .. } if proven.contains(&None) => "pending",
            Order { .. } => "ready",
        };
        let base = &self.base;
        let authorizations: Vec<_> =
            (0..order.names.len()).map(|m| format!("{base}/authorization/{n}/{m}")).collect();
        json!({
            "status": status,
            "authorizations": authorizations,
            "finalize": format!("{base}/finalize/{n}"),
            "certificate": format!("{base}/certificate/{n}"),
        })
    }

    fn status(&self, n: usize, m: usize) -> &'static str {
        match self.state.lock().unwrap().orders[n].proven[m] {
            None => "pending",
            Some(true) => "valid",
            Some(false) => "invalid",
        }
    }

    fn authorization(&self, n: usize, m: usize) -> Value {
        let name = self.state.lock().unwrap().orders[n].names[m].clone();
        json!({
            "identifier": { "type": "dns", "value": name },
            "status": self.status(n, m),
            "challenges": [
                { "type": "dns-01", "url": "https://nowhere.invalid/", "token": "x",
                  "status": "pending" },
                self.challenge(n, m),
            ],
        })
    }

    fn challenge(&self, n: usize, m: usize) -> Value {
        json!({
            "type": "http-01",
            "url": format!("{}/challenge/{n}/{m}", self.base),
            "token": format!("token-{n}-{m}"),
            "status": self.status(n, m),
        })
    }

    /// RFC 8555 8.3, with the digest of the key by RFC 7638.
    async fn ask(&self, account: usize, n: usize, m: usize) {
        let (name, (x, y)) = {
            let state = self.state.lock().unwrap();
            (state.orders[n].names[m].clone(), state.accounts[account].clone())
        };
        let key = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumb = encode(digest(&SHA256, key.as_bytes()).as_ref());
        let token = format!("token-{n}-{m}");
        let found = get(self.answers, &name, &token).await;
        let right = found == Some(format!("{token}.{thumb}"));
        self.state.lock().unwrap().orders[n].proven[m] = Some(right);
    }

    fn finalize(&self, n: usize, payload: &Value) -> Answer {
        let request = decode(payload["csr"].as_str().unwrap_or_default());
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
        let asked: BTreeSet<String> = request.params.subject_alt_names.iter().map(name).collect();
        let mut state = self.state.lock().unwrap();
        let names: BTreeSet<String> = state.orders[n].names.iter().cloned().collect();
        if asked != names || !state.orders[n].proven.iter().all(|proven| *proven == Some(true)) {
            return (403, problem("orderNotReady"), None);
        }
        if let Some((since, left)) = state.span {
            let now = SystemTime::now();
            request.params.not_before = (now - since).into();
            request.params.not_after = (now + left).into();
        }
        let leaf = request.signed_by(&self.issuer).unwrap().pem();
        state.orders[n].chain = Some(format!("{leaf}{}", self.trust));
        drop(state);
        (200, self.order_state(n), None)
    }
}

fn name(name: &SanType) -> String {
    if let SanType::DnsName(name) = name { name.to_string() } else { format!("{name:?}") }
}

fn problem(kind: &str) -> Value {
    json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": kind })
}

async fn whole(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes
}

/// What stands under a token, asked by hand.
pub(crate) async fn get(at: SocketAddr, host: &str, token: &str) -> Option<String> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    let path = format!("/.well-known/acme-challenge/{token}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding: RFC 4648 5.
fn encode(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        let letters = (0..=group.len()).map(move |n| LETTERS[(bits >> (18 - 6 * n) & 63) as usize]);
        letters.map(char::from).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let values = group.iter().map(|b| LETTERS.iter().position(|letter| letter == b));
        let bits = values.fold(0, |bits, value| (bits << 6) | value.unwrap_or(0) as u32);
        let bits = bits << (6 * (4 - group.len()) + 8);
        bytes.extend_from_slice(&bits.to_be_bytes()[..group.len() * 6 / 8]);
    }
    bytes
}
