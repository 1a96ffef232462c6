//! A storm of requests: twice what the switch can serve, then half of it.
//!
//! The switch takes virtual time for its work here. Requests are sent whether they are answered or
//! not, as a crowd does. What must hold, whatever the seed: requests of running dialogs are
//! answered within [`ANSWER_MS`] throughout; what is served goes on at nearly the capacity; nothing
//! heaps up; of what is sent later than [`TAIL_MS`] behind the storm nothing is lost or refused;
//! and the limits of strangers never hit a carrier.

use crate::agent::{After, Callee, Caller};
use crate::fault::Plant;
use crate::law::Breach;
use crate::plan;
use crate::script::register_all;
use crate::world::{Action, CARRIER, Work, World, WorldConfig};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use strowger_link::{MS, SECOND, Tick};
use strowger_phone::message::Message;
use strowger_shard::{Counts, Limits};

/// Begins the Call-IDs of storms.
pub const MARK: &str = "storm-";
/// Within this time a request of a dialog is answered, milliseconds.
pub const ANSWER_MS: u64 = 400;
/// What waits at the end of the storm is worked off in this time, milliseconds: the target of the
/// delay, and two requests.
pub const TAIL_MS: u64 = 60;
/// What one request that is served costs, and one that is shed.
const WORK: Work = Work { serve_ns: 5 * MS, shed_ns: MS / 4 };
/// Requests a second that can be served.
const CAPACITY: u64 = SECOND / WORK.serve_ns;
/// How long the storm lasts, and what is looked at behind it, seconds.
const STORM_S: u64 = 10;
const AFTER_S: u64 = 2;
/// Requests of dialogs a second, and of a carrier.
const IN_DIALOG: u64 = 10;
const OF_CARRIER: u64 = 60;
/// A crowd's address.
const CROWD: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7)), 5060);

/// Whether a datagram is of a storm.
#[must_use]
pub fn is_marked(data: &[u8]) -> bool {
    let mark = format!("Call-ID: {MARK}");
    data.windows(mark.len()).any(|part| part == mark.as_bytes())
}

/// Datagrams that ended before the endpoint.
#[must_use]
pub fn shed(counts: &Counts) -> u64 {
    let Counts { shed_refused, shed_silent, shed_repeats, shed_acks, .. } = counts;
    let Counts { limited_datagrams, limited_requests, .. } = counts;
    shed_refused + shed_silent + shed_repeats + shed_acks + limited_datagrams + limited_requests
}

/// A request of a storm.
#[must_use]
pub fn request(method: &str, from: SocketAddr, name: &str, to_tag: &str) -> Vec<u8> {
    let switch = plan::switch_for(from);
    format!(
        "{method} sip:1001@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:crowd@{from}>;tag={name}\r\n\
         To: <sip:1001@{switch}>{to_tag}\r\nCall-ID: {MARK}{name}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:crowd@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// What was sent under a Call-ID, and when.
type Sent = BTreeMap<String, Tick>;

/// One kind of request at a rate.
struct Stream<'a> {
    method: &'a str,
    from: SocketAddr,
    to_tag: &'a str,
    per_second: u64,
}

impl Stream<'_> {
    /// Sends from `from_s` on for `for_s` seconds; the first one somewhere within its interval.
    fn send(&self, world: &mut World, from_s: u64, for_s: u64) -> Sent {
        let Stream { method, from, to_tag, per_second } = self;
        let each_ns = SECOND / per_second;
        let first_ns = from_s * SECOND + world.dice().below(each_ns);
        let mut sent = Sent::new();
        for n in 0..per_second * for_s {
            let (kind, port) = (method.to_lowercase(), from.port());
            let name = format!("{kind}-{}-{port}-{from_s}-{n}", to_tag.len());
            let data = request(method, *from, &name, to_tag);
            let at_ns = first_ns + n * each_ns;
            world.at_ns(at_ns, Action::Raw(*from, data));
            sent.insert(format!("{MARK}{name}"), world.now().plus_ns(at_ns));
        }
        sent
    }
}

