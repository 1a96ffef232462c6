//! Every bound of this crate, with its reason.
//!
//! What is beyond a bound is refused, not cut. A request's sender is told so:
//!
//! | beyond | refused by | answer |
//! |---|---|---|
//! | [`MESSAGE_MAX`] (or what a stream's framing takes) | index | 513 Message Too Large |
//! | [`HEADERS_MAX`] | index | 400 Too Many Header Fields |
//! | [`FOLDS_MAX`] | index | 400 Too Many Continuation Lines |
//! | [`NAME_MAX`] | index | 400 Malformed Header Line |
//! | [`URI_MAX`], as Request-URI | grammar | 414 Request-URI Too Long |
//! | [`URI_MAX`], in another field | grammar | 400 Malformed, with the field's name |
//! | a number's range: CSeq, Max-Forwards, ports | grammar | 400 Malformed, with the field's name |
//! | `strowger_leg::BODY_MAX`, as session description | endpoint | 413 Request Entity Too Large |
//! | [`DIGEST_VALUE_MAX`], [`DIGEST_PARAMS_MAX`] | endpoint | 401: such credentials are none |
//! | [`LEADING_CRLF_MAX`] | index | none: the first line is empty |
//!
//! Expires and its kin have no bound: a larger number counts as 2^32 - 1 (RFC 3261 20.19).
//! Responses and ACKs beyond a bound are dropped and counted.

/// Bytes of one message. A UDP payload cannot be longer, and offsets into it fit in `u16`.
pub const MESSAGE_MAX: usize = 65_535;
/// Header fields of one message. A request through 20 proxies with all its history has about 70.
pub const HEADERS_MAX: usize = 128;
/// Continuation lines of one header field (folding, RFC 3261 7.3.1).
pub const FOLDS_MAX: usize = 64;
/// Empty lines in front of a start line that are skipped (RFC 3261 7.5).
pub const LEADING_CRLF_MAX: usize = 8;
/// Bytes of a header field's name.
pub const NAME_MAX: usize = 255;
/// Bytes of one quoted value in a digest challenge or in credentials.
pub const DIGEST_VALUE_MAX: usize = 512;
/// Parameters of one digest challenge or one set of credentials.
pub const DIGEST_PARAMS_MAX: usize = 32;
/// Bytes of a URI that we take apart or build.
pub const URI_MAX: usize = 4_096;
/// Routes of one dialog. More hops than a request may make are of no use.
pub const ROUTES_MAX: usize = 70;
/// Bytes of a host name that is looked up (RFC 1035 2.3.4).
pub const HOST_LEN_MAX: usize = 253;
/// Addresses of a name that the requests of a dialog are tried at.
pub const HOP_ADDRESSES_MAX: usize = 8;
/// Early dialogs of one INVITE that are told apart; further forks share the last number.
pub const FORKS_MAX: usize = 16;
/// Extra 2xx responses of a forked INVITE that are acknowledged and ended.
pub const STRAYS_MAX: usize = 8;
/// Credentials shown to one peer at once: one for a server, the others for proxies before it.
pub const SHOWN_MAX: usize = 4;
/// Longest credentials or challenge that pass from one side to the other, bytes.
pub const SHOWN_LEN_MAX: usize = 1_024;
/// Times one request is sent again with credentials: for a proxy, for the server behind it, and
/// once more for a nonce of each that is too old.
pub const AUTH_TRIES_MAX: u8 = 4;
/// Challenges of one response that are looked at: two algorithms of each that challenges.
pub const CHALLENGES_MAX: usize = 2 * SHOWN_MAX;
/// Times a re-INVITE is tried again after a 491.
pub const GLARE_TRIES_MAX: u8 = 4;
/// Times an INVITE is sent again because its session was too short (422).
pub const SESSION_TRIES_MAX: u8 = 4;
/// Reliable provisional responses of a leg that wait for the PRACK of the one before.
pub const RELIABLE_WAITING_MAX: usize = 4;
/// The largest RSeq that we begin with (RFC 3262 section 3: below 2^31).
pub const RSEQ_FIRST_MAX: u32 = 0x7fff_0000;
/// ACKs of 2xx that a leg keeps to send again: its INVITEs within a transaction's life.
pub const ACKS_MAX: usize = 8;
/// Bytes of a request that goes by UDP to a peer whose path MTU is not known (RFC 3261 18.1.1).
pub const UDP_LEN_MAX: usize = 1_300;
/// Peers at once that are known to take no connections.
pub const NO_STREAM_MAX: usize = 4_096;
/// Digits of one INFO.
pub const DIGITS_MAX: usize = 32;
/// Contacts of one REGISTER or one redirect that are looked at.
pub const CONTACTS_MAX: usize = 16;
/// Header fields of a request outside dialogs that are handed up.
pub const FIELDS_UP_MAX: usize = 32;
/// Body parts of a multipart body that are looked at for a session description.
pub const PARTS_MAX: usize = 16;

/// Bytes of a leg's image. A confirmed leg with usual header fields has 300 to 600.
pub const IMAGE_LEN_MAX: usize = 8_192;
/// Bytes that an image keeps of an INVITE without a final response.
pub const IMAGE_HEAD_LEN_MAX: usize = 2_048;
/// Bytes that an image keeps of a 2xx without its ACK; a browser's description has 2 to 4 KB.
pub const IMAGE_OK_LEN_MAX: usize = 5_120;
/// Bytes that an image keeps of a body of our last ACK.
pub const IMAGE_BODY_LEN_MAX: usize = 2_048;
/// By how much our CSeq and the counts of nonces go on when an image comes back to life.
pub const SEQ_STEP: u32 = 100;
/// After so many requests of ours an image is out of date, whatever else happened.
pub const SEQ_TOUCH: u32 = 64;

/// The longest an INVITE inside a dialog may go on with provisional responses, in milliseconds: as
/// long as a proxy's Timer C at least is (RFC 3261 16.6).
pub const REINVITE_MS_MAX: u64 = 180_000;

const _: () = assert!(MESSAGE_MAX <= u16::MAX as usize);
const _: () = assert!(HEADERS_MAX <= u8::MAX as usize);
const _: () = assert!(URI_MAX <= MESSAGE_MAX);
// Requests of forks beyond the dialog count nonces as well.
const _: () = assert!(SEQ_TOUCH as usize + STRAYS_MAX < SEQ_STEP as usize);
const _: () = assert!(SHOWN_MAX <= ROUTES_MAX && ROUTES_MAX < u8::MAX as usize);
const _: () = assert!(IMAGE_LEN_MAX <= u16::MAX as usize);
