//! What the command line asks for.
//!
//! | word | what |
//! |---|---|
//! | `calls` | calls between `--near` and `--far` by `--server` |
//! | `register` | registrations with digest of `--users` |
//! | `media` | `--standing` calls, by SIP or rtpengine's ng (`--ng`), whose flows carry packets |
//! | `mix` | calls and registrations at once, with standing calls' audio |
//! | `memory` | what a server holds for `--users` and `--standing` calls |
//!
//! `--rate N` or `--window N` say how calls are offered, `--register-rate`, `--register-window`
//! and `--packet-rate`, `--packet-window` the others; `--parts NAME:RATE:SECONDS,...` gives calls
//! several rates in turn, `--packet-parts` packets. `--warm S` goes before, `--secs S` is measured.
//! `--near-srtp` encrypts the audio of the near ends, with keys in descriptions.
//! `--flood N` sends that many packets a second at one port of a standing call, beside its audio.

use std::net::SocketAddr;

use serde_json::{Value, json};
use strowger_link::MS;

use crate::calls::{Calls, Dial, Kind};
use crate::cpu::{Meter, Server};
use crate::flood::Flood;
use crate::memory::Held;
use crate::net::Net;
use crate::pace::Offer;
use crate::register::{Nonces, Registers};
use crate::run::{Load, Part, ng_flows};
use crate::words::Words;

/// Most parts of a load.
const PARTS_MAX: usize = 16;

/// What is loaded, beside the pace.
struct Setup {
    load: Load,
    audio: Option<[(u8, SocketAddr); 2]>,
    standing: u32,
    asks: f64,
    ng: Option<SocketAddr>,
    srtp: bool,
    users: u32,
    run: u32,
}

/// Does what `words` ask for.
pub(crate) fn run(words: &[String]) -> Result<Value, String> {
    let (mode, rest) = words.split_first().ok_or("calls, register, media, mix or memory?")?;
    let mut words = Words::parse(rest)?;
    let (calls, registers) = match mode.as_str() {
        "calls" | "media" => (true, false),
        "register" => (false, true),
        "mix" | "memory" => (true, true),
        _ => return Err(format!("{mode}: calls, register, media, mix or memory?")),
    };
    let mut setup = set_up(&mut words, calls, registers)?;
    if mode == "memory" {
        return memory(setup, words);
    }
    let parts = parts(&mut words, mode)?;
    let packets = setup.audio.is_some() && setup.standing > 0;
    let flood: Option<f64> = words.value("flood")?;
    let seen = words.switch("register-first");
    words.done()?;
    if seen {
        setup.load.register_all(setup.users.into())?;
    }
    stand(&mut setup)?;
    if packets {
        let pace = parts.iter().find_map(|part| part.media).unwrap_or(Offer::Window(64));
        setup.load.warm_flows(pace, 1.0);
    }
    if setup.asks > 0.0 {
        let now = setup.load.net.now();
        if let Some(calls) = &mut setup.load.calls {
            calls.ask_standing(setup.asks, now);
        }
    }
    let flood = flood.map(|rate| begin_flood(&setup, rate)).transpose()?;
    let mut told = setup.load.run(&parts);
    told["flooded"] = json!(flood.map(Flood::end));
    told["mode"] = json!(mode);
    Ok(told)
}

/// The port of RTCP beside the first flow's: a port of a call, at which no audio can be lost.
fn begin_flood(setup: &Setup, rate: f64) -> Result<Flood, String> {
    let (Some([(_, near), _]), Some(mut to)) = (setup.audio, setup.load.media.first()) else {
        return Err("--flood needs standing calls with audio".into());
    };
    to.set_port(to.port().saturating_add(1));
    Flood::begin(near.ip(), to, rate)
}

fn stand(setup: &mut Setup) -> Result<(), String> {
    match (setup.ng, setup.audio) {
        (Some(server), Some(audio)) => {
            let audio = (audio, setup.srtp);
            ng_flows(&mut setup.load.media, server, audio, setup.standing, setup.run)
        }
        (Some(_), None) => Err("--ng needs --near-audio and --far-audio".into()),
        (None, _) if setup.standing > 0 => setup.load.stand(setup.standing),
        (None, _) => Ok(()),
    }
}

