//! Names of called directions, and emergency numbers.

use super::route::whole;
use super::{Later, Resource};
use crate::codec::{Ident, NAME, NUMBER, Set};
use crate::field::{Object, object};
use crate::query::Filter;
use strowger_model::{Destination, Digits, Emergency, OrganizationId, TenantId};
use strowger_routing::{Change, RowName};
use strowger_store::{Numbered, Writer};

object! {
    /// The name of a called direction, for records and reports.
    DESTINATION: Numbered<Destination> as "Destination", no_destination();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => row.tenant;
    /// Called numbers it names; the longest wins. Unique in the tenant.
    prefix: Need NUMBER => row.prefix;
    /// Name, for example `United Kingdom mobile`.
    name: Need NAME => row.name;
}

fn no_destination() -> Numbered<Destination> {
    let row = Destination { tenant: TenantId(0), prefix: Digits::EMPTY, name: String::new() };
    Numbered { id: 0, row }
}

object! {
    /// An emergency number: no credit, no limit and no price stands before it.
    EMERGENCY: Numbered<Emergency> as "EmergencyNumber", no_emergency();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => row.tenant;
    /// The number, canonical and as dialled; unique in the tenant.
    number: Need NUMBER => row.number;
    /// Trunks in the order to try.
    trunks: Need Set(Ident, 1, 16) => row.trunks;
}

fn no_emergency() -> Numbered<Emergency> {
    let row = Emergency { tenant: TenantId(0), number: Digits::EMPTY, trunks: Vec::new() };
    Numbered { id: 0, row }
}

fn rows<T>(list: Vec<Numbered<T>>) -> Vec<T> {
    list.into_iter().map(|numbered| numbered.row).collect()
}

impl Resource for Numbered<Destination> {
    type Row = Numbered<Destination>;
    const PATH: &'static str = "destinations";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::number("prefix"), Filter::text("name")];

    fn object() -> &'static Object<Self> {
        &DESTINATION
    }

    fn of(row: Self) -> Self {
        row
    }

    fn row(&self) -> &Self {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.row.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Destination(self.row.tenant, self.row.prefix))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        own: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, own, |numbered| numbered.row.tenant, is_gone).await?;
            let change = |(tenant, list)| Change::Destinations(tenant, rows(list));
            Ok(lists.into_iter().map(change).collect())
        })
    }
}

impl Resource for Numbered<Emergency> {
    type Row = Numbered<Emergency>;
    const PATH: &'static str = "emergency-numbers";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::number("number")];

    fn object() -> &'static Object<Self> {
        &EMERGENCY
    }

    fn of(row: Self) -> Self {
        row
    }

    fn row(&self) -> &Self {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.row.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Emergency(self.row.tenant, self.row.number))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        own: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, own, |numbered| numbered.row.tenant, is_gone).await?;
            let change = |(tenant, list)| Change::Emergencies(tenant, rows(list));
            Ok(lists.into_iter().map(change).collect())
        })
    }
}
