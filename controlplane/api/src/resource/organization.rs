//! Organizations: the tree inside a tenant.

use super::{Draft, Later, Resource};
use crate::codec::{Ident, NAME, Opt, Set, words};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::value::Worded;
use strowger_model::{Organization, OrganizationId, OrganizationKind, Right, TenantId};
use strowger_routing::{Change, RowName};
use strowger_store::{Scope, Writer};

object! {
    /// A node of the tree inside a tenant.
    ORGANIZATION: Organization as "Organization", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// The node above; null at the root.
    parent: Free Opt(Ident) => parent;
    /// What it is.
    kind: Fixed words::<OrganizationKind>() => kind;
    /// Shown name.
    name: Need NAME => name;
    /// What its people, and those of organizations below it, may not do although their role may.
    /// Set by who is above.
    withheld: Free Set(words::<Right>(), 0, RIGHTS_MAX) => withheld;
}

/// Most rights: all there are.
const RIGHTS_MAX: usize = Right::WORDS.len();

fn blank() -> Organization {
    Organization {
        id: OrganizationId(0),
        tenant: TenantId(0),
        parent: None,
        kind: OrganizationKind::Customer,
        name: String::new(),
        withheld: Vec::new(),
    }
}

impl Resource for Organization {
    type Row = Organization;
    const PATH: &'static str = "organizations";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("parent", "parent_id"),
        Filter::word("kind", OrganizationKind::WORDS),
        Filter::text("name"),
    ];

    fn object() -> &'static Object<Self> {
        &ORGANIZATION
    }

    fn of(row: Organization) -> Self {
        row
    }

    fn row(&self) -> &Organization {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = OrganizationId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), Some(self.id))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Organization(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        let is_new = draft.before.is_none();
        if is_new
            && self.kind == OrganizationKind::Reseller
            && draft.withheld.contains(&Right::Resellers)
        {
            return Err(Problem::refused(
                "kind",
                "is withheld from you: you may make no resellers",
            ));
        }
        let was = draft.before.map(|before| before.withheld.as_slice()).unwrap_or_default();
        // Whoever sees it from inside does not decide what he may.
        let is_own = matches!(draft.scope, Scope::Organization(_, own) if own == self.id);
        if is_own && self.withheld != was {
            return Err(Problem::refused("withheld", "is for who is above to change"));
        }
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Organization(self.clone()))
    }

    fn insert<'a>(&'a self, w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move { Ok(w.insert_organization(self).await?) })
    }

    fn update<'a>(&'a self, before: &'a Self, w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move {
            if before.parent != self.parent {
                w.move_organization(self.tenant, self.id, self.parent).await?;
            }
            Ok(w.update(self).await.map(|_| ())?)
        })
    }
}
