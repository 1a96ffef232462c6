//! What subscribers have beside a password: identity, barring, forwarding, a phonebook; ring groups
//! and DIDs.

use crate::{
    AccountId, DidId, Digits, OrganizationId, PhonebookEntryId, RingGroupId, SubscriberId,
    TenantId, TrunkId,
};

/// What called parties see of a subscriber (spec CLI-02, CLI-04, CLI-07).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Identity {
    /// Whether its number is shown.
    pub cli: Cli,
    /// Shown in place of its own first number (source: `rewriteanumber`).
    pub number: Option<Digits>,
    /// It may show any number, in P-Preferred-Identity or From; otherwise only its own.
    pub any_number: bool,
}

/// Whether a number is shown (source: `cli`, by its values).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Cli {
    /// 0: always, whatever Privacy the caller asks for.
    Always,
    /// 1: unless the caller asks for Privacy.
    #[default]
    Normal,
    /// 2: as `Normal`, with an asserted identity to every peer.
    Asserted,
    /// 3: as `Normal`, with an asserted identity to trusted peers only.
    AssertedTrusted,
    /// 4: never; trusted peers have the asserted identity.
    Hide,
    /// 5: never, with no asserted identity for anybody.
    HideAll,
}

/// Which called numbers are allowed, by prefix of the canonical number (spec USER-RESTR-01, -04).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Barring {
    /// Calls nobody (source: `CanDial` off); emergency numbers are never barred.
    pub all: bool,
    /// Only these; empty = all.
    pub allowed: Vec<Digits>,
    /// But not these; the longest of both lists wins.
    pub blocked: Vec<Digits>,
}

impl Barring {
    /// Whether `number` may not be called. Of the prefixes that fit, the longest decides; of
    /// equals, the block.
    #[must_use]
    pub fn bars(&self, number: &Digits) -> bool {
        let longest = |list: &[Digits]| {
            list.iter().filter(|prefix| number.has_prefix(prefix)).map(Digits::len).max()
        };
        match (longest(&self.allowed), longest(&self.blocked)) {
            _ if self.all => true,
            (Some(allowed), Some(blocked)) => blocked >= allowed,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => !self.allowed.is_empty(),
        }
    }
}

/// Where calls of a subscriber go instead (spec USER-CLASS5-01). It pays for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// When.
    pub when: ForwardWhen,
    /// Whom, as if the subscriber dialled it.
    pub to: String,
    /// With `NoAnswer`: after so long, seconds; 0 = its ring time.
    pub after_s: u32,
    /// In force.
    pub enabled: bool,
}

/// When a call is forwarded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ForwardWhen {
    /// Before it rings.
    Always,
    /// It is busy (486, 600) or has as many calls as it may.
    Busy,
    /// Nobody answers.
    NoAnswer,
    /// It is nowhere registered, or none of its contacts can be reached.
    Offline,
}

/// Numbers that ring several parties (source: `RingGroup`, `RGMode`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RingGroup {
    /// Identity.
    pub id: RingGroupId,
    /// Tenant.
    pub tenant: TenantId,
    /// Owner; scope of the short number.
    pub organization: OrganizationId,
    /// Pays for members outside.
    pub account: AccountId,
    /// Name, by which it can be dialled; unique per tenant.
    pub name: String,
    /// Numbers that reach it, canonical; unique per tenant.
    pub numbers: Vec<Digits>,
    /// Short number inside its organization.
    pub short: Option<Digits>,
    /// In which order members ring.
    pub mode: RingMode,
    /// Who rings.
    pub members: Vec<RingMember>,
    /// Dialled, at its account's cost, when nobody answered.
    pub overflow: Option<String>,
    /// `false` = as if deleted.
    pub enabled: bool,
}

/// In which order the members of a group ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RingMode {
    /// All together (source: 0).
    Parallel,
    /// One after the other, always from the first.
    InTurn,
    /// One after the other, each call beginning with the next (source: 1).
    Rotating,
}

/// A member of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingMember {
    /// Whom.
    pub party: RingParty,
    /// How long, seconds; 0 = its own ring time.
    pub ring_s: u32,
}

/// Who a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingParty {
    /// A subscriber of the tenant.
    Subscriber(SubscriberId),
    /// A number outside.
    Number(Digits),
}

/// A number of ours and where it leads (spec DID-ASSIGN-01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Did {
    /// Identity.
    pub id: DidId,
    /// Tenant.
    pub tenant: TenantId,
    /// Owner.
    pub organization: OrganizationId,
    /// Canonical; unique per tenant among DIDs, subscribers' and groups' numbers.
    pub number: Digits,
    /// Where.
    pub target: DidTarget,
    /// `false` = as if deleted.
    pub enabled: bool,
    /// Somebody thinks about taking it until then, microseconds; a number of the pool only
    /// (source: `lockeddt`).
    pub reserved_until_us: Option<i64>,
    /// Many subscribers have it: who calls says whose call it is, and `target` has the calls that
    /// nobody is found for (source: `ispublic` 4, `didhandleruser`).
    pub shared: bool,
    /// Who pays for calls to it in place of their callers (spec C-BIL-13): an account of its
    /// organization.
    pub payer: Option<AccountId>,
}

impl Did {
    /// Whether it is in the pool and nobody thinks about it.
    #[must_use]
    pub fn is_free(&self, at_us: i64) -> bool {
        let is_in_pool = self.target == DidTarget::Pool && !self.shared;
        is_in_pool && self.reserved_until_us.is_none_or(|until| until <= at_us)
    }
}

/// A contact that a subscriber keeps (spec DID-CONTACT-01; source: `tb_speedial`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhonebookEntry {
    /// Identity.
    pub id: PhonebookEntryId,
    /// Tenant of the subscriber.
    pub tenant: TenantId,
    /// Whose contact.
    pub subscriber: SubscriberId,
    /// The contact's number, as it is dialled.
    pub number: Digits,
    /// Shown name.
    pub name: String,
    /// The shared DID between the two: who dials it reaches the other. A subscriber gives one to
    /// one contact at most (source: `udid`).
    pub did: Option<DidId>,
}

/// Where a DID leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DidTarget {
    /// To a subscriber.
    Subscriber(SubscriberId),
    /// To a customer's switch.
    Trunk(TrunkId),
    /// To a group.
    RingGroup(RingGroupId),
    /// Nowhere: it is in the pool of numbers that can be taken, and as if deleted for calls.
    Pool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], blocked: &[&str], number: &str, barred: bool) {
        let list = |texts: &[&str]| texts.iter().map(|t| Digits::parse(t).unwrap()).collect();
        let barring = Barring { all: false, allowed: list(allowed), blocked: list(blocked) };
        assert_eq!(barring.bars(&Digits::parse(number).unwrap()), barred, "{number} {barring:?}");
    }

    #[test]
    fn the_longest_prefix_decides() {
        check(&[], &[], "4420", false);
        check(&[], &["44"], "4420", true);
        check(&[], &["45"], "4420", false);
        check(&["44"], &[], "4420", false);
        check(&["45"], &[], "4420", true);
        check(&["44"], &["4420"], "44207", true);
        check(&["4420"], &["44"], "44207", false);
        check(&["44"], &["44"], "44207", true);
        check(&["4420"], &["44"], "4421", true);
    }

    #[test]
    fn nobody_is_called_with_everything_barred() {
        let barring = Barring { all: true, ..Barring::default() };
        assert!(barring.bars(&Digits::parse("1").unwrap()));
    }
}
