//! Against a server of the tests' own, which says on the wire what the test wants.

use super::*;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 64 };

/// A server that answers each request with the next of `answers`, and closes where one says so;
/// what it heard comes by the receiver, with the number of the connection.
async fn server(answers: Vec<&'static str>) -> (SocketAddr, UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (heard, hear) = unbounded_channel();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        for nth in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4_096];
            while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                heard.send((nth, String::from_utf8_lossy(&buffer[..len]).into_owned())).unwrap();
                let Some(answer) = answers.next() else {
                    // Silent from here on.
                    std::future::pending::<()>().await;
                    return;
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.contains("Connection: close") {
                    break;
                }
            }
        }
    });
    (at, hear)
}

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
const NO: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const LONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn requests_say_what_they_should_and_share_a_connection_while_it_lasts() {
    let (at, mut heard) = server(vec![YES, NO, YES]).await;
    let client = Client::new(None).unwrap();
    let url = format!("http://{at}/ask?number=44");
    let got = client.get(&url, Some("t0k"), BOUNDS).await.unwrap();
    assert_eq!((got.status().as_u16(), &got.body()[..]), (200, &b"yes"[..]));
    let (first, text) = heard.recv().await.unwrap();
    assert!(text.starts_with("GET /ask?number=44 HTTP/1.1\r\n"), "{text}");
    assert!(text.contains(&format!("host: {at}\r\n")), "{text}");
    assert!(text.contains("authorization: Bearer t0k\r\n"), "{text}");
    let json = Bytes::from_static(b"{}");
    let got = client.post_json(&url, None, json, BOUNDS).await.unwrap();
    assert_eq!(got.status().as_u16(), 404, "any status is an answer");
    let (second, text) = heard.recv().await.unwrap();
    assert!(text.contains("content-type: application/json\r\n"), "{text}");
    assert!(text.contains("content-length: 2\r\n") && text.ends_with("\r\n\r\n{}"), "{text}");
    assert!(!text.contains("authorization"), "{text}");
    client.get(&url, None, BOUNDS).await.unwrap();
    let (third, _) = heard.recv().await.unwrap();
    assert_eq!((first, second, third), (0, 0, 1), "the server closed the first");
}

#[tokio::test]
async fn what_takes_too_long_or_is_too_long_is_no_answer() {
    let (at, _heard) = server(vec![LONG]).await;
    let client = Client::new(None).unwrap();
    let url = format!("http://{at}/");
    let long = client.get(&url, None, BOUNDS).await;
    assert!(matches!(long, Err(FetchError::TooLong(64))), "{long:?}");
    let short = Bounds { time: Duration::from_millis(100), ..BOUNDS };
    let late = client.get(&url, None, short).await;
    assert!(matches!(late, Err(FetchError::Late)), "{late:?}");
}

#[tokio::test]
async fn nobody_is_asked_without_a_url_a_trust_or_a_server() {
    let client = Client::new(None).unwrap();
    for url in ["", "ftp://a.test/", "/only/a/path", "http:///x"] {
        let said = client.get(url, None, BOUNDS).await;
        assert!(matches!(said, Err(FetchError::Url)), "{url}: {said:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let said = client.get(&format!("https://{at}/"), None, BOUNDS).await;
    assert!(matches!(said, Err(FetchError::NoTrust)), "{said:?}");
    drop(listener);
    let said = client.get(&format!("http://{at}/"), None, BOUNDS).await;
    assert!(matches!(said, Err(FetchError::Io(_))), "{said:?}");
    assert!(matches!(Client::new(Some("no PEM")), Err(FetchError::Trust)));
}
