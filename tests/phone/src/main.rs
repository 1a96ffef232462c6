//! `phone`: the test phone for people. One JSON line of the result on standard output, everything
//! else on standard error; exit code 0 for success, 1 for failure, 2 for wrong usage. Passwords
//! come from the environment or a file, never from the command line.

#[path = "main/args.rs"]
mod args;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Command};
use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::fleet::{CallView, Config as FleetConfig, Dial, Fleet, Order, Seat, Side};
use strowger_phone::flows::{FLOWS, Site};
use strowger_phone::rtp::tally::MediaReport;
use strowger_phone::{Config, EndedBy, Failure, Pattern, Phone};

/// Limit for an answer to an outgoing call.
const ANSWER: Duration = Duration::from_secs(60);
/// Limit for all of a fleet's calls to be answered and to end, beyond their own time.
const FLEET_ENDS: Duration = Duration::from_secs(60);
/// Time between our ringing and our answer.
const RING: Duration = Duration::from_millis(500);
/// Time for the last packets to come back before BYE.
const LAST_ECHO: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            say(&format!("phone: {error}\n\n{}", args::USAGE));
            return ExitCode::from(2);
        }
    };
    let result = match &args.command {
        Command::Help => {
            print(args::USAGE);
            return ExitCode::SUCCESS;
        }
        Command::Register => register(&args),
        Command::Call { number } => call(&args, number),
        Command::Answer => answer(&args),
        Command::Carrier => carrier(&args),
        Command::Flow { names } => flow(&args, names),
        Command::Fleet => fleet(&args),
    };
    match result {
        Ok(value) => {
            let good = value.get("ok") == Some(&Value::Bool(true));
            print(&value.to_string());
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(&error.text);
            print(
                &json!({"ok": false, "code": error.code, "error": error.first_line()}).to_string(),
            );
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, for both outputs.
struct Trouble {
    code: Option<u16>,
    text: String,
}

impl Trouble {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code(), text: failure.to_string() }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self { code: None, text: error.to_string() }
    }
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self { code: None, text }
    }
}

fn register(args: &Args) -> Result<Value, Trouble> {
    let phone = Phone::new(config(args))?;
    let done = phone.register(args.expires_s)?;
    let algorithms: Vec<&str> = done.challenges.iter().map(|c| c.algorithm.name()).collect();
    Ok(json!({
        "ok": true, "user": args.user, "contact": phone.addr().to_string(),
        "expires_s": done.expires_s, "contacts": done.contacts, "challenges": algorithms,
    }))
}

fn call(args: &Args, number: &str) -> Result<Value, Trouble> {
    let phone = Phone::new(config(args))?;
    let call = phone.invite(number)?;
    call.wait_answer(ANSWER)?;
    let packets = args.seconds.unwrap_or(5) * 1_000 / u64::from(args.ptime_ms);
    let sent = call.send_rtp(packets, Pattern::Marked);
    std::thread::sleep(LAST_ECHO);
    let end = match (call.ended(), sent) {
        (Some(end), _) => end,
        (None, Ok(())) => call.bye()?,
        (None, Err(failure)) => return Err(failure.into()),
    };
    let report = call.media_report();
    let back = report.stream(report.own_stream).map_or(0, |own| own.received);
    Ok(json!({
        "ok": matches!(end, EndedBy::LocalBye | EndedBy::RemoteBye), "number": number,
        "provisional": call.provisional_codes(), "ended": format!("{end:?}"),
        "echo_received": back, "media": media(&report),
    }))
}

fn answer(args: &Args) -> Result<Value, Trouble> {
    let phone = Phone::new(config(args))?;
    phone.register(args.expires_s)?;
    say(&format!("registered {} at {}; waiting for a call", args.user, phone.addr()));
    let taken = take_call(args, &phone);
    let removed = phone.unregister();
    let value = taken?;
    removed?;
    Ok(value)
}

fn take_call(args: &Args, phone: &Phone) -> Result<Value, Trouble> {
    let limit = Duration::from_secs(args.seconds.unwrap_or(3_600));
    let call = phone.wait_call(limit)?;
    let from = call.request().header("From").unwrap_or_default().to_owned();
    call.ring()?;
    std::thread::sleep(RING);
    call.set_echo(true);
    call.answer()?;
    let end = call.wait_end(limit)?;
    let report = call.media_report();
    Ok(json!({
        "ok": matches!(end, EndedBy::RemoteBye), "from": from, "ended": format!("{end:?}"),
        "media": media(&report),
    }))
}

fn carrier(args: &Args) -> Result<Value, Trouble> {
    let carrier = Carrier::with(Config { trying: false, ..config(args) })?;
    for (number, script) in &args.scripts {
        carrier.script(number, *script);
    }
    say(&format!("carrier at {}", carrier.addr()));
    let limit = Duration::from_secs(args.seconds.unwrap_or(3_600));
    let count = usize::try_from(args.calls).unwrap_or(usize::MAX);
    let waited = carrier.wait_ended(count, limit);
    let calls: Vec<Value> = carrier
        .seen()
        .iter()
        .map(|seen| {
            json!({
                "number": seen.number(), "from": seen.from(), "to": seen.to(),
                "asserted": seen.asserted(), "ended": seen.ended.map(|end| format!("{end:?}")),
                "failure": seen.failure, "media": seen.media.as_ref().map(media),
            })
        })
        .collect();
    if let Err(text) = &waited {
        say(text);
    }
    Ok(json!({"ok": waited.is_ok(), "calls": calls}))
}

