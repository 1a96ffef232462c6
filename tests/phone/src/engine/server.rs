//! Server transactions (RFC 3261 17.2) and what a request means (8.2, 12.2.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{ALLOW, Engine};
use crate::failure::EndedBy;
use crate::gate::Verdict;
use crate::limits::TRANSACTIONS_MAX;
use crate::message::{Message, host_socket, param, sent_by};

#[derive(Debug)]
pub(crate) struct ServerTx {
    pub(crate) key: Key,
    pub(crate) request: Message,
    to: SocketAddr,
    last: Option<(u16, Vec<u8>)>,
    pub(crate) call: Option<u64>,
    acked: bool,
    resend_at: Option<Instant>,
    interval: Duration,
    dies_at: Option<Instant>,
}

/// What makes two requests the same (RFC 3261 17.2.3), ACK counting as INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    branch: String,
    sent_by: String,
    method: String,
}

impl Engine {
    pub(crate) fn handle_request(&mut self, mut request: Message, source: SocketAddr) {
        let Some(key) = Key::of(&request) else {
            self.counts.malformed += 1;
            return self.note("that request has no usable Via");
        };
        if request.method() == "ACK" {
            return self.handle_ack(&key, &request);
        }
        if let Some(tx) = self.servers.iter().find(|tx| tx.key == key) {
            self.counts.repeated_requests += 1;
            if let Some((code, bytes)) = tx.last.clone() {
                let to = tx.to;
                self.transmit(&bytes, to, &format!("again {code} ({})", key.method));
            }
            return;
        }
        let to = mark_via(&mut request, source);
        if self.servers.len() >= TRANSACTIONS_MAX {
            return self.note("too many server transactions: dropped");
        }
        self.servers.push(ServerTx {
            key: key.clone(),
            request: request.clone(),
            to,
            last: None,
            call: None,
            acked: false,
            resend_at: None,
            interval: self.t1(),
            dies_at: None,
        });
        self.dispatch(&key, &request);
    }

    /// Answers a request by its key; `extra` headers and a body are the caller's.
    pub(crate) fn respond(&mut self, key: &Key, mut response: Message) {
        let (t1, linger, now) = (self.t1(), self.t1_64(), Instant::now());
        response.set("User-Agent", "strowger-phone");
        let Some(tx) = self.servers.iter_mut().find(|tx| tx.key == *key) else { return };
        let code = response.code().unwrap_or(0);
        let bytes = response.to_bytes();
        if code >= 200 {
            tx.dies_at = Some(now + linger);
            if key.method == "INVITE" {
                tx.interval = t1;
                tx.resend_at = Some(now + t1);
            }
        }
        tx.last = Some((code, bytes.clone()));
        let to = tx.to;
        self.transmit(&bytes, to, &response.summary());
    }

    /// Answers without body or dialog.
    pub(crate) fn respond_plain(&mut self, key: &Key, request: &Message, code: u16) {
        let tag = self.random.token();
        let mut response = Message::response(code, request, Some(&tag));
        if matches!(code, 200 | 405 | 501) {
            response.push("Allow", ALLOW);
        }
        self.respond(key, response);
    }

    pub(crate) fn server(&mut self, key: &Key) -> Option<&mut ServerTx> {
        self.servers.iter_mut().find(|tx| tx.key == *key)
    }

    pub(super) fn server_timers(&mut self, now: Instant) -> bool {
        let t2 = self.t2();
        let (mut resend, mut unacked) = (Vec::new(), Vec::new());
        self.servers.retain_mut(|tx| {
            if tx.dies_at.is_some_and(|at| at <= now) {
                if tx.is_unacknowledged_answer() {
                    unacked.extend(tx.call);
                }
                return false;
            }
            if let Some(at) = tx.resend_at.filter(|at| *at <= now)
                && let Some((code, bytes)) = &tx.last
            {
                tx.interval = (tx.interval * 2).min(t2);
                tx.resend_at = Some(at + tx.interval);
                resend.push((bytes.clone(), tx.to, *code));
            }
            true
        });
        let did = !resend.is_empty() || !unacked.is_empty();
        for (bytes, to, code) in resend {
            self.counts.resent += 1;
            self.transmit(&bytes, to, &format!("again {code} (INVITE)"));
        }
        for id in unacked {
            self.note(&format!("call {id}: no ACK for our 200"));
            // RFC 3261 13.3.1.4: the dialog is confirmed, but the session should be ended.
            self.send_bye(id);
            self.end_dialog(id, EndedBy::NoAck);
        }
        did
    }

