//! Registered phones and calls between them, with bounds of their durations.

use std::time::{Duration, Instant};

use strowger_phone::sdp::Direction;
use strowger_phone::{Config, EndedBy, IncomingCall, OutgoingCall, Pattern, Phone};

use crate::demo::Demo;

/// Limit of everything that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// Seconds for which phones register.
const EXPIRES_S: u32 = 300;

/// A phone of the demo that does not register.
pub(crate) fn phone(demo: &Demo, (user, password): (&str, &str)) -> Phone {
    let config = Config::new(user, password, demo.sip);
    Phone::new(Config { patience: SOON, ..config }).unwrap()
}

/// A phone of the demo, registered.
pub(crate) fn desk(demo: &Demo, who: (&str, &str)) -> Phone {
    let phone = phone(demo, who);
    phone.register(EXPIRES_S).unwrap();
    phone
}

/// An established call between two phones, with audio both ways.
pub(crate) struct Talk {
    pub(crate) out: OutgoingCall,
    pub(crate) inc: IncomingCall,
    asked: Instant,
    answered: Instant,
}

impl Talk {
    /// `caller` calls `number`, `callee` rings and answers; both send audio from now on.
    pub(crate) fn new(caller: &Phone, number: &str, callee: &Phone) -> Talk {
        let out = caller.invite(number).unwrap();
        let inc = callee.wait_call(SOON).unwrap();
        inc.ring().unwrap();
        out.wait_ringing(SOON).unwrap();
        let asked = Instant::now();
        inc.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        let talk = Talk { out, inc, asked, answered: Instant::now() };
        talk.out.start_sending(u64::MAX, Pattern::Marked).unwrap();
        talk.inc.start_sending(u64::MAX, Pattern::Marked).unwrap();
        talk.heard(10);
        talk
    }

    /// `callee` has answered; nobody sends yet.
    fn answered(caller: &Phone, number: &str, callee: &Phone) -> Talk {
        let out = caller.invite(number).unwrap();
        let inc = callee.wait_call(SOON).unwrap();
        let asked = Instant::now();
        inc.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        Talk { out, inc, asked, answered: Instant::now() }
    }

    /// As [`Talk::new`], whatever is lost: for who asks which way media goes, and not how well.
    pub(crate) fn anyhow(caller: &Phone, number: &str, callee: &Phone) -> Talk {
        let talk = Talk::answered(caller, number, callee);
        for side in [&*talk.out, &*talk.inc] {
            side.start_sending(u64::MAX, Pattern::Marked).unwrap();
        }
        talk.heard_again(10, 2 * SOON);
        talk
    }

    /// As [`Talk::new`] where keys are agreed on after the answer: nobody is heard before that.
    pub(crate) fn shaken(caller: &Phone, number: &str, callee: &Phone) -> Talk {
        let talk = Talk::answered(caller, number, callee);
        let sides = [&*talk.out, &*talk.inc];
        for side in sides {
            side.start_sending(u64::MAX, Pattern::Silence).unwrap();
        }
        for side in sides {
            side.wait_media(SOON, "anything at all", |report| report.foreign > 3).unwrap();
        }
        for side in sides {
            side.start_sending(u64::MAX, Pattern::Marked).unwrap();
        }
        talk.heard(10);
        talk
    }

    /// Both sides hear so many packets more, without losing any.
    pub(crate) fn heard(&self, packets: u64) {
        for (side, other) in [(&*self.out, &*self.inc), (&*self.inc, &*self.out)] {
            let stream = other.media_report().own_stream;
            let goal = other.media_report().sent + packets;
            let reached = |r: &strowger_phone::rtp::tally::MediaReport| {
                r.stream(stream).is_some_and(|s| s.highest >= goal)
            };
            let report = side.wait_media(SOON, "audio", reached).unwrap();
            assert_eq!(report.stream(stream).unwrap().lost, 0, "{report:?}");
            assert_eq!(report.corrupt, 0, "{report:?}");
        }
    }

    /// Both sides hear so many packets more, whatever was lost before, in at most `limit`.
    pub(crate) fn heard_again(&self, packets: u64, limit: Duration) {
        let began = Instant::now();
        for (side, other) in [(&*self.out, &*self.inc), (&*self.inc, &*self.out)] {
            let stream = other.media_report().own_stream;
            let received = |r: &strowger_phone::rtp::tally::MediaReport| {
                r.stream(stream).map_or(0, |s| s.received)
            };
            let goal = received(&side.media_report()) + packets;
            let reached = |r: &strowger_phone::rtp::tally::MediaReport| received(r) >= goal;
            let report = side.wait_media(SOON, "audio again", reached).unwrap();
            assert_eq!(report.corrupt, 0, "{report:?}");
        }
        assert!(began.elapsed() <= limit, "audio came back after {:?}", began.elapsed());
    }

    /// Holds and resumes from both sides.
    pub(crate) fn held_by_both(&self) {
        for (holder, held) in [(&*self.out, &*self.inc), (&*self.inc, &*self.out)] {
            holder.hold().unwrap();
            held.wait_held(SOON).unwrap();
            holder.resume().unwrap();
            held.wait_remote_direction(Direction::SendRecv, SOON).unwrap();
        }
    }

    /// Talks on until so much time has passed since the answer, then the caller hangs up. The
    /// shortest and the longest that the call can have lasted for the product, ms.
    pub(crate) fn end_after(&self, time: Duration) -> (u64, u64) {
        std::thread::sleep(time.saturating_sub(self.answered.elapsed()));
        let least = self.answered.elapsed();
        assert_eq!(self.out.bye().unwrap(), EndedBy::LocalBye);
        let most = self.lasted_at_most();
        assert_eq!(self.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        (u64::try_from(least.as_millis()).unwrap(), most)
    }

    /// The shortest that the call can have lasted for the product so far, ms.
    pub(crate) fn lasted_at_least(&self) -> u64 {
        u64::try_from(self.answered.elapsed().as_millis()).unwrap()
    }

    /// The longest that the call can have lasted for the product so far, ms.
    pub(crate) fn lasted_at_most(&self) -> u64 {
        u64::try_from(self.asked.elapsed().as_millis()).unwrap() + 1
    }
}
