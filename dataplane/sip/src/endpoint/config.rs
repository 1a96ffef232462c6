//! What an endpoint is told once: addresses, keys, timers, bounds.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::siphash::siphash24;
use strowger_link::{Key, Transport, UPSTREAMS_MAX, shard_of_way, way_to_shard};

use crate::digest::Nonces;
use crate::limits::UDP_LEN_MAX;
use crate::method::Method;
use crate::transaction::{Reliability, Timers};

/// An endpoint's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Key of the tokens in our tags and branches: the same on all shards, kept over a restart.
    pub token_key: Key,
    /// Key of everything that must differ or be hard to guess: Call-IDs, branches, cnonces, jitter.
    /// New at each start, different on each shard.
    pub chance_key: Key,
    /// Makes and judges the nonces of our challenges.
    pub nonces: Nonces,
    /// T1, T2, T4.
    pub timers: Timers,
    /// What User-Agent and Server say.
    pub product: Box<str>,
    /// The listeners by their index in the process configuration.
    pub listeners: Vec<Listener>,
    /// Methods outside dialogs that are handed up as requests. INVITE and OPTIONS never are.
    pub outside: Vec<Method>,
    /// Transactions at once, of each side; a quarter is kept for requests inside dialogs.
    pub transactions_max: usize,
    /// The longest request that goes by UDP when the peer may take connections as well, bytes (RFC
    /// 3261 18.1.1).
    pub udp_len_max: usize,
    /// Legs at once, those included that are over and linger: beyond three quarters the oldest of
    /// these go early.
    pub legs_max: usize,
    /// Registrations of ours at once, those not counted that take their leave.
    pub upstreams_max: usize,
}

/// Two that talk, and as many that linger or ring besides.
const LEGS_PER_CALL: usize = 4;
/// An INVITE and a BYE, half of the table being for what lingers.
const TRANSACTIONS_PER_LEG: usize = 4;

impl Config {
    /// The bounds of a shard with that many calls at once: each has two legs and now and then
    /// more, and as many again may linger.
    #[must_use]
    pub fn with_calls(self, calls_max: usize) -> Config {
        let legs_max = calls_max.saturating_mul(LEGS_PER_CALL).max(self.legs_max);
        let transactions_max = legs_max.saturating_mul(TRANSACTIONS_PER_LEG);
        Config { legs_max, transactions_max, ..self }
    }

    /// A configuration with the usual bounds: REGISTER and MESSAGE are handed up,
    /// timers as RFC 3261 has them.
    #[must_use]
    pub fn new(token_key: Key, chance_key: Key, nonces: Nonces) -> Config {
        Config {
            token_key,
            chance_key,
            nonces,
            timers: Timers::DEFAULT,
            product: "Strowger".into(),
            listeners: Vec::new(),
            outside: vec![Method::Register, Method::Message],
            transactions_max: 131_072,
            udp_len_max: UDP_LEN_MAX,
            legs_max: 32_768,
            upstreams_max: UPSTREAMS_MAX,
        }
    }
}

/// A socket that requests come to and leave by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// Its own address.
    pub local: SocketAddr,
    /// The address that Via and Contact name: `local`, or that of the NAT in front of it.
    pub advertised: SocketAddr,
}

/// One way between us and a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Index of our listener.
    pub listener: u8,
    /// Transport.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Flow token of the connection, 0 for UDP; of a way to another shard of this process its word
    /// ([`way_to_shard`]).
    pub flow: u64,
}

/// As it stands in images of legs and goes from shard to shard.
impl Wire for Path {
    fn put(&self, out: &mut Vec<u8>) {
        let Path { listener, transport, local, peer, flow } = self;
        listener.put(out);
        transport.put(out);
        local.put(out);
        peer.put(out);
        flow.put(out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Path, Malformed> {
        Ok(Path {
            listener: u8::take(input)?,
            transport: Transport::take(input)?,
            local: SocketAddr::take(input)?,
            peer: SocketAddr::take(input)?,
            flow: u64::take(input)?,
        })
    }
}

impl Path {
    /// The way to another shard of this process: datagrams that no network sees.
    #[must_use]
    pub fn to_shard(shard: u8, listener: u8, local: SocketAddr) -> Path {
        let peer = match local {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let flow = way_to_shard(shard);
        Path { listener, transport: Transport::Udp, local, peer, flow }
    }

    /// The shard of this process that it leads to; `None` = it leads to a peer. No datagram of the
    /// network has a flow, and no connection is UDP's, so nobody else comes by such a way.
    #[must_use]
    pub fn shard(&self) -> Option<u8> {
        let by_datagram = self.transport == Transport::Udp && self.flow != 0;
        by_datagram.then(|| shard_of_way(self.flow)).flatten()
    }

    /// What the transport promises.
    #[must_use]
    pub const fn reliability(&self) -> Reliability {
        match self.transport {
            Transport::Udp => Reliability::Unreliable,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                Reliability::Reliable
            }
        }
    }

    /// Whether the transport is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        match self.transport {
            Transport::Tls | Transport::Wss => true,
            Transport::Udp | Transport::Tcp | Transport::Ws => false,
        }
    }

    /// The transport as Via names it.
    #[must_use]
    pub const fn via_name(&self) -> &'static str {
        match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The `transport` parameter that our Contact needs; UDP and TLS (by `sips`) need none.
    #[must_use]
    pub(super) const fn contact_param(&self) -> &'static str {
        match self.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        }
    }
}

/// Numbers that look random: a counter under a key. The same key gives the same run.
#[derive(Debug)]
pub(crate) struct Chance {
    key: Key,
    count: u64,
}

impl Chance {
    pub(crate) const fn new(key: Key) -> Chance {
        Chance { key, count: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        siphash24(&self.key, &self.count.to_le_bytes())
    }

    /// A number from 0 to `max`; the bias is below 2^-32 for the small ranges asked for.
    pub(crate) fn up_to(&mut self, max: u32) -> u32 {
        u32::try_from(self.next() % (u64::from(max) + 1)).unwrap_or(0)
    }

    /// The hash of `parts` under the key: the same for the same parts.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> u64 {
        let len = |part: &&[u8]| size_of::<usize>() + part.len();
        let mut text = Vec::with_capacity(parts.iter().map(len).sum());
        for part in parts {
            text.extend_from_slice(&part.len().to_le_bytes());
            text.extend_from_slice(part);
        }
        siphash24(&self.key, &text)
    }
}
