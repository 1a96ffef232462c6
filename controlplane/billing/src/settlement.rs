//! The settlement: everything rating needs, carried through the dataplane unread.

mod form;
mod part;

pub use part::{FORWARDS_MAX, Forwarder, Part, PriceRef, Wait};

use crate::compact::{Form, Reader, Writer};
use crate::{BadTerms, Commission, Terms};
use strowger_link::{HOPS_MAX, SETTLEMENT_MAX};
use strowger_model::{
    AccountId, AllowanceId, Currency, Digits, Exchange, OrganizationId, SubscriberId, TenantId,
    TrunkId, WHOLE,
};

/// Version of the form; the first byte.
pub const SETTLEMENT_VERSION: u8 = 9;
/// The same without a class; written where there is none, so that a release before it reads it.
const SETTLEMENT_VERSION_8: u8 = 8;
/// The one before that, which knew no packets of money; still read.
const SETTLEMENT_VERSION_7: u8 = 7;
/// The one before that, which knew no commissions; still read.
const SETTLEMENT_VERSION_6: u8 = 6;
// The version before (5) had no class rule and is read as it is.
/// An earlier one, which did not say whether the caller hides; still read.
const SETTLEMENT_VERSION_4: u8 = 4;
/// The one before that, without forwards; still read.
const SETTLEMENT_VERSION_3: u8 = 3;
/// An earlier one, without an allowance; still read.
const SETTLEMENT_VERSION_2: u8 = 2;
/// The first, without beginning and longest duration; still read.
const SETTLEMENT_VERSION_1: u8 = 1;
/// Most levels of payers.
pub const LEVELS_MAX: usize = 16;
/// Most exchange rates: of what each level and each hop may cost, for each payer of another
/// currency; a call in more currencies than this pays no commissions of profit.
pub const EXCHANGES_MAX: usize = 16;
/// Most octets of a class.
pub const CLASS_MAX: usize = 512;
/// Most octets that a class takes in the form beside its own.
const CLASS_HEAD: usize = 2;

/// Bytes that are made room for at once: for what stands before the payers, and for one of these.
const HEAD_USUAL: usize = 80;
const TERMS_USUAL: usize = 40;
/// Most characters kept of the caller's number.
pub const CALLER_NUMBER_MAX: usize = 64;

/// Who pays what for one attempt, by value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Tenant.
    pub tenant: TenantId,
    /// Hold in the till: the ask's id; 0 = none was taken.
    pub hold: u64,
    /// Version of the snapshot that decided.
    pub snapshot: u64,
    /// When the call began, microseconds since 1970 UTC, as its record will say: the day and month
    /// in which it counts. 0 = a version did not say.
    pub began_us: i64,
    /// Longest talk time, milliseconds; 0 = no limit, or a version did not say.
    pub ms_max: u64,
    /// Free time that the first level's calls take before money.
    pub allowance: Option<AllowanceId>,
    /// The packet of money that pays for the first level's calls before its balance.
    pub packet: Option<AllowanceId>,
    /// Called number in canonical form, if it has one.
    pub number: Option<Digits>,
    /// Prefix of the destination it belongs to.
    pub destination: Option<Digits>,
    /// Who called.
    pub caller: Caller,
    /// Payers with prices from the beginning of the call, the caller's account first, then the
    /// resellers above it; at most [`LEVELS_MAX`],
    /// each account once. Empty for a refused attempt and for free calls.
    pub levels: Vec<Level>,
    /// Suppliers' prices, by [`PriceRef::hop`]; at most [`strowger_link::HOPS_MAX`].
    pub hops: Vec<Hop>,
    /// Forwards, by [`PriceRef::part`]; at most [`FORWARDS_MAX`].
    pub parts: Vec<Part>,
    /// What costs in other currencies are worth to payers whose agents earn a part of the profit:
    /// currency of the cost, and into which; at most [`EXCHANGES_MAX`].
    pub exchanges: Vec<(Currency, Exchange)>,
    /// What a RADIUS server wants to hear again when it is told of the call (RFC 2865 5.25), as
    /// [`crate::classes`] has it; at most [`CLASS_MAX`] octets, and none where there is no room.
    pub class: Vec<u8>,
}

/// Who called.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Caller {
    /// Whose account it is, also when nothing is charged.
    pub account: Option<AccountId>,
    /// Organization of the account.
    pub organization: Option<OrganizationId>,
    /// A subscriber.
    pub subscriber: Option<SubscriberId>,
    /// Or a trunk.
    pub trunk: Option<TrunkId>,
    /// Number as recognised, cut to [`CALLER_NUMBER_MAX`] bytes; empty when none was.
    pub number: String,
    /// The caller hides from whom he calls, who is not told who he is (RFC 3323).
    pub hidden: bool,
}

