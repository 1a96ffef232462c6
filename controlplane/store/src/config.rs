//! Configuration rows: read whole for a `World`; one by one written, changed, deleted, listed.

mod account;
mod list;
mod price;
mod radius;
mod reference;
mod route;
mod row;
mod rule;
mod setting;
mod subscriber;
mod tariff;
mod tenant;
mod trunk;

pub use reference::Referrer;
pub use route::Numbered;
pub(crate) use row::bind;
pub use row::{Cell, ConfigRow, How, Parts, Wanted};

use crate::column::Columns;
use crate::json::BadJson;
use crate::tariff::{changed_since, rates_in_force};
use crate::token::newest_change;
use crate::{Reader, StoreError, Tried, Writer};
use sqlx::{Any, AssertSqlSafe, Transaction};
use std::collections::BTreeSet;
use strowger_model::{
    Account, Ban, CallerRule, Destination, Did, Digits, Emergency, ExchangeRate, Holiday,
    NumberList, Organization, PhonebookEntry, PriceRule, Rate, RingGroup, Route, Rule, SettingRow,
    Subscriber, Tariff, TariffId, Tenant, Trunk, TrunkLogin,
};

/// Every configuration row, in order of id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigRows {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Organizations.
    pub organizations: Vec<Organization>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Subscribers.
    pub subscribers: Vec<Subscriber>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// Tariffs.
    pub tariffs: Vec<Tariff>,
    /// Rates.
    pub rates: Vec<Rate>,
    /// Routes with their targets.
    pub routes: Vec<Route>,
    /// Names of called directions.
    pub destinations: Vec<Destination>,
    /// Emergency numbers.
    pub emergencies: Vec<Emergency>,
    /// Ring groups.
    pub ring_groups: Vec<RingGroup>,
    /// Numbers of ours.
    pub dids: Vec<Did>,
    /// Contacts of subscribers.
    pub phonebook: Vec<PhonebookEntry>,
    /// Credentials that we show to carriers.
    pub trunk_logins: Vec<TrunkLogin>,
    /// Networks that we do not talk to.
    pub bans: Vec<Ban>,
    /// Rules about callers.
    pub caller_rules: Vec<CallerRule>,
    /// Lists of numbers.
    pub number_lists: Vec<NumberList>,
    /// Rules about calls.
    pub rules: Vec<Rule>,
    /// Settings, wherever they are set.
    pub settings: Vec<SettingRow>,
    /// Holidays.
    pub holidays: Vec<Holiday>,
    /// Exchange rates.
    pub exchange_rates: Vec<ExchangeRate>,
    /// Rules about prices.
    pub price_rules: Vec<PriceRule>,
}

/// The configuration after a change, without the price lines that a reader has already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewerRows {
    /// Number of the newest change in it.
    pub change: i64,
    /// All rows; of price lines those of the tariffs that are not kept.
    pub rows: ConfigRows,
    /// Tariffs of which nothing has changed.
    pub kept: BTreeSet<TariffId>,
}