/// The codes that requests were answered with, and after how many milliseconds.
fn answers(world: &World, sent: &Sent) -> BTreeMap<String, (u16, u64)> {
    let mut all = BTreeMap::new();
    for (at, data) in &world.witnessed {
        let Ok(message) = Message::parse(data) else { continue };
        let id = message.header("Call-ID").unwrap_or_default();
        let (Some(sent), Some(code)) = (sent.get(id), message.code()) else { continue };
        all.entry(id.to_owned()).or_insert((code, at.ms_since(*sent)));
    }
    all
}

/// All of these were answered by `code` in time.
fn demand(world: &World, what: &str, sent: &Sent, code: u16) -> Result<(), Breach> {
    let answers = answers(world, sent);
    for id in sent.keys() {
        match answers.get(id) {
            Some((got, ms)) if *got == code && *ms <= ANSWER_MS => {}
            Some((got, ms)) => {
                return Err(world.breach(&format!("{what}: {id} got {got} after {ms} ms")));
            }
            None => return Err(world.breach(&format!("{what}: {id} got no answer"))),
        }
    }
    Ok(())
}

/// A storm beside a call, from a seed.
///
/// # Errors
/// The first law that was broken.
pub fn storm(seed: u64, plant: Option<Plant>) -> Result<Option<World>, Breach> {
    let config = WorldConfig { plant, ..WorldConfig::perfect(seed) };
    // A crowd behind one address: its limits are another test's.
    let crowd = Limits { exempt: vec![(CROWD.ip(), 32)], stranger_requests: 20, ..limits() };
    let Some(mut world) = World::limited(config, crowd) else { return Ok(None) };
    register_all(&mut world)?;
    // A call that is up meanwhile, held and resumed.
    let after = After { hold_ms: Some(3_000), resume_ms: Some(6_000), ..After::talk(11_000) };
    world.at(0, Action::Expect(CARRIER, Callee::answering(100, After::talk(60_000))));
    world.at(1, Action::Call(0, Caller { to: "44201234".into(), cancel_ms: None, after }));
    world.run_ms(1_000)?;
    world.set_work(WORK);
    let crowd = |per_second| Stream { method: "INVITE", from: CROWD, to_tag: "", per_second };
    let all_s = STORM_S + AFTER_S;
    let in_dialog = Stream { method: "INFO", from: CROWD, to_tag: ";tag=t", per_second: IN_DIALOG };
    let in_dialog = in_dialog.send(&mut world, 0, all_s);
    let during = crowd(2 * CAPACITY).send(&mut world, 0, STORM_S);
    // With the other two streams about half of the capacity.
    let mut behind = crowd(CAPACITY / 2 - IN_DIALOG).send(&mut world, STORM_S, AFTER_S);
    let tail = world.now().plus_ms(STORM_S * 1_000 + TAIL_MS);
    behind.retain(|_, sent| *sent >= tail);
    world.run_ms((all_s + 1) * 1_000)?;
    demand(&world, "a request of a dialog", &in_dialog, 481)?;
    demand(&world, "a request after the storm", &behind, 401)?;
    judge_storm(&world, &during)?;
    // A carrier sends more than a stranger may.
    let carrier = plan::carrier_address(1);
    let carrier = Stream { method: "OPTIONS", from: carrier, to_tag: "", per_second: OF_CARRIER };
    let of_carrier = carrier.send(&mut world, 0, 3);
    world.run_ms(4_000)?;
    demand(&world, "a request of a carrier", &of_carrier, 200)?;
    world.quiesce()?;
    Ok(Some(world))
}

fn limits() -> Limits {
    Limits { stranger_datagrams: 100, ..Limits::default() }
}

/// What was served in the storm, and what heaped up.
fn judge_storm(world: &World, during: &Sent) -> Result<(), Breach> {
    let answers = answers(world, during);
    let count = |code: u16| answers.values().filter(|(got, _)| *got == code).count() as u64;
    let (served, refused) = (count(401), count(503));
    let could = CAPACITY * STORM_S;
    if served * 10 < could * 6 || refused == 0 {
        let what = format!("of {could} that could be served {served} were, {refused} refused");
        return Err(world.breach(&what));
    }
    // Half a second of the storm at most.
    let most = usize::try_from(CAPACITY).unwrap_or(usize::MAX);
    if world.waiting_max > most {
        return Err(world.breach(&format!("{} datagrams waited at once", world.waiting_max)));
    }
    Ok(())
}