/// One payer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Who pays.
    pub account: AccountId,
    /// Its organization; the level below pays to it.
    pub organization: OrganizationId,
    /// Pays in advance.
    pub prepaid: bool,
    /// Its terms.
    pub terms: Terms,
    /// What who brought it earns of it.
    pub commission: Option<Commission>,
}

/// One supplier's price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Trunk.
    pub trunk: TrunkId,
    /// Account that we owe.
    pub account: AccountId,
    /// Its organization.
    pub organization: OrganizationId,
    /// Its terms; `None` when it charges nothing.
    pub terms: Option<Terms>,
}

/// Why a settlement cannot be written or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSettlement {
    /// Longer than [`SETTLEMENT_MAX`].
    #[error("the settlement is longer than its bound")]
    TooLong,
    /// More than [`LEVELS_MAX`] levels.
    #[error("the settlement has too many levels")]
    Levels,
    /// More than [`strowger_link::HOPS_MAX`] hops.
    #[error("the settlement has too many hops")]
    Hops,
    /// More than [`FORWARDS_MAX`] forwards, or one that follows from a later one.
    #[error("the settlement has too many forwards, or they are out of order")]
    Parts,
    /// More than [`EXCHANGES_MAX`] exchange rates.
    #[error("the settlement has too many exchange rates")]
    Exchanges,
    /// A commission of more than all of it.
    #[error("a commission is more than all of what is paid")]
    Commission,
    /// An account stands on two levels.
    #[error("an account pays on two levels")]
    SamePayer,
    /// Terms out of range.
    #[error("the terms of a payer are out of range")]
    Terms(#[from] BadTerms),
    /// Another version, or bytes that are no settlement.
    #[error("the bytes are no settlement of this version")]
    Malformed,
}

impl Settlement {
    /// A settlement of `tenant` in which nobody pays.
    #[must_use]
    pub fn free(tenant: TenantId) -> Settlement {
        Settlement {
            tenant,
            hold: 0,
            snapshot: 0,
            began_us: 0,
            ms_max: 0,
            allowance: None,
            packet: None,
            number: None,
            destination: None,
            caller: Caller::default(),
            levels: Vec::new(),
            hops: Vec::new(),
            parts: Vec::new(),
            exchanges: Vec::new(),
            class: Vec::new(),
        }
    }

    /// From one currency to another, where a commission needs it.
    #[must_use]
    pub fn exchange(&self, from: Currency, to: Currency) -> Option<Exchange> {
        let known = self.exchanges.iter().find(|(of, into)| *of == from && into.ledger() == to);
        known.map(|(_, exchange)| *exchange)
    }

    /// Its bytes for an answer, at most [`SETTLEMENT_MAX`].
    ///
    /// # Errors
    /// [`BadSettlement`] names the bound that it breaks.
    pub fn encode(&self) -> Result<Vec<u8>, BadSettlement> {
        self.check()?;
        let terms = self.levels.len() + self.hops.len() + self.parts.len();
        let mut out = Writer(Vec::with_capacity(HEAD_USUAL + terms * TERMS_USUAL));
        out.byte(SETTLEMENT_VERSION_8);
        out.signed(self.tenant.0);
        out.unsigned(self.hold);
        out.unsigned(self.snapshot);
        out.signed(self.began_us);
        out.unsigned(self.ms_max);
        self.allowance.write(&mut out);
        self.number.write(&mut out);
        self.destination.write(&mut out);
        self.caller.write(&mut out);
        out.list(&self.levels);
        out.list(&self.hops);
        out.list(&self.parts);
        out.list(&self.exchanges);
        self.packet.write(&mut out);
        // A call must not fail for a word that only its accounting lacks.
        let with_class = out.0.len() + CLASS_HEAD + self.class.len();
        if !self.class.is_empty() && self.class.len() <= CLASS_MAX && with_class <= SETTLEMENT_MAX {
            out.octets(&self.class);
            if let Some(version) = out.0.first_mut() {
                *version = SETTLEMENT_VERSION;
            }
        }
        if out.0.len() > SETTLEMENT_MAX { Err(BadSettlement::TooLong) } else { Ok(out.0) }
    }

