//! How an agent signals beyond the simplest: late offers (RFC 3261 13.2.1), provisional responses
//! that are acknowledged (RFC 3262), and what it says inside a dialog: INFO, MESSAGE, UPDATE.
//!
//! It judges these too: a reliable response that nobody acknowledges, words that come twice, an
//! INVITE without an offer whose answer never comes.

use super::call::Do;
use super::transaction::Purpose;
use super::{Agent, CallState};
use strowger_link::Tick;
use strowger_phone::message::{Message, address_uri};

/// T1, milliseconds.
const T1_MS: u64 = 500;
/// 64 T1: a reliable response that is not acknowledged by then has failed (RFC 3262 3).
const GIVE_UP_MS: u64 = 32_000;
/// What an agent of these manners takes inside a dialog.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY";

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Manner {
    /// It says what it takes inside a dialog, UPDATE and PRACK among it.
    pub allow: bool,
    /// Its INVITEs bring no offer; the answer goes with the ACK.
    pub late_offer: bool,
    /// It rings reliably if the caller knows how, and acknowledges who does.
    pub reliable: bool,
    /// What it tells ringing with is described: early media.
    pub early_media: bool,
    /// ISUP stands beside its descriptions and in its BYEs.
    pub isup: bool,
    /// Its Contact names its host.
    pub named: bool,
}

/// Something that is said inside a dialog.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// INFO with a digit.
    Info,
    /// MESSAGE.
    Message,
    /// UPDATE with another description.
    Update,
}

impl Word {
    pub(super) const fn method(self) -> &'static str {
        match self {
            Word::Info => "INFO",
            Word::Message => "MESSAGE",
            Word::Update => "UPDATE",
        }
    }
}

/// A reliable provisional response that waits for its PRACK.
#[derive(Debug)]
pub(super) struct Reliable {
    key: u32,
    branch: String,
    rack: String,
    bytes: Vec<u8>,
    resend: Tick,
    gap_ms: u64,
    end: Tick,
    begun: Tick,
}

impl Reliable {
    pub(super) fn next(&self) -> Tick {
        self.resend.min(self.end)
    }
}

impl Agent {
    /// What its INVITE says of its manners.
    pub(super) fn say_manner(&self, invite: &mut Message) {
        if self.manner.allow {
            invite.push("Allow", ALLOW);
        }
        if self.manner.reliable {
            invite.push("Supported", "100rel");
        }
    }

    /// What its answers to INVITE say of them.
    pub(super) fn say_allowed(&self, response: &mut Message) {
        if self.manner.allow {
            response.push("Allow", ALLOW);
        }
    }