fn set_up(words: &mut Words, calls: bool, registers: bool) -> Result<Setup, String> {
    let near = words.addresses("near")?;
    let far = words.value::<SocketAddr>("far")?;
    let ends: [Option<SocketAddr>; 2] = [words.value("near-audio")?, words.value("far-audio")?];
    let ng = words.value("ng")?;
    let mut sockets: Vec<SocketAddr> = near.clone();
    sockets.extend(far);
    let audio_from = u8::try_from(sockets.len()).map_err(|e| e.to_string())?;
    let audio = match ends.into() {
        (Some(near), Some(far)) => {
            sockets.extend([near, far]);
            true
        }
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => return Err("audio needs both ends".into()),
    };
    let server = words.value("cpu")?.map(|text: String| Server::parse(&text)).transpose()?;
    let meter = Meter::new(server, words.or("core", 0)?);
    let patience = words.or("patience", 10.0)?;
    let mut net = Net::open(&sockets)?;
    let bound = |number: u8| net.address(number).ok_or_else(|| "no such socket".to_owned());
    let near = (0u8..).take(near.len()).map(|n| Ok((n, bound(n)?)));
    let near = near.collect::<Result<Vec<_>, String>>()?;
    let audio = if audio {
        let pair = [(audio_from, bound(audio_from)?), (audio_from + 1, bound(audio_from + 1)?)];
        Some(pair)
    } else {
        None
    };
    let far = far.map(|_| Ok::<_, String>((audio_from - 1, bound(audio_from - 1)?))).transpose()?;
    let now = net.now();
    let run = words.or("run", (now.0 / 1_000) as u32)?;
    let standing = words.or("standing", 0)?;
    let asks = words.or("ask-rate", 0.0)?;
    let srtp = words.switch("near-srtp");
    let mut load = Load::new(net, audio_from, meter, patience);
    let server = if ng.is_none() { Some(words.need("server")?) } else { None };
    let server = server.map(|text| text.parse::<SocketAddr>());
    let server = server.transpose().map_err(|_| "--server: IP:PORT is wanted")?;
    let mut users = 0;
    if let Some(server) = server {
        let domain = words.or("domain", server.to_string())?;
        if registers {
            let sockets = near.clone();
            let plan = register_plan(words, server, sockets, &domain, run)?;
            users = plan.users;
            load.registers = Some(Registers::new(plan, now));
        }
        if calls {
            let far = far.ok_or("--far is missing")?;
            let plan = call_plan(words, server, near, far, (audio, srtp), domain, run)?;
            load.calls = Some(Calls::new(plan, now));
        }
    }
    Ok(Setup { load, audio, standing, asks, ng, srtp, users, run })
}

fn register_plan(
    words: &mut Words,
    server: SocketAddr,
    sockets: Vec<(u8, SocketAddr)>,
    domain: &str,
    run: u32,
) -> Result<crate::register::Plan, String> {
    if sockets.is_empty() {
        return Err("--near is missing".into());
    }
    let nonces = match words.or("nonces", "fresh".to_owned())?.as_str() {
        "fresh" => Nonces::Fresh,
        "reuse" => Nonces::Reuse,
        other => return Err(format!("--nonces {other}: fresh or reuse?")),
    };
    Ok(crate::register::Plan {
        server,
        sockets,
        prefix: words.or("user-prefix", "2".to_owned())?,
        users: words.or("users", 1_000u32)?.max(1),
        password: words.or("password-prefix", "secret".to_owned())?,
        domain: domain.into(),
        nonces,
        expires_s: words.or("expires", 3_600)?,
        contact: words.value("contact")?,
        run,
    })
}

fn call_plan(
    words: &mut Words,
    server: SocketAddr,
    near: Vec<(u8, SocketAddr)>,
    far: (u8, SocketAddr),
    (audio, srtp): (Option<[(u8, SocketAddr); 2]>, bool),
    domain: String,
    run: u32,
) -> Result<crate::calls::Plan, String> {
    if near.is_empty() {
        return Err("--near is missing".into());
    }
    let dial = match (words.or("dial", "44".to_owned())?, words.value("dial-users")?) {
        (prefix, Some(count)) => Dial::Users(prefix, count),
        (prefix, None) => Dial::Numbered(prefix),
    };
    let inside = match words.or("inside", "options".to_owned())?.as_str() {
        "options" => Kind::Options,
        "reinvite" => Kind::Reinvite,
        other => return Err(format!("--inside {other}: options or reinvite?")),
    };
    let ms = |value: f64| (value * MS as f64) as u64;
    // Slots are numbers of six digits.
    let slots = words.or("slots", 60_000u32)?.min(999_999);
    Ok(crate::calls::Plan {
        server,
        near,
        far,
        audio: if words.switch("no-sdp") { None } else { audio },
        srtp,
        dial,
        domain,
        caller: words.or("caller", "49301234".to_owned())?,
        hold_ns: ms(words.or("hold-ms", 0.0)?),
        ring_ns: ms(words.or("ring-ms", 0.0)?),
        give_up_ns: ms(words.or("give-up-ms", 8_000.0)?),
        packets: words.or("packets", 0)?,
        inside,
        slots,
        run,
    })
}

/// How something is offered: `--NAMErate` or `--NAMEwindow`.
fn offer(words: &mut Words, name: &str) -> Result<Option<Offer>, String> {
    let rate: Option<f64> = words.value(&format!("{name}rate"))?;
    let window: Option<u32> = words.value(&format!("{name}window"))?;
    match (rate, window) {
        (Some(_), Some(_)) => Err(format!("--{name}rate or --{name}window, not both")),
        (Some(rate), None) => Ok(Some(Offer::Rate(rate))),
        (None, Some(window)) => Ok(Some(Offer::Window(window))),
        (None, None) => Ok(None),
    }
}

