//! Bounds of this crate.

use strowger_model::NUMBER_MAX;

/// Most prefixes of one number that the dictionary can hold, the empty one included.
pub const CHAIN_MAX: usize = NUMBER_MAX + 1;
/// Most prefixes in the dictionary; ids are `u32` and one value means none.
pub const PREFIXES_MAX: usize = 1 << 28;
/// Most decks of suppliers that are looked up together, a multiple of 64; those beyond are looked
/// up one by one.
pub const JOINT_DECKS_MAX: usize = 256;
/// Entries a page of a [`crate::PageMap`] holds before it is split.
pub const PAGE_MAX: usize = 64;

/// Longest called text looked at, characters.
pub const CALLED_MAX: usize = 64;
/// Most targets of one route.
pub const ROUTE_TARGETS_MAX: usize = 64;
/// Most routes of which a world keeps the suppliers at hand, a power of two; those of the others
/// are looked for on each call.
pub const SUPPLIED_ROUTES_MAX: usize = 1_024;
/// Most prefixes of one route, called and calling each.
pub const ROUTE_PREFIXES_MAX: usize = 1_000;
/// Most classes of times in one list of a route.
pub const ROUTE_TIMES_MAX: usize = 64;
/// Most addresses of one trunk.
pub const TRUNK_TARGETS_MAX: usize = 16;
/// Most sources of one trunk.
pub const TRUNK_SOURCES_MAX: usize = 256;
/// Most users that From of one trunk's calls may name.
pub const TRUNK_USERS_MAX: usize = 256;
/// Most trunks that take calls of guests.
pub const GUEST_TRUNKS_MAX: usize = 256;
/// Most numbers of one subscriber.
pub const SUBSCRIBER_NUMBERS_MAX: usize = 64;

/// Most contacts that one subscriber keeps.
pub const PHONEBOOK_MAX: usize = 1_000;
/// Most calls by shared DIDs that are remembered.
pub const SHARED_CALLS_MAX: usize = 65_536;

/// Most forwards of one subscriber.
pub const SUBSCRIBER_FORWARDS_MAX: usize = 16;
/// Most members of a ring group.
pub const GROUP_MEMBERS_MAX: usize = 32;
/// Most prefixes in one list of a barring.
pub const BARRING_MAX: usize = 1_000;
/// Most statuses in one list of a trunk.
pub const STATUSES_MAX: usize = 64;

/// Longest caller's name or number shown, characters.
pub const IDENTITY_MAX: usize = 64;
/// Longest user name, bytes.
pub const USERNAME_MAX: usize = 64;
/// Most organizations that an account or a trunk has as partners.
pub const PARTNERS_MAX: usize = 256;
/// Most prefixes in one list of a trunk's precedence.
pub const PRECEDENCE_PREFIXES_MAX: usize = 64;
/// Most discounts of one account.
pub const DISCOUNTS_MAX: usize = 16;
/// Deepest tree of organizations.
pub const ORGANIZATION_DEPTH_MAX: usize = 16;

/// Most contacts a subscriber may be given.
pub const CONTACTS_MAX: usize = 16;
/// Longest Contact URI kept, bytes.
pub const CONTACT_URI_MAX: usize = 512;
/// Longest of the other texts kept with a contact (Call-ID, instance, User-Agent), bytes.
pub const CONTACT_TEXT_MAX: usize = 256;
/// Most Path values kept with a contact.
pub const PATHS_MAX: usize = 4;
/// Most bindings ended in one turn of the registrar; the next turn follows at once.
pub const EXPIRED_PER_TURN_MAX: usize = 1024;
/// The longest that a registrar's own minimum may be, seconds (RFC 3261 10.3 step 7: one hour).
pub const EXPIRES_MIN_S_MAX: u32 = 3600;

/// Most nonces whose count is remembered.
pub const NONCES_MAX: usize = 65_536;
/// Longest nonce, bytes: ours are shorter.
pub const NONCE_MAX: usize = 128;

/// Most trunks whose standing is remembered.
pub const STANDING_TRUNKS_MAX: usize = 4_096;
/// Most beginnings of called numbers that trunks are judged for.
pub const DIRECTIONS_MAX: usize = 16_384;
/// Most trunks that are judged for one of them: as many as a route has.
pub const DIRECTION_TRUNKS_MAX: usize = ROUTE_TARGETS_MAX;

/// Most days whose talk is remembered of a trunk: the month's, and some of the one before.
pub const TALK_DAYS_MAX: usize = 40;
/// Most sets of targets whose turns are remembered.
pub const TURNS_MAX: usize = 4_096;

/// Longest URI of another domain that is called, characters.
pub const FOREIGN_URI_MAX: usize = 256;

/// Most addresses of another domain that one call tries.
pub const FOREIGN_ADDRESSES_MAX: usize = 4;

/// Longest trace of one decision, bytes (design of control, 15).
pub const TRACE_MAX: usize = 512;

const _: () = assert!(CONTACTS_MAX >= strowger_link::BRANCHES_MAX);
const _: () = assert!(strowger_link::HOPS_MAX <= strowger_link::STAGES_MAX);
