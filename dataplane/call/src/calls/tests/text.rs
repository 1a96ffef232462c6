//! Outputs and facts as lines of a transcript.

use super::media::letter;
use crate::{Entry, Output};
use strowger_leg::{Body, Command};
use strowger_link::{Ask, AskBody, CallFacts, Cause, Fact, HeaderField, Up};

/// One output; `None` for what a transcript does not show.
pub(super) fn output_text(output: &Output, show_live: bool) -> Option<String> {
    Some(match output {
        Output::Slot { state, .. } => format!("table {state:?}").to_lowercase(),
        Output::Done { .. } => "done".to_owned(),
        Output::Free { .. } => "free".to_owned(),
        Output::Journal { entry: Entry::Start, .. } => "journal start".to_owned(),
        Output::Journal { entry: Entry::Ended, facts, .. } => ended_text(facts),
        Output::Up(Up::Started(_)) => "started".to_owned(),
        Output::Up(Up::Abandoned(_)) => "abandoned".to_owned(),
        Output::Up(Up::Verb(result)) => format!("verb {:?}", result.outcome).to_lowercase(),
        Output::Up(Up::Live(live)) if show_live => {
            format!("live {} {:?}", letter(live.leg.leg), live.state).to_lowercase()
        }
        Output::Up(Up::Live(_)) => return None,
        Output::Up(
            Up::Ask(_)
            | Up::Journal(_)
            | Up::Turned(_)
            | Up::Counters(_)
            | Up::Listeners(_)
            | Up::Upstream(_)
            | Up::FlowFailed(_)
            | Up::Probed(_)
            | Up::FlowEpoch(_)
            | Up::Sounds(_),
        ) => panic!("{output:?}"),
        Output::Ask(ask) => ask_text(ask),
        Output::Leg { leg, command } => format!("{}< {}", letter(leg.leg), command_text(command)),
    })
}

fn ended_text(facts: &CallFacts) -> String {
    match facts.facts.last() {
        Some(Fact::Ended(end)) => {
            format!("journal ended {} {:?} {:?}", cause_text(end.cause), end.by, end.reason)
        }
        other => panic!("the last fact is {other:?}"),
    }
}

fn ask_text(ask: &Ask) -> String {
    match &ask.body {
        AskBody::Call(call) if call.emergency => "ask call emergency".to_owned(),
        AskBody::Call(_) => "ask call".to_owned(),
        AskBody::Extend(e) => format!("ask extend {}ms of {}ms", e.used_ms, e.granted_ms),
        AskBody::Reroute(again) => format!("ask reroute {} {:?}", again.call.called, again.tried),
        AskBody::Transfer(transfer) => format!("ask transfer {}", transfer.called),
        AskBody::Redirected(r) => {
            format!("ask redirected {} {} by {:#x}", r.status, r.contacts.join(" "), r.hop)
        }
        AskBody::Pickup(pickup) => {
            let rings = if pickup.ringing { " ringing" } else { "" };
            format!("ask pickup {} of {:?}{rings}", pickup.called, pickup.party)
        }
        AskBody::Register(_) | AskBody::Request(_) | AskBody::Resolve(_) | AskBody::App(_) => {
            panic!("{ask:?}")
        }
    }
}

pub(super) fn cause_text(cause: Cause) -> String {
    format!("{}/{}", cause.sip, cause.q850)
}

fn with_body(word: &str, body: Option<&Body>) -> String {
    match body {
        Some(body) => {
            let text = String::from_utf8_lossy(&body.data).trim().replace("\r\n", " ");
            format!("{word} {text}")
        }
        None => word.to_owned(),
    }
}

pub(super) fn command_text(command: &Command) -> String {
    match command {
        Command::Invite(invite) => with_body("invite", invite.body.as_ref()),
        Command::Progress { status, body } => {
            with_body(&format!("progress {status}"), body.as_ref())
        }
        Command::Answer { body } => with_body("answer", body.as_ref()),
        Command::Confirm { body } => with_body("confirm", body.as_ref()),
        Command::Hangup { cause, phrase, retry_after_s } => {
            let mut text = format!("hangup {}", cause_text(*cause));
            if !phrase.is_empty() {
                text += &format!(" \"{phrase}\"");
            }
            if *retry_after_s > 0 {
                text += &format!(" retry-after {retry_after_s}");
            }
            text
        }
        Command::Fields(fields) => {
            let said =
                |f: &HeaderField| format!(" {}: {}", f.name, String::from_utf8_lossy(&f.value.0));
            format!("fields{}", fields.iter().map(said).collect::<String>())
        }
        Command::Parts(parts) => {
            let kinds: Vec<&str> = parts.iter().map(|part| &*part.body.content_type).collect();
            format!("beside {}", kinds.join(" "))
        }
        Command::Challenge(challenge) => format!("challenge {}", challenge.realm),
        Command::Redirect { status, contacts } => {
            format!("redirect {status} {}", contacts.join(" "))
        }
        Command::Reoffer { body } => with_body("reoffer", body.as_ref()),
        Command::Update { body } => with_body("update", Some(body)),
        Command::Speak(manner) => format!("speak {:?} {:?}", manner.timer, manner.reliable),
        Command::ReofferAnswer { body } => with_body("reoffer-answer", body.as_ref()),
        Command::ReofferRefuse { cause } => format!("reoffer-refuse {}", cause_text(*cause)),
        Command::Info { body } => with_body("info", Some(body)),
        Command::Message { body } => with_body("message", Some(body)),
        Command::TransferAccept => "transfer-accept".to_owned(),
        Command::TransferRefuse { cause } => format!("transfer-refuse {}", cause_text(*cause)),
        Command::TransferProgress { status } => format!("transfer-progress {status}"),
    }
}

pub(super) fn fact_text(fact: &Fact) -> String {
    match fact {
        Fact::Began(f) => format!("began {} -> {}", f.from_user, f.received),
        Fact::LegOpened(f) => {
            let leg = letter(f.leg);
            format!("opened {leg} {:?} {}.{} {}", f.direction, f.stage, f.branch, f.dialed)
        }
        Fact::LegProgress(f) => format!("progress {} {}", letter(f.leg), f.status),
        Fact::LegAnswered(f) => format!("answered {}", letter(f.leg)),
        Fact::LegEnded(f) => {
            format!("ended {} {} {:?} {:?}", letter(f.leg), cause_text(f.cause), f.by, f.reason)
        }
        Fact::Joined(f) => format!("joined {} {}", letter(f.a), letter(f.b)),
        Fact::Parted(f) => format!("parted {} {}", letter(f.a), letter(f.b)),
        Fact::Granted(f) if f.ms == u64::MAX => "granted no-limit".to_owned(),
        Fact::Granted(f) => {
            let free = if f.free_ms > 0 { format!(" free {}ms", f.free_ms) } else { String::new() };
            format!("granted {}ms{free}{}", f.ms, if f.last { " last" } else { "" })
        }
        Fact::Ended(f) => {
            let cause = cause_text(f.cause);
            format!("ended {cause} {:?} {:?} dropped {}", f.by, f.reason, f.facts_dropped)
        }
    }
}