    fn handle_ack(&mut self, key: &Key, ack: &Message) {
        if let Some(tx) = self.servers.iter_mut().find(|tx| tx.key == *key) {
            tx.acknowledge();
            return;
        }
        let number = ack.cseq().map(|(number, _)| number);
        let dialog = self.dialog_of(ack, false);
        let tx = self.servers.iter_mut().find(|tx| {
            tx.call.is_some()
                && tx.call == dialog
                && tx.key.method == "INVITE"
                && tx.request.cseq().map(|(number, _)| number) == number
        });
        let (Some(tx), Some(id)) = (tx, dialog) else {
            self.counts.stray_acks += 1;
            return self.note("that ACK belongs to nothing");
        };
        if !tx.acked {
            tx.acknowledge();
            self.on_answer_acknowledged(id, ack);
        }
    }

    fn dispatch(&mut self, key: &Key, request: &Message) {
        let in_dialog = request.tag("To").is_some();
        let method = request.method();
        if method == "CANCEL" {
            return self.handle_cancel(key, request);
        }
        match self.guard.as_mut().map_or(Verdict::Pass, |guard| guard.judge(request)) {
            Verdict::Pass => {}
            Verdict::Drop => return,
            Verdict::Answer(code, headers) => {
                let tag = self.random.token();
                let mut response = Message::response(code, request, Some(&tag));
                for (name, value) in &headers {
                    response.push(name, value);
                }
                return self.respond(key, response);
            }
        }
        if let Some(required) = request.header("Require") {
            let mut response = Message::response(420, request, Some("bad"));
            response.push("Unsupported", required);
            return self.respond(key, response);
        }
        if in_dialog {
            return match self.dialog_of(request, true) {
                Some(id) => self.handle_in_dialog(id, key, request),
                None => {
                    self.counts.stray_requests += 1;
                    self.respond_plain(key, request, 481);
                }
            };
        }
        match method {
            "INVITE" => self.on_offered(key, request),
            "OPTIONS" | "MESSAGE" => self.respond_plain(key, request, 200),
            "BYE" | "INFO" | "UPDATE" => self.respond_plain(key, request, 481),
            _ => self.respond_plain(key, request, 405),
        }
    }

    fn handle_in_dialog(&mut self, id: u64, key: &Key, request: &Message) {
        let number = request.cseq().map_or(0, |(number, _)| number);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.remote_cseq.is_some_and(|last| number <= last) {
            // RFC 3261 12.2.2: out of order.
            return self.respond_plain(key, request, 500);
        }
        dialog.remote_cseq = Some(number);
        dialog.note_request(request);
        match request.method() {
            "INVITE" => self.on_reinvited(id, key, request),
            "UPDATE" => self.on_updated(id, key, request),
            "BYE" => {
                self.respond_plain(key, request, 200);
                self.on_remote_bye(id);
            }
            "OPTIONS" | "INFO" | "NOTIFY" | "MESSAGE" => self.respond_plain(key, request, 200),
            _ => self.respond_plain(key, request, 405),
        }
    }

