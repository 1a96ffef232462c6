//! The tree of organizations: which stand below which, kept with every change of a parent.

use crate::{StoreError, Tried, Writer};
use sqlx::Row;
use strowger_model::{Organization, OrganizationId, TenantId};

/// Most organizations above one, the same as levels of charges.
pub const ORGANIZATION_DEPTH_MAX: i64 = 16;

impl Writer<'_> {
    /// Puts a new organization under its parent. [`Writer::insert_organization`] calls it.
    pub(crate) async fn plant(&mut self, o: &Organization) -> Result<(), StoreError> {
        let sql = "INSERT INTO organization_tree (tenant_id, above_id, below_id, depth) \
             VALUES ($1, $2, $3, 0)";
        let query = sqlx::query(sql).bind(o.tenant.0).bind(o.id.0).bind(o.id.0);
        query.execute(&mut *self.tx).await.tried("write the tree of organizations")?;
        match o.parent {
            Some(parent) => self.hang(o.tenant, o.id, parent).await,
            None => Ok(()),
        }
    }

    /// Moves an organization with all below it under another parent, or to the top.
    ///
    /// # Errors
    /// [`StoreError::Refused`] naming `parent` when that stands below the organization, when the
    /// tree would become too deep, or when either is not of this tenant; [`StoreError::Database`].
    pub async fn move_organization(
        &mut self,
        tenant: TenantId,
        id: OrganizationId,
        parent: Option<OrganizationId>,
    ) -> Result<(), StoreError> {
        if let Some(parent) = parent {
            if self.stands_below(tenant, parent, id).await? {
                return Err(refused("stands below the organization itself"));
            }
            if !self.stands_below(tenant, parent, parent).await? {
                return Err(refused("is no organization of this tenant"));
            }
        }
        let sql = "UPDATE organizations SET parent_id = $1 WHERE id = $2 AND tenant_id = $3";
        let query = sqlx::query(sql).bind(parent.map(|p| p.0)).bind(id.0).bind(tenant.0);
        let done = query.execute(&mut *self.tx).await.tried("move an organization")?;
        if done.rows_affected() != 1 {
            return Err(refused("is not of the organization's tenant"));
        }
        let sql = "DELETE FROM organization_tree WHERE below_id IN \
             (SELECT below_id FROM organization_tree WHERE above_id = $1) AND above_id NOT IN \
             (SELECT below_id FROM organization_tree WHERE above_id = $2)";
        let query = sqlx::query(sql).bind(id.0).bind(id.0);
        query.execute(&mut *self.tx).await.tried("move an organization")?;
        match parent {
            Some(parent) => self.hang(tenant, id, parent).await,
            None => Ok(()),
        }
    }

    async fn stands_below(
        &mut self,
        tenant: TenantId,
        below: OrganizationId,
        above: OrganizationId,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT depth FROM organization_tree \
             WHERE above_id = $1 AND below_id = $2 AND tenant_id = $3";
        let query = sqlx::query(sql).bind(above.0).bind(below.0).bind(tenant.0);
        let row = query.fetch_optional(&mut *self.tx).await;
        Ok(row.tried("read the tree of organizations")?.is_some())
    }

    /// Each of `id` and below gets each of `parent` and above.
    async fn hang(
        &mut self,
        tenant: TenantId,
        id: OrganizationId,
        parent: OrganizationId,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO organization_tree (tenant_id, above_id, below_id, depth) \
             SELECT a.tenant_id, a.above_id, b.below_id, a.depth + b.depth + 1 \
             FROM organization_tree a CROSS JOIN organization_tree b \
             WHERE a.below_id = $1 AND b.above_id = $2 AND a.tenant_id = $3";
        let query = sqlx::query(sql).bind(parent.0).bind(id.0).bind(tenant.0);
        query.execute(&mut *self.tx).await.tried("write the tree of organizations")?;
        let sql = "SELECT CAST(MAX(t.depth) AS BIGINT) AS depth FROM organization_tree t \
             WHERE t.below_id IN (SELECT below_id FROM organization_tree WHERE above_id = $1)";
        let row = sqlx::query(sql).bind(id.0).fetch_one(&mut *self.tx).await;
        let row = row.tried("read the tree of organizations")?;
        let depth: i64 = row.try_get("depth").tried("read the tree of organizations")?;
        if depth > ORGANIZATION_DEPTH_MAX {
            return Err(refused("makes the tree too deep"));
        }
        Ok(())
    }
}

const fn refused(why: &'static str) -> StoreError {
    StoreError::Refused { field: "parent", why }
}
