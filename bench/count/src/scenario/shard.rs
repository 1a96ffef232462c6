//! The whole shard over a port of memory.

use super::{Turn, done};
use crate::io::MemoryIo;
use crate::peer;
use crate::rig::{CALLER, IN_MEMORY, LISTENER, Place, Rig, STRANGER};
use crate::{Meter, rig};
use std::net::SocketAddr;
use strowger_link::Tick;

/// From the end of a call on, its last transaction lives for 32 s (RFC 3261 17.2.2).
const LINGER_MS: u64 = 40_000;
/// Between two steps of a call, milliseconds.
const STEP_MS: u64 = 10;
/// Ports of the two parties' media.
const MEDIA: [u16; 2] = [20_000, 30_000];

/// A turn in which nothing happens.
pub(super) fn idle() -> Option<Turn> {
    let mut rig = Rig::new(MemoryIo::default(), IN_MEMORY)?;
    Some(Box::new(move |meter| {
        // Never far enough for the heartbeat.
        let io = rig.shard.io_mut();
        io.now = Tick(io.now.0 + 1_000);
        meter(&mut || _ = rig.shard.turn());
        done(rig.shard.io_mut().take_leaving().is_empty(), "something was sent")
    }))
}

/// An INVITE of a stranger gets a 401 and leaves nothing behind.
pub(super) fn challenge() -> Option<Turn> {
    let mut rig = Rig::new(MemoryIo::default(), IN_MEMORY)?;
    let mut number = 0;
    Some(Box::new(move |meter| {
        number += 1;
        let io = rig.shard.io_mut();
        io.now = io.now.plus_ms(1);
        io.arrive(STRANGER, peer::invite(number, STRANGER, LISTENER, MEDIA[0]));
        meter(&mut || _ = rig.shard.turn());
        let said = rig.shard.io_mut().take_leaving();
        let is_401 = |(to, data): &(SocketAddr, Vec<u8>)| {
            *to == STRANGER && data.starts_with(b"SIP/2.0 401 ")
        };
        done(said.len() == 1 && said.iter().all(is_401), "no challenge")
    }))
}

/// A call from INVITE to the end of its last transaction: two legs, relayed, recorded.
pub(super) fn call() -> Option<Turn> {
    let mut call = Call::new()?;
    Some(Box::new(move |meter| call.turn(meter)))
}

/// Calls through a shard over memory, one after another.
pub struct Call {
    rig: Rig<MemoryIo>,
    number: u64,
}

impl Call {
    /// No call yet. `None` only if a constant were wrong.
    #[must_use]
    pub fn new() -> Option<Call> {
        Some(Call { rig: Rig::new(MemoryIo::default(), IN_MEMORY)?, number: 0 })
    }

    /// One whole call.
    ///
    /// # Errors
    /// What did not come.
    pub fn turn(&mut self, meter: Meter<'_>) -> Result<(), String> {
        let answered = self.begin(meter)?;
        self.end(&answered, meter)?;
        self.linger(meter);
        let left = (self.rig.shard.calls_in_use(), self.rig.shard.media_ports_in_use());
        done(left == (0, 0), "the call is not over")
    }

    /// A call from INVITE to ACK, relayed from then on.
    ///
    /// # Errors
    /// What did not come.
    pub fn begin(&mut self, meter: Meter<'_>) -> Result<Answered, String> {
        self.number += 1;
        let (number, Place { called, .. }) = (self.number, rig::IN_MEMORY);
        let invite = peer::invite(number, CALLER, LISTENER, MEDIA[0]);
        self.step(meter, Some((CALLER, invite)));
        self.rig.decide();
        let said = self.step(meter, None);
        let outgoing = wanted(&said, called, "INVITE ")?;
        let ringing = peer::respond("180 Ringing", &outgoing, called, MEDIA[1]);
        let said = self.step(meter, ringing.map(|response| (called, response)));
        wanted(&said, CALLER, "SIP/2.0 180")?;
        let ok = peer::respond("200 OK", &outgoing, called, MEDIA[1]);
        let said = self.step(meter, ok.map(|response| (called, response)));
        let heard = wanted(&said, CALLER, "SIP/2.0 200")?;
        let ack = peer::within("ACK", number, &heard, CALLER);
        self.step(meter, ack.map(|ack| (CALLER, ack)));
        self.rig.decide();
        Ok(Answered { number, heard })
    }

    /// The caller hangs up.
    ///
    /// # Errors
    /// What did not come.
    pub fn end(&mut self, answered: &Answered, meter: Meter<'_>) -> Result<(), String> {
        let Place { called, .. } = rig::IN_MEMORY;
        let bye = peer::within("BYE", answered.number, &answered.heard, CALLER);
        let said = self.step(meter, bye.map(|bye| (CALLER, bye)));
        wanted(&said, CALLER, "SIP/2.0 200")?;
        let outgoing = wanted(&said, called, "BYE ")?;
        let response = peer::respond("200 OK", &outgoing, called, MEDIA[1]);
        self.step(meter, response.map(|response| (called, response)));
        self.rig.decide();
        Ok(())
    }

    /// Time passes until no transaction is left of what has ended or was answered.
    pub fn linger(&mut self, meter: Meter<'_>) {
        let io = self.rig.shard.io_mut();
        io.now = io.now.plus_ms(LINGER_MS);
        self.step(meter, None);
        self.rig.decide();
    }

    /// Calls that stand.
    #[must_use]
    pub fn standing(&self) -> usize {
        self.rig.shard.calls_in_use()
    }

    /// A datagram comes in, the shard has its turn; what left.
    fn step(&mut self, meter: Meter<'_>, arriving: Option<(SocketAddr, Vec<u8>)>) -> Vec<Sent> {
        let io = self.rig.shard.io_mut();
        io.now = io.now.plus_ms(STEP_MS);
        if let Some((from, data)) = arriving {
            io.arrive(from, data);
        }
        let shard = &mut self.rig.shard;
        meter(&mut || _ = shard.turn());
        let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
        let left = self.rig.shard.io_mut().take_leaving();
        left.into_iter().map(|(to, data)| (to, text(data))).collect()
    }
}

/// A call that was answered.
#[derive(Debug)]
pub struct Answered {
    number: u64,
    /// The answer that the caller got.
    heard: String,
}

type Sent = (SocketAddr, String);

/// The message to `to` that begins so.
fn wanted(sent: &[Sent], to: SocketAddr, begins: &str) -> Result<String, String> {
    let found = sent.iter().find(|(at, text)| *at == to && text.starts_with(begins));
    let heads = || {
        let head = |(at, text): &Sent| format!("{at}: {}", text.lines().next().unwrap_or(""));
        sent.iter().map(head).collect::<Vec<_>>()
    };
    found.map(|(_, text)| text.clone()).ok_or_else(|| format!("no {begins}to {to}: {:?}", heads()))
}
