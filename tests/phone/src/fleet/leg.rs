//! One leg: the dialog of one phone with the product (RFC 3261 12), and its session (RFC 3264).

use std::time::Instant;

use super::desk::Key;
use super::sound::Sound;
use super::{Change, End, LegView, Phase, Side};
use crate::message::{Message, address_uri};
use crate::sdp::{Direction, Sdp};

/// Lines kept of one leg; the oldest go first.
const LOG_LINES_MAX: usize = 48;

pub(super) struct Leg {
    pub(super) side: Side,
    pub(super) call: Option<u32>,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Option<String>,
    pub(super) local_line: String,
    pub(super) remote_line: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    pub(super) remote_cseq: Option<u32>,
    pub(super) phase: Phase,
    pub(super) end: Option<End>,
    pub(super) reason: Option<String>,
    /// Branch of the INVITE of ours that is or was pending.
    pub(super) branch: String,
    /// The INVITE that came, to be answered.
    pub(super) offered: Option<Key>,
    pub(super) answer_at: Option<Instant>,
    /// CANCEL waits for the first provisional response (RFC 3261 9.1).
    pub(super) cancel: Cancel,
    /// CSeq and key of the INVITE whose 200 waits for its ACK.
    pub(super) unacknowledged: Option<(u32, Key)>,
    /// The last ACK of a 2xx and its CSeq, for when the 2xx comes again.
    pub(super) ack: Option<(u32, Vec<u8>)>,
    pub(super) credentials: Vec<(String, String)>,
    pub(super) change: Change,
    pub(super) changed: u32,
    pub(super) sound: Sound,
    pub(super) talk: Talk,
    pub(super) times: Times,
    log: Vec<(Instant, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    Wanted,
    Sent,
}

/// What each side said last.
pub(super) struct Talk {
    pub(super) session: u64,
    pub(super) version: u64,
    pub(super) wish: Direction,
    pub(super) local: Direction,
    pub(super) remote: Option<Sdp>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) asked: Option<Instant>,
    pub(super) answered: Option<Instant>,
    pub(super) parted: Option<Instant>,
    pub(super) ended: Option<Instant>,
}

impl Leg {
    pub(super) fn new(side: Side, call: Option<u32>, call_id: String, sound: Sound) -> Self {
        Self {
            side,
            call,
            call_id,
            local_tag: String::new(),
            remote_tag: None,
            local_line: String::new(),
            remote_line: String::new(),
            target: String::new(),
            cseq: 1,
            remote_cseq: None,
            phase: Phase::Calling,
            end: None,
            reason: None,
            branch: String::new(),
            offered: None,
            answer_at: None,
            cancel: Cancel::No,
            unacknowledged: None,
            ack: None,
            credentials: Vec::new(),
            change: Change::None,
            changed: 0,
            sound,
            talk: Talk {
                session: 1,
                version: 0,
                wish: Direction::SendRecv,
                local: Direction::SendRecv,
                remote: None,
            },
            times: Times::default(),
            log: Vec::new(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase != Phase::Ended
    }

    pub(super) fn note(&mut self, what: String) {
        if self.log.len() >= LOG_LINES_MAX {
            self.log.remove(0);
        }
        self.log.push((Instant::now(), what));
    }

    pub(super) fn log(&self, begun: Instant) -> String {
        let line = |(at, what): &(Instant, String)| {
            let at = at.saturating_duration_since(begun).as_secs_f64();
            format!("{at:9.3} {:?} {what}\n", self.side)
        };
        self.log.iter().map(line).collect()
    }

    /// Over, once; later reasons do not count.
    pub(super) fn end(&mut self, end: End, by: &Message) {
        self.end_without(end);
        self.reason = by.header("Reason").map(str::to_owned).or(self.reason.take());
    }

    /// Over, without a message that said so.
    pub(super) fn end_without(&mut self, end: End) {
        if !self.is_live() {
            return;
        }
        self.phase = Phase::Ended;
        self.end = Some(end);
        self.times.ended = Some(Instant::now());
        self.sound.end();
        self.note(format!("ended: {end:?}"));
    }

    /// A description of ours that wishes `way`; each is a new version (RFC 3264 8).
    pub(super) fn describe(&mut self, way: Direction) -> String {
        self.talk.version += 1;
        self.talk.local = way;
        let sdp = Sdp {
            session: self.talk.session,
            version: self.talk.version,
            rtp: self.sound.local(),
            rtcp: None,
            formats: vec![0],
            ptime_ms: Some(20),
            direction: way,
            key: None,
            shake: None,
        };
        sdp.to_text()
    }

    /// Our answer to the offer that came, or our offer when none came.
    pub(super) fn reply(&mut self) -> String {
        let offer = self.talk.remote.as_ref().map(|sdp| sdp.direction);
        let wish = self.talk.wish;
        self.describe(offer.map_or(wish, |offer| offer.answer(wish)))
    }

    /// What both sides said is in force, as far as this leg may send by its phase.
    pub(super) fn follow(&mut self) {
        let Some(remote) = &self.talk.remote else { return };
        let (local, way) = (self.talk.local, remote.direction);
        let talking = self.phase == Phase::Talking;
        let sends = talking && local.sends() && way.receives();
        let receives = talking && local.receives() && way.sends();
        self.sound.set(remote.rtp, sends, receives);
    }

    /// A request inside the dialog with the next CSeq, or with `cseq` for ACK.
    pub(super) fn request(&mut self, method: &str, cseq: Option<u32>) -> Message {
        if cseq.is_none() {
            self.cseq += 1;
        }
        let mut request = Message::request(method, &self.target);
        request.push("Max-Forwards", "70");
        request.push("From", &self.local_line);
        request.push("To", &self.remote_line);
        request.push("Call-ID", &self.call_id);
        request.push("CSeq", &format!("{} {method}", cseq.unwrap_or(self.cseq)));
        request.push("User-Agent", "strowger-phone");
        request
    }

    /// The other side of the dialog, from the 2xx to our INVITE or from the INVITE that came.
    pub(super) fn meet(&mut self, message: &Message, whose: &str) {
        self.remote_line = message.header(whose).unwrap_or_default().to_owned();
        self.remote_tag = message.tag(whose).map(str::to_owned);
        self.aim(message);
    }

    /// Requests go to its Contact from now on.
    pub(super) fn aim(&mut self, message: &Message) {
        if let Some(contact) = message.values("Contact").first() {
            address_uri(contact).clone_into(&mut self.target);
        }
    }

    pub(super) fn view(&self, now: Instant) -> LegView {
        LegView {
            phase: self.phase,
            end: self.end,
            reason: self.reason.clone(),
            asked: self.times.asked,
            answered: self.times.answered,
            parted: self.times.parted,
            ended: self.times.ended,
            hears: self.talk.remote.as_ref().map(|sdp| sdp.direction),
            change: self.change,
            changed: self.changed,
            sound: self.sound.view(now),
        }
    }
}