    /// Reads the bytes that facts bring back.
    ///
    /// # Errors
    /// [`BadSettlement`]: the bytes are not trusted.
    pub fn decode(bytes: &[u8]) -> Result<Settlement, BadSettlement> {
        let mut input = Reader::new(bytes);
        let (version, head) = Settlement::read_head(bytes, &mut input)?;
        let has_parts = version >= SETTLEMENT_VERSION_4;
        let has_exchanges = version > SETTLEMENT_VERSION_6;
        let has_packet = version > SETTLEMENT_VERSION_7;
        let mut settlement = Settlement {
            levels: input.list(LEVELS_MAX, BadSettlement::Levels)?,
            hops: input.list(HOPS_MAX, BadSettlement::Hops)?,
            parts: match has_parts {
                true => input.list(FORWARDS_MAX, BadSettlement::Parts)?,
                false => Vec::new(),
            },
            exchanges: match has_exchanges {
                true => input.list(EXCHANGES_MAX, BadSettlement::Exchanges)?,
                false => Vec::new(),
            },
            ..head
        };
        if has_packet {
            settlement.packet = Form::read(&mut input)?;
        }
        if version > SETTLEMENT_VERSION_8 {
            settlement.class = input.octets(CLASS_MAX)?.to_vec();
        }
        settlement.check()?;
        if input.is_empty() { Ok(settlement) } else { Err(BadSettlement::Malformed) }
    }

    /// Whose call the bytes of a settlement are about, without the prices behind that, which are
    /// not looked at.
    ///
    /// # Errors
    /// [`BadSettlement::Malformed`].
    pub fn parties(bytes: &[u8]) -> Result<(TenantId, Caller), BadSettlement> {
        let (_, head) = Settlement::read_head(bytes, &mut Reader::new(bytes))?;
        Ok((head.tenant, head.caller))
    }

    /// The version, and what stands before the payers.
    fn read_head(bytes: &[u8], input: &mut Reader<'_>) -> Result<(u8, Settlement), BadSettlement> {
        let version = input.byte()?;
        if bytes.len() > SETTLEMENT_MAX
            || !(SETTLEMENT_VERSION_1..=SETTLEMENT_VERSION).contains(&version)
        {
            return Err(BadSettlement::Malformed);
        }
        let has_times = version >= SETTLEMENT_VERSION_2;
        let has_allowance = version >= SETTLEMENT_VERSION_3;
        let tenant = TenantId(input.signed()?);
        let head = Settlement {
            hold: input.unsigned()?,
            snapshot: input.unsigned()?,
            began_us: if has_times { input.signed()? } else { 0 },
            ms_max: if has_times { input.unsigned()? } else { 0 },
            allowance: if has_allowance { Form::read(input)? } else { None },
            number: Form::read(input)?,
            destination: Form::read(input)?,
            caller: Caller::read(input)?,
            ..Settlement::free(tenant)
        };
        Ok((version, head))
    }

    fn check(&self) -> Result<(), BadSettlement> {
        if self.levels.len() > LEVELS_MAX {
            return Err(BadSettlement::Levels);
        }
        if self.hops.len() > HOPS_MAX {
            return Err(BadSettlement::Hops);
        }
        // At most sixteen: looking at each pair is less than a tree.
        let above = |at: usize| self.levels.get(at + 1..).unwrap_or_default();
        let again = |(at, level): (usize, &Level)| {
            above(at).iter().any(|other| other.account == level.account)
        };
        if self.levels.iter().enumerate().any(again) {
            return Err(BadSettlement::SamePayer);
        }
        if !part::are_in_order(&self.parts) {
            return Err(BadSettlement::Parts);
        }
        if self.exchanges.len() > EXCHANGES_MAX {
            return Err(BadSettlement::Exchanges);
        }
        let payers = || self.levels.iter().chain(self.parts.iter().map(|part| &part.level));
        if payers().filter_map(|level| level.commission).any(|c| c.share_bp > WHOLE) {
            return Err(BadSettlement::Commission);
        }
        let hops = self.hops.iter().filter_map(|hop| hop.terms.as_ref());
        for terms in payers().map(|level| &level.terms).chain(hops) {
            terms.check()?;
        }
        Ok(())
    }
}

/// The values of a class, each of 1 to 253 octets, in their order: each stands behind its length.
pub fn classes(class: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = class;
    core::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let (value, next) = behind.split_at_checked(usize::from(*length))?;
        rest = next;
        Some(value)
    })
}

/// Adds a value to a class; `false` when there is no room for it.
pub fn add_class(class: &mut Vec<u8>, value: &[u8]) -> bool {
    let has_room = class.len() + 1 + value.len() <= CLASS_MAX;
    match u8::try_from(value.len()) {
        Ok(length) if length > 0 && has_room => {
            class.push(length);
            class.extend_from_slice(value);
            true
        }
        Ok(_) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