    /// Says something in a call that is up.
    pub(super) fn say_word(&mut self, key: u32, word: Word, now: Tick) {
        let up = self.calls.get(&key).is_some_and(|call| call.state == CallState::Up);
        if !up || self.reinvite_under_way(key) {
            return;
        }
        let Some(mut request) = self.in_call(key, word.method()) else { return };
        self.words_said += 1;
        let mark = format!("{}-{}", self.index, self.words_said);
        match word {
            Word::Info => {
                request.push("Info-Package", "sim");
                request.set_body("application/dtmf-relay", format!("Signal={mark}").as_bytes());
            }
            Word::Message => request.set_body("text/plain", mark.as_bytes()),
            Word::Update => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.sdp_version += 1;
                }
                let offer = self.describe(key).unwrap_or_default();
                self.put_description(&mut request, &offer);
            }
        }
        self.begin(request, Purpose::Word(key, word), now);
    }

    /// The answer to something that was said.
    pub(super) fn word_answered(
        &mut self,
        key: u32,
        word: Word,
        code: u16,
        response: Option<&Message>,
        now: Tick,
    ) {
        *self.words_answered.entry((word.method(), code)).or_default() += 1;
        match (word, code, response) {
            (Word::Update, 200..=299, Some(response)) => self.learn(key, response),
            // Glare: once more, later (RFC 3311 5.3).
            (Word::Update, 491 | 500, _) => {
                let wait_ms = self.dice.between(100, 4_000);
                if let Some(call) = self.calls.get_mut(&key) {
                    call.plan(now.plus_ms(wait_ms), Do::Say(word));
                }
            }
            (Word::Info | Word::Message | Word::Update, _, _) => {}
        }
    }

    /// Something is said to us inside a dialog.
    pub(super) fn hear_word(&mut self, request: &Message, now: Tick) {
        let method = request.method().to_owned();
        let Some(branch) = self.serve(request, now) else { return };
        let up = |key: &u32| self.calls.get(key).is_some_and(|call| !call.is_over());
        let Some(key) = self.key_of(request).filter(up) else {
            return self.respond(&branch, &method, &Message::response(481, request, None), now);
        };
        self.check_order(key, request, now);
        let mut code = 200;
        let mut answer = None;
        match method.as_str() {
            "UPDATE" if self.reinvite_under_way(key) => code = 491,
            "UPDATE" if !request.body.is_empty() => {
                self.learn(key, request);
                answer = self.describe(key);
            }
            "PRACK" => code = self.acknowledged(key, request),
            "INFO" | "MESSAGE" => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                if self.words_heard.contains(&text) {
                    self.breach(now, &format!("{method} came twice: {text}"));
                }
                self.words_heard.push(text);
            }
            _ => {}
        }
        let mut response = Message::response(code, request, None);
        if let Some(answer) = answer {
            response.push("Contact", &self.contact());
            self.put_description(&mut response, &answer);
        }
        self.respond(&branch, &method, &response, now);
    }

    /// A provisional response that wants to be acknowledged gets its PRACK, once.
    pub(super) fn acknowledge_early(&mut self, key: u32, response: &Message, now: Tick) {
        let required = response.header("Require").is_some_and(|value| value.contains("100rel"));
        let number: Option<u32> =
            response.header("RSeq").and_then(|value| value.trim().parse().ok());
        let (Some(number), true) = (number, required) else { return };
        let tag = response.tag("To").unwrap_or_default().to_owned();
        let Some(call) = self.calls.get_mut(&key) else { return };
        let last = call.early_heard.entry(tag).or_default();
        if number <= *last {
            // Again, or out of order.
            return;
        }
        if *last != 0 && number != *last + 1 {
            return;
        }
        *last = number;
        let target = response.header("Contact").map(|c| address_uri(c).to_owned());
        call.cseq += 1;
        let mut prack = Message::request("PRACK", &target.unwrap_or_else(|| call.target.clone()));
        prack.push("From", &call.local);
        prack.push("To", response.header("To").unwrap_or_default());
        prack.push("Call-ID", &call.id);
        prack.push("CSeq", &format!("{} PRACK", call.cseq));
        let (invite, _) = response.cseq().unwrap_or_default();
        prack.push("RAck", &format!("{number} {invite} INVITE"));
        self.pracks += 1;
        self.learn(key, response);
        self.begin(prack, Purpose::Prack, now);
    }

    /// Rings so that it must be acknowledged, where the caller knows how; whether it does.
    pub(super) fn ring_reliably(&mut self, key: u32, branch: &str, now: Tick) -> bool {
        let (tag, contact) = (format!("t{}x{key}", self.index), self.contact());
        let early = if self.manner.early_media { self.describe(key) } else { None };
        let reliable = self.manner.reliable;
        let Some(server) = self.server(branch, "INVITE") else { return false };
        let supports =
            |name: &str| server.request.values(name).iter().any(|value| value.trim() == "100rel");
        if !reliable || !(supports("Supported") || supports("Require")) {
            return false;
        }
        let code = if early.is_some() { 183 } else { 180 };
        let number = 1_000 + key;
        let (invite, _) = server.request.cseq().unwrap_or_default();
        let mut response = Message::response(code, &server.request, Some(&tag));
        response.push("Contact", &contact);
        response.push("Allow", ALLOW);
        response.push("Require", "100rel");
        response.push("RSeq", &number.to_string());
        if let Some(early) = early {
            self.put_description(&mut response, &early);
        }
        self.reliables.push(Reliable {
            key,
            branch: branch.to_owned(),
            rack: format!("{number} {invite} INVITE"),
            bytes: response.to_bytes(),
            resend: now.plus_ms(T1_MS),
            gap_ms: T1_MS,
            end: now.plus_ms(GIVE_UP_MS),
            begun: now,
        });
        self.respond(branch, "INVITE", &response, now);
        true
    }

    /// A reliable response of this call waits for its PRACK.
    pub(super) fn is_ringing_unheard(&self, key: u32) -> bool {
        self.reliables.iter().any(|one| one.key == key)
    }

    /// PRACK came; the code that answers it.
    fn acknowledged(&mut self, key: u32, prack: &Message) -> u16 {
        let rack = prack.header("RAck").unwrap_or_default().trim().to_owned();
        let before = self.reliables.len();
        self.reliables.retain(|one| one.key != key || one.rack != rack);
        if self.reliables.len() < before { 200 } else { 481 }
    }

    /// The INVITE had its final response: nothing provisional is repeated any more.
    pub(super) fn stop_ringing(&mut self, branch: &str) {
        self.reliables.retain(|one| one.branch != branch);
    }

    pub(super) fn resend_reliables(&mut self, now: Tick) {
        let mut sends = Vec::new();
        let mut unheard = Vec::new();
        self.reliables.retain_mut(|one| {
            if one.end <= now {
                unheard.push(one.begun);
                return false;
            }
            if one.resend <= now {
                one.gap_ms *= 2;
                one.resend = now.plus_ms(one.gap_ms);
                sends.push((one.branch.clone(), one.bytes.clone()));
            }
            true
        });
        for (branch, bytes) in sends {
            let line = self.server(&branch, "INVITE").and_then(|server| server.line);
            self.send_by(line, bytes, now);
        }
        for begun in unheard {
            if !self.lost_since(begun) {
                self.breach(now, "nobody acknowledged a reliable provisional response");
            }
        }
    }
}
