//! How much is taken on, and how long anything may wait.

use serde::Deserialize;
use std::net::IpAddr;
use std::str::FromStr;

/// Most networks of [`Overload::exempt`].
pub const EXEMPT_MAX: usize = 256;

/// Overload and floods.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overload {
    /// A SIP datagram that has waited longer in the system's queue is late, milliseconds.
    pub delay_ms: u32,
    /// When late ones have come for so long, requests that would begin something are refused by
    /// 503, milliseconds.
    pub interval_ms: u32,
    /// Such requests that have waited longer are not answered at all, milliseconds.
    pub silence_ms: u32,
    /// Datagrams a second of one address (IPv6: /64) that is no trunk's; more are dropped. 0 = no
    /// limit.
    pub stranger_datagrams: u32,
    /// The same for requests that would begin something.
    pub stranger_requests: u32,
    /// The same for challenges sent to it.
    pub stranger_challenges: u32,
    /// Networks whose addresses have none of these three limits: offices behind one address,
    /// customers' switches that log in. At most [`EXEMPT_MAX`].
    pub exempt: Vec<Network>,
    /// Units of work that are taken on at once: a relayed call 8, another 2, a request that waits
    /// 2, a transaction that has not said its last word 1. 0 = 8 for each of `cores.slots` and
    /// 65,536.
    pub units: u32,
    /// The control plane is too slow when its oldest question is older, milliseconds: new calls
    /// and registrations get 503, one at a time tries.
    pub ask_ms: u32,
    /// The same while it starts again, milliseconds.
    pub ask_restart_ms: u32,
    /// Media packets that have waited longer are dropped, milliseconds; 0 = never.
    pub media_late_ms: u32,
    /// Receive buffer of a SIP socket, KiB; what is more than `net.core.rmem_max` needs
    /// `CAP_NET_ADMIN`.
    pub sip_buffer_kib: u32,
    /// Receive buffer of a media port, KiB.
    pub media_buffer_kib: u32,
}

impl Default for Overload {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(str::parse);
        Overload {
            delay_ms: 50,
            interval_ms: 100,
            silence_ms: 200,
            stranger_datagrams: 4_000,
            stranger_requests: 400,
            stranger_challenges: 200,
            exempt: loopback.into_iter().flatten().collect(),
            units: 0,
            ask_ms: 500,
            ask_restart_ms: 3_000,
            media_late_ms: 100,
            sip_buffer_kib: 8_192,
            media_buffer_kib: 64,
        }
    }
}

/// A network, written as `192.0.2.0/24`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// Bits of it that count.
    pub prefix_len: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("`{text}` is no network such as 192.0.2.0/24");
        let (address, len) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix_len: u8 = len.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix_len > most {
            return Err(wrong());
        }
        Ok(Network { address, prefix_len })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        text.parse()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}
