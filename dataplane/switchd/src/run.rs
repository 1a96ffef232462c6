//! Putting the dataplane together, and taking it apart.

use crate::certificate::{self, Certificates};
use crate::complain;
use crate::identity;
use crate::keep::{self, AtEnd, Flags, Sockets};
use crate::power::{self, CutOff};
use crate::ring;
use crate::state::{self, CallTable};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use strowger_call::CallsConfig;
use strowger_link::{CallFacts, DOOR, FRAME_VERSION, Key, RecordId, SHARDS_MAX, Transport};
use strowger_path::Steering;
use strowger_port::eventfd::EventFd;
use strowger_port::journal_file::{Journal, JournalConfig, JournalHandle};
use strowger_port::mesh::{MESH_WORDS, mesh};
use strowger_port::mmsg::{Mmsg, MmsgConfig, Relayer, StreamListener, StreamsConfig, bind_stream};
use strowger_port::shm::Window;
use strowger_port::signals::{HangUp, Signal, Signals};
use strowger_port::uplink::{RingSizes, Uplink, UplinkConfig, UplinkEvent, UplinkLane};
use strowger_port::{clock, pin, process, rng};
use strowger_shard::{
    Adopted, KeySecret, Limits, MediaAddress, MediaConfig, MeshConfig, Setup, Shard, SharedGauges,
    Streams, Times, Unproven,
};
use strowger_sip::digest::Nonces;
use strowger_sip::endpoint::{Config as SipConfig, Listener};
use strowger_sip::transaction::Timers;
use strowger_tuning::{Backend, Config, Listener as Place, Sip, Transport as Spoken};

/// T4 (RFC 3261 table 4).
const T4_MS: u32 = 5_000;
/// How often the main thread looks whether the shard's thread has ended its calls.
const LOOK_MS: u32 = 50;
/// How long a shard runs at a time where somebody else wants its core, nanoseconds: so short that
/// it has the core as soon as a packet wakes it, whoever shakes hands or decides there.
const SLICE_NS: u64 = 200_000;
/// How long calls may take to end after SIGTERM, milliseconds.
const END_MS_MAX: u64 = 3_000;
/// Nonces are judged by the key of the edge snapshot; before it comes, none is valid.
const NONCE_S_BEFORE_EDGE: u32 = 0;

/// What a configuration may say is what tokens and tables can.
const _: () = assert!(strowger_tuning::SHARDS_MAX == SHARDS_MAX);

