//! Routes with their targets.

use super::{Later, Resource};
use crate::codec::{Class, Flag, Ident, Int, List, NUMBER, Opt, PREFIX, Set, words};
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::query::Filter;
use crate::shape::Components;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strowger_model::{
    Digits, OrganizationId, Route, RouteId, RouteOrder, RouteTarget, TenantId, TimeClass, TrunkId,
};
use strowger_routing::{Change, RowName};
use strowger_store::{ConfigRow, Writer};

/// Most classes of times in one list.
pub(super) const TIMES_MAX: usize = 64;

/// When a route, or a rule about prices, is for calls.
pub(super) struct RouteTime;

impl Shaped for RouteTime {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({
            "type": "string", "pattern": TimeClass::PATTERN,
            "description": "A class of times, but for `rest`, or a stretch like `08:00-18:00` of \
                every day or `fri 18:00-mon 06:00` of the week.",
        })
    }
}

impl Codec<TimeClass> for RouteTime {
    fn show(&self, class: &TimeClass) -> Value {
        Class.show(class)
    }

    fn take(&self, json: &Value, old: Option<&TimeClass>) -> Result<TimeClass, Wrong> {
        let class = Class.take(json, old)?;
        if class == TimeClass::Rest {
            return Err(Wrong::unfit("is for price lines: a route or a rule has no rest of times"));
        }
        Ok(class)
    }
}

/// Any priority.
pub(super) const PRIORITY: Int = Int(i32::MIN as i64, i32::MAX as i64);

object! {
    /// One target of a route.
    TARGET: RouteTarget as "RouteTarget",
        RouteTarget { trunk: TrunkId(0), priority: 0, weight: 1 };
    /// The trunk.
    trunk: Need Ident => trunk;
    /// Larger is tried first; each full hundred is a tier of its own.
    priority: Free PRIORITY => priority;
    /// Share among equals; 0 is only when the others are exhausted.
    weight: Free Int(0, 65_535) => weight;
}

object! {
    /// Where calls to some numbers go. The route with the larger priority wins, among equals the
    /// longer prefix; one without a usable target refuses the call.
    ROUTE: Route as "Route", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Called numbers it is for; empty is all.
    prefix: Need PREFIX => prefix;
    /// Further called numbers it is for.
    more_prefixes: Free Set(NUMBER, 0, 1_000) => more_prefixes;
    /// Callers' numbers it is for, by their beginnings; none is all.
    callers: Free Set(NUMBER, 0, 1_000) => callers;
    /// Callers of this organization or of one below it; null is all.
    organization: Free Opt(Ident) => organization;
    /// When it is for calls, by the tenant's clock and holidays (settings `calendar`); none is
    /// always.
    times: Free Set(RouteTime, 0, TIMES_MAX) => times;
    /// When it is not, whatever `times` says.
    except_times: Free Set(RouteTime, 0, TIMES_MAX) => except_times;
    /// Its calls may take the lines that trunks keep reserved (`calls_reserved`).
    reserved: Free Flag => reserved;
    /// Larger wins.
    priority: Free PRIORITY => priority;
    /// When its targets are exhausted, the next matching route follows.
    overflow: Free Flag => overflow;
    /// How targets of one priority follow each other: `weight` by the trunks' preference, then by
    /// weight; `price` the cheapest for the call first; `quality` by price and quality together;
    /// `rotation` the one called longest ago first; `share` each as often as its weight says,
    /// counted call by call, so that weights that sum to 100 are percent; `lines` the one with the
    /// most free lines first; null as the setting `route.order` says.
    order: Free Opt(words::<RouteOrder>()) => order;
    /// Where the call goes.
    targets: Free List(&TARGET, 64) => targets;
}

fn blank() -> Route {
    Route::new(RouteId(0), TenantId(0), Digits::EMPTY)
}

/// The rows of each tenant that `rows` touch, as they will be.
pub(super) async fn whole<R>(
    w: &mut Writer<'static>,
    rows: &[R],
    tenant_of: fn(&R) -> TenantId,
    is_gone: bool,
) -> Result<Vec<(TenantId, Vec<R>)>, crate::problem::Problem>
where
    R: ConfigRow + Clone,
{
    let tenants: BTreeSet<TenantId> = rows.iter().map(tenant_of).collect();
    let touched: BTreeSet<i64> = rows.iter().map(ConfigRow::id).collect();
    let mut lists = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let mut list: Vec<R> = w.rows_of(tenant.0).await?;
        list.retain(|row| !touched.contains(&row.id()));
        let own = rows.iter().filter(|row| tenant_of(row) == tenant && !is_gone);
        list.extend(own.cloned());
        list.sort_by_key(ConfigRow::id);
        lists.push((tenant, list));
    }
    Ok(lists)
}

impl Resource for Route {
    type Row = Route;
    const PATH: &'static str = "routes";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::number("prefix")];

    fn object() -> &'static Object<Self> {
        &ROUTE
    }

    fn of(row: Route) -> Self {
        row
    }

    fn row(&self) -> &Route {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = RouteId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Route(self.id))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        rows: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, rows, |row| row.tenant, is_gone).await?;
            Ok(lists.into_iter().map(|(tenant, list)| Change::Routes(tenant, list)).collect())
        })
    }
}
