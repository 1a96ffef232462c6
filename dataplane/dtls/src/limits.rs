//! Bounds of associations.

use strowger_link::MS;

/// Datagrams that one job takes.
pub const DATAGRAMS_MAX: usize = 16;
/// Datagrams that may come of one job: a flight of a handshake has about six.
pub const FLIGHT_MAX: usize = 32;
/// What the protocol may say in one step, datagrams among it.
pub const OUTPUTS_MAX: usize = 64;
/// Octets of a datagram: what passes every path (RFC 8261 and browsers use about as much).
pub const MTU: usize = 1_200;
/// Octets of what the protocol says at once: a certificate is the longest.
pub const OUTPUT_LEN_MAX: usize = 16 * 1024;
/// Datagrams that cannot be taken after which an association is given up: anybody can make up a
/// few, and the party's own network changes none.
pub const FAULTS_MAX: u8 = 16;
/// The protocol is not asked again before this time has passed.
pub const PAUSE_NS_MIN: u64 = 10 * MS;

const _: () = assert!(FLIGHT_MAX <= OUTPUTS_MAX);
