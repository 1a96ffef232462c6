//! What a row must fulfil before it becomes part of a world.

use super::{BuildError, Problem, RowName, Source, World};
use crate::limits::{
    BARRING_MAX, CALLED_MAX, CONTACTS_MAX, DISCOUNTS_MAX, EXPIRES_MIN_S_MAX, GROUP_MEMBERS_MAX,
    ORGANIZATION_DEPTH_MAX, PARTNERS_MAX, PHONEBOOK_MAX, PRECEDENCE_PREFIXES_MAX,
    ROUTE_PREFIXES_MAX, ROUTE_TARGETS_MAX, ROUTE_TIMES_MAX, STATUSES_MAX, SUBSCRIBER_FORWARDS_MAX,
    SUBSCRIBER_NUMBERS_MAX, TRUNK_SOURCES_MAX, TRUNK_TARGETS_MAX, TRUNK_USERS_MAX, USERNAME_MAX,
};
use strowger_billing::Terms;
use strowger_model::{
    Account, AccountId, Ban, Barring, CallerRule, CauseMap, Commitment, Did, DidTarget, Digits,
    EDIT_PREFIXES_MAX, Egress, EgressTarget, Emergency, Exchange, Ingress, IngressAuth,
    NUMBER_LISTS_MAX, NUMBER_LISTS_PLACE_MAX, NUMBER_MAX, NumberList, Organization, OrganizationId,
    PRICE_RULE_PREFIXES_MAX, PRICE_RULE_TIMES_MAX, PRICE_RULE_TRUNKS_MAX, PRICE_RULES_MAX,
    PhonebookEntry, Precedence, PrefixEdit, PriceRule, Rate, RingGroup, RingParty, Route,
    SettingRow, Subscriber, SubscriberId, Tariff, TariffId, TariffKind, Tenant, TenantId,
    TimeClass, Trunk, TrunkId, WHOLE,
};

type Checked = Result<(), BuildError>;

const fn wrong(row: RowName, problem: Problem) -> BuildError {
    BuildError { row, problem }
}

fn range(row: RowName, field: &'static str, fine: bool) -> Checked {
    if fine { Ok(()) } else { Err(wrong(row, Problem::OutOfRange { field })) }
}

fn count(row: RowName, field: &'static str, len: usize, max: usize) -> Checked {
    if len <= max { Ok(()) } else { Err(wrong(row, Problem::TooMany { field, max })) }
}

pub(super) fn price_rule_count(last: RowName, len: usize) -> Checked {
    count(last, "rows of the tenant", len, PRICE_RULES_MAX)
}

/// What a unique value is worth: nobody else has it.
fn free(row: RowName, field: &'static str, by: Option<RowName>) -> Checked {
    match by {
        Some(by) if by != row => Err(wrong(row, Problem::Taken { field, by })),
        Some(_) | None => Ok(()),
    }
}

fn edit(row: RowName, field: &'static str, edit: &PrefixEdit) -> Checked {
    let lists = [&edit.remove, &edit.if_begins, &edit.if_not_begins];
    lists.iter().try_for_each(|list| count(row, field, list.len(), EDIT_PREFIXES_MAX))?;
    range(row, field, edit.add.len() <= NUMBER_MAX)
}

fn barring(row: RowName, barring: &Barring) -> Checked {
    count(row, "allowed", barring.allowed.len(), BARRING_MAX)?;
    count(row, "blocked", barring.blocked.len(), BARRING_MAX)
}

fn precedence(row: RowName, first: &Precedence) -> Checked {
    for (field, list) in
        [("precedence.called", &first.called), ("precedence.callers", &first.callers)]
    {
        count(row, field, list.len(), PRECEDENCE_PREFIXES_MAX)?;
        range(row, field, !list.iter().any(Digits::is_empty))?;
    }
    count(row, "precedence.organizations", first.organizations.len(), PARTNERS_MAX)
}