impl Reader {
    /// Reads all configuration in one read transaction.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn config(&self) -> Result<ConfigRows, StoreError> {
        self.newer_config(0, &BTreeSet::new()).await.map(|newer| newer.rows)
    }

    /// Reads all configuration in one read transaction, without the price lines of those `held`
    /// tariffs that have not changed since the change `since`: a list of a million prices is not
    /// read because a subscriber has a new name.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn newer_config(
        &self,
        since: i64,
        held: &BTreeSet<TariffId>,
    ) -> Result<NewerRows, StoreError> {
        let mut tx = self.snapshot().await.tried("read the configuration")?;
        let (change, mut kept) = kept_since(&mut tx, since, held).await?;
        macro_rules! all {
            ($row:ty, $order:literal) => {{
                let (table, order) = (<$row>::TABLE, $order);
                let sql = AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY {order}"));
                let rows = sqlx::query(sql).fetch_all(&mut *tx).await;
                let rows = rows.tried("read the configuration")?;
                let read = |row| <$row>::read(&Columns::new(table, row));
                rows.iter().map(read).collect::<Result<Vec<$row>, _>>()?
            }};
        }
        let mut rows = ConfigRows {
            tenants: all!(Tenant, "id"),
            organizations: all!(Organization, "id"),
            accounts: all!(Account, "id"),
            subscribers: all!(Subscriber, "id"),
            trunks: all!(Trunk, "id"),
            tariffs: all!(Tariff, "id"),
            rates: Vec::new(),
            routes: all!(Route, "id"),
            destinations: unnumbered(all!(Numbered<Destination>, "tenant_id, prefix")),
            emergencies: unnumbered(all!(Numbered<Emergency>, "tenant_id, number")),
            ring_groups: all!(RingGroup, "id"),
            dids: all!(Did, "id"),
            phonebook: all!(PhonebookEntry, "id"),
            trunk_logins: all!(TrunkLogin, "id"),
            bans: all!(Ban, "id"),
            caller_rules: all!(CallerRule, "id"),
            number_lists: all!(NumberList, "id"),
            rules: all!(Rule, "id"),
            settings: all!(SettingRow, "id"),
            holidays: all!(Holiday, "id"),
            exchange_rates: all!(ExchangeRate, "id"),
            price_rules: all!(PriceRule, "id"),
        };
        let sql = "SELECT * FROM route_targets ORDER BY route_id, position";
        let targets = sqlx::query(sql).fetch_all(&mut *tx).await.tried("read the configuration")?;
        row::adopt(&mut rows.routes, &targets)?;
        kept.retain(|id| rows.tariffs.binary_search_by_key(id, |tariff| tariff.id).is_ok());
        if kept.is_empty() {
            rows.rates = rates_in_force(&mut tx, None).await?;
        } else {
            let ids = rows.tariffs.iter().map(|tariff| tariff.id);
            for id in ids.filter(|id| !kept.contains(id)) {
                rows.rates.extend(rates_in_force(&mut tx, Some(id)).await?);
            }
        }
        Ok(NewerRows { change, rows, kept })
    }
}

impl Reader {
    /// Every setting, wherever it is set, in order of id.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn settings(&self) -> Result<Vec<SettingRow>, StoreError> {
        let mut tx = self.snapshot().await.tried("read settings")?;
        let rows = sqlx::query("SELECT * FROM settings ORDER BY id").fetch_all(&mut *tx).await;
        let rows = rows.tried("read settings")?;
        let read = |row| SettingRow::read(&Columns::new(SettingRow::TABLE, row));
        rows.iter().map(read).collect()
    }
}

/// The newest change, and those `held` tariffs that have not changed since the change `since`.
async fn kept_since(
    tx: &mut Transaction<'_, Any>,
    since: i64,
    held: &BTreeSet<TariffId>,
) -> Result<(i64, BTreeSet<TariffId>), StoreError> {
    let change = newest_change(tx).await?;
    let mut kept = held.clone();
    if !kept.is_empty() {
        match changed_since(tx, since).await? {
            Some(changed) => kept.retain(|id| !changed.contains(id)),
            None => kept.clear(),
        }
    }
    Ok((change, kept))
}

fn unnumbered<T>(rows: Vec<Numbered<T>>) -> Vec<T> {
    rows.into_iter().map(|numbered| numbered.row).collect()
}

/// Writers of new rows under ids that the caller chose.
macro_rules! inserts {
    ($($function:ident, $row:ty, $what:literal;)+) => {
        impl Writer<'_> {
            $(
                #[doc = concat!("Writes a new ", $what, ".")]
                ///
                /// # Errors
                /// [`StoreError::Database`], also for a value that must be unique and is not.
                pub async fn $function(&mut self, row: &$row) -> Result<(), StoreError> {
                    self.insert(row).await
                }
            )+
        }
    };
}

