//! Bounds of everything that comes from outside.

/// Most connections at once; further ones wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections at a time that the dataplane brings: strangers' must not take the places of others.
pub(crate) const RELAYED_MAX: usize = 256;
/// Time to send a request's head, counted from the end of the request before it, so that it also
/// ends idle connections, milliseconds.
pub(crate) const HEAD_MS_MAX: u64 = 10_000;
/// Most octets of a request's head.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest path and query, octets.
pub(crate) const URI_BYTES_MAX: usize = 4096;
/// Largest request body, octets.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest list of ported numbers in one request, octets: a million lines.
pub(crate) const PORTED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest file of entries of a list of numbers, octets: twenty million lines.
pub(crate) const LIST_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most rows of one import.
pub const BULK_ROWS_MAX: usize = 10_000;
/// Largest body of an import, octets.
pub(crate) const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most rows that are added to a draft of a tariff at once.
pub const RATES_ROWS_MAX: usize = 100_000;
/// Largest body of those rows, octets.
pub(crate) const RATES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Time from a request's head to its answer, body included, milliseconds.
pub(crate) const REQUEST_MS_MAX: u64 = 10_000;
/// The same where a file of prices is taken in or looked through, milliseconds.
pub(crate) const LONG_MS_MAX: u64 = 120_000;
/// Most rows of a file of prices that are written in one transaction.
pub(crate) const DECK_CHUNK_ROWS: usize = 50_000;
/// Files of prices that are kept for each list, newest first; older ones can still be undone, and
/// no more be looked through.
pub(crate) const DECK_FILES_KEPT: u32 = 16;
/// Faults of a file that are told.
pub(crate) const DECK_FAULTS_MAX: usize = 100;
/// Longest name of a file, characters.
pub(crate) const FILE_NAME_CHARS_MAX: usize = 200;
/// Octets of a file that are written at once.
pub(crate) const FILE_CHUNK_BYTES: usize = 1024 * 1024;
/// Times that a file's rows are made again because other prices were published meanwhile.
pub(crate) const DECK_ATTEMPTS_MAX: usize = 4;
/// Wait before a file's rows are tried again when the database does not answer, milliseconds.
pub(crate) const DECK_PAUSE_MS: u64 = 2_000;
/// Time that `/readyz` waits for the parts it asks, milliseconds.
pub(crate) const READY_MS_MAX: u64 = 2_000;
/// Longest life of a connection, so that a reader who does not read cannot keep it, milliseconds.
pub(crate) const CONNECTION_MS_MAX: u64 = 300_000;
/// Time that a connection has to end its last request, milliseconds.
pub(crate) const DRAIN_MS_MAX: u64 = 5_000;
/// Wait after the system refused to accept, for example without free descriptors, milliseconds.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 50;
/// Rows of a page when nobody says how many.
pub const PAGE_DEFAULT: u32 = 100;
/// Most rows of a page.
pub const PAGE_MAX: u32 = 1000;
/// Longest idempotency key, octets.
pub const KEY_BYTES_MAX: usize = 128;
/// Most characters of a payment's or adjustment's reason.
pub const REASON_CHARS_MAX: usize = 500;
/// Longest time whose records are rated again by one run, days.
pub(crate) const RERATE_DAYS_MAX: i64 = 366;
/// Most runs of a tenant that are neither published nor discarded.
pub(crate) const RERATES_OPEN_MAX: i64 = 16;
/// Most characters of the name of an allowance.
pub const NAME_CHARS_MAX: usize = 100;
/// Most characters kept of a User-Agent.
pub(crate) const AGENT_CHARS_MAX: usize = 200;
/// How often it is written down that a session is used, microseconds.
pub(crate) const SESSION_TOUCH_US: i64 = 60_000_000;
/// Fewest characters of a password as long as nothing else is set.
pub(crate) const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password, characters.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Longest login name, characters.
pub const LOGIN_CHARS_MAX: usize = 64;
/// Longest realm, characters.
pub(crate) const REALM_CHARS_MAX: usize = 255;
/// Longest second factor as it is typed, characters.
pub(crate) const CODE_CHARS_MAX: usize = 32;
/// Passwords that are hashed at once; each takes 19 MiB and a core for its time.
pub(crate) const HASHERS_MAX: usize = 2;
/// Most logins, and most sources, whose failures are counted.
pub(crate) const LOGINS_MAX: usize = 4096;
/// Longest token, octets.
pub(crate) const TOKEN_BYTES_MAX: usize = 256;
/// Most sources whose failures are counted.
pub(crate) const SOURCES_MAX: usize = 4096;
/// Largest text of `/metrics`, octets.
pub const METRICS_BYTES_MAX: usize = 1024 * 1024;
/// Most characters of a foreign name that an error repeats.
pub(crate) const NAME_SHOWN_MAX: usize = 64;

const _: () = assert!(PAGE_DEFAULT <= PAGE_MAX);
// One row more than a page tells whether another page follows.
const _: () = assert!(PAGE_MAX < strowger_store::LIST_MAX);
const _: () = assert!(URI_BYTES_MAX < HEAD_BYTES_MAX);
// The smallest that hyper takes.
const _: () = assert!(HEAD_BYTES_MAX >= 8192);
const _: () = assert!(READY_MS_MAX < REQUEST_MS_MAX);
const _: () = assert!(LONG_MS_MAX < CONNECTION_MS_MAX);
