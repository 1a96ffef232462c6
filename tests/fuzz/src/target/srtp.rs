//! SRTP and SRTCP: what was sealed opens once and as it was; what was changed, or comes from
//! nowhere, never.

use strowger_srtp::limits::GROWTH_MAX;
use strowger_srtp::{Fault, KeyMaker, Master, RtcpOpener, RtcpSealer, RtpOpener, RtpSealer, Suite};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "srtp", run, seeds, words: &[] };

/// Steps of one input.
const STEPS_MAX: usize = 64;

/// A packet on its way.
struct Sent {
    plain: Vec<u8>,
    sealed: Vec<u8>,
    is_rtcp: bool,
    is_opened: bool,
}

struct Ends {
    rtp: (RtpSealer, RtpOpener),
    rtcp: (RtcpSealer, RtcpOpener),
    sent: Vec<Sent>,
}

impl Ends {
    fn new(master: &Master) -> Option<Ends> {
        let rtp = (RtpSealer::new(master)?, RtpOpener::new(master)?);
        let rtcp = (RtcpSealer::new(master)?, RtcpOpener::new(master)?);
        Some(Ends { rtp, rtcp, sent: Vec::new() })
    }

    fn seal(&mut self, choices: &mut Choices<'_>) -> Option<Fault> {
        let is_rtcp = choices.u8() & 7 == 7;
        let mut plain = if is_rtcp { vec![0x81, 200, 0, 1] } else { vec![0x80, 8] };
        if !is_rtcp {
            plain.extend_from_slice(&choices.u16().to_be_bytes());
            plain.extend_from_slice(&[0; 4]);
        }
        plain.extend_from_slice(&u32::from(choices.u8() & 3).to_be_bytes());
        let len = usize::from(choices.u8());
        plain.extend_from_slice(choices.bytes(len));
        let mut room = [plain.as_slice(), &[0; GROWTH_MAX]].concat();
        let passed = match is_rtcp {
            true => self.rtcp.0.seal(&mut room, plain.len()),
            false => self.rtp.0.seal(&mut room, plain.len()),
        };
        match passed {
            Ok(passed) => {
                room.truncate(passed.len);
                self.sent.push(Sent { plain, sealed: room, is_rtcp, is_opened: false });
                None
            }
            Err(fault) => Some(fault),
        }
    }

    fn open(&mut self, packet: &mut [u8], is_rtcp: bool) -> Result<usize, Fault> {
        match is_rtcp {
            true => self.rtcp.1.open(packet).map(|passed| passed.len),
            false => self.rtp.1.open(packet).map(|passed| passed.len),
        }
    }

    fn arrive(&mut self, nth: usize) -> Option<Fault> {
        let sent = self.sent.get(nth)?;
        let (mut packet, is_rtcp) = (sent.sealed.clone(), sent.is_rtcp);
        let opened = self.open(&mut packet, is_rtcp);
        let sent = self.sent.get_mut(nth)?;
        match opened {
            Ok(len) => {
                assert!(!sent.is_opened, "it came twice");
                assert_eq!(packet[..len], sent.plain, "it came as another");
                sent.is_opened = true;
                None
            }
            Err(fault) => Some(fault),
        }
    }

    fn arrive_changed(&mut self, nth: usize, choices: &mut Choices<'_>) {
        let Some(sent) = self.sent.get(nth) else { return };
        let (mut packet, is_rtcp) = (sent.sealed.clone(), sent.is_rtcp);
        let at = usize::from(choices.u8()) % packet.len();
        packet[at] ^= choices.u8() | 1;
        assert!(self.open(&mut packet, is_rtcp).is_err(), "octet {at} was changed");
    }
}

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut choices = Choices(input);
    let (_, _, suite) = Suite::ALL[usize::from(choices.u8()) % Suite::ALL.len()];
    shape.print("suite", &suite);
    let master = KeyMaker::new(&[9; 32]).and_then(|mut maker| maker.make(suite));
    let Some(mut ends) = master.as_ref().and_then(Ends::new) else { return shape };
    for _ in 0..STEPS_MAX {
        if choices.0.is_empty() {
            break;
        }
        let nth = usize::from(choices.u8());
        let place = nth / 4 % ends.sent.len().max(1);
        match nth % 4 {
            0 => shape.print("sealed", &ends.seal(&mut choices)),
            1 => shape.print("opened", &ends.arrive(place)),
            2 => {
                ends.arrive_changed(place, &mut choices);
                shape.note("changed", &true)
            }
            _ => {
                let mut noise = choices.bytes(60).to_vec();
                let is_known = ends.sent.iter().any(|sent| sent.sealed == noise);
                let opened = ends.open(&mut noise, nth & 4 == 0);
                assert!(is_known || opened.is_err(), "noise was taken");
                shape.print("noise", &opened.err())
            }
        };
    }
    shape
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    // Four packets over the end of a round, each opened, one again, one changed.
    let talk = |suite: u8, dice: &mut Dice| {
        let mut input = vec![suite];
        for sequence in [65_534u16, 65_535, 0, 1] {
            input.extend_from_slice(&[0, 0]);
            input.extend_from_slice(&sequence.to_be_bytes());
            input.extend_from_slice(&[1, 4]);
            input.extend((0..4).map(|_| dice.byte()));
        }
        input.extend_from_slice(&[1, 5, 9, 13, 1, 6, dice.byte(), dice.byte()]);
        // RTCP, opened twice.
        input.extend_from_slice(&[0, 7, 1, 3, 1, 2, 3, 17, 17]);
        input
    };
    (0..6).map(|suite| talk(suite, dice)).collect()
}
