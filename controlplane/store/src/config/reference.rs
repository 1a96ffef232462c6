//! What refers to a row: it must not be deleted while anything does.

use super::row::ConfigRow;
use crate::column::Columns;
use crate::{StoreError, Tried, Writer};
use sqlx::AssertSqlSafe;
use strowger_model::{PriceRule, RingGroup, RingParty, TariffId, Trunk};

/// A row that refers to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referrer {
    /// Its kind, in words.
    pub kind: &'static str,
    /// Its id.
    pub id: i64,
}

/// A kind of row, its table, and the column that refers.
type Reference = (&'static str, &'static str, &'static str);

/// References that are columns. What goes with the row (logins of people, tokens, registrations) is
/// none.
fn columns_to(table: &str) -> &'static [Reference] {
    match table {
        "tenants" => &[
            ("organization", "organizations", "tenant_id"),
            ("tariff", "tariffs", "tenant_id"),
            ("route", "routes", "tenant_id"),
            ("destination", "destinations", "tenant_id"),
            ("emergency number", "emergencies", "tenant_id"),
            ("caller rule", "caller_rules", "tenant_id"),
            ("number list", "number_lists", "tenant_id"),
            ("rule", "rules", "tenant_id"),
            ("setting", "settings", "tenant_id"),
            ("holiday", "holidays", "tenant_id"),
            ("exchange rate", "exchange_rates", "tenant_id"),
            ("price rule", "price_rules", "tenant_id"),
            ("phonebook entry", "phonebook_entries", "tenant_id"),
            ("RADIUS server", "radius_servers", "tenant_id"),
        ],
        "organizations" => &[
            ("organization", "organizations", "parent_id"),
            ("account", "accounts", "organization_id"),
            ("subscriber", "subscribers", "organization_id"),
            ("trunk", "trunks", "organization_id"),
            ("ring group", "ring_groups", "organization_id"),
            ("DID", "dids", "organization_id"),
            ("route", "routes", "organization_id"),
            ("price rule", "price_rules", "organization_id"),
        ],
        "accounts" => &[
            ("subscriber", "subscribers", "account_id"),
            ("ring group", "ring_groups", "account_id"),
            ("DID", "dids", "account_id"),
            ("payment or adjustment", "money_requests", "account_id"),
            ("allowance", "allowances", "account_id"),
            ("caller rule", "caller_rules", "account_id"),
            ("number list", "number_lists", "account_id"),
            ("account that it is the agent of", "accounts", "agent_id"),
            ("setting", "settings", "account_id"),
        ],
        "subscribers" => &[
            ("DID", "dids", "subscriber_id"),
            ("setting", "settings", "subscriber_id"),
            ("phonebook entry", "phonebook_entries", "subscriber_id"),
            ("caller rule", "caller_rules", "subscriber_id"),
            ("login at a carrier", "trunk_logins", "subscriber_id"),
        ],
        "dids" => &[("phonebook entry", "phonebook_entries", "did_id")],
        "trunks" => &[
            ("DID", "dids", "trunk_id"),
            ("login", "trunk_logins", "trunk_id"),
            ("number list", "number_lists", "trunk_id"),
        ],
        "ring_groups" => &[("DID", "dids", "ring_group_id")],
        "tariffs" => {
            &[("account", "accounts", "tariff_id"), ("price rule", "price_rules", "tariff_id")]
        }
        _ => &[],
    }
}

