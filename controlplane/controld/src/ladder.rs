//! The SIP messages of calls, read from the dataplane's tape when somebody asks, and sent on by HEP
//! as they come when a collector is configured.

use crate::boot::calls_of;
use crate::run::Until;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strowger_api::{CallMessages, MessagesOrder, SipMessage};
use strowger_ladder::{Message, Wanted};
use strowger_link::table::Reader as TableReader;
use strowger_link::tape::Reader;
use strowger_link::{Fact, Key, Transport};
use strowger_port::shm::{self, Mapping, Window};
use strowger_tuning::Config;
use tracing::{info, warn};

/// How long new messages wait to be sent on.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a tape is looked for that is not there, or is another than before.
const LOOK: Duration = Duration::from_secs(2);

/// Where the messages are: a tape and a table for each shard.
#[derive(Clone, Debug)]
pub(crate) struct Ladders {
    places: Vec<(PathBuf, PathBuf)>,
}

/// The tapes of all shards.
pub(crate) fn tapes(config: &Config) -> Vec<PathBuf> {
    let run = config.run_dir();
    (0..config.shards()).map(|shard| run.join(format!("sip-{shard}.tape"))).collect()
}

impl Ladders {
    pub(crate) fn new(config: &Config) -> Ladders {
        let run = config.run_dir();
        let table = |shard: usize| run.join(format!("calls-{shard}.table"));
        let places = tapes(config).into_iter().enumerate();
        Ladders { places: places.map(|(shard, tape)| (tape, table(shard))).collect() }
    }

    /// The messages of a call. Looks through some megabytes: for a thread that may block.
    pub(crate) fn find(&self, order: &MessagesOrder) -> CallMessages {
        let attach = |file: &PathBuf| TableReader::attach(shm::open_file(file).ok()?.1).ok();
        let tables: Vec<_> = self.places.iter().filter_map(|(_, table)| attach(table)).collect();
        let Some(key) = tables.first().map(|table| table.setup().token_key) else {
            return CallMessages::default();
        };
        let running = || tables.iter().find_map(|table| running(table, order.call.0));
        let Some(id) = order.sip_call_id.clone().or_else(running).filter(|id| !id.is_empty())
        else {
            return CallMessages::default();
        };
        let wanted = Wanted {
            sip_call_id: id.as_bytes(),
            from_us: order.from_us,
            until_us: order.until_us,
            token_key: Key(key.to_le_bytes()),
        };
        // All messages of a call are on one tape, that of its shard: what the door only handed on
        // stands on its own nowhere.
        let tapes = self.places.iter().filter_map(|(tape, _)| map(tape));
        let mut found: Vec<Message> =
            tapes.flat_map(|tape| strowger_ladder::find(|| read(&tape), &wanted)).collect();
        found.sort_by_key(|message| message.said.wall_us);
        let capture = strowger_ladder::pcap(&found);
        CallMessages { messages: found.into_iter().map(shown).collect(), capture }
    }
}

/// The Call-ID of a running call's first leg.
fn running(table: &TableReader<Mapping>, call: u64) -> Option<String> {
    let (calls, _unreadable) = calls_of(table);
    let facts = calls.into_iter().find(|facts| facts.ask.0 == call)?;
    facts.facts.into_iter().find_map(|fact| match fact {
        Fact::Began(began) => Some(began.sip_call_id),
        Fact::LegOpened(_)
        | Fact::LegProgress(_)
        | Fact::LegAnswered(_)
        | Fact::LegEnded(_)
        | Fact::Joined(_)
        | Fact::Parted(_)
        | Fact::Granted(_)
        | Fact::Ended(_) => None,
    })
}

fn map(file: &Path) -> Option<Arc<Mapping>> {
    let (_fd, mapping) = shm::open_file(file).ok()?;
    Some(Arc::new(mapping))
}

fn read(tape: &Arc<Mapping>) -> Option<Reader<Window>> {
    Reader::attach(Window::new(tape, 0, tape.words().len())?).ok()
}

fn shown(message: Message) -> SipMessage {
    let Message { said, bytes } = message;
    let transport = match said.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    };
    SipMessage {
        at_us: said.wall_us,
        outgoing: said.outgoing,
        transport,
        local: said.local,
        peer: said.peer,
        is_cut: usize::try_from(said.len).is_ok_and(|len| len > bytes.len()),
        bytes,
    }
}

/// Sends what comes onto the tape to a collector, without secrets, until the end. A collector that
/// is away misses what was sent meanwhile: this is for people, records go by the journal.
pub(crate) fn send_on(tape: &Path, to: SocketAddr, agent: u32, until: &Until) {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = match UdpSocket::bind(any).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    }) {
        Ok(socket) => socket,
        Err(e) => return warn!("trace.hep: {to}: {e}: no messages are sent on"),
    };
    info!(%to, "messages are sent on by HEP");
    let mut bytes = Vec::new();
    while !until.is_over() {
        // The tape of the next life may be another file.
        let reader = map(tape).as_ref().and_then(read).map(Reader::at_end);
        let Some(mut reader) = reader else {
            std::thread::sleep(LOOK);
            continue;
        };
        let is_same = inode(tape);
        while !until.is_over() {
            let Some(said) = reader.next(&mut bytes) else {
                std::thread::sleep(PAUSE);
                if inode(tape) != is_same {
                    break;
                }
                continue;
            };
            let mut message = Message { said, bytes: bytes.clone() };
            strowger_ladder::mask(&mut message.bytes);
            // What the network does not take is lost.
            let _lost = socket.send_to(&strowger_ladder::hep(&message, agent), to);
        }
    }
}

fn inode(file: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(file).ok()?.ino())
}