fn causes(row: RowName, causes: &[CauseMap]) -> Checked {
    count(row, "causes", causes.len(), STATUSES_MAX)?;
    let is_failure = |status: u16| (400..700).contains(&status);
    let fits =
        |map: &CauseMap| is_failure(map.status) && is_failure(map.to_status) && map.to_q850 < 128;
    range(row, "causes", causes.iter().all(fits))
}

/// A name or address that may stand in a URI.
fn is_host(host: &str) -> bool {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    (1..=253).contains(&host.len()) && host.bytes().all(allowed)
}

pub(super) fn ban(row: &Ban) -> Checked {
    let name = RowName::Ban(row.id);
    let bits = if row.network.to_canonical().is_ipv4() { 32 } else { 128 };
    // A ban of everybody would be one of ourselves.
    range(name, "network", (1..=bits).contains(&row.prefix_len))?;
    range(name, "port", row.port == 0 || row.prefix_len == bits)?;
    range(name, "until", row.until_us.is_none_or(|until| until > row.from_us))
}

/// What tells this trunk's calls from those of others.
pub(super) fn sources(row: &Trunk) -> Vec<Source> {
    let Some(ingress) = &row.ingress else { return Vec::new() };
    let key = |m: &strowger_model::SourceMatch| {
        (m.network.to_canonical(), m.prefix_len, m.port, ingress.tech_prefix)
    };
    ingress.sources.iter().map(key).collect()
}

/// Whether a line fits its tariff: what every line of a world fulfils.
///
/// # Errors
/// [`BuildError`] names the line.
pub fn check_rate(row: &Tariff, rate: &Rate) -> Result<(), BuildError> {
    let line = RowName::Rate(rate.id);
    if rate.tariff != row.id {
        let other = RowName::Tariff(row.id);
        return Err(wrong(line, Problem::Mismatch { field: "tariff", other }));
    }
    range(line, "until_us", rate.until_us.is_none_or(|until| until > rate.from_us))?;
    let is_long = |digits: u8| usize::from(digits) <= NUMBER_MAX;
    range(line, "digits_min", is_long(rate.digits_min))?;
    let is_above = rate.digits_max == 0 || rate.digits_max >= rate.digits_min;
    range(line, "digits_max", is_long(rate.digits_max) && is_above)?;
    let terms = Terms::of(row, rate, 0, Exchange::same(row.currency));
    terms.map(|_| ()).map_err(|bad| wrong(line, Problem::Terms(bad)))
}

impl World {
    pub(super) fn check_tenant(&self, row: &Tenant) -> Checked {
        let name = RowName::Tenant(row.id);
        range(name, "realm", !row.realm.is_empty())?;
        self.check_own_currency(row)?;
        range(name, "algorithms", !row.algorithms.is_empty())?;
        range(name, "internal_price", row.internal_price.0 >= 0)?;
        range(name, "talk_s_max", row.talk_s_max > 0)?;
        range(name, "ring_timeout_s", row.ring_timeout_s > 0)?;
        let numbers = &row.normalisation;
        let lengths = 1..=NUMBER_MAX as u8;
        range(name, "length_max", lengths.contains(&numbers.length_max))?;
        count(name, "international", numbers.international.len(), EDIT_PREFIXES_MAX)?;
        edit(name, "incoming", &numbers.incoming)?;
        free(name, "realm", self.realms.get(&row.realm).map(|id| RowName::Tenant(*id)))?;
        row.domains.iter().chain([&row.realm]).try_for_each(|host| {
            let by = self.tenant_of_host(host).map(|t| RowName::Tenant(t.id));
            free(name, "domains", by)
        })
    }