type ProductionShard = Shard<Mmsg, JournalHandle, UplinkLane, Window>;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line for a person.
pub(crate) fn run(config: &Config) -> Result<(), String> {
    let signals = Signals::block(HangUp::Told).map_err(|e| format!("signals: {e}"))?;
    let mut ready = process::take_inherited("STROWGER_READY_FD").map_err(|e| e.to_string())?;
    let (run_dir, data) = (config.run_dir(), &config.node.data);
    let journal_dir = data.join("journal");
    for dir in [data, &run_dir, &journal_dir] {
        private_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    let (offered, sockets) = keep::claim(config)?;
    let certificates = Certificates::read(config)?;
    let epoch = state::next_epoch(data).map_err(|e| format!("epoch: {e}"))?;
    let shards = config.shards();
    let Tables { tables, lost, recorded } = tables(config, &run_dir, &journal_dir, epoch)?;
    let of_tables = tables.iter().flat_map(|table| table.records.iter().copied());
    let held = lost.iter().map(|facts| facts.record).chain(of_tables);
    let cut = power::cut_off(&journal_dir, &held.collect())
        .map_err(|e| format!("{}: {e}", journal_dir.display()))?;
    let wakers = bells(shards)?;
    let (journal, mut handles) = start_journal(config, epoch, &tables, &wakers)?;
    if let (Some(handle), Some(waker)) = (handles.first_mut(), wakers.first()) {
        power::record(handle, waker, &lost)?;
        power::record(handle, waker, &cut.calls)?;
    }
    tell_ended(&lost, &cut);
    let (mut uplink, lanes) = link(config, epoch, &wakers, &tables)?;
    let (ios, places) = open_ios(config, &wakers, sockets)?;
    let parts = handles.into_iter().zip(lanes).zip(ios).zip(tables);
    let mut made = make(config, epoch, parts, &places)?;
    shake_hands(config, &certificates, &mut made, (&wakers, &places))?;
    adopt(&mut made, &recorded);
    let flags = Flags::new(shards)?;
    let threads = start(made, &shard_cores(config)?, &flags)?;
    let is_told = || is_told_to_end(&signals, || certificates.reload(config));
    while !is_told() && !flags.ended.load(Ordering::Acquire) {
        match uplink.wait_beside(&[signals.as_fd(), flags.bell.as_fd()], None) {
            Ok(UplinkEvent::Refused) => complain("a control plane was refused: other version"),
            Ok(
                UplinkEvent::Nothing | UplinkEvent::Connected { .. } | UplinkEvent::Ended { .. },
            ) => {}
            Err(e) => return Err(format!("link: {e}")),
        }
        flags.bell.drain();
        if flags.ready.load(Ordering::Acquire) == usize::from(shards) {
            offered.set_ready();
            tell_ready(&mut ready);
        }
    }
    flags.end.store(true, Ordering::Release);
    while !threads.iter().all(JoinHandle::is_finished) {
        let _event = uplink.wait(LOOK_MS);
    }
    let mut ended = Ok(());
    for thread in threads {
        ended = ended.and(thread.join().map_err(|_| "a shard's thread panicked: a bug".to_owned()));
    }
    journal.stop();
    ended
}

/// What a shard is made of.
type Part = (((JournalHandle, UplinkLane), Mmsg), CallTable);

/// Puts the shards together; several are one switch.
fn make(
    config: &Config,
    epoch: u32,
    parts: impl Iterator<Item = Part>,
    places: &[Place],
) -> Result<Vec<ProductionShard>, String> {
    let gauges = SharedGauges::new();
    let shards = config.shards();
    let mut made = Vec::with_capacity(usize::from(shards));
    for (number, (((handle, lane), io), table)) in (0..).zip(parts) {
        let CallTable { table, token_key, slots, .. } = table;
        let setup = setup(config, number, epoch, (token_key, slots), places.to_vec())?;
        let mut shard = Shard::new(setup, io, handle, lane, table)
            .ok_or("media: the port range or the number of addresses is out of bounds")?;
        record(&mut shard, config, number)?;
        let mesh = MeshConfig { shards, token_key, gauges: gauges.clone() };
        if shards > 1 && !shard.join(&mesh) {
            return Err(format!("cores.count: {shards} shards are too many"));
        }
        made.push(shard);
    }
    Ok(made)
}

/// Gives the shards the threads of handshakes: the door for connections, each for media's keys.
fn shake_hands(
    config: &Config,
    certificates: &Certificates,
    made: &mut [ProductionShard],
    (wakers, places): (&[EventFd], &[Place]),
) -> Result<(), String> {
    let handshaker = certificate::handshaker(config)?;
    let identity = identity::identity(&config.node.data)?;
    if let (Some(door), Some(waker)) = (made.first_mut(), wakers.first()) {
        let tls = certificates.tls(config, places, (&handshaker, waker))?;
        certificate::arm(door, config, tls, places)?;
    }
    for (shard, waker) in made.iter_mut().zip(wakers) {
        shard.set_dtls(identity::dtls(&identity, &handshaker, waker)?);
    }
    Ok(())
}

fn no_bell(e: std::io::Error) -> String {
    format!("eventfd: {e}")
}

/// The bell of each shard.
fn bells(shards: u8) -> Result<Vec<EventFd>, String> {
    (0..shards).map(|_| EventFd::new().map_err(no_bell)).collect()
}

fn clones(bells: &[EventFd]) -> Result<Vec<EventFd>, String> {
    bells.iter().map(|bell| bell.try_clone().map_err(no_bell)).collect()
}

/// Listens for the control plane, with a lane and a call table for each shard.
fn link(
    config: &Config,
    epoch: u32,
    wakers: &[EventFd],
    tables: &[CallTable],
) -> Result<(Uplink, Vec<UplinkLane>), String> {
    let uplink_config = UplinkConfig {
        path: config.run_dir().join("link.sock"),
        contract: FRAME_VERSION.into(),
        node: config.node.number,
        first_epoch: epoch.wrapping_mul(0x1_0000).max(1),
        rings: RingSizes::default(),
    };
    let path = uplink_config.path.clone();
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let files = (0..).zip(tables).map(|(seg, table)| Ok((seg, table.file.try_clone()?)));
    let files = files.collect::<std::io::Result<Vec<_>>>().map_err(wrong)?;
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    Uplink::bind(uplink_config, clones(wakers)?, files).map_err(wrong)
}

/// Whether a signal says that the process is to end. SIGHUP says that files are to be read again.
fn is_told_to_end(signals: &Signals, read_again: impl Fn()) -> bool {
    match signals.take() {
        Some(Signal::Terminate | Signal::Interrupt) => true,
        Some(Signal::HangUp) => {
            read_again();
            false
        }
        None => false,
    }
}

/// The call tables of all shards, and what of a former life cannot go on in them.
struct Tables {
    tables: Vec<CallTable>,
    /// To be recorded: the calls of another boot.
    lost: Vec<CallFacts>,
    /// Records that stand in the journal as ended.
    recorded: BTreeSet<RecordId>,
}

fn tables(config: &Config, run: &Path, journal: &Path, epoch: u32) -> Result<Tables, String> {
    let of_journal = |e: std::io::Error| format!("{}: {e}", journal.display());
    let (node, sizes) = (config.node.number, (config.shards(), config.slots()));
    if let Some(tables) = state::former_tables(run, node, sizes, epoch)? {
        let recorded = match tables.iter().all(|table| table.records.is_empty()) {
            true => Ok(BTreeSet::new()),
            false => state::recorded(journal),
        };
        return Ok(Tables { tables, lost: Vec::new(), recorded: recorded.map_err(of_journal)? });
    }
    let mut lost = Vec::new();
    for shard in 0..SHARDS_MAX {
        let file = state::table_file(run, shard);
        lost.extend(state::lost_calls(&file, journal).map_err(of_journal)?);
    }
    let tables = state::call_tables(run, node, sizes, epoch)?;
    Ok(Tables { tables, lost, recorded: BTreeSet::new() })
}

/// Has the shard write its messages down, if that is wanted.
fn record(shard: &mut ProductionShard, config: &Config, number: u8) -> Result<(), String> {
    let file = config.run_dir().join(format!("sip-{number}.tape"));
    if let Some(tape) = state::tape(&file, config.trace.messages_mib)? {
        shard.record_on(tape);
    }
    Ok(())
}

fn adopt(shards: &mut [ProductionShard], recorded: &BTreeSet<RecordId>) {
    let began = clock::monotonic();
    let mut sum = Adopted::default();
    for shard in shards {
        let of = shard.adopt(recorded);
        sum.adopted += of.adopted;
        sum.ended += of.ended;
        sum.left += of.left;
        sum.quarantined += of.quarantined;
        sum.unreadable += of.unreadable;
    }
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
    tables: &[CallTable],
    wakers: &[EventFd],
) -> Result<(Journal, Vec<JournalHandle>), String> {
    let directory = config.node.data.join("journal");
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", directory.display());
    let journal_config = JournalConfig {
        segment_bytes: config.journal.segment_mib << 20,
        group_ms: config.journal.group_commit_ms,
        waiting_bytes_max: u64::from(config.journal.waiting_mib_max) << 20,
        keep_s: u64::from(config.journal.keep_days) * 86_400,
        ..JournalConfig::new(directory.clone(), config.node.number, epoch)
    };
    let memories: Vec<_> = tables.iter().map(|table| Arc::clone(&table.memory)).collect();
    let publish = move |position| {
        for memory in &memories {
            strowger_link::table::publish_durable(memory.words(), position);
        }
    };
    Journal::start(&journal_config, clones(wakers)?, publish).map_err(|e| wrong(&e))
}

/// Packet I/O of each shard: the first one's has the sockets of signalling, the others send by
/// clones of them; media as it was chosen. What the sockets are to signalling.
fn open_ios(
    config: &Config,
    wakers: &[EventFd],
    sockets: Sockets,
) -> Result<(Vec<Mmsg>, Vec<Place>), String> {
    let wrong = |e: std::io::Error| format!("sockets: {e}");
    let cloned = |_| sockets.sip.iter().map(UdpSocket::try_clone).collect();
    let others: std::io::Result<Vec<Vec<UdpSocket>>> = wakers.iter().skip(1).map(cloned).collect();
    let others = others.map_err(wrong)?;
    let mut bells = clones(wakers)?.into_iter();
    let door = bells.next().ok_or("no shard")?;
    let (io, places) = open_io(config, door, (sockets.sip, sockets.streams))?;
    let mut ios = vec![io];
    for (listeners, waker) in others.into_iter().zip(bells) {
        ios.push(packets(config, waker, listeners).map_err(wrong)?);
    }
    if wakers.len() > 1 {
        let ends = mesh(wakers, MESH_WORDS).map_err(wrong)?;
        for (io, end) in ios.iter_mut().zip(ends) {
            io.join(end).map_err(wrong)?;
        }
    }
    match &sockets.media {
        Some(media) => steer(media, &mut ios).map_err(wrong)?,
        None if config.media.backend == Backend::Uring => ring::use_ring(&mut ios, complain),
        None => {}
    }
    Ok((ios, places))
}

/// Media by one socket for all ports of a shard. Ports of a former life are closed; those of calls
/// that go on are opened again before anything is read. Flows that the kernel relays go on
/// meanwhile.
fn steer(media: &Steering, ios: &mut [Mmsg]) -> std::io::Result<()> {
    media.close_all();
    for (number, io) in (0..).zip(ios) {
        io.steer(media.of_shard(number)?)?;
    }
    complain(
        "media: one socket of each shard and family for all ports, and raw sockets to send by",
    );
    match media.relayer() {
        None => {}
        Some(Relayer::Tc) => {
            complain("media: flows at rest are relayed by the kernel (tc) at media.interfaces");
        }
        Some(Relayer::Xdp) => {
            complain("media: flows at rest are relayed by XDP at media.interfaces");
        }
    }
    Ok(())
}

/// Packet I/O over these sockets.
fn packets(config: &Config, waker: EventFd, listeners: Vec<UdpSocket>) -> std::io::Result<Mmsg> {
    let dscp = |(index, socket): (usize, &UdpSocket)| Ok(config.dscp(index, socket.local_addr()?));
    let sip_dscp: std::io::Result<Vec<u8>> = listeners.iter().enumerate().map(dscp).collect();
    let mut io = Mmsg::new(MmsgConfig {
        sip_dscp: sip_dscp?,
        listeners,
        media_addresses: config.media.addresses.clone(),
        waker,
        media_dscp: config.media.dscp.clone(),
    })?;
    let bytes = |kib: u32| usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024);
    let overload = &config.overload;
    io.set_buffers(bytes(overload.sip_buffer_kib), bytes(overload.media_buffer_kib))?;
    Ok(io)
}

