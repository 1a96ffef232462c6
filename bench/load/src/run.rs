//! A load from its first message to its report: set up, warm up, measure, wait, tell.

use std::net::SocketAddr;

use serde_json::{Value, json};
use strowger_link::{SECOND, Tick};

use crate::calls::Calls;
use crate::cpu::{Meter, Reading};
use crate::media::Media;
use crate::message::View;
use crate::net::{Net, Out};
use crate::pace::Offer;
use crate::register::Registers;

/// Longest time for standing calls and registrations that a bench begins with.
const SET_UP_S: u64 = 120;
/// How long the last packets may take.
const LAST_PACKETS_NS: u64 = SECOND / 2;
/// Receives in a row before timers are looked at.
const RECEIVES_MAX: usize = 8;

/// One part of a load: its name, what is offered, how long.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) calls: Option<Offer>,
    pub(crate) registers: Option<Offer>,
    pub(crate) media: Option<Offer>,
    pub(crate) seconds: f64,
    /// Counts to what is told of the whole.
    pub(crate) measured: bool,
}

/// Everything that is under way.
pub(crate) struct Load {
    pub(crate) net: Net,
    out: Out,
    pub(crate) calls: Option<Calls>,
    pub(crate) registers: Option<Registers>,
    pub(crate) media: Media,
    /// Sockets from this number on carry audio.
    audio_from: u8,
    meter: Meter,
    /// Most calls and registrations that may be unanswered at the end, seconds.
    patience_s: f64,
    strays: u64,
}

/// Counters at one moment.
#[derive(Clone, Copy, Default)]
struct Mark {
    at: Tick,
    waited_ns: u64,
    cpu: Reading,
    calls: u64,
    registers: u64,
}

impl Load {
    pub(crate) fn new(net: Net, audio_from: u8, meter: Meter, patience_s: f64) -> Load {
        Load {
            net,
            out: Out::default(),
            calls: None,
            registers: None,
            media: Media::new(),
            audio_from,
            meter,
            patience_s,
            strays: 0,
        }
    }

    /// One turn: what is due, what came, and a sleep when there was neither.
    fn turn(&mut self, until: Tick) {
        let now = self.net.now();
        if let Some(calls) = &mut self.calls {
            calls.work(now, &mut self.out);
        }
        if let Some(registers) = &mut self.registers {
            registers.work(now, &mut self.out);
        }
        self.media.work(now, &mut self.out);
        let mut idle = self.out.len() == 0;
        self.net.send(&mut self.out);
        for _ in 0..RECEIVES_MAX {
            let more = self.receive();
            idle &= self.out.len() == 0 && !more;
            self.net.send(&mut self.out);
            if !more {
                break;
            }
        }
        if idle {
            let due = [
                self.calls.as_ref().and_then(Calls::due),
                self.registers.as_ref().and_then(Registers::due),
                self.media.due(),
            ];
            let due = due.into_iter().flatten().min().unwrap_or(until);
            self.net.wait(due.min(until));
        }
    }

    fn receive(&mut self) -> bool {
        let now = self.net.now();
        let Load { net, out, calls, registers, media, audio_from, strays, .. } = self;
        net.receive(|socket, peer, data| {
            if socket >= *audio_from {
                media.take(socket, peer, data, now);
                return;
            }
            let Some(view) = View::read(data) else {
                *strays += 1;
                return;
            };
            let taken = registers.as_mut().is_some_and(|r| r.take(&view, now, out));
            match calls {
                Some(calls) if !taken => calls.take((socket, peer), &view, now, out, media),
                Some(_) => {}
                None => *strays += u64::from(!taken),
            }
        })
    }

    /// Turns until `end`, or until `over` says so.
    fn turns(&mut self, end: Tick, over: impl Fn(&Load) -> bool) {
        while self.net.now() < end && !over(self) {
            self.turn(end);
        }
    }

    fn in_ns(&mut self, ns: u64) -> Tick {
        Tick(self.net.now().0 + ns)
    }

