//! The task against a portability service of the tests' own.

use super::*;
use crate::decider::orders;
use std::sync::Mutex;
use strowger_model::Digits;
use strowger_numbering::Target;
use strowger_port::eventfd::EventFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_secs(5);

/// What the service was asked, by the first line of each request.
type Asked = Arc<Mutex<Vec<String>>>;

/// A service that says so after a pause; each request has a connection of its own.
async fn service(answer: &'static str, pause: Duration) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/np?n={{number}}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                let mut buffer = [0; 4_096];
                let len = stream.read(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
                heard.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                tokio::time::sleep(pause).await;
                let len = answer.split("\r\n\r\n").nth(1).map_or(0, str::len);
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                let whole = format!(
                    "HTTP/1.1 {head}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(whole.as_bytes()).await.unwrap();
            });
        }
    });
    (url, asked)
}

fn started(url: &str) -> Desk {
    let config = Config::parse(&format!("facts.dip.url = \"{url}\"")).unwrap();
    let bell = Arc::new(EventFd::new().unwrap());
    let (orders, _inbox) = orders(&bell);
    begin(Sources::of(&config).unwrap(), orders, &tokio::runtime::Handle::current())
}

fn query(number: &str) -> Query {
    Query::Ported(Digits::parse(number).unwrap())
}

fn counted(desk: &Desk) -> [u64; 4] {
    let Counts { kept, told, failed, full } = &*desk.counts;
    [kept, told, failed, full].map(|count| count.load(Ordering::Relaxed))
}

const PORTED: &str = "200 OK\r\n\r\n{\"prefix\":\"99\"}";

#[tokio::test]
async fn an_answer_is_asked_for_once_and_kept() {
    let (url, asked) = service(PORTED, Duration::from_millis(20)).await;
    let desk = started(&url);
    let found = Finding::Ported(Some(Target::Prefix(Digits::parse("99").unwrap())));
    let (first, second) =
        tokio::join!(desk.find(query("44123"), SOON), desk.find(query("44123"), SOON));
    assert_eq!((&first, &second), (&found, &found));
    assert_eq!(desk.find(query("44123"), SOON).await, found);
    assert_eq!(desk.find(query("44124"), SOON).await, found);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, ["GET /np?n=44123 HTTP/1.1", "GET /np?n=44124 HTTP/1.1"]);
    assert_eq!(counted(&desk), [1, 2, 0, 0]);
}

#[tokio::test]
async fn an_answer_that_comes_late_is_kept_for_the_next_call() {
    let (url, asked) = service(PORTED, Duration::from_millis(300)).await;
    let desk = started(&url);
    let late = desk.find(query("44123"), Duration::from_millis(20)).await;
    assert_eq!(late, Finding::Unknown(Lack::Late));
    while counted(&desk)[1] == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let next = desk.find(query("44123"), SOON).await;
    assert!(matches!(next, Finding::Ported(Some(_))), "{next:?}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let (url, asked) = service("500 Oh\r\n\r\n", Duration::ZERO).await;
    let desk = started(&url);
    for _ in 0..2 {
        let failed = desk.find(query("44123"), SOON).await;
        assert_eq!(failed, Finding::Unknown(Lack::Failed));
    }
    assert_eq!((asked.lock().unwrap().len(), counted(&desk)), (2, [0, 0, 2, 0]));
    // Nobody to ask is a failure, too.
    let nobody = started("");
    assert_eq!(nobody.find(query("44123"), SOON).await, Finding::Unknown(Lack::Failed));
}
