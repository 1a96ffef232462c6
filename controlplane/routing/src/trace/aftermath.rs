//! What the dataplane did with a decision, in words, by the facts of the record.

use super::{Audience, RowNames, Said, Thing};
use core::fmt::Write as _;
use std::net::SocketAddr;
use strowger_model::{
    Audio, Cdr, CdrHop, CdrOutcome, FalseAnswer, SubscriberId, TrunkId, audio, false_answer,
    party_name, reason_name,
};

/// Milliseconds are said as such below this, as seconds from there on.
const MS_SAID_MAX: u64 = 10_000;

/// The branches of a record in order of time, and how it ended.
#[must_use]
pub fn aftermath(cdr: &Cdr, names: &dyn RowNames, audience: Audience) -> Vec<Said> {
    let teller = Teller { cdr, names, audience };
    let mut said: Vec<Said> = Vec::new();
    let mut hops: Vec<&CdrHop> = cdr.hops.iter().collect();
    hops.sort_by_key(|hop| hop.index);
    // The called leg stands at the one place that no other branch has.
    let places = (0u8..).zip(&hops);
    let own = places.take_while(|(place, hop)| *place == hop.index).count();
    let (before, behind) = hops.split_at(own);
    said.extend(before.iter().map(|hop| teller.lost(hop)));
    said.extend(teller.called(own));
    said.extend(behind.iter().map(|hop| teller.lost(hop)));
    if cdr.hops_dropped > 0 {
        let count = cdr.hops_dropped.to_string();
        let sentence = format!("{count} more branches failed, which are not kept");
        said.push(Said {
            code: "branches-dropped".into(),
            parameters: vec![("count", count)],
            sentence,
        });
    }
    said.extend(teller.answer());
    said.extend(teller.audio());
    said.push(teller.end());
    said
}

struct Teller<'a> {
    cdr: &'a Cdr,
    names: &'a dyn RowNames,
    audience: Audience,
}

/// One branch, whichever table it comes from.
struct Branch {
    number: usize,
    trunk: Option<TrunkId>,
    subscriber: Option<SubscriberId>,
    remote: Option<SocketAddr>,
    dialled: String,
}

