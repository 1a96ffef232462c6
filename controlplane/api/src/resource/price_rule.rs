//! Rules about prices: which accounts pay which calls by which tariff.

use super::route::{PRIORITY, RouteTime, TIMES_MAX, whole};
use super::{Later, Resource};
use crate::codec::{Flag, Ident, Moment, NAME, NUMBER, Opt, Set};
use crate::field::{Object, object};
use crate::query::Filter;
use strowger_model::{OrganizationId, PRICE_RULE_TRUNKS_MAX, PriceRule, PriceRuleId, TenantId};
use strowger_routing::{Change, RowName};
use strowger_store::Writer;

object! {
    /// By which tariff accounts pay that have none of their own. The rule with the larger priority
    /// is asked first, of equals the older; where its tariff has no price for the number, the next.
    PRICE_RULE: PriceRule as "PriceRule", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Shown name.
    name: Need NAME => name;
    /// It counts.
    enabled: Free Flag => enabled;
    /// Larger is asked first.
    priority: Free PRIORITY => priority;
    /// Accounts of this organization or of one below it; null is all. Accounts that resell are
    /// accounts, too: they pay for calls below them.
    organization: Free Opt(Ident) => organization;
    /// Callers' numbers it is for, by their beginnings; none is all.
    callers: Free Set(NUMBER, 0, 1_000) => callers;
    /// Called numbers it is for, by their beginnings; none is all.
    called: Free Set(NUMBER, 0, 1_000) => called;
    /// For calls that these trunks send; none is whoever makes them.
    trunks: Free Set(Ident, 0, PRICE_RULE_TRUNKS_MAX) => trunks;
    /// For calls that come by a trunk with one of these tech prefixes; none is by whatever way.
    tech_prefixes: Free Set(NUMBER, 0, PRICE_RULE_TRUNKS_MAX) => tech_prefixes;
    /// For calls that begin in these times, by the tenant's clock and holidays (settings
    /// `calendar`); none is always.
    times: Free Set(RouteTime, 0, TIMES_MAX) => times;
    /// And not in these, whatever `times` says.
    except_times: Free Set(RouteTime, 0, TIMES_MAX) => except_times;
    /// For calls that begin at or after; null is ever since.
    from: Free Opt(Moment) => from_us;
    /// For calls that begin before; null is without end.
    until: Free Opt(Moment) => until_us;
    /// The tariff, of customers' prices; null is none: the calls have no price and are refused.
    tariff: Free Opt(Ident) => tariff;
}

fn blank() -> PriceRule {
    PriceRule {
        id: PriceRuleId(0),
        tenant: TenantId(0),
        name: String::new(),
        enabled: true,
        priority: 0,
        organization: None,
        callers: Vec::new(),
        called: Vec::new(),
        trunks: Vec::new(),
        tech_prefixes: Vec::new(),
        times: Vec::new(),
        except_times: Vec::new(),
        from_us: None,
        until_us: None,
        tariff: None,
    }
}

impl Resource for PriceRule {
    type Row = PriceRule;
    const PATH: &'static str = "price-rules";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::id("tariff", "tariff_id"),
        Filter::text("name"),
    ];

    fn object() -> &'static Object<Self> {
        &PRICE_RULE
    }

    fn of(row: Self) -> Self {
        row
    }

    fn row(&self) -> &Self {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = PriceRuleId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::PriceRule(self.id))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        own: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, own, |row| row.tenant, is_gone).await?;
            let change = |(tenant, list)| Change::PriceRules(tenant, list);
            Ok(lists.into_iter().map(change).collect())
        })
    }
}