    /// Makes `count` calls that stay.
    pub(crate) fn stand(&mut self, count: u32) -> Result<(), String> {
        let end = self.in_ns(SET_UP_S * SECOND);
        let Some(calls) = &mut self.calls else { return Err("no calls are told".into()) };
        calls.stand(count);
        let standing = |load: &Load| load.calls.as_ref().map_or((0, 0), Calls::standing);
        let whole = |load: &Load| {
            let (up, failed) = standing(load);
            failed > 0 || up >= count as usize
        };
        self.turns(end, whole);
        let (up, failed) = standing(self);
        if up < count as usize {
            let tally = self.calls.as_ref().and_then(|calls| calls.tallies.first());
            let told = tally.map(|tally| tally.told().to_string()).unwrap_or_default();
            return Err(format!("of {count} calls {up} stand, {failed} failed: {told}"));
        }
        Ok(())
    }

    /// Registers `count` users and waits for it.
    pub(crate) fn register_all(&mut self, count: u64) -> Result<(), String> {
        let end = self.in_ns(SET_UP_S * SECOND);
        let now = self.net.now();
        let Some(registers) = &mut self.registers else { return Err("no users are told".into()) };
        let before = registers.registered();
        registers.offer(Offer::Window(32), Some(count), now);
        self.turns(end, |load| load.registers.as_ref().is_none_or(|r| r.busy() == 0));
        let Some(registers) = &mut self.registers else { return Ok(()) };
        let got = registers.registered() - before;
        registers.offer(Offer::Rate(0.0), None, end);
        if got == count {
            return Ok(());
        }
        Err(format!("of {count} users {got} registered: {}", registers.told()))
    }

    /// All flows carry a few packets, so that both sides of the relay know each other.
    pub(crate) fn warm_flows(&mut self, offer: Offer, seconds: f64) {
        let now = self.net.now();
        self.media.pump(offer, now);
        let end = self.in_ns(ns(seconds));
        self.turns(end, |_| false);
        self.media.stop();
        let end = self.in_ns(LAST_PACKETS_NS);
        self.turns(end, |load| load.media.under_way() == 0);
    }

    /// Turns for so long with nothing new.
    pub(crate) fn rest(&mut self, seconds: f64) {
        let end = self.in_ns(ns(seconds));
        self.turns(end, |_| false);
    }

    /// Runs the parts, waits for what is under way, ends what stands, and tells.
    pub(crate) fn run(&mut self, parts: &[Part]) -> Value {
        let mut marks: Option<(Mark, Mark)> = None;
        for part in parts {
            let before = self.mark();
            self.begin(part, before.at);
            let end = Tick(before.at.0 + ns(part.seconds));
            if part.measured {
                self.media.measure(&part.name, before.at, end);
                if marks.is_none() {
                    self.measure(before.at, parts);
                }
            }
            self.turns(end, |_| false);
            if part.measured {
                let first = marks.map_or(before, |(first, _)| first);
                marks = Some((first, self.mark()));
            }
        }
        self.finish();
        let (first, last) = marks.unwrap_or_default();
        self.told(first, last)
    }

    fn begin(&mut self, part: &Part, now: Tick) {
        let none = Offer::Rate(0.0);
        if let Some(calls) = &mut self.calls {
            calls.begin_part(&part.name, part.calls.unwrap_or(none), now);
        }
        if let Some(registers) = &mut self.registers {
            registers.offer(part.registers.unwrap_or(none), None, now);
        }
        match part.media {
            Some(offer) => self.media.pump(offer, now),
            None => self.media.stop(),
        }
    }

    /// What is meant for the measured parts counts from `now` on.
    fn measure(&mut self, now: Tick, parts: &[Part]) {
        let seconds: f64 = parts.iter().filter(|part| part.measured).map(|p| p.seconds).sum();
        let end = Tick(now.0 + ns(seconds));
        if let Some(registers) = &mut self.registers {
            registers.measure(now, end);
        }
    }

