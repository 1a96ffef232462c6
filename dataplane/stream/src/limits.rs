//! Every bound of this crate, with its reason.

/// Bytes of one SIP message: what the parser takes at most (`strowger_sip::limits::MESSAGE_MAX`).
pub const MESSAGE_LEN_MAX: usize = 65_535;
/// Bytes of a message in front of its body. The longest of RFC 4475 has under 4 KB.
pub const HEAD_LEN_MAX: usize = 32_768;
/// Digits of a Content-Length, leading zeros included.
pub const LENGTH_DIGITS_MAX: usize = 10;
/// Bytes that one [`crate::Pipe::handle_received`] takes: one read of a socket.
pub const RECEIVED_LEN_MAX: usize = 65_536;
/// Bytes in clear that wait to be taken as items: one frame that is not whole, and one read.
pub const INBOX_LEN_MAX: usize = FRAME_LEN_MAX + RECEIVED_LEN_MAX;
/// Bytes of a WebSocket frame: the longest message and 14 bytes in front of it.
pub const FRAME_LEN_MAX: usize = MESSAGE_LEN_MAX + 14;
/// Bytes of a WebSocket control frame's payload (RFC 6455 5.5).
pub const CONTROL_LEN_MAX: usize = 125;
/// Bytes of an upgrade to WebSocket. A browser sends about 600; what is longer is not ours.
pub const HTTP_HEAD_LEN_MAX: usize = 8_192;
/// Header fields of an upgrade.
pub const HTTP_FIELDS_MAX: usize = 64;
/// Bytes of an upgrade of ours: host and path.
pub const AUTHORITY_LEN_MAX: usize = 1_024;
/// Bytes that wait to be sent: a peer that does not read is closed by its stall, not by memory.
pub const OUTBOX_LEN_MAX: usize = 262_144;
/// Bytes of a keep-alive's answer that wait beside others; beyond it pings go unanswered.
pub const PONG_ROOM_LEN: usize = OUTBOX_LEN_MAX / 2;
/// Bytes in front of a TLS record's content.
pub const RECORD_HEAD_LEN: usize = 5;
/// Bytes of a TLS record with its head: 2^14, and 2,048 that TLS 1.2 allows (RFC 5246 6.2.3).
pub const RECORD_LEN_MAX: usize = RECORD_HEAD_LEN + 16_384 + 2_048;
/// Bytes of records that are not opened: one that is not whole, and one read.
pub const CIPHER_LEN_MAX: usize = RECORD_LEN_MAX + RECEIVED_LEN_MAX;
/// Steps of a session over what came at once: its shortest records, and what each asks for.
pub const RECORDS_MAX: usize = 4 * CIPHER_LEN_MAX / RECORD_HEAD_LEN;
/// Bytes that records add to a message at most: some 30 for each 16 KiB begun.
pub const SEALED_LEN_MAX: usize = 256;
/// Bytes of a host name (RFC 1035 2.3.4).
pub const SERVER_NAME_LEN_MAX: usize = 255;
/// Certificates of a listener, each with its names.
pub const IDENTITIES_MAX: usize = 64;
/// Certificates of a chain.
pub const CHAIN_MAX: usize = 8;
/// Certificates that are trusted. A system's file has about 150.
pub const TRUST_MAX: usize = 1_024;
/// Servers whose tickets a client keeps.
pub const TICKETS_MAX: usize = 256;
/// Steps of handshakes that wait for a thread: at 1,000 of them a second, two seconds.
pub const JOBS_MAX: usize = 2_048;
/// Steps of one handshake. With each record alone there are about ten; who drips records of some
/// bytes would have hundreds.
pub const JOBS_EACH_MAX: u8 = 32;
/// Steps of handshakes that one shard may have out.
pub const OUT_MAX: usize = JOBS_MAX;
/// Rows of sources that connect, and sources of a row: 4,096 in 160 KB.
pub const GATE_ROWS: usize = 1_024;
/// Sources of one row.
pub const GATE_WAYS: usize = 4;

const _: () = assert!(HEAD_LEN_MAX <= MESSAGE_LEN_MAX);
const _: () = assert!(OUTBOX_LEN_MAX >= 2 * MESSAGE_LEN_MAX);
