//! Typed ids: a trunk's number is no account's number.

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A wall between customers of the operator; every row belongs to one.
    TenantId
    /// A node of the tree inside a tenant: owner, reseller, company, customer, supplier.
    OrganizationId
    /// Who pays.
    AccountId
    /// A SIP identity with features.
    SubscriberId
    /// A peer with an ingress and an egress facet.
    TrunkId
    /// A list of prices.
    TariffId
    /// One price line.
    RateId
    /// A file with prices that was sent in.
    ImportId
    /// A pattern with targets.
    RouteId
    /// Numbers that ring several parties.
    RingGroupId
    /// A number of ours and where it leads.
    DidId
    /// A contact that a subscriber keeps.
    PhonebookEntryId
    /// Credentials that we show to a carrier.
    TrunkLoginId
    /// A network that we do not talk to.
    BanId
    /// A RADIUS server.
    RadiusServerId
    /// A rule about callers.
    CallerRuleId
    /// A list of numbers.
    NumberListId
    /// A rule about calls.
    RuleId
    /// A setting that is set at one place.
    SettingId
    /// Free time given to an account.
    AllowanceId
    /// Days that are holidays.
    HolidayId
    /// What a currency was worth from a time on.
    ExchangeRateId
    /// A rule about prices.
    PriceRuleId
    /// Who logs in.
    UserId
    /// A token of REST.
    TokenId
    /// A login that runs.
    SessionId
    /// An account of the double-entry ledger.
    LedgerAccountId
}

/// Bits of a renewed allowance's id that count the renewals: 2,800 years of days.
const RENEWAL_BITS: u32 = 20;

impl AllowanceId {
    /// The id of what is given when this one ends: below zero, made of the id of the first one and
    /// the count. So a restored database, where renewals have to be made again, makes them with the
    /// ids that its journals name.
    #[must_use]
    pub fn renewed(self) -> AllowanceId {
        let mask = (1 << RENEWAL_BITS) - 1;
        let (first, count) = if self.0 < 0 {
            let id = self.0.unsigned_abs();
            (id >> RENEWAL_BITS, id & mask)
        } else {
            (self.0.unsigned_abs() & (u64::MAX >> (RENEWAL_BITS + 1)), 0)
        };
        // More renewals than can be counted go on in the numbers of a first one that no row has.
        let id = (first << RENEWAL_BITS | count).saturating_add(1);
        AllowanceId(0_i64.saturating_sub_unsigned(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_renewals_say_whose_they_are_and_meet_no_other() {
        let mut seen = std::collections::BTreeSet::new();
        for first in [1, 2, 3, (1 << 43) - 1] {
            let mut id = AllowanceId(first);
            for count in 1..=1_000 {
                id = id.renewed();
                assert_eq!(id.0, -((first << 20) + count));
                assert!(seen.insert(id));
            }
        }
        assert_eq!(AllowanceId(i64::MIN).renewed(), AllowanceId(i64::MIN));
    }
}