    fn finish(&mut self) {
        let now = self.net.now();
        self.media.stop();
        let none = Part {
            name: "after".into(),
            calls: None,
            registers: None,
            media: None,
            seconds: 0.0,
            measured: false,
        };
        self.begin(&none, now);
        let end = self.in_ns(LAST_PACKETS_NS);
        self.turns(end, |load| load.media.under_way() == 0);
        let busy = |load: &Load| {
            let calls = load.calls.as_ref().map_or(0, Calls::busy);
            calls + load.registers.as_ref().map_or(0, Registers::busy)
        };
        let patience = ns(self.patience_s);
        let end = self.in_ns(patience);
        self.turns(end, |load| busy(load) == 0);
        if let Some(calls) = &mut self.calls {
            calls.end_standing();
        }
        let end = self.in_ns(patience);
        self.turns(end, |load| busy(load) == 0);
        // The far ends' BYEs.
        self.rest(0.2);
    }

    fn mark(&mut self) -> Mark {
        Mark {
            at: self.net.now(),
            waited_ns: self.net.waited_ns(),
            cpu: self.meter.read(),
            calls: self.calls.as_ref().map_or(0, |calls| calls.done),
            registers: self.registers.as_ref().map_or(0, |registers| registers.done),
        }
    }

    fn told(&self, first: Mark, last: Mark) -> Value {
        let span_ns = last.at.ns_since(first.at).max(1) as f64;
        let cpu = last.cpu.since(first.cpu);
        let idle = last.waited_ns.saturating_sub(first.waited_ns) as f64 / span_ns;
        let (calls, registers) = (last.calls - first.calls, last.registers - first.registers);
        let packets = self.media.carried();
        let each = |count: u64| match (self.meter.has_server(), count) {
            (false, _) | (_, 0) => Value::Null,
            (true, count) => json!(cpu.server_ns as f64 / count as f64),
        };
        let rate = |count: u64| count as f64 / (span_ns / SECOND as f64);
        json!({
            "seconds": span_ns / SECOND as f64,
            "calls_done": calls,
            "calls_per_s": rate(calls),
            "registers_done": registers,
            "registers_per_s": rate(registers),
            "packets_per_s": rate(packets),
            "parts": self.calls.as_ref().map(|calls| {
                calls.tallies.iter().map(crate::calls::Tally::told).collect::<Vec<_>>()
            }),
            "registers": self.registers.as_ref().map(Registers::told),
            "media": self.media.told(),
            "generator": {
                "idle": idle,
                "cpu": cpu.own_ns as f64 / span_ns,
                "unsent": self.net.unsent(),
                "strays": self.strays + self.calls.as_ref().map_or(0, |calls| calls.strays),
            },
            "server": {
                "core": cpu.server_ns as f64 / span_ns,
                "softirq": cpu.softirq_ns as f64 / span_ns,
                "ns_per_call": each(calls),
                "ns_per_register": each(registers),
                "ns_per_packet": each(packets),
            },
            "stolen": cpu.stolen_ns as f64 / span_ns,
        })
    }
}

fn ns(seconds: f64) -> u64 {
    (seconds * SECOND as f64) as u64
}

/// Where flows go that rtpengine relays.
pub(crate) fn ng_flows(
    media: &mut Media,
    server: SocketAddr,
    (audio, srtp): ([(u8, SocketAddr); 2], bool),
    calls: u32,
    run: u32,
) -> Result<(), String> {
    let mut ng = crate::ng::Ng::open(server)?;
    let [(near_by, near), (far_by, far)] = audio;
    for number in 0..calls {
        let relayed = ng.relay(number.wrapping_add(run), (near, srtp), far)?;
        let first = number as usize * 2;
        let flow = |by, to, at, from| crate::media::Flow { by, to, at, from, tag: run };
        let flows = [
            flow(near_by, relayed.near, far_by, relayed.far),
            flow(far_by, relayed.far, near_by, relayed.near),
        ];
        let key = relayed.key.filter(|_| srtp);
        media.guard(first, &flows, key.as_ref().and_then(crate::secret::guards));
        (first..).zip(flows).for_each(|(number, flow)| media.set(number, flow));
    }
    Ok(())
}