    pub(super) fn check_organization(&self, row: &Organization) -> Checked {
        let name = RowName::Organization(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        let mut parent = row.parent;
        for _ in 0..ORGANIZATION_DEPTH_MAX {
            let Some(id) = parent else { return Ok(()) };
            parent = self.check_organization_of(name, row.tenant, id)?.parent;
        }
        Err(wrong(name, Problem::Ring))
    }

    pub(super) fn check_tariff(&self, row: &Tariff, rates: &[Rate]) -> Checked {
        let name = RowName::Tariff(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        rates.iter().try_for_each(|rate| check_rate(row, rate))
    }

    pub(super) fn check_account(&self, row: &Account) -> Checked {
        let name = RowName::Account(row.id);
        let tenant = self.check_tenant_exists(name, row.tenant)?;
        self.check_organization_of(name, row.tenant, row.organization)?;
        self.check_reseller(row)?;
        count(name, "discounts", row.discounts.len(), DISCOUNTS_MAX)?;
        let shares = row.discounts.iter().map(|discount| discount.share_bp);
        range(name, "discounts", shares.clone().all(|share_bp| share_bp <= WHOLE))?;
        range(name, "reduction", row.reduction_bp <= WHOLE)?;
        count(name, "partners", row.partners.len(), PARTNERS_MAX)?;
        barring(name, &row.barring)?;
        // Internal prices are in the tenant's currency and are not converted.
        if tenant.internal_price.0 != 0 && tenant.currency != row.currency {
            let other = RowName::Tenant(tenant.id);
            return Err(wrong(name, Problem::Mismatch { field: "currency", other }));
        }
        match row.tariff {
            Some(id) => self.check_tariff_for(name, row, id, TariffKind::Customer),
            None => Ok(()),
        }
    }

    pub(super) fn check_subscriber(&self, row: &Subscriber) -> Checked {
        let name = RowName::Subscriber(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        self.check_account_of(name, row.tenant, row.account)?;
        self.check_organization_of(name, row.tenant, row.organization)?;
        range(name, "username", (1..=USERNAME_MAX).contains(&row.username.len()))?;
        count(name, "numbers", row.numbers.len(), SUBSCRIBER_NUMBERS_MAX)?;
        range(name, "numbers", row.numbers.iter().all(|n| !n.is_empty()))?;
        range(name, "short", row.short.is_none_or(|short| !short.is_empty()))?;
        let contacts = usize::from(row.contacts_max);
        range(name, "contacts_max", (1..=CONTACTS_MAX).contains(&contacts))?;
        let shortest = row.expires_s_max.min(EXPIRES_MIN_S_MAX);
        range(name, "expires_s_max", row.expires_s_max > 0)?;
        range(name, "expires_s_min", row.expires_s_min <= shortest)?;
        barring(name, &row.barring)?;
        count(name, "forwards", row.forwards.len(), SUBSCRIBER_FORWARDS_MAX)?;
        let to = |f: &strowger_model::Forward| (1..=CALLED_MAX).contains(&f.to.len());
        range(name, "forwards", row.forwards.iter().all(to))?;
        // Callees' gauges share 31 bits.
        range(name, "id", row.calls_max == 0 || (0..1 << 31).contains(&row.id.0))
    }

    pub(super) fn check_ring_group(&self, row: &RingGroup) -> Checked {
        let name = RowName::RingGroup(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        self.check_account_of(name, row.tenant, row.account)?;
        self.check_organization_of(name, row.tenant, row.organization)?;
        range(name, "name", (1..=USERNAME_MAX).contains(&row.name.len()))?;
        count(name, "numbers", row.numbers.len(), SUBSCRIBER_NUMBERS_MAX)?;
        range(name, "numbers", row.numbers.iter().all(|n| !n.is_empty()))?;
        range(name, "short", row.short.is_none_or(|short| !short.is_empty()))?;
        count(name, "members", row.members.len(), GROUP_MEMBERS_MAX)?;
        let fits = |to: &String| (1..=CALLED_MAX).contains(&to.len());
        range(name, "overflow", row.overflow.as_ref().is_none_or(fits))?;
        row.members.iter().try_for_each(|member| match member.party {
            RingParty::Subscriber(id) => self.check_subscriber_of(name, row.tenant, id),
            RingParty::Number(number) => range(name, "members", !number.is_empty()),
        })
    }

    pub(super) fn check_did(&self, row: &Did) -> Checked {
        let name = RowName::Did(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        self.check_organization_of(name, row.tenant, row.organization)?;
        range(name, "number", !row.number.is_empty())?;
        let is_in_pool = row.target == DidTarget::Pool && !row.shared;
        let reserves = row.reserved_until_us.is_none() || is_in_pool;
        range(name, "reserved_until", reserves)?;
        if let Some(payer) = row.payer {
            self.check_account_of(name, row.tenant, payer)?;
        }
        match row.target {
            DidTarget::Subscriber(id) => self.check_subscriber_of(name, row.tenant, id),
            DidTarget::Trunk(id) => self.check_trunk_of(name, row.tenant, id),
            DidTarget::Pool => Ok(()),
            DidTarget::RingGroup(id) => {
                let other = RowName::RingGroup(id);
                let found = self.ring_group(id).ok_or(wrong(name, Problem::Missing(other)))?;
                same_tenant(name, other, row.tenant, found.tenant)
            }
        }
    }

    pub(super) fn check_phonebook_entry(&self, row: &PhonebookEntry) -> Checked {
        let name = RowName::PhonebookEntry(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        self.check_subscriber_of(name, row.tenant, row.subscriber)?;
        range(name, "number", !row.number.is_empty())?;
        let others = self.phonebook.count_of(row.subscriber, row.id);
        count(name, "number", others + 1, PHONEBOOK_MAX)?;
        let Some(id) = row.did else { return Ok(()) };
        let other = RowName::Did(id);
        let did = self.did(id).ok_or(wrong(name, Problem::Missing(other)))?;
        same_tenant(name, other, row.tenant, did.tenant)?;
        if !did.shared {
            return Err(wrong(name, Problem::Mismatch { field: "did", other }));
        }
        let by = self.phonebook.own(row.subscriber, id).map(|entry| entry.id);
        free(name, "did", by.map(RowName::PhonebookEntry))
    }

    pub(super) fn check_trunk(&self, row: &Trunk) -> Checked {
        let name = RowName::Trunk(row.id);
        // Gauges in shared memory are numbered by trunk.
        range(name, "id", u32::try_from(row.id.0).is_ok())?;
        self.check_tenant_exists(name, row.tenant)?;
        self.check_organization_of(name, row.tenant, row.organization)?;
        if let Some(ingress) = &row.ingress {
            self.check_ingress(row, ingress)?;
        }
        match &row.egress {
            Some(egress) => self.check_egress(row, egress),
            None => Ok(()),
        }
    }

    fn check_ingress(&self, row: &Trunk, ingress: &Ingress) -> Checked {
        let name = RowName::Trunk(row.id);
        self.check_account_of(name, row.tenant, ingress.account)?;
        count(name, "sources", ingress.sources.len(), TRUNK_SOURCES_MAX)?;
        range(name, "tech_prefix", ingress.tech_prefix.is_none_or(|p| !p.is_empty()))?;
        count(name, "hosts", ingress.hosts.len(), TRUNK_SOURCES_MAX)?;
        edit(name, "called", &ingress.called)?;
        barring(name, &ingress.barring)?;
        causes(name, &ingress.causes)?;
        count(name, "users", ingress.users.len(), TRUNK_USERS_MAX)?;
        let has_address = !ingress.sources.is_empty() || !ingress.hosts.is_empty();
        let fits = match ingress.auth {
            IngressAuth::Either => true,
            IngressAuth::Both => has_address && ingress.credentials.is_some(),
            IngressAuth::Nobody => !has_address && ingress.credentials.is_none(),
        };
        range(name, "auth", fits)?;
        range(name, "by_number", ingress.auth != IngressAuth::Nobody || !ingress.by_number)?;
        range(name, "trusted", ingress.auth != IngressAuth::Nobody || !ingress.trusted)?;
        if let Some(credentials) = &ingress.credentials {
            let length = credentials.username.len();
            range(name, "username", (1..=USERNAME_MAX).contains(&length))?;
        }
        for source in sources(row) {
            let bits = if source.0.is_ipv4() { 32 } else { 128 };
            range(name, "sources", source.1 <= bits)?;
            free(name, "sources", self.sources.get(&source).map(|id| RowName::Trunk(*id)))?;
        }
        Ok(())
    }

    fn check_egress(&self, row: &Trunk, egress: &Egress) -> Checked {
        let name = RowName::Trunk(row.id);
        let account = self.check_account_of(name, row.tenant, egress.account)?;
        range(name, "targets", !egress.targets.is_empty())?;
        count(name, "targets", egress.targets.len(), TRUNK_TARGETS_MAX)?;
        edit(name, "called", &egress.called)?;
        edit(name, "caller", &egress.caller)?;
        count(name, "partners", egress.partners.len(), PARTNERS_MAX)?;
        barring(name, &egress.barring)?;
        causes(name, &egress.causes)?;
        let is_failure = |status: &u16| (300..700).contains(status);
        for (field, list) in [("continue_on", &egress.continue_on), ("stop_on", &egress.stop_on)] {
            count(name, field, list.len(), STATUSES_MAX)?;
            range(name, field, list.iter().all(is_failure))?;
        }
        // Without a limit there are no lines to keep.
        range(name, "calls_reserved", egress.calls_reserved <= egress.calls_max)?;
        let Commitment { day, month } = egress.commitment;
        range(name, "commitment", day.is_rising() && month.is_rising())?;
        if let Some(first) = &egress.precedence {
            precedence(name, first)?;
        }
        if let Some(prefix) = &egress.test_prefix {
            range(name, "test_prefix", !prefix.is_empty())?;
            free(name, "test_prefix", self.tested_by(row.tenant, prefix).map(RowName::Trunk))?;
        }
        let credentials = row.ingress.as_ref().and_then(|ingress| ingress.credentials.as_ref());
        let registers = egress.targets.contains(&EgressTarget::Registered);
        range(name, "targets", !registers || credentials.is_some())?;
        let host = egress.from_host.as_ref();
        range(name, "from_host", host.is_none_or(|host| is_host(host)))?;
        match egress.tariff {
            Some(id) => self.check_tariff_for(name, account, id, TariffKind::Supplier),
            None => Ok(()),
        }
    }

    pub(super) fn check_route(&self, tenant: TenantId, row: &Route) -> Checked {
        let name = RowName::Route(row.id);
        self.check_same_tenant(name, tenant, row.tenant)?;
        count(name, "targets", row.targets.len(), ROUTE_TARGETS_MAX)?;
        count(name, "more_prefixes", row.more_prefixes.len(), ROUTE_PREFIXES_MAX)?;
        count(name, "callers", row.callers.len(), ROUTE_PREFIXES_MAX)?;
        for (field, times) in [("times", &row.times), ("except_times", &row.except_times)] {
            count(name, field, times.len(), ROUTE_TIMES_MAX)?;
            // Prices have a rest of times, a route has none.
            range(name, field, !times.contains(&TimeClass::Rest))?;
        }
        if let Some(organization) = row.organization {
            self.check_organization_of(name, tenant, organization)?;
        }
        row.targets.iter().try_for_each(|t| self.check_trunk_of(name, tenant, t.trunk))
    }

    pub(super) fn check_price_rule(&self, tenant: TenantId, row: &PriceRule) -> Checked {
        let name = RowName::PriceRule(row.id);
        self.check_same_tenant(name, tenant, row.tenant)?;
        for (field, list) in [("callers", &row.callers), ("called", &row.called)] {
            count(name, field, list.len(), PRICE_RULE_PREFIXES_MAX)?;
            range(name, field, list.iter().all(|prefix| !prefix.is_empty()))?;
        }
        count(name, "tech_prefixes", row.tech_prefixes.len(), PRICE_RULE_TRUNKS_MAX)?;
        range(name, "tech_prefixes", row.tech_prefixes.iter().all(|prefix| !prefix.is_empty()))?;
        count(name, "trunks", row.trunks.len(), PRICE_RULE_TRUNKS_MAX)?;
        row.trunks.iter().try_for_each(|id| self.check_trunk_of(name, tenant, *id))?;
        for (field, times) in [("times", &row.times), ("except_times", &row.except_times)] {
            count(name, field, times.len(), PRICE_RULE_TIMES_MAX)?;
            range(name, field, !times.contains(&TimeClass::Rest))?;
        }
        let is_after = |until_us| row.from_us.is_none_or(|from_us| from_us < until_us);
        range(name, "until", row.until_us.is_none_or(is_after))?;
        if let Some(organization) = row.organization {
            self.check_organization_of(name, tenant, organization)?;
        }
        let Some(id) = row.tariff else { return Ok(()) };
        let other = RowName::Tariff(id);
        let found = self.tariff(id).ok_or(wrong(name, Problem::Missing(other)))?.tariff();
        same_tenant(name, other, tenant, found.tenant)?;
        match found.kind {
            TariffKind::Customer => Ok(()),
            TariffKind::Supplier => Err(wrong(name, Problem::Mismatch { field: "tariff", other })),
        }
    }

    pub(super) fn check_emergency(&self, tenant: TenantId, row: &Emergency) -> Checked {
        let name = RowName::Emergency(row.tenant, row.number);
        self.check_same_tenant(name, tenant, row.tenant)?;
        range(name, "number", !row.number.is_empty())?;
        count(name, "trunks", row.trunks.len(), strowger_link::HOPS_MAX)?;
        range(name, "trunks", !row.trunks.is_empty())?;
        row.trunks.iter().try_for_each(|id| self.check_trunk_of(name, tenant, *id))
    }

    /// The rows of settings fit the others; each place has a setting once.
    pub(super) fn check_caller_rule(&self, row: &CallerRule) -> Checked {
        let name = RowName::CallerRule(row.id);
        self.check_tenant_exists(name, row.tenant)?;
        if let Some(account) = row.account {
            self.check_account_of(name, row.tenant, account)?;
        }
        if let Some(id) = row.subscriber {
            self.check_subscriber_of(name, row.tenant, id)?;
            range(name, "called", row.called.is_empty())?;
        }
        // Everybody, whomever he calls, is the setting's to say.
        let is_about_some = row.subscriber.is_some() || !row.called.is_empty();
        range(name, "prefix", is_about_some || row.account.is_some() || !row.prefix.is_empty())?;
        range(name, "until", row.until_us.is_none_or(|until| until > row.from_us))?;
        free(name, "prefix", self.callers.holder(row).map(RowName::CallerRule))
    }

    pub(super) fn check_number_list(&self, row: &NumberList) -> Checked {
        let name = RowName::NumberList(row.id);
        range(name, "trunk", row.account.is_none() || row.trunk.is_none())?;
        let is_narrow = row.account.is_some() || row.trunk.is_some();
        range(name, "tenant", row.tenant.is_some() || !is_narrow)?;
        if let Some(tenant) = row.tenant {
            self.check_tenant_exists(name, tenant)?;
            if let Some(account) = row.account {
                self.check_account_of(name, tenant, account)?;
            }
            if let Some(trunk) = row.trunk {
                self.check_trunk_of(name, tenant, trunk)?;
            }
        }
        count(name, "name", self.lists.len_with(row), NUMBER_LISTS_MAX)?;
        count(name, "side", self.lists.place_len_with(row), NUMBER_LISTS_PLACE_MAX)
    }

    pub(super) fn check_settings(&self) -> Checked {
        let mut seen = std::collections::BTreeMap::new();
        for row in self.settings.rows() {
            self.check_setting_place(row)?;
            let key = (&row.category, &row.name, row.tenant, row.account, row.subscriber);
            let by = seen.insert(key, row.id).map(RowName::Setting);
            free(RowName::Setting(row.id), "name", by)?;
        }
        Ok(())
    }

    pub(super) fn check_setting(&self, row: &SettingRow) -> Checked {
        self.check_setting_place(row)?;
        let key = |row: &SettingRow| {
            let at = (row.tenant, row.account, row.subscriber);
            (row.category.clone(), row.name.clone(), at)
        };
        let wanted = key(row);
        let mut others = self.settings.rows().filter(|other| other.id != row.id);
        let by = others.find(|other| key(other) == wanted).map(|other| RowName::Setting(other.id));
        let name = RowName::Setting(row.id);
        free(name, "name", by)?;
        let is_new = self.settings.row(row.id).is_none();
        let len = self.settings.rows().count() + usize::from(is_new);
        count(name, "name", len, crate::settings::SETTING_ROWS_MAX)
    }

    fn check_setting_place(&self, row: &SettingRow) -> Checked {
        let name = RowName::Setting(row.id);
        range(name, "tenant", row.depth().is_some())?;
        let Some(tenant) = row.tenant else { return Ok(()) };
        self.check_tenant_exists(name, tenant)?;
        if let Some(account) = row.account {
            self.check_account_of(name, tenant, account)?;
        }
        match row.subscriber {
            Some(subscriber) => self.check_subscriber_of(name, tenant, subscriber),
            None => Ok(()),
        }
    }

    pub(super) fn check_same_tenant(&self, row: RowName, list: TenantId, own: TenantId) -> Checked {
        self.check_tenant_exists(row, own)?;
        same_tenant(row, RowName::Tenant(list), own, list)
    }

    fn check_tenant_exists(&self, row: RowName, id: TenantId) -> Result<&Tenant, BuildError> {
        self.tenant(id).ok_or(wrong(row, Problem::Missing(RowName::Tenant(id))))
    }

    fn check_organization_of(
        &self,
        row: RowName,
        tenant: TenantId,
        id: OrganizationId,
    ) -> Result<&Organization, BuildError> {
        let other = RowName::Organization(id);
        let found = self.organization(id).ok_or(wrong(row, Problem::Missing(other)))?;
        same_tenant(row, other, tenant, found.tenant).map(|()| found)
    }

    fn check_account_of(
        &self,
        row: RowName,
        tenant: TenantId,
        id: AccountId,
    ) -> Result<&Account, BuildError> {
        let other = RowName::Account(id);
        let found = self.account(id).ok_or(wrong(row, Problem::Missing(other)))?;
        same_tenant(row, other, tenant, found.tenant).map(|()| found)
    }

    fn check_subscriber_of(&self, row: RowName, tenant: TenantId, id: SubscriberId) -> Checked {
        let other = RowName::Subscriber(id);
        let found = self.subscriber(id).ok_or(wrong(row, Problem::Missing(other)))?;
        same_tenant(row, other, tenant, found.tenant)
    }

    fn check_trunk_of(&self, row: RowName, tenant: TenantId, id: TrunkId) -> Checked {
        let other = RowName::Trunk(id);
        let found = self.trunk(id).ok_or(wrong(row, Problem::Missing(other)))?;
        same_tenant(row, other, tenant, found.tenant)
    }

    /// A tariff fits an account: same tenant, it is of the right kind, and its currency is the
    /// account's or can be exchanged.
    pub(super) fn check_tariff_for(
        &self,
        row: RowName,
        account: &Account,
        id: TariffId,
        kind: TariffKind,
    ) -> Checked {
        let other = RowName::Tariff(id);
        let found = self.tariff(id).ok_or(wrong(row, Problem::Missing(other)))?.tariff();
        same_tenant(row, other, account.tenant, found.tenant)?;
        let tenant = self.check_tenant_exists(row, account.tenant)?;
        let known = |currency| self.has_worth(tenant, currency);
        let fits =
            found.currency == account.currency || known(found.currency) && known(account.currency);
        if found.kind != kind || !fits {
            return Err(wrong(row, Problem::Mismatch { field: "tariff", other }));
        }
        Ok(())
    }
}

fn same_tenant(row: RowName, other: RowName, ours: TenantId, theirs: TenantId) -> Checked {
    if ours == theirs { Ok(()) } else { Err(wrong(row, Problem::OtherTenant(other))) }
}