/// Packet I/O over these sockets, and what they are to signalling.
fn open_io(
    config: &Config,
    waker: EventFd,
    (sockets, kept): (Vec<UdpSocket>, Vec<TcpListener>),
) -> Result<(Mmsg, Vec<Place>), String> {
    let bound = sockets.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>();
    let bound = bound.map_err(|e| format!("sip.listen: {e}"))?;
    let mut listeners = config.listeners(&bound).map_err(|e| e.to_string())?;
    let streams = open_streams(config, &mut listeners, kept)?;
    let wrong = |e: std::io::Error| format!("sockets: {e}");
    let mut io = packets(config, waker, sockets).map_err(wrong)?;
    io.add_streams(streams).map_err(wrong)?;
    Ok((io, listeners))
}

/// The supervisor's socket for this address, if it keeps one.
fn take_kept(kept: &mut Vec<TcpListener>, wanted: SocketAddr) -> Option<TcpListener> {
    let fits = |socket: &TcpListener| {
        let at = socket.local_addr();
        at.is_ok_and(|at| at == wanted || wanted.port() == 0 && at.ip() == wanted.ip())
    };
    let index = kept.iter().position(fits)?;
    Some(kept.swap_remove(index))
}

/// The sockets that listen for connections, those that the supervisor keeps and others. One beside
/// a UDP socket whose port somebody else has for TCP is missed, not missing: calls go on by UDP.
fn open_streams(
    config: &Config,
    listeners: &mut [Place],
    mut kept: Vec<TcpListener>,
) -> Result<StreamsConfig, String> {
    let mut all = Vec::new();
    for (number, place) in (0u8..).zip(listeners) {
        if place.transport == Spoken::Udp {
            continue;
        }
        let opened = match take_kept(&mut kept, place.local) {
            Some(socket) => Ok(socket),
            None => bind_stream(place.local),
        };
        let socket = match opened {
            Ok(socket) => Some(socket),
            Err(e) if place.stream.is_none() => {
                complain(&format!("sip.tcp: {}: {e}; no connections come in there", place.local));
                None
            }
            Err(e) => return Err(format!("sip.stream: {}: {e}", place.local)),
        };
        if let Some(bound) = socket.as_ref().and_then(|socket| socket.local_addr().ok()) {
            if place.advertised.port() == 0 {
                place.advertised.set_port(bound.port());
            }
            place.local = bound;
        }
        all.push(StreamListener { number, local: place.local, socket, dscp: place.dscp });
    }
    let connections_max = config.streams.connections_max;
    Ok(StreamsConfig { listeners: all, connections_max })
}

