//! REST of the product: requests over a plain socket, and the few shapes that tests compare.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::demo::eventually;

/// Limit of one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Decimals of money in EUR: two, and six of the ledger's scale.
const MONEY_DECIMALS: usize = 8;

/// The endpoint and a token for it.
#[derive(Clone)]
pub(crate) struct Rest {
    at: SocketAddr,
    token: String,
}

impl Rest {
    pub(crate) fn new(at: SocketAddr, token: &str) -> Rest {
        Rest { at, token: token.to_owned() }
    }

    /// Before it is known.
    pub(crate) fn nowhere() -> Rest {
        Rest::new(SocketAddr::from(([0, 0, 0, 0], 0)), "")
    }

    /// The same endpoint with another token, empty for none.
    pub(crate) fn with_token(&self, token: &str) -> Rest {
        Rest::new(self.at, token)
    }

    /// Where it is.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Status and body; `None` when no answer came, as while the control plane is down.
    pub(crate) fn try_ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        self.try_send(method, path, "", "")
    }

    /// As [`Rest::try_ask`], with more header lines, each with its end, and a body.
    fn try_send(&self, method: &str, path: &str, more: &str, body: &str) -> Option<(u16, String)> {
        let (head, body) = self.try_whole(method, path, more, body)?;
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body))
    }

    /// Head and body of an answer.
    fn try_whole(
        &self,
        method: &str,
        path: &str,
        more: &str,
        body: &str,
    ) -> Option<(String, String)> {
        let mut stream = TcpStream::connect_timeout(&self.at, ANSWER_MAX).ok()?;
        stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
        let token = match self.token.as_str() {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{token}{more}Connection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.at,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }

    pub(crate) fn try_get(&self, path: &str) -> Option<(u16, String)> {
        self.try_ask("GET", path)
    }

    /// Pays into an account (`payments`) or adjusts it (`adjustments`), EUR; status and answer.
    pub(crate) fn pay(&self, id: u32, how: &str, key: &str, amount: &str) -> (u16, Value) {
        let body = format!(r#"{{"amount":"{amount}","currency":"EUR","reason":"test"}}"#);
        self.post(&format!("/api/v1/accounts/{id}/{how}"), key, &body)
    }

    /// Sends a body with a key, if there is one; status and answer.
    pub(crate) fn post(&self, path: &str, key: &str, body: &str) -> (u16, Value) {
        let key = match key {
            "" => String::new(),
            key => format!("Idempotency-Key: {key}\r\n"),
        };
        let json = format!("{key}Content-Type: application/json\r\n");
        let said = self.try_send("POST", path, &json, body);
        let (status, body) = said.unwrap_or_else(|| panic!("{path}: no answer"));
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Sends a list of comma-separated values; status and answer.
    pub(crate) fn csv(&self, path: &str, body: &str) -> (u16, Value) {
        let said = self.try_send("POST", path, "Content-Type: text/csv\r\n", body);
        let (status, body) = said.unwrap_or_else(|| panic!("{path}: no answer"));
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Changes members of what stands at `path`, in the version that is there; status and answer.
    pub(crate) fn patch(&self, path: &str, body: &str) -> (u16, String) {
        let more = format!(
            "If-Match: {}\r\nContent-Type: application/merge-patch+json\r\n",
            self.version(path)
        );
        let said = self.try_send("PATCH", path, &more, body);
        said.unwrap_or_else(|| panic!("{path}: no answer"))
    }

    /// Deletes what stands at `path`; the status.
    pub(crate) fn delete(&self, path: &str) -> u16 {
        let more = format!("If-Match: {}\r\n", self.version(path));
        let said = self.try_send("DELETE", path, &more, "");
        said.unwrap_or_else(|| panic!("{path}: no answer")).0
    }

    /// The version of what stands at `path`.
    fn version(&self, path: &str) -> String {
        let (head, _) = self.try_whole("GET", path, "", "").unwrap();
        let line = head.lines().find(|line| line.to_lowercase().starts_with("etag:"));
        line.unwrap_or_else(|| panic!("{path}: no version"))[5..].trim().to_owned()
    }

    /// The status of an answer.
    pub(crate) fn status(&self, method: &str, path: &str) -> u16 {
        self.try_ask(method, path).unwrap_or_else(|| panic!("{method} {path}: no answer")).0
    }

    /// The JSON of an answer with 200.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.try_get(path).unwrap_or_else(|| panic!("{path}: no answer"));
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// All items of a list, page by page.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{path}?limit=100{next}"));
            let Value::Array(mut more) = page["items"].take() else { panic!("{page}") };
            items.append(&mut more);
            match page["next"].as_str() {
                Some(cursor) => next = format!("&next={cursor}"),
                None => return items,
            }
        }
    }

    /// All records, oldest first, once there are at least `count`; never more than that.
    pub(crate) fn cdrs(&self, count: usize) -> Vec<Value> {
        let mut cdrs = eventually(&format!("{count} records are in the database"), || {
            Some(self.list("/api/v1/cdrs")).filter(|cdrs| cdrs.len() >= count)
        });
        cdrs.reverse();
        assert_eq!(cdrs.len(), count, "{cdrs:#?}");
        cdrs
    }

    /// What account `id` has, EUR in units of the ledger (1e-8).
    pub(crate) fn balance(&self, id: u32) -> i64 {
        money(&self.get(&format!("/api/v1/accounts/{id}"))["balance"])
    }

    /// A sample of `/metrics` by its name and labels as they stand there.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        self.try_metric(sample).unwrap_or_else(|| panic!("no {sample} in /metrics"))
    }

    fn try_metric(&self, sample: &str) -> Option<u64> {
        let (status, text) = self.try_get("/metrics").unwrap();
        assert_eq!(status, 200, "{text}");
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        Some(value.parse().unwrap())
    }

    /// A counter, of all shards together. They tell them once a second, the first time soon.
    pub(crate) fn shard(&self, name: &str) -> u64 {
        let first = eventually("the shards tell their counters", || self.try_shard(0, name));
        first + (1..).map_while(|shard| self.try_shard(shard, name)).sum::<u64>()
    }

    /// A counter of one shard, if there is such a one and it has told.
    pub(crate) fn try_shard(&self, shard: u8, name: &str) -> Option<u64> {
        self.try_metric(&format!("strowger_shard{{shard=\"{shard}\",name=\"{name}\"}}"))
    }

    /// Waits until each shard has told its counters once more.
    pub(crate) fn fresh_counters(&self) {
        eventually("the shards tell their counters", || self.try_shard(0, "turns"));
        for shard in 0u8.. {
            let Some(last) = self.try_shard(shard, "turns") else { break };
            eventually("a shard counts on", || {
                (self.try_shard(shard, "turns") != Some(last)).then_some(())
            });
        }
    }
}

/// An amount in EUR as REST shows it, in units of the ledger (1e-8).
pub(crate) fn money(value: &Value) -> i64 {
    assert_eq!(value["currency"], "EUR", "{value}");
    let (whole, part) = value["amount"].as_str().unwrap().split_once('.').unwrap();
    assert_eq!(part.len(), MONEY_DECIMALS, "{value}");
    format!("{whole}{part}").parse().unwrap()
}

/// Text of a field by its path, for comparisons: `called.received`.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = path.split('.').fold(value, |value, name| &value[name]);
    found.as_str().unwrap_or_else(|| panic!("{path} is {found} in {value:#}"))
}
