//! Routes with their targets, names of directions, emergency numbers.

use super::{json_text, prefixes, strings};
use crate::column::Columns;
use crate::{Cell, ConfigRow, Parts, StoreError};
use strowger_model::{
    Destination, Emergency, OrganizationId, Route, RouteId, RouteOrder, RouteTarget, TenantId,
    TimeClass, TrunkId,
};

impl ConfigRow for Route {
    const TABLE: &'static str = "routes";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "prefix",
        "priority",
        "overflow",
        "more_prefixes",
        "callers",
        "organization_id",
        "target_order",
        "times",
        "except_times",
        "reserved",
    ];
    const PARTS: Option<Parts> = Some(Parts {
        table: "route_targets",
        owner: "route_id",
        columns: &["trunk_id", "priority", "weight"],
    });

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.prefix.as_str().into(),
            self.priority.into(),
            self.overflow.into(),
            json_text(&strings(&self.more_prefixes)).into(),
            json_text(&strings(&self.callers)).into(),
            self.organization.map(|id| id.0).into(),
            self.order.map(|order| order.name().to_owned()).into(),
            json_text(&words(&self.times)).into(),
            json_text(&words(&self.except_times)).into(),
            self.reserved.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Route, StoreError> {
        Ok(Route {
            id: RouteId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            prefix: c.digits("prefix")?,
            priority: c.small("priority")?,
            overflow: c.flag("overflow")?,
            more_prefixes: prefixes(c, "more_prefixes")?,
            callers: prefixes(c, "callers")?,
            organization: c.int_or_null("organization_id")?.map(OrganizationId),
            times: times(c, "times")?,
            except_times: times(c, "except_times")?,
            reserved: c.flag("reserved")?,
            order: order(c)?,
            targets: Vec::new(),
        })
    }

    fn parts(&self) -> Vec<Vec<Cell>> {
        let cells = |t: &RouteTarget| vec![t.trunk.0.into(), t.priority.into(), t.weight.into()];
        self.targets.iter().map(cells).collect()
    }

    fn adopt(&mut self, part: &Columns<'_>) -> Result<(), StoreError> {
        self.targets.push(RouteTarget {
            trunk: TrunkId(part.int("trunk_id")?),
            priority: part.small("priority")?,
            weight: part.small("weight")?,
        });
        Ok(())
    }
}

pub(super) fn words(times: &[TimeClass]) -> Vec<String> {
    times.iter().map(TimeClass::to_string).collect()
}

pub(super) fn times(c: &Columns<'_>, column: &'static str) -> Result<Vec<TimeClass>, StoreError> {
    let words: Vec<String> = c.json(column)?;
    let times: Result<Vec<TimeClass>, _> = words.iter().map(|word| word.parse()).collect();
    times.map_err(|_| c.unfit(column, "classes of times"))
}

fn order(c: &Columns<'_>) -> Result<Option<RouteOrder>, StoreError> {
    let Some(word) = c.text_or_null("target_order")? else { return Ok(None) };
    RouteOrder::of(&word).map(Some).ok_or_else(|| c.unfit("target_order", "an order"))
}

/// A row whose type has no number of its own, with the number that it has in the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered<T> {
    /// Identity.
    pub id: i64,
    /// The row.
    pub row: T,
}

impl ConfigRow for Numbered<Destination> {
    const TABLE: &'static str = "destinations";
    const COLUMNS: &'static [&'static str] = &["id", "tenant_id", "prefix", "name"];

    fn id(&self) -> i64 {
        self.id
    }

    fn cells(&self) -> Vec<Cell> {
        let Destination { tenant, prefix, name } = &self.row;
        vec![self.id.into(), tenant.0.into(), prefix.as_str().into(), name.as_str().into()]
    }

    fn read(c: &Columns<'_>) -> Result<Self, StoreError> {
        let tenant = TenantId(c.int("tenant_id")?);
        let row = Destination { tenant, prefix: c.digits("prefix")?, name: c.text("name")? };
        Ok(Numbered { id: c.int("id")?, row })
    }
}

impl ConfigRow for Numbered<Emergency> {
    const TABLE: &'static str = "emergencies";
    const COLUMNS: &'static [&'static str] = &["id", "tenant_id", "number", "trunks"];

    fn id(&self) -> i64 {
        self.id
    }

    fn cells(&self) -> Vec<Cell> {
        let Emergency { tenant, number, trunks } = &self.row;
        let trunks: Vec<i64> = trunks.iter().map(|t| t.0).collect();
        vec![self.id.into(), tenant.0.into(), number.as_str().into(), json_text(&trunks).into()]
    }

    fn read(c: &Columns<'_>) -> Result<Self, StoreError> {
        let trunks: Vec<i64> = c.json("trunks")?;
        let trunks = trunks.into_iter().map(TrunkId).collect();
        let tenant = TenantId(c.int("tenant_id")?);
        let row = Emergency { tenant, number: c.digits("number")?, trunks };
        Ok(Numbered { id: c.int("id")?, row })
    }
}