const fn transport(spoken: Spoken) -> Transport {
    match spoken {
        Spoken::Udp => Transport::Udp,
        Spoken::Tcp => Transport::Tcp,
        Spoken::Tls => Transport::Tls,
        Spoken::Ws => Transport::Ws,
        Spoken::Wss => Transport::Wss,
    }
}

/// What keys of SRTP are made of: of this life and this shard alone.
fn key_secret() -> Result<KeySecret, String> {
    let mut octets = [0; 32];
    rng::fill(&mut octets).map_err(|e| format!("randomness: {e}"))?;
    Ok(KeySecret(octets))
}

fn random_key() -> Result<Key, String> {
    let bytes = rng::random_u128().map_err(|e| format!("randomness: {e}"))?;
    Ok(Key(bytes.to_le_bytes()))
}

fn setup(
    config: &Config,
    shard: u8,
    epoch: u32,
    (token_key, slots): (Key, u32),
    listeners: Vec<Place>,
) -> Result<Setup, String> {
    let nonces = Nonces::new(random_key()?, NONCE_S_BEFORE_EDGE);
    let calls_max = usize::try_from(slots).unwrap_or(usize::MAX);
    let mut sip = SipConfig::new(token_key, random_key()?, nonces).with_calls(calls_max);
    let of_listener = listeners.iter().map(|place| place.media).collect();
    let listener = |Place { local, advertised, transport: spoken, .. }: Place| Listener {
        transport: transport(spoken),
        local,
        advertised,
    };
    let unproven = listeners.iter().map(|place| unproven(place.guests)).collect();
    sip.listeners = listeners.into_iter().map(listener).collect();
    sip.udp_len_max = usize::try_from(config.streams.udp_bytes_max).unwrap_or(usize::MAX);
    sip.timers = timers(&config.sip)?;
    let told =
        |index: usize, local: IpAddr| config.media.advertise.get(index).copied().unwrap_or(local);
    let addresses: Vec<MediaAddress> = config
        .media
        .addresses
        .iter()
        .enumerate()
        .map(|(index, local)| MediaAddress { local: *local, advertised: told(index, *local) })
        .collect();
    let (port_min, port_max) = config.media_ports(shard);
    let ports = usize::from(port_max.saturating_sub(port_min)) + 1;
    Ok(Setup {
        sip,
        calls: CallsConfig {
            seg: shard,
            slots,
            shard,
            ask_base: clock::monotonic().0 / 1_000,
            // Generations of one life do not meet those of the next.
            first_gen: (epoch as u16).wrapping_mul(257),
            ask_timeout_ms: config.sip.ask_timeout_ms,
            call_ms_max: u64::from(config.sip.call_s_max) * 1_000,
            related_call_ids: config.sip.related_call_ids,
        },
        media: MediaConfig {
            pairs_max: ports * addresses.len() / 4,
            flow_packets_max: config.media.flow_packets_max,
            addresses,
            of_listener,
            port_min,
            port_max,
            seed: rng::random_u64().map_err(|e| format!("randomness: {e}"))?,
            secret: key_secret()?,
        },
        ask_timeout_ms: config.sip.ask_timeout_ms,
        limits: Limits { streams: streams(config, epoch), unproven, ..limits(config) },
    })
}

