//! Audio whose every packet says who sent it.

use super::{Agent, Call, CallState, Out};
use crate::net::Datagram;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_phone::rtp::Packet;

/// First RTP port of an agent; each call has the next even one.
pub(super) const PORT_FIRST: u16 = 20_000;
/// Of our payload: mark, agent, call, number, check.
const PAYLOAD_BYTES: usize = 18;
const MARK: u32 = 0x5357_5347;

fn check(agent: u16, call: u32, number: u32) -> u32 {
    (u32::from(agent) ^ call.rotate_left(9) ^ number.rotate_left(17)).wrapping_mul(0x9E37_79B1)
}

fn payload(agent: u16, call: u32, number: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAYLOAD_BYTES);
    bytes.extend_from_slice(&MARK.to_be_bytes());
    bytes.extend_from_slice(&agent.to_be_bytes());
    bytes.extend_from_slice(&call.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&check(agent, call, number).to_be_bytes());
    bytes
}

fn read(bytes: &[u8]) -> Option<(u16, u32)> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let agent = u16::from_be_bytes(bytes.get(4..6)?.try_into().ok()?);
    let (call, number) = (word(6)?, word(10)?);
    let whole = bytes.len() == PAYLOAD_BYTES && word(0)? == MARK;
    (whole && word(14)? == check(agent, call, number)).then_some((agent, call))
}

impl Agent {
    pub(super) fn send_audio(&mut self, key: u32, now: Tick) {
        let agent = self.index;
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (Some(to), false, CallState::Up) = (call.rtp_to, call.held || call.holding, call.state)
        else {
            return;
        };
        call.sent += 1;
        let packet = Packet {
            marker: call.sent == 1,
            payload_type: 0,
            sequence: call.sent as u16,
            timestamp: call.sent * 160,
            ssrc: u32::from(agent) << 16 | key,
            payload: &payload(agent, key, call.sent),
        };
        let from = SocketAddr::new(self.addr.ip(), call.rtp_port);
        let data = packet.to_bytes();
        self.out.push(Out::Datagram(Datagram { sent_at: now, from, to, data }));
    }

    pub(super) fn handle_media(&mut self, datagram: &Datagram) {
        let key = u32::from(datagram.to.port().saturating_sub(PORT_FIRST)) / 2;
        if !datagram.to.port().is_multiple_of(2) {
            return;
        }
        if self.is_forked(key) && self.calls.get(&key).is_some_and(Call::is_over) {
            return;
        }
        let heard = Packet::parse(&datagram.data).and_then(|packet| read(packet.payload));
        let at = datagram.sent_at;
        let verdict = match (self.calls.get_mut(&key), heard) {
            (None, _) => Err("audio for a call that never was"),
            (Some(_), None) => Err("audio that nobody sent"),
            (Some(call), Some(speaker)) => judge(call, speaker, at),
        };
        match verdict {
            Ok(()) => self.media_heard += 1,
            Err(why) => self.breach(at, &format!("call {key}: {why}")),
        }
    }
}

fn judge(call: &mut Call, speaker: (u16, u32), sent_at: Tick) -> Result<(), &'static str> {
    if let CallState::Over(since) = call.state
        && sent_at > since
    {
        return Err("audio left the switch after the call's end");
    }
    if call.speaker.replace(speaker).is_some_and(|before| before != speaker) {
        call.changes = call.changes.checked_sub(1).ok_or("audio of another call")?;
    }
    call.heard += 1;
    Ok(())
}
