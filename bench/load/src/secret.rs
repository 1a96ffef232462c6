//! SRTP of the near ends, with keys in descriptions (SDES): their audio is sealed and opened, that
//! of the far ends is not, so whoever relays has one side's work to do for each packet.
//!
//! Packets are sealed by `strowger-srtp`, which the product uses too; that it is right is shown by
//! its vectors, and by a peer that speaks with it here.

use std::net::SocketAddr;

use strowger_srtp::limits::GROWTH_MAX;
use strowger_srtp::{Fault, Master, RtpOpener, RtpSealer, Suite};

/// The only suite that is offered.
const SUITE: Suite = Suite::AesCm128Sha80;
/// The key of all near ends, base64: it protects nothing but numbers.
const KEY: &str = "c3Ryb3dnZXIgbG9hZCBrZXkgb2YgMzAgYnl0ZXMh";
/// Longest packet that is opened.
const PACKET_MAX: usize = 256;

/// The lines of a description that name the key.
pub(crate) fn crypto() -> String {
    format!("a=crypto:1 {} inline:{KEY}\n", SUITE.name())
}

/// The key by which a description's sender seals.
pub(crate) fn key_of(body: &[u8]) -> Option<Master> {
    let text = std::str::from_utf8(body).ok()?;
    let line = text.lines().find(|line| line.starts_with("a=crypto:"))?;
    let mut words = line.split(' ').skip(1);
    let suite = Suite::from_name(words.next()?.as_bytes())?;
    let inline = words.next()?.strip_prefix("inline:")?;
    Master::from_base64(suite, inline.split('|').next()?.as_bytes())
}

/// What a flow's packets pass by.
pub(crate) enum Guard {
    /// The near end sends.
    Seals(Box<RtpSealer>),
    /// The near end hears.
    Opens(Box<RtpOpener>),
}

/// The guards of a call's flows, near to far and back; `theirs` is what the near end hears under.
pub(crate) fn guards(theirs: &Master) -> Option<[Guard; 2]> {
    let ours = Master::from_base64(SUITE, KEY.as_bytes())?;
    let seals = Guard::Seals(Box::new(RtpSealer::new(&ours)?));
    Some([seals, Guard::Opens(Box::new(RtpOpener::new(theirs)?))])
}

/// The guards of all flows that have any.
#[derive(Default)]
pub(crate) struct Guards {
    of: Vec<Option<Guard>>,
    /// By the server's port that a guarded flow comes from: its number, plus one.
    heard: Vec<u32>,
}

impl Guards {
    /// Flow `number`, which comes from `from` where it is heard, has this guard from now on.
    pub(crate) fn set(&mut self, number: usize, from: SocketAddr, guard: Guard) {
        if let Guard::Opens(_) = guard {
            self.heard.resize(1 << 16, 0);
            let place = self.heard.get_mut(usize::from(from.port()));
            place.into_iter().for_each(|place| *place = number as u32 + 1);
        }
        if self.of.len() <= number {
            self.of.resize_with(number + 1, || None);
        }
        if let Some(place) = self.of.get_mut(number) {
            *place = Some(guard);
        }
    }

    /// Seals the packet that `bytes` end with, from `from` on, if its flow is sealed.
    pub(crate) fn seal(&mut self, number: usize, bytes: &mut Vec<u8>, from: usize) {
        let Some(Some(Guard::Seals(sealer))) = self.of.get_mut(number) else { return };
        let len = bytes.len() - from;
        bytes.resize(bytes.len() + GROWTH_MAX, 0);
        let sealed = bytes.get_mut(from..).and_then(|room| sealer.seal(room, len).ok());
        // What cannot be sealed does not leave as it is.
        bytes.truncate(from + sealed.map_or(0, |passed| passed.len));
    }

    /// Opens a packet that came from one of the server's ports to a near end; `None` = its flow is
    /// not guarded.
    pub(crate) fn open(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        room: &mut Room,
    ) -> Option<Result<usize, Fault>> {
        let number = self.heard.get(usize::from(from.port()))?.checked_sub(1)?;
        let Some(Some(Guard::Opens(opener))) = self.of.get_mut(number as usize) else {
            return None;
        };
        let packet = room.0.get_mut(..data.len());
        Some(packet.ok_or(Fault::Malformed).and_then(|packet| {
            packet.copy_from_slice(data);
            opener.open(packet).map(|passed| passed.len)
        }))
    }
}

/// Where a packet is opened.
pub(crate) struct Room([u8; PACKET_MAX]);

impl Room {
    pub(crate) const fn new() -> Room {
        Room([0; PACKET_MAX])
    }

    pub(crate) fn get(&self, len: usize) -> &[u8] {
        self.0.get(..len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_near_end_seals_its_key_opens() {
        let own = format!("v=0\n{}a=sendrecv\n", crypto());
        let key = key_of(own.as_bytes()).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], 16_384));
        let mut guards = Guards::default();
        let [seals, opens] = super::guards(&key).unwrap();
        guards.set(0, at, seals);
        guards.set(1, at, opens);
        let mut bytes = vec![9; 40];
        let packet = [&[0x80, 0, 0, 1][..], &[0; 8], &[7; 160]].concat();
        bytes.extend_from_slice(&packet);
        guards.seal(0, &mut bytes, 40);
        let sealed = &bytes[40..];
        assert_eq!(sealed.len(), packet.len() + 10);
        assert_ne!(&sealed[12..172], &packet[12..]);
        let mut room = Room::new();
        assert_eq!(guards.open(at, sealed, &mut room), Some(Ok(172)));
        assert_eq!(room.get(172), packet);
        assert_eq!(guards.open(at, sealed, &mut room), Some(Err(Fault::Replayed)));
        let other = SocketAddr::from(([127, 0, 0, 1], 16_386));
        assert_eq!(guards.open(other, sealed, &mut room), None);
        assert!(key_of(b"v=0\r\nm=audio 1 RTP/AVP 0\r\n").is_none());
    }
}
