//! Calls of an agent and the plans they follow.

use super::manner::Word;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use strowger_link::Tick;

/// What happens after the answer, counted from it in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct After {
    /// It hangs up; `None` = the other side does, or the switch.
    pub bye_ms: Option<u64>,
    /// Packets of audio, one each 100 ms.
    pub packets: u32,
    /// It holds the other side.
    pub hold_ms: Option<u64>,
    /// It resumes.
    pub resume_ms: Option<u64>,
    /// It says something.
    pub say: Option<(u64, Word)>,
}

impl After {
    /// Some audio, then BYE.
    #[must_use]
    pub const fn talk(bye_ms: u64) -> After {
        After { bye_ms: Some(bye_ms), ..After::listen() }
    }

    /// Some audio, and the other side ends it.
    #[must_use]
    pub const fn listen() -> After {
        After { bye_ms: None, packets: 8, hold_ms: None, resume_ms: None, say: None }
    }
}

/// What a caller does.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Dialled number.
    pub to: String,
    /// It gives up after so many milliseconds without an answer.
    pub cancel_ms: Option<u64>,
    /// After the answer.
    pub after: After,
}

/// What a called agent replies in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 200 after so many milliseconds.
    Answer(u64),
    /// A failure after so many milliseconds.
    Reject(u16, u64),
    /// 302 with a contact of this user after so many milliseconds.
    Redirect(&'static str, u64),
    /// It rings until it is cancelled.
    Never,
    /// It hears nothing at all.
    Deaf,
}

/// What a called agent does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Callee {
    /// 180 after so many milliseconds.
    pub ring_ms: Option<u64>,
    /// In the end.
    pub reply: Reply,
    /// So many milliseconds after its answer another phone answers the same call.
    pub fork_ms: Option<u64>,
    /// After the answer.
    pub after: After,
}

impl Callee {
    /// Rings at once, answers after `answer_ms`.
    #[must_use]
    pub const fn answering(answer_ms: u64, after: After) -> Callee {
        let reply = Reply::Answer(answer_ms);
        Callee { ring_ms: Some(20), reply, fork_ms: None, after }
    }

    /// Rejects at once.
    #[must_use]
    pub const fn rejecting(code: u16) -> Callee {
        let after = After { packets: 0, ..After::listen() };
        Callee { ring_ms: None, reply: Reply::Reject(code, 30), fork_ms: None, after }
    }
}

impl Callee {
    /// Sends the call on at once.
    #[must_use]
    pub const fn redirecting(to: &'static str) -> Callee {
        Callee { reply: Reply::Redirect(to, 30), ..Callee::rejecting(302) }
    }
}

/// One step of a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Do {
    Ring,
    Answer,
    Reject(u16),
    Redirect(&'static str),
    Cancel,
    Bye,
    Hold,
    Resume,
    Audio,
    Fork,
    Say(Word),
}

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallState {
    /// We sent INVITE.
    Calling,
    /// We sent CANCEL as well.
    Cancelling,
    /// INVITE came.
    Incoming,
    /// We answered; the ACK has not come.
    Answered,
    /// They speak.
    Up,
    /// We sent BYE.
    Leaving,
    /// Over since then, as far as this agent knows.
    Over(Tick),
}

/// One call of an agent.
#[derive(Debug)]
pub struct Call {
    /// Where it stands.
    pub state: CallState,
    /// Dialled by us.
    pub outgoing: bool,
    /// Its Call-ID.
    pub id: String,
    /// When it was answered.
    pub answered_at: Option<Tick>,
    /// The final code of an outgoing call.
    pub outcome: Option<u16>,
    /// RTP packets heard.
    pub heard: u32,
    /// RTP packets sent.
    pub sent: u32,
    /// The other end hears us: agent and call, by the audio.
    pub speaker: Option<(u16, u32)>,
    /// How often who is heard may change still.
    pub(super) changes: u32,
    /// It asked for a transfer, by which it may go at any time.
    pub(super) refers: bool,
    /// The last status that a NOTIFY told.
    pub referred: Option<u16>,
    /// The other side holds us.
    pub held: bool,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    pub(super) remote_cseq: u32,
    pub(super) branch: String,
    pub(super) after: After,
    pub(super) steps: Vec<(Tick, Do)>,
    pub(super) rtp_port: u16,
    pub(super) rtp_to: Option<SocketAddr>,
    pub(super) sdp_version: u64,
    pub(super) holding: bool,
    /// Life of the switch that sent BYE.
    pub(super) bye_seen: Option<usize>,
    /// Numbers of reliable provisional responses that were acknowledged, by their tags.
    pub(super) early_heard: BTreeMap<String, u32>,
}

impl Call {
    pub(super) fn new(outgoing: bool, id: String, after: After, rtp_port: u16) -> Call {
        Call {
            state: if outgoing { CallState::Calling } else { CallState::Incoming },
            outgoing,
            id,
            answered_at: None,
            outcome: None,
            heard: 0,
            sent: 0,
            speaker: None,
            changes: 0,
            refers: false,
            referred: None,
            held: false,
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            cseq: 1,
            remote_cseq: 0,
            branch: String::new(),
            after,
            steps: Vec::new(),
            rtp_port,
            rtp_to: None,
            sdp_version: 1,
            holding: false,
            bye_seen: None,
            early_heard: BTreeMap::new(),
        }
    }

    /// It is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, CallState::Over(_))
    }

    pub(super) fn next(&self) -> Option<Tick> {
        self.steps.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn plan(&mut self, at: Tick, step: Do) {
        self.steps.push((at, step));
    }

    /// The first step that is due.
    pub(super) fn take_due(&mut self, now: Tick) -> Option<Do> {
        let index = self.steps.iter().position(|(at, _)| *at <= now)?;
        Some(self.steps.remove(index).1)
    }

    /// Both have answered: the rest of the plan begins.
    pub(super) fn plan_talk(&mut self, now: Tick) {
        self.answered_at.get_or_insert(now);
        let After { bye_ms, packets, hold_ms, resume_ms, say } = self.after;
        for (ms, step) in [(bye_ms, Do::Bye), (hold_ms, Do::Hold), (resume_ms, Do::Resume)] {
            if let Some(ms) = ms {
                self.plan(now.plus_ms(ms), step);
            }
        }
        if let Some((ms, word)) = say {
            self.plan(now.plus_ms(ms), Do::Say(word));
        }
        for n in 0..packets {
            self.plan(now.plus_ms(u64::from(n) * 100 + 10), Do::Audio);
        }
    }
}