impl Writer<'_> {
    /// A row that refers to the row of `R` with this id; `None` when it may be deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn referrer<R: ConfigRow>(
        &mut self,
        id: i64,
    ) -> Result<Option<Referrer>, StoreError> {
        for (kind, table, column) in columns_to(R::TABLE) {
            let sql = format!("SELECT id FROM {table} WHERE {column} = $1 ORDER BY id LIMIT 1");
            if let Some(id) = self.first_id(sql, id).await? {
                return Ok(Some(Referrer { kind, id }));
            }
        }
        match R::TABLE {
            "accounts" => self.user_of_account(id).await,
            "tariffs" => self.user_of_tariff(id).await,
            "subscribers" => self.group_of(id).await,
            "trunks" => self.user_of_trunk(id).await,
            _ => Ok(None),
        }
    }

    async fn first_id(&mut self, sql: String, id: i64) -> Result<Option<i64>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        let row = query.fetch_optional(&mut *self.tx).await.tried("look for referrers")?;
        row.map(|row| Columns::new("referrers", &row).int("id")).transpose()
    }

    /// A trunk whose facets name the account, or what the books say of it.
    async fn user_of_account(&mut self, id: i64) -> Result<Option<Referrer>, StoreError> {
        let named = |trunk: &Trunk| {
            trunk.ingress.as_ref().is_some_and(|i| i.account.0 == id)
                || trunk.egress.as_ref().is_some_and(|e| e.account.0 == id)
        };
        if let Some(found) = self.trunk_with(named).await? {
            return Ok(Some(found));
        }
        let sql = "SELECT id FROM ledger_accounts WHERE owner_kind = 'account' AND owner_id = $1 \
             ORDER BY id LIMIT 1";
        let id = self.first_id(sql.to_owned(), id).await?;
        Ok(id.map(|id| Referrer { kind: "ledger account", id }))
    }

    /// A trunk that is paid by it, or a revision that has counted: its prices may stand in books.
    async fn user_of_tariff(&mut self, id: i64) -> Result<Option<Referrer>, StoreError> {
        let id = TariffId(id);
        let paid = |trunk: &Trunk| trunk.egress.as_ref().is_some_and(|e| e.tariff == Some(id));
        if let Some(found) = self.trunk_with(paid).await? {
            return Ok(Some(found));
        }
        let number = self.published_revision(id).await?;
        Ok(number.map(|n| Referrer { kind: "published revision", id: n.into() }))
    }

    async fn trunk_with(
        &mut self,
        is_meant: impl Fn(&Trunk) -> bool,
    ) -> Result<Option<Referrer>, StoreError> {
        let found = self.all_rows::<Trunk>().await?.into_iter().find(is_meant);
        Ok(found.map(|trunk| Referrer { kind: "trunk", id: trunk.id.0 }))
    }

    async fn group_of(&mut self, subscriber: i64) -> Result<Option<Referrer>, StoreError> {
        let has = |group: &RingGroup| {
            let is_it = |party| matches!(party, RingParty::Subscriber(id) if id.0 == subscriber);
            group.members.iter().any(|member| is_it(member.party))
        };
        let found = self.all_rows::<RingGroup>().await?.into_iter().find(has);
        Ok(found.map(|group| Referrer { kind: "ring group", id: group.id.0 }))
    }

    async fn user_of_trunk(&mut self, id: i64) -> Result<Option<Referrer>, StoreError> {
        let sql = "SELECT route_id AS id FROM route_targets WHERE trunk_id = $1 \
             ORDER BY route_id LIMIT 1";
        if let Some(id) = self.first_id(sql.to_owned(), id).await? {
            return Ok(Some(Referrer { kind: "route", id }));
        }
        let rows = self.all_rows::<super::Numbered<strowger_model::Emergency>>().await?;
        let found = rows.into_iter().find(|e| e.row.trunks.iter().any(|trunk| trunk.0 == id));
        if let Some(found) = found {
            return Ok(Some(Referrer { kind: "emergency number", id: found.id }));
        }
        let rules = self.all_rows::<PriceRule>().await?;
        let found = rules.into_iter().find(|rule| rule.trunks.iter().any(|trunk| trunk.0 == id));
        Ok(found.map(|rule| Referrer { kind: "price rule", id: rule.id.0 }))
    }

    /// Every row of a small table.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn all_rows<R: ConfigRow>(&mut self) -> Result<Vec<R>, StoreError> {
        let sql = format!("SELECT * FROM {} ORDER BY id", R::TABLE);
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *self.tx).await;
        let rows = rows.tried("read a small table")?;
        rows.iter().map(|row| R::read(&Columns::new(R::TABLE, row))).collect()
    }
}
