//! Putting the dataplane together, and taking it apart.

use crate::complain;
use crate::keep::{self, AtEnd, Flags};
use crate::power::{self, CutOff};
use crate::state::{self, CallTable};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use strowger_call::CallsConfig;
use strowger_link::{CallFacts, FRAME_VERSION, Key, RecordId, Transport};
use strowger_port::eventfd::EventFd;
use strowger_port::journal_file::{Journal, JournalConfig, JournalHandle};
use strowger_port::mmsg::{Mmsg, MmsgConfig};
use strowger_port::shm::Window;
use strowger_port::signals::{HangUp, Signals};
use strowger_port::uplink::{RingSizes, Uplink, UplinkConfig, UplinkEvent, UplinkLane};
use strowger_port::{clock, pin, process, rng};
use strowger_shard::{Adopted, Limits, MediaAddress, MediaConfig, Setup, Shard};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Config as SipConfig, Listener};
use strowger_sip::transaction::Timers;
use strowger_tuning::{Config, Listener as Place, parse_cores};

/// DSCP of signalling (CS3) and media (EF), RFC 4594.
const SIP_DSCP: u8 = 24;
const MEDIA_DSCP: u8 = 46;
/// T2 and T4 (RFC 3261 table 4).
const T2_MS: u32 = 4_000;
const T4_MS: u32 = 5_000;
/// How often the main thread looks whether the shard's thread has ended its calls.
const LOOK_MS: u32 = 50;
/// How long calls may take to end after SIGTERM, milliseconds.
const END_MS_MAX: u64 = 3_000;
/// Nonces are judged by the key of the edge snapshot; before it comes, none is valid.
const NONCE_S_BEFORE_EDGE: u32 = 0;

