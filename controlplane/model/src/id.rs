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
    /// A pattern with targets.
    RouteId
    /// Numbers that ring several parties.
    RingGroupId
    /// A number of ours and where it leads.
    DidId
    /// Credentials that we show to a carrier.
    TrunkLoginId
    /// A network that we do not talk to.
    BanId
    /// A setting that is set at one place.
    SettingId
    /// Free time given to an account.
    AllowanceId
    /// Who logs in.
    UserId
    /// A token of REST.
    TokenId
    /// A login that runs.
    SessionId
    /// An account of the double-entry ledger.
    LedgerAccountId
}
