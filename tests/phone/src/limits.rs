//! Bounds of the test phone. A test that meets one of them is told so; nothing grows without end.

use std::time::Duration;

/// Largest UDP datagram that is read, bytes.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Headers kept of one SIP message.
pub const HEADERS_MAX: usize = 256;
/// Lines kept in a phone's ladder; the oldest go first.
pub const LADDER_LINES_MAX: usize = 2_000;
/// Calls of one phone, live and ended, whose handles still exist or whose timers still run.
pub const CALLS_MAX: usize = 1_024;
/// Legs of one fleet, live and ended.
pub const FLEET_LEGS_MAX: usize = 16_384;
/// Calls offered to a phone and not yet taken with `wait_call`; more are refused with 486.
pub const ARRIVALS_MAX: usize = 64;
/// Client or server transactions of one phone at a time.
pub const TRANSACTIONS_MAX: usize = 8_192;
/// Digest challenges remembered, one for each realm and kind.
pub const REALMS_MAX: usize = 16;
/// ACKs of one call that are kept to answer repeated 2xx responses.
pub const ACKS_MAX: usize = 32;
/// Streams, SSRCs and source addresses that one media report tells apart.
pub const STREAMS_MAX: usize = 64;
/// Packets of one stream whose arrival is remembered, to tell lost from late from doubled.
pub const STREAM_PACKETS_MAX: u64 = 1 << 20;
/// Clients of one forwarder.
pub const CLIENTS_MAX: usize = 64;
/// Datagrams that one forwarder holds back at a time; more are dropped and counted.
pub const HELD_MAX: usize = 16_384;
/// Attempts to find a free even and odd port pair for RTP and RTCP.
pub const PORT_PAIRS_MAX: usize = 4_096;
/// Longest sleep of a background thread: the delay until it sees that something changed.
pub const POLL: Duration = Duration::from_millis(5);