type ProductionShard = Shard<Mmsg, JournalHandle, UplinkLane, Window>;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line for a person.
pub(crate) fn run(config: &Config) -> Result<(), String> {
    let signals = Signals::block(HangUp::Ignored).map_err(|e| format!("signals: {e}"))?;
    let mut ready = process::take_inherited("STROWGER_READY_FD").map_err(|e| e.to_string())?;
    let (run_dir, data) = (config.run_dir(), &config.node.data);
    let journal_dir = data.join("journal");
    for dir in [data, &run_dir, &journal_dir] {
        private_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    let (offered, sockets) = keep::claim(config)?;
    let epoch = state::next_epoch(data).map_err(|e| format!("epoch: {e}"))?;
    let table_file = run_dir.join("calls-0.table");
    let Tables { table, lost, recorded } = tables(config, &table_file, &journal_dir, epoch)?;
    let held = lost.iter().map(|facts| facts.record).chain(table.records.iter().copied());
    let cut = power::cut_off(&journal_dir, &held.collect())
        .map_err(|e| format!("{}: {e}", journal_dir.display()))?;
    let waker = EventFd::new().map_err(|e| format!("eventfd: {e}"))?;
    let (journal, mut handle) = start_journal(config, epoch, &table, &waker)?;
    power::record(&mut handle, &waker, &lost)?;
    power::record(&mut handle, &waker, &cut.calls)?;
    tell_ended(&lost, &cut);
    let CallTable { file, memory: _memory, table, token_key, slots, .. } = table;
    let uplink_config = UplinkConfig {
        path: run_dir.join("link.sock"),
        contract: FRAME_VERSION.into(),
        node: config.node.number,
        first_epoch: epoch.wrapping_mul(0x1_0000).max(1),
        rings: RingSizes::default(),
    };
    let path = uplink_config.path.clone();
    let shard_waker = waker.try_clone().map_err(|e| format!("eventfd: {e}"))?;
    let (mut uplink, mut lanes) = Uplink::bind(uplink_config, vec![shard_waker], vec![(0, file)])
        .map_err(|e| format!("{}: {e}", path.display()))?;
    let lane = lanes.pop().ok_or("the link gave no lane")?;
    let (io, listeners) = open_io(config, waker, sockets)?;
    let setup = setup(config, epoch, (token_key, slots), listeners)?;
    let mut shard = Shard::new(setup, io, handle, lane, table)
        .ok_or("media: the port range or the number of addresses is out of bounds")?;
    adopt(&mut shard, &recorded);
    let flags = Flags::new()?;
    let core = shard_core(config)?;
    let thread = start(shard, core, AtEnd(Arc::clone(&flags)))?;
    while signals.take().is_none() && !flags.ended.load(Ordering::Acquire) {
        match uplink.wait_beside(&[signals.as_fd(), flags.bell.as_fd()], None) {
            Ok(UplinkEvent::Refused) => complain("a control plane was refused: other version"),
            Ok(
                UplinkEvent::Nothing | UplinkEvent::Connected { .. } | UplinkEvent::Ended { .. },
            ) => {}
            Err(e) => return Err(format!("link: {e}")),
        }
        flags.bell.drain();
        if flags.ready.load(Ordering::Acquire) {
            offered.set_ready();
            tell_ready(&mut ready);
        }
    }
    flags.end.store(true, Ordering::Release);
    while !thread.is_finished() {
        let _event = uplink.wait(LOOK_MS);
    }
    let ended = thread.join().map_err(|_| "the shard's thread panicked: a bug".to_owned());
    journal.stop();
    ended
}

/// The call table, and what of a former life cannot go on in it.
struct Tables {
    table: CallTable,
    /// To be recorded: the calls of another boot.
    lost: Vec<CallFacts>,
    /// Records that stand in the journal as ended.
    recorded: BTreeSet<RecordId>,
}

fn tables(config: &Config, file: &Path, journal: &Path, epoch: u32) -> Result<Tables, String> {
    let of_table = |e: std::io::Error| format!("{}: {e}", file.display());
    let of_journal = |e: std::io::Error| format!("{}: {e}", journal.display());
    let (node, slots) = (config.node.number, config.slots());
    if let Some(table) = state::former_table(file, node, slots, epoch).map_err(of_table)? {
        let recorded = match table.records.is_empty() {
            true => Ok(BTreeSet::new()),
            false => state::recorded(journal),
        };
        return Ok(Tables { table, lost: Vec::new(), recorded: recorded.map_err(of_journal)? });
    }
    let lost = state::lost_calls(file, journal).map_err(of_journal)?;
    let table = state::call_table(file, node, slots, epoch).map_err(of_table)?;
    Ok(Tables { table, lost, recorded: BTreeSet::new() })
}

fn adopt(shard: &mut ProductionShard, recorded: &BTreeSet<RecordId>) {
    let began = clock::monotonic();
    let sum = shard.adopt(recorded);
    if sum == Adopted::default() {
        return;
    }
    let Adopted { adopted, ended, left, quarantined, unreadable } = sum;
    let took_us = clock::monotonic().ns_since(began) / 1_000;
    let (ms, tenths) = (took_us / 1_000, took_us / 100 % 10);
    complain(&format!(
        "took up {adopted} calls of the last life in {ms}.{tenths} ms; {ended} are ended, of these \
         {quarantined} in quarantine; {left} were over; {unreadable} slots could not be read"
    ));
}

fn tell_ended(lost: &[CallFacts], cut: &CutOff) {
    let CutOff { calls, unknown } = cut;
    for (count, what) in [
        (lost.len(), "calls of the last life are ended and recorded"),
        (calls.len(), "calls were cut off with the host and are recorded up to its last mark"),
        (*unknown, "answered calls left no readable beginning in the journal: no record of them"),
    ] {
        if count > 0 {
            complain(&format!("{count} {what}"));
        }
    }
}

fn tell_ready(ready: &mut Vec<std::os::fd::OwnedFd>) {
    for fd in ready.drain(..) {
        // A supervisor that is gone need not be told.
        let _gone = File::from(fd).write_all(b"ready\n");
    }
}

fn private_dir(dir: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn start_journal(
    config: &Config,
    epoch: u32,
    table: &CallTable,
    waker: &EventFd,
) -> Result<(Journal, JournalHandle), String> {
    let directory = config.node.data.join("journal");
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", directory.display());
    let journal_config = JournalConfig {
        segment_bytes: config.journal.segment_mib << 20,
        group_ms: config.journal.group_commit_ms,
        waiting_bytes_max: u64::from(config.journal.waiting_mib_max) << 20,
        keep_s: u64::from(config.journal.keep_days) * 86_400,
        ..JournalConfig::new(directory.clone(), config.node.number, epoch)
    };
    let memory = Arc::clone(&table.memory);
    let publish = move |position| strowger_link::table::publish_durable(memory.words(), position);
    let waker = waker.try_clone().map_err(|e| wrong(&e))?;
    let (journal, mut handles) =
        Journal::start(&journal_config, vec![waker], publish).map_err(|e| wrong(&e))?;
    let handle = handles.pop().ok_or_else(|| wrong(&"the journal gave no handle"))?;
    Ok((journal, handle))
}

/// Packet I/O over these sockets, and what they are to signalling.
fn open_io(
    config: &Config,
    waker: EventFd,
    sockets: Vec<UdpSocket>,
) -> Result<(Mmsg, Vec<Place>), String> {
    let bound = sockets.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>();
    let bound = bound.map_err(|e| format!("sip.listen: {e}"))?;
    let listeners = config.listeners(&bound).map_err(|e| e.to_string())?;
    let wrong = |e: std::io::Error| format!("sockets: {e}");
    let mut io = Mmsg::new(MmsgConfig {
        listeners: sockets,
        media_addresses: config.media.addresses.clone(),
        waker,
        sip_dscp: SIP_DSCP,
        media_dscp: MEDIA_DSCP,
    })
    .map_err(wrong)?;
    let bytes = |kib: u32| usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024);
    let overload = &config.overload;
    io.set_buffers(bytes(overload.sip_buffer_kib), bytes(overload.media_buffer_kib))
        .map_err(wrong)?;
    Ok((io, listeners))
}

fn random_key() -> Result<Key, String> {
    let bytes = rng::random_u128().map_err(|e| format!("randomness: {e}"))?;
    Ok(Key(bytes.to_le_bytes()))
}

fn setup(
    config: &Config,
    epoch: u32,
    (token_key, slots): (Key, u32),
    listeners: Vec<Place>,
) -> Result<Setup, String> {
    let nonces = Nonces::new(random_key()?, NONCE_S_BEFORE_EDGE);
    let mut sip = SipConfig::new(token_key, random_key()?, nonces);
    let of_listener = listeners.iter().map(|place| place.media).collect();
    let listener = |Place { local, advertised, .. }: Place| Listener {
        transport: Transport::Udp,
        local,
        advertised,
    };
    sip.listeners = listeners.into_iter().map(listener).collect();
    let t1_ms = config.sip.t1_ms;
    // T2 is never below T1 (RFC 3261 table 4).
    sip.timers = Timers::new(t1_ms, T2_MS.max(t1_ms), T4_MS)
        .map_err(|_| format!("sip.t1_ms: {t1_ms} is out of range"))?;
    let told =
        |index: usize, local: IpAddr| config.media.advertise.get(index).copied().unwrap_or(local);
    let addresses: Vec<MediaAddress> = config
        .media
        .addresses
        .iter()
        .enumerate()
        .map(|(index, local)| MediaAddress { local: *local, advertised: told(index, *local) })
        .collect();
    let ports = usize::from(config.media.port_max - config.media.port_min) + 1;
    Ok(Setup {
        sip,
        calls: CallsConfig {
            seg: 0,
            slots,
            shard: 0,
            ask_base: clock::monotonic().0 / 1_000,
            // Generations of one life do not meet those of the next.
            first_gen: (epoch as u16).wrapping_mul(257),
            ask_timeout_ms: config.sip.ask_timeout_ms,
        },
        media: MediaConfig {
            pairs_max: ports * addresses.len() / 4,
            addresses,
            of_listener,
            port_min: config.media.port_min,
            port_max: config.media.port_max,
            seed: rng::random_u64().map_err(|e| format!("randomness: {e}"))?,
        },
        ask_timeout_ms: config.sip.ask_timeout_ms,
        limits: limits(config),
    })
}

/// What the shard takes on.
fn limits(config: &Config) -> Limits {
    let overload = &config.overload;
    Limits {
        delay_ms: overload.delay_ms,
        interval_ms: overload.interval_ms,
        silence_ms: overload.silence_ms,
        stranger_datagrams: overload.stranger_datagrams,
        stranger_requests: overload.stranger_requests,
        stranger_challenges: overload.stranger_challenges,
        exempt: overload.exempt.iter().map(|net| (net.address, net.prefix_len)).collect(),
        units: config.units().into(),
        ask_ms: overload.ask_ms,
        ask_away_ms: overload.ask_restart_ms,
        media_late_ms: overload.media_late_ms,
    }
}

/// The shard's core: as configured, else the last of two or more, else none.
fn shard_core(config: &Config) -> Result<Option<usize>, String> {
    let named = parse_cores(&config.cores.shards).map_err(|e| format!("cores.shards: {e}"))?;
    let allowed = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    match named.first() {
        Some(core) if allowed.contains(core) || may_have(*core) => Ok(Some(*core)),
        Some(core) => Err(format!("cores.shards: this process may not run on core {core}")),
        None if allowed.len() < 2 => Ok(None),
        None => Ok(allowed.last().copied()),
    }
}

/// Whether a thread of ours can be pinned to a core that we do not run on. An isolated core
/// (`isolcpus`) is in nobody's set until a thread asks for it.
fn may_have(core: usize) -> bool {
    let asked = std::thread::spawn(move || pin::pin_current_thread(&[core]).is_ok());
    asked.join().unwrap_or(false)
}

fn start(
    shard: ProductionShard,
    core: Option<usize>,
    told: AtEnd,
) -> Result<JoinHandle<()>, String> {
    let body = move || {
        if let Some(core) = core
            && let Err(e) = pin::pin_current_thread(&[core])
        {
            complain(&format!("cores.shards: core {core}: {e}; the shard runs unpinned"));
        }
        serve(shard, &told.0);
    };
    let thread = std::thread::Builder::new().name("shard-0".into()).spawn(body);
    thread.map_err(|e| format!("thread: {e}"))
}

/// The shard's life: turn, sleep, turn; at the end calls are ended in order.
fn serve(mut shard: ProductionShard, flags: &Flags) {
    while !flags.end.load(Ordering::Acquire) {
        let until = shard.turn();
        flags.set_ready(shard.is_ready());
        shard.wait(until);
    }
    let give_up = clock::monotonic().plus_ms(END_MS_MAX);
    shard.shut_down();
    let is_busy = |shard: &ProductionShard| shard.calls_in_use() + shard.upstreams_in_use() > 0;
    while is_busy(&shard) && clock::monotonic() < give_up {
        let until = shard.turn();
        shard.wait(until.min(give_up));
    }
    shard.turn();
}