inserts! {
    insert_tenant, Tenant, "tenant";
    insert_account, Account, "account";
    insert_subscriber, Subscriber, "subscriber";
    insert_trunk, Trunk, "trunk";
    insert_tariff, Tariff, "tariff";
    insert_rate, Rate, "price line of the first revision of its tariff";
    insert_route, Route, "route with its targets";
    insert_ring_group, RingGroup, "ring group";
    insert_did, Did, "number of ours";
    insert_phonebook_entry, PhonebookEntry, "contact of a subscriber";
    insert_trunk_login, TrunkLogin, "login at a carrier";
    insert_ban, Ban, "ban";
    insert_caller_rule, CallerRule, "rule about callers";
    insert_number_list, NumberList, "list of numbers";
    insert_rule, Rule, "rule about calls";
    insert_setting, SettingRow, "setting at one place";
    insert_holiday, Holiday, "holiday";
    insert_exchange_rate, ExchangeRate, "exchange rate";
    insert_price_rule, PriceRule, "rule about prices";
}

impl Writer<'_> {
    /// Writes a new organization and its place in the tree.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Refused`] when the tree becomes too deep.
    pub async fn insert_organization(&mut self, o: &Organization) -> Result<(), StoreError> {
        self.insert(o).await?;
        self.plant(o).await
    }

    /// Writes a new rate of a revision; a removed one says that its prefix has no price.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_revised_rate(
        &mut self,
        row: &Rate,
        revision: u32,
        removed: bool,
    ) -> Result<(), StoreError> {
        let columns = [Rate::COLUMNS, &["revision", "removed"]].concat();
        let mut cells = row.cells();
        cells.extend([revision.into(), removed.into()]);
        self.insert_cells::<Rate>(&columns, cells).await?;
        self.use_id(Rate::TABLE, row.id()).await
    }

    /// Writes the name of a called direction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_destination(&mut self, row: &Destination) -> Result<(), StoreError> {
        let id = self.next_id::<Numbered<Destination>>().await?;
        self.insert(&Numbered { id, row: row.clone() }).await
    }

    /// Writes an emergency number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_emergency(&mut self, row: &Emergency) -> Result<(), StoreError> {
        let id = self.next_id::<Numbered<Emergency>>().await?;
        self.insert(&Numbered { id, row: row.clone() }).await
    }
}

/// A value of a structure of ours.
fn stored<J, T>(c: &Columns<'_>, column: &'static str) -> Result<T, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    T::try_from(c.json::<J>(column)?).map_err(|BadJson| c.unfit(column, "known JSON"))
}

/// A list of structures of ours.
fn list<J, T>(c: &Columns<'_>, column: &'static str) -> Result<Vec<T>, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    let items = c.json::<Vec<J>>(column)?.into_iter().map(T::try_from);
    items.collect::<Result<_, _>>().map_err(|BadJson| c.unfit(column, "known JSON"))
}

fn numbers(c: &Columns<'_>) -> Result<Vec<Digits>, StoreError> {
    prefixes(c, "numbers")
}

/// A list of numbers, or of their beginnings.
fn prefixes(c: &Columns<'_>, column: &'static str) -> Result<Vec<Digits>, StoreError> {
    let numbers: Vec<String> = c.json(column)?;
    let numbers: Result<Vec<_>, _> = numbers.iter().map(|n| Digits::parse(n)).collect();
    numbers.map_err(|_| c.unfit(column, "numbers"))
}

fn facet<J, T>(c: &Columns<'_>, column: &'static str) -> Result<Option<T>, StoreError>
where
    J: serde::de::DeserializeOwned,
    T: TryFrom<J, Error = BadJson>,
{
    let Some(text) = c.text_or_null(column)? else { return Ok(None) };
    let json: J = serde_json::from_str(&text).map_err(|_| c.unfit(column, "known JSON"))?;
    T::try_from(json).map(Some).map_err(|BadJson| c.unfit(column, "known JSON"))
}

fn json_text<T: serde::Serialize>(value: &T) -> String {
    // Structures of strings and integers always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn strings(numbers: &[Digits]) -> Vec<String> {
    numbers.iter().map(|n| n.as_str().to_owned()).collect()
}