/// T1, T2 and when transactions give up. T2 is never below T1 (RFC 3261 table 4).
fn timers(sip: &Sip) -> Result<Timers, String> {
    let t1_ms = sip.t1_ms;
    let timers = Timers::new(t1_ms, sip.t2_ms.max(t1_ms), T4_MS)
        .map_err(|_| format!("sip.t1_ms: {t1_ms} is out of range"))?;
    match sip.give_up_ms {
        0 => Ok(timers),
        ms => {
            timers.giving_up_after(ms).map_err(|_| format!("sip.give_up_ms: {ms} is out of range"))
        }
    }
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
        agents: config.guard.agents.clone(),
        served: config.guard.served.clone(),
        honeypots: config.guard.honeypots.clone(),
        units: config.units().into(),
        ask_ms: overload.ask_ms,
        ask_away_ms: overload.ask_restart_ms,
        media_late_ms: overload.media_late_ms,
        streams: Streams::default(),
        unproven: Vec::new(),
    }
}

/// Which guests a listener takes is the control plane's to know.
const fn unproven(guests: strowger_tuning::Guests) -> Unproven {
    match guests {
        strowger_tuning::Guests::Challenge => Unproven::Challenge,
        strowger_tuning::Guests::Refuse => Unproven::Refuse,
        strowger_tuning::Guests::Dids | strowger_tuning::Guests::Account => Unproven::Ask,
    }
}

