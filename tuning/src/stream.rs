//! Connections: where they are listened for, how many there may be, how long they may take.

use crate::{Guests, SIP_DSCP};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A further listener, for connections; `[[sip.stream]]` in the file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamListener {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// What is spoken there: `tcp`, `tls`, `ws` or `wss`.
    pub transport: Transport,
    /// Address that peers are told; none = the listener's own, port 0 = the listener's own port.
    #[serde(default)]
    pub advertise: Option<SocketAddr>,
    /// For `tls` and `wss`: certificates with their keys, the first one for peers that name no
    /// server. Read again on SIGHUP; what is unfit then leaves those in force that were.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// For `tls` and `wss`: the certificate that an authority gives (`acme`) is shown as well,
    /// before those of files. Until it is there, handshakes fail if there is no other.
    #[serde(default)]
    pub obtained: bool,
    /// For `tls` and `wss`: whether peers show certificates.
    #[serde(default)]
    pub clients: Clients,
    /// PEM file of the roots that peers' certificates must lead to; relative to `node.data`.
    #[serde(default)]
    pub clients_trust: PathBuf,
    /// For `ws` and `wss`: origins that browsers may come from, as `https://example.com`; empty =
    /// every one.
    #[serde(default)]
    pub origins: Vec<String>,
    /// What becomes of calls of strangers without credentials: see `sip.guests`.
    #[serde(default)]
    pub guests: Guests,
    /// DSCP of what is sent, 0 to 63; 24 (CS3) if it is not said.
    #[serde(default = "signalling")]
    pub dscp: u8,
    /// For `wss`: HTTP that is no SIP over WebSocket is REST's. It comes to the control plane with
    /// the address of its sender; without this, its connection is closed.
    #[serde(default)]
    pub rest: bool,
}

/// The usual mark of signalling.
const fn signalling() -> u8 {
    SIP_DSCP
}

/// What a listener speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    #[serde(skip)]
    Udp,
    /// Connections.
    Tcp,
    /// Connections under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss,
}

/// A certificate and its key, both PEM files, relative to `node.data`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The certificate first, then those that lead to a root.
    pub chain: PathBuf,
    /// Its key, not encrypted.
    pub key: PathBuf,
}

/// Whether peers that connect show who they are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clients {
    /// They are not asked.
    #[default]
    Unasked,
    /// They may; what they show must be good.
    Welcome,
    /// They must.
    Required,
}

impl Transport {
    /// Its word in the file; `udp` stands in none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// Whether it is under TLS.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        match self {
            Transport::Tls | Transport::Wss => true,
            Transport::Udp | Transport::Tcp | Transport::Ws => false,
        }
    }

    /// Whether browsers speak it.
    #[must_use]
    pub const fn is_web(self) -> bool {
        match self {
            Transport::Ws | Transport::Wss => true,
            Transport::Udp | Transport::Tcp | Transport::Tls => false,
        }
    }
}

/// Bounds of connections.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// Connections of a shard at once; further ones are closed at once.
    pub connections_max: u32,
    /// Connections at once from one address that is no trunk's and not in `overload.exempt`; 0 = no
    /// limit.
    pub per_source_max: u32,
    /// How long one of ours may take to come up, milliseconds; then the next branch is tried.
    pub connect_ms: u32,
    /// Between two pings on one of ours, seconds (RFC 5626 4.4.1 says 95 to 120); 0 = none.
    pub ping_s: u32,
    /// A connection without a byte either way is closed, seconds; 0 = never.
    pub idle_s: u32,
    /// The first message of a peer that connected must be whole by then, milliseconds.
    pub first_ms: u32,
    /// A message must be whole so long after its first byte, milliseconds.
    pub message_ms: u32,
    /// Requests longer than this go by TCP to a peer whose address names no transport, bytes; a
    /// peer that takes no connection gets them by UDP (RFC 3261 18.1.1). 65535 = never.
    pub udp_bytes_max: u32,
    /// PEM file of the roots that servers' certificates must lead to when we connect by TLS,
    /// relative to `node.data`; empty = no connections of ours by TLS.
    pub trust: PathBuf,
    /// Threads for the handshakes of TLS, beside the shard.
    pub handshake_threads: u32,
    /// TLS connections a second that are let in, of all sources together.
    pub handshakes_per_s: u32,
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            connections_max: 16_384,
            per_source_max: 256,
            connect_ms: 2_000,
            ping_s: 100,
            idle_s: 3_900,
            first_ms: 20_000,
            message_ms: 10_000,
            udp_bytes_max: 1_300,
            trust: PathBuf::new(),
            handshake_threads: 1,
            handshakes_per_s: 1_000,
        }
    }
}