    fn handle_cancel(&mut self, key: &Key, cancel: &Message) {
        let of = Key { method: "INVITE".to_owned(), ..key.clone() };
        let Some(invite) = self.servers.iter().find(|tx| tx.key == of) else {
            self.counts.stray_requests += 1;
            return self.respond_plain(key, cancel, 481);
        };
        let (pending, call, request) = (invite.is_pending(), invite.call, invite.request.clone());
        let tag = call.and_then(|id| self.dialogs.get(&id)).map(|d| d.local_tag.clone());
        let tag = tag.unwrap_or_else(|| "cancelled".to_owned());
        self.respond(key, Message::response(200, cancel, Some(&tag)));
        if !pending {
            return;
        }
        self.respond(&of, Message::response(487, &request, Some(&tag)));
        if let Some(id) = call {
            self.end_dialog(id, EndedBy::RemoteCancel);
        }
    }

    /// The dialog of a request that came, by Call-ID and both tags (RFC 3261 12.2.2).
    fn dialog_of(&self, request: &Message, live: bool) -> Option<u64> {
        let (local, remote) = (request.tag("To")?, request.tag("From"));
        let call_id = request.header("Call-ID")?;
        let fits = self.dialogs.values().find(|d| {
            d.call_id == call_id
                && d.local_tag == local
                && (d.remote_tag.is_none() || d.remote_tag.as_deref() == remote)
                && (d.is_live() || !live)
        })?;
        Some(fits.id)
    }
}

impl ServerTx {
    /// No final response yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.last.as_ref().is_none_or(|(code, _)| *code < 200)
    }

    fn is_unacknowledged_answer(&self) -> bool {
        let ok = self.last.as_ref().is_some_and(|(code, _)| (200..300).contains(code));
        ok && self.key.method == "INVITE" && !self.acked
    }

    fn acknowledge(&mut self) {
        self.acked = true;
        self.resend_at = None;
    }
}

impl Key {
    fn of(request: &Message) -> Option<Self> {
        let via = request.via()?;
        let method = if request.method() == "ACK" { "INVITE" } else { request.method() };
        Some(Self {
            branch: param(via, "branch")?.to_owned(),
            sent_by: sent_by(via).to_ascii_lowercase(),
            method: method.to_owned(),
        })
    }
}

/// Adds `received` and `rport` to the topmost Via (RFC 3261 18.2.1, RFC 3581 4) and says where
/// responses go.
fn mark_via(request: &mut Message, source: SocketAddr) -> SocketAddr {
    let Some(line) = request.headers.iter_mut().find(|(name, _)| name == "Via") else {
        return source;
    };
    let mut values: Vec<String> =
        crate::message::split_commas(&line.1).into_iter().map(str::to_owned).collect();
    let Some(top) = values.first_mut() else { return source };
    let sent = host_socket(sent_by(top));
    let rport = param(top, "rport").is_some_and(str::is_empty);
    let mut to = SocketAddr::new(source.ip(), sent.map_or(5060, |addr| addr.port()));
    if rport {
        *top = top.replacen("rport", &format!("rport={}", source.port()), 1);
        to = source;
    }
    if rport || sent.map(|addr| addr.ip()) != Some(source.ip()) {
        top.push_str(&format!(";received={}", source.ip()));
    }
    line.1 = values.join(", ");
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_go_where_the_via_says() {
        let check = |via: &str, to: &str, marked: &str| {
            let mut request = Message::request("OPTIONS", "sip:x");
            request.push("Via", via);
            let source = "10.0.0.9:7000".parse().unwrap();
            assert_eq!(mark_via(&mut request, source), to.parse().unwrap(), "{via}");
            assert_eq!(request.header("Via"), Some(marked));
        };
        check(
            "SIP/2.0/UDP 10.0.0.9:5070;branch=a",
            "10.0.0.9:5070",
            "SIP/2.0/UDP 10.0.0.9:5070;branch=a",
        );
        check(
            "SIP/2.0/UDP host;branch=a",
            "10.0.0.9:5060",
            "SIP/2.0/UDP host;branch=a;received=10.0.0.9",
        );
        check(
            "SIP/2.0/UDP 10.0.0.1:5070;rport;branch=a, SIP/2.0/UDP z",
            "10.0.0.9:7000",
            "SIP/2.0/UDP 10.0.0.1:5070;rport=7000;branch=a;received=10.0.0.9, SIP/2.0/UDP z",
        );
    }
}