/// What connections may take.
fn streams(config: &Config, epoch: u32) -> Streams {
    let streams = &config.streams;
    let times = Times {
        first_ms: streams.first_ms,
        message_ms: streams.message_ms,
        idle_ms: streams.idle_s.saturating_mul(1_000),
        ..Times::default()
    };
    Streams {
        // Tokens of one life do not name connections of the next.
        epoch: epoch as u16,
        per_source_max: streams.per_source_max,
        connect_ms: streams.connect_ms,
        ping_ms: streams.ping_s.saturating_mul(1_000),
        times,
    }
}

/// The core of each shard: as configured, else the last ones if one is left, else none.
fn shard_cores(config: &Config) -> Result<Vec<Option<usize>>, String> {
    let allowed = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    let cores = config.shard_cores(&allowed);
    let missing = |core: &usize| !allowed.contains(core) && !may_have(*core);
    match cores.iter().flatten().find(|core| missing(core)) {
        Some(core) => Err(format!("cores.shards: this process may not run on core {core}")),
        None => Ok(cores),
    }
}

/// Whether a thread of ours can be pinned to a core that we do not run on. An isolated core
/// (`isolcpus`) is in nobody's set until a thread asks for it.
fn may_have(core: usize) -> bool {
    let asked = std::thread::spawn(move || pin::pin_current_thread(&[core]).is_ok());
    asked.join().unwrap_or(false)
}

fn start(
    shards: Vec<ProductionShard>,
    cores: &[Option<usize>],
    flags: &Arc<Flags>,
) -> Result<Vec<JoinHandle<()>>, String> {
    let mut threads = Vec::with_capacity(shards.len());
    for ((number, shard), core) in (0u8..).zip(shards).zip(cores.iter().copied()) {
        let told = AtEnd(Arc::clone(flags));
        let body = move || {
            if let Some(core) = core
                && let Err(e) = pin::pin_current_thread(&[core])
            {
                complain(&format!("cores.shards: core {core}: {e}; the shard runs unpinned"));
            }
            // A kernel without it has its own time for all.
            let _as_before = pin::set_slice(SLICE_NS);
            serve(shard, number, &told.0);
        };
        let thread = std::thread::Builder::new().name(format!("shard-{number}")).spawn(body);
        threads.push(thread.map_err(|e| format!("thread: {e}"))?);
    }
    Ok(threads)
}

/// A shard's life: turn, sleep, turn; at the end calls are ended in order. The door stays until
/// the others have ended theirs: what they say by connections leaves by it, and what their parties
/// answer comes in by it.
fn serve(mut shard: ProductionShard, number: u8, flags: &Flags) {
    let mut ready = false;
    while !flags.end.load(Ordering::Acquire) {
        let until = shard.turn();
        flags.set_ready(&mut ready, shard.is_ready());
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
    flags.busy.fetch_sub(1, Ordering::AcqRel);
    while number == DOOR && flags.busy.load(Ordering::Acquire) > 0 && clock::monotonic() < give_up {
        let until = shard.turn();
        shard.wait(until.min(give_up).min(clock::monotonic().plus_ms(LOOK_MS.into())));
    }
}