impl Teller<'_> {
    /// A branch that failed, or lost.
    fn lost(&self, hop: &CdrHop) -> Said {
        let branch = Branch {
            number: usize::from(hop.index) + 1,
            trunk: hop.trunk,
            subscriber: hop.subscriber,
            remote: Some(hop.remote),
            dialled: hop.dialled.clone(),
        };
        let (mut sentence, mut parameters) = self.begin(&branch);
        let after = |to: i64| ms(hop.started_us, to);
        if let Some(rang_us) = hop.rang_us {
            let _ok = write!(sentence, " rang after {},", after(rang_us));
        }
        let ended = after(hop.ended_us);
        if let Some(answered_us) = hop.answered_us {
            let _ok = write!(sentence, " answered after {}, too late:", after(answered_us));
        }
        let _ok = write!(sentence, " {} after {ended}", verdict(hop.outcome));
        if self.goes_on_behind(hop) {
            sentence.push_str(", next");
        }
        put_outcome(hop.outcome, &mut parameters);
        Said { code: "branch-failed".into(), parameters, sentence }
    }

    /// It failed by itself, and another branch came behind it.
    fn goes_on_behind(&self, hop: &CdrHop) -> bool {
        let called = usize::from(self.cdr.called.remote.is_some());
        let is_last = usize::from(hop.index) + 1 >= self.cdr.hops.len() + called;
        let was_called_off =
            matches!(reason_name(hop.outcome.reason), Some("normal" | "cancelled"));
        !is_last && !was_called_off && hop.answered_us.is_none()
    }

    /// The called leg: the one that answered, else the last one tried.
    fn called(&self, place: usize) -> Option<Said> {
        let (side, times) = (&self.cdr.called, &self.cdr.times);
        let branch = Branch {
            number: place + 1,
            trunk: side.trunk,
            subscriber: side.subscriber,
            remote: Some(side.remote?),
            dialled: side.dialled.clone(),
        };
        let (mut sentence, mut parameters) = self.begin(&branch);
        let code = if times.answered_us.is_some() {
            let _ok = write!(sentence, " answered {} into the call", said_ms(times.setup_ms));
            "branch-answered"
        } else {
            let _ok = write!(sentence, " {}", verdict(self.cdr.outcome));
            put_outcome(self.cdr.outcome, &mut parameters);
            "branch-failed"
        };
        Some(Said { code: code.into(), parameters, sentence })
    }

    /// `hop 1, trunk 7 (carrier) at 192.0.2.7:5060 as 44123:`
    fn begin(&self, branch: &Branch) -> (String, Vec<(&'static str, String)>) {
        let mut sentence = format!("hop {}", branch.number);
        let mut parameters = vec![("hop", branch.number.to_string())];
        // Whom a trunk belongs to and where it stands is the operator's.
        let hidden = branch.trunk.is_some() && self.audience == Audience::Party;
        if !hidden {
            let trunk = branch.trunk.map(|id| ("trunk", Thing::Trunk, id.0));
            let subscriber = branch.subscriber.map(|id| ("subscriber", Thing::Subscriber, id.0));
            for (word, thing, id) in trunk.into_iter().chain(subscriber) {
                let name = self.names.name(thing, id).map(|name| format!(" ({name})"));
                let _ok = write!(sentence, ", {word} {id}{}", name.unwrap_or_default());
                parameters.push((word, id.to_string()));
            }
            if let Some(remote) = branch.remote {
                let _ok = write!(sentence, " at {remote}");
                parameters.push(("remote", remote.to_string()));
            }
            if !branch.dialled.is_empty() {
                let _ok = write!(sentence, " as {}", branch.dialled);
                parameters.push(("dialled", branch.dialled.clone()));
            }
        }
        sentence.push(':');
        (sentence, parameters)
    }

    /// That the answer was false. How a supplier's callee behaves is the operator's to know.
    fn answer(&self) -> Option<Said> {
        let (caller, called) = (self.cdr.caller_media.as_ref()?, self.cdr.called_media.as_ref()?);
        self.cdr.times.answered_us.filter(|_| self.audience == Audience::Operator)?;
        let (why, ms) = match false_answer(caller, called)? {
            FalseAnswer::RingsOn => ("what rang before it rang on behind it for", called.rang_ms),
            FalseAnswer::Silent => ("nothing came behind it for", called.silent_ms?),
        };
        Some(Said {
            code: "false-answer".into(),
            parameters: vec![("ms", ms.to_string())],
            sentence: format!("the answer was false: {why} {}", said_ms(ms.into())),
        })
    }

    /// That somebody was not heard.
    fn audio(&self) -> Option<Said> {
        let sentence = match audio(self.cdr)? {
            Audio::None => "one-way audio at its worst: nobody was heard",
            Audio::CallerOnly => "one-way audio: nobody heard the called party",
            Audio::CalledOnly => "one-way audio: nobody heard the caller",
            Audio::Bad | Audio::Fair | Audio::Good => return None,
        };
        let (parameters, sentence) = (Vec::new(), sentence.to_owned());
        Some(Said { code: "one-way-audio".into(), parameters, sentence })
    }

    fn end(&self) -> Said {
        let (times, outcome) = (&self.cdr.times, self.cdr.outcome);
        let mut parameters = vec![("talk_ms", times.talk_ms.to_string())];
        put_outcome(outcome, &mut parameters);
        let sentence = match (self.cdr.is_answered(), party_name(outcome.party)) {
            (true, Some(party)) => {
                let (talk, reason) = (said_ms(times.talk_ms), reason(outcome.reason));
                let who = if party == "unknown" { "somebody" } else { party };
                format!("the {who} ended the call after {talk} of talk: {reason}")
            }
            (true, None) => format!("the call ended after {} of talk", said_ms(times.talk_ms)),
            (false, _) => format!("nobody talked: {}", verdict(outcome)),
        };
        Said { code: "call-ended".into(), parameters, sentence }
    }
}

fn reason(code: u8) -> String {
    reason_name(code).map_or_else(|| format!("reason {code}"), str::to_owned)
}

/// `answered 503, cause 41 (peer-error)`.
fn verdict(outcome: CdrOutcome) -> String {
    let mut text = match outcome.sip {
        0 => "ended".to_owned(),
        sip => format!("answered {sip}"),
    };
    if outcome.q850 != 0 {
        let _ok = write!(text, ", cause {}", outcome.q850);
    }
    let _ok = write!(text, " ({})", reason(outcome.reason));
    text
}

fn put_outcome(outcome: CdrOutcome, parameters: &mut Vec<(&'static str, String)>) {
    let CdrOutcome { party, reason: why, sip, q850 } = outcome;
    parameters.push(("party", party_name(party).unwrap_or("unknown").to_owned()));
    parameters.push(("reason", reason(why)));
    parameters.push(("sip", sip.to_string()));
    parameters.push(("q850", q850.to_string()));
}

/// The time between two moments in words.
fn ms(from_us: i64, to_us: i64) -> String {
    said_ms(u64::try_from(to_us.saturating_sub(from_us) / 1_000).unwrap_or_default())
}

fn said_ms(ms: u64) -> String {
    if ms < MS_SAID_MAX { format!("{ms} ms") } else { format!("{} s", ms / 1_000) }
}