fn parts(words: &mut Words, mode: &str) -> Result<Vec<Part>, String> {
    let (calls, registers) = (offer(words, "")?, offer(words, "register-")?);
    let media = offer(words, "packet-")?;
    let (calls, registers) = match mode {
        "register" => (None, calls.or(registers)),
        _ => (calls, registers),
    };
    let (warm, seconds) = (words.or("warm", 1.0)?, words.or("secs", 5.0)?);
    let part = |name: &str, offers: [Option<Offer>; 3], seconds, measured| {
        let [calls, registers, media] = offers;
        Part { name: name.into(), calls, registers, media, seconds, measured }
    };
    let several = (words.text("parts"), words.text("packet-parts"));
    let mut parts = Vec::new();
    match several {
        (None, None) => {
            if warm > 0.0 {
                parts.push(part("warm", [calls, registers, media], warm, false));
            }
            parts.push(part("measured", [calls, registers, media], seconds, true));
        }
        (Some(text), None) => {
            for (name, rate, seconds) in rates(&text)? {
                parts.push(part(name, [Some(rate), registers, media], seconds, true));
            }
        }
        (None, Some(text)) => {
            for (name, rate, seconds) in rates(&text)? {
                parts.push(part(name, [calls, registers, Some(rate)], seconds, true));
            }
        }
        (Some(_), Some(_)) => return Err("--parts or --packet-parts, not both".into()),
    }
    if parts.len() > PARTS_MAX {
        return Err(format!("at most {PARTS_MAX} parts"));
    }
    Ok(parts)
}

/// Parts as `NAME:RATE:SECONDS`, or `NAME:wWINDOW:SECONDS`, with commas between.
fn rates(text: &str) -> Result<Vec<(&str, Offer, f64)>, String> {
    let part = |word| {
        let wrong = || format!("{word}: NAME:RATE:SECONDS or NAME:wWINDOW:SECONDS is wanted");
        let fields: Vec<&str> = str::split(word, ':').collect();
        let [name, offer, seconds] = fields.as_slice() else { return Err(wrong()) };
        let offer = match offer.strip_prefix('w') {
            Some(window) => Offer::Window(window.parse().map_err(|_| wrong())?),
            None => Offer::Rate(offer.parse().map_err(|_| wrong())?),
        };
        Ok((*name, offer, seconds.parse().map_err(|_| wrong())?))
    };
    text.split(',').map(part).collect()
}

/// What a server holds: before, with all users registered, with all calls standing.
fn memory(mut setup: Setup, mut words: Words) -> Result<Value, String> {
    let held = Held::parse(&words.need("memory")?)?;
    let settle: f64 = words.or("settle", 3.0)?;
    let packets = offer(&mut words, "packet-")?.unwrap_or(Offer::Rate(20_000.0));
    words.done()?;
    let begun = held.bytes();
    setup.load.register_all(setup.users.into())?;
    setup.load.rest(settle);
    let registered = held.bytes();
    stand(&mut setup)?;
    if setup.audio.is_some() {
        setup.load.warm_flows(packets, 2.0);
    }
    setup.load.rest(settle);
    let standing = held.bytes();
    let told = setup.load.run(&[]);
    let each = |more: u64, less: u64, count: u32| {
        more.saturating_sub(less) as f64 / f64::from(count.max(1))
    };
    Ok(json!({
        "mode": "memory",
        "kind": held.kind(),
        "users": setup.users,
        "calls": setup.standing,
        "bytes": { "before": begun, "registered": registered, "standing": standing },
        "bytes_per_user": each(registered, begun, setup.users),
        "bytes_per_call": each(standing, registered, setup.standing),
        "all_per_user_and_call": {
            "user": registered as f64 / f64::from(setup.users.max(1)),
            "call": standing as f64 / f64::from(setup.standing.max(1)),
        },
        "load": told,
    }))
}

/// Lines of number, name and MD5 of name, realm and password: the users that `register` knows.
pub(crate) fn users(words: &[String]) -> Result<String, String> {
    let mut words = Words::parse(words)?;
    let (count, realm) = (words.or("count", 1_000u32)?, words.need("realm")?);
    let prefix = words.or("user-prefix", "2".to_owned())?;
    let password = words.or("password-prefix", "secret".to_owned())?;
    words.done()?;
    let line = |number: u32| {
        let name = format!("{prefix}{number:05}");
        let secret = format!("{password}{name}");
        let ha1 = crate::digest::hash(&[name.as_bytes(), realm.as_bytes(), secret.as_bytes()]);
        format!("{number},{name},{}\n", String::from_utf8_lossy(&ha1))
    };
    Ok((0..count).map(line).collect::<String>().trim_end().to_owned())
}