fn flow(args: &Args, names: &[String]) -> Result<Value, Trouble> {
    let ring_timeout = Duration::from_secs(args.ring_timeout_s);
    let site = Site { server: args.server, ring_timeout, carrier: args.carrier };
    let chosen =
        FLOWS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name));
    let mut results = serde_json::Map::new();
    let mut good = true;
    for (name, flow) in chosen {
        let result = flow(&site);
        say(&format!("{} {name}", if result.is_ok() { "passed" } else { "failed" }));
        if let Err(text) = &result {
            say(text);
        }
        good &= result.is_ok();
        let first = result.err().and_then(|text| text.lines().next().map(str::to_owned));
        results.insert((*name).to_owned(), json!(first.unwrap_or_else(|| "passed".to_owned())));
    }
    Ok(json!({"ok": good, "flows": results}))
}

/// Many calls, ended by either side in turn.
fn fleet(args: &Args) -> Result<Value, Trouble> {
    let seat = |bind, user: &str, password: &str| Seat {
        bind,
        user: user.to_owned(),
        password: password.to_owned(),
    };
    let (far, dial) = if args.peer.is_empty() {
        (seat(args.carrier, "carrier", ""), Dial::Numbered(args.to.clone()))
    } else {
        let any = SocketAddr::new(args.bind.ip(), 0);
        (seat(any, &args.peer, &args.peer_password), Dial::Fixed(args.peer.clone()))
    };
    let fleet = Fleet::new(FleetConfig {
        server: args.server,
        near: seat(args.bind, &args.user, &args.password),
        far,
        dial,
        packets_per_s: args.packets_per_s,
        t1: Duration::from_millis(500),
    })?;
    if !args.peer.is_empty() {
        fleet.register(Side::Far, args.expires_s, ANSWER)?;
    }
    let talk = Duration::from_secs(args.seconds.unwrap_or(5));
    let ender = |at: u32| if at.is_multiple_of(2) { Side::Near } else { Side::Far };
    let numbers = fleet.calls(args.calls, args.per_s, |at| Order::lasting(talk, ender(at)));
    let dialling = Duration::from_secs(u64::from(args.calls / args.per_s.max(1)));
    let waited = fleet.wait_all(&numbers, "over", dialling + talk + FLEET_ENDS, CallView::is_over);
    if let Err(text) = &waited {
        say(text);
    }
    if !args.peer.is_empty() {
        fleet.register(Side::Far, 0, ANSWER)?;
    }
    let summary = fleet.summary();
    let whole = summary.foreign + summary.lost + summary.behind == 0;
    let mut told = summary.to_json();
    let well = fleet.views().iter().all(CallView::ended_well);
    if let Some(told) = told.as_object_mut() {
        told.insert("ok".to_owned(), json!(waited.is_ok() && well && whole));
    }
    Ok(told)
}

fn config(args: &Args) -> Config {
    Config {
        bind: args.bind,
        ptime_ms: args.ptime_ms,
        algorithms: args.algorithms.clone(),
        ..Config::new(&args.user, &args.password, args.server)
    }
}

fn media(report: &MediaReport) -> Value {
    let streams: Vec<Value> = report
        .streams
        .iter()
        .map(|s| {
            json!({
                "stream": format!("{:016x}", s.stream), "received": s.received, "lost": s.lost,
                "duplicated": s.duplicated, "reordered": s.reordered,
            })
        })
        .collect();
    let sources: Vec<Value> = report
        .sources
        .iter()
        .map(|(source, packets)| json!({"from": source.to_string(), "packets": packets}))
        .collect();
    json!({
        "own_stream": format!("{:016x}", report.own_stream), "sent": report.sent,
        "echoed": report.echoed, "received": report.received, "verified": report.verified,
        "corrupt": report.corrupt, "foreign": report.foreign, "malformed": report.malformed,
        "streams": streams, "sources": sources, "ssrc_changes": report.ssrc_changes,
        "source_changes": report.source_changes, "delay_p50_us": report.delay.p50_us,
        "delay_p99_us": report.delay.p99_us, "gap_max_us": report.gap.max_us,
        "rtcp": {
            "sent_sr": report.rtcp.sent_sr, "sent_rr": report.rtcp.sent_rr, "sr": report.rtcp.sr,
            "rr": report.rtcp.rr, "bye": report.rtcp.bye,
        },
    })
}

fn print(line: &str) {
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn say(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Scripts by the names of the command line.
fn script(name: &str) -> Option<Script> {
    match name {
        "echo" => Some(Script::echo()),
        "early" => Some(Script::early_media(Duration::from_secs(1))),
        "slow" => Some(Script::delayed(Duration::from_secs(3))),
        "busy" => Some(Script::busy()),
        "noanswer" => Some(Script::NoAnswer),
        "silent" => Some(Script::Silent),
        code => match code.parse() {
            Ok(code @ 300..=699) => Some(Script::refuse(code)),
            Ok(_) | Err(_) => None,
        },
    }
}
