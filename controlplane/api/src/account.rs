//! Accounts with what the till says of them.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, MoneyView, money};
use crate::{AccountBalance, cursor};
use std::collections::BTreeMap;
use strowger_model::{Account, AccountId};

const LIST: &str = "accounts";

view! {
    /// Who pays.
    AccountView {
        /// Identity.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// Organization that it belongs to.
        organization: Id,
        /// Shown name.
        name: String,
        /// Currency, ISO 4217.
        currency: String,
        /// Calls need credit; otherwise they are billed later.
        prepaid: bool,
        /// The balance never passes below this; null is no floor.
        floor: Option<MoneyView>,
        /// Its prices.
        tariff: Option<Id>,
        /// Most concurrent calls; 0 is no limit.
        calls_max: u32,
        /// Most call attempts per second; 0 is no limit.
        cps_max: u32,
        /// Most that the calls of one day may cost, in the tenant's time zone; null is no limit.
        day_max: Option<MoneyView>,
        /// Most that the calls of one month may cost; null is no limit.
        month_max: Option<MoneyView>,
        /// May call.
        enabled: bool,
        /// Calls go on at the end of what was granted while the control plane is gone.
        go_on_without_control: bool,
        /// What it has, calls included that are not booked yet; null while the till does not know
        /// the account.
        balance: Option<MoneyView>,
        /// Held for running calls; null as `balance`.
        held: Option<MoneyView>,
        /// What further calls can hold; null as `balance`, and for an account without a floor.
        available: Option<MoneyView>,
        /// Calls it pays for now; null as `balance`.
        calls: Option<u32>,
        /// What calls that began today have cost; null as `balance`.
        day_spent: Option<MoneyView>,
        /// What calls that began this month have cost; null as `balance`.
        month_spent: Option<MoneyView>,
    }
}

/// `GET /accounts`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<AccountView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(AccountId);
    let rows = cx.api.reader.accounts(cx.caller.scope, after, cx.query.rows()).await?;
    let balances = cx.api.live.balances(rows.iter().map(|row| row.id).collect()).await?;
    let balances: BTreeMap<_, _> = balances.iter().map(|b| (b.account, b)).collect();
    let view = |row: &Account| view(row, balances.get(&row.id).copied());
    let key = |row: &Account| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /accounts/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<AccountView>, Problem> {
    let row = cx.api.reader.account(cx.caller.scope, AccountId(cx.id()?)).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let balances = cx.api.live.balances(vec![row.id]).await?;
    Ok(Json(view(&row, balances.iter().find(|balance| balance.account == row.id))))
}

fn view(row: &Account, balance: Option<&AccountBalance>) -> AccountView {
    let shown = |amount| money(amount, row.currency);
    AccountView {
        id: row.id.into(),
        tenant: row.tenant.into(),
        organization: row.organization.into(),
        name: row.name.clone(),
        currency: row.currency.code().to_owned(),
        prepaid: row.prepaid,
        floor: row.floor.map(shown),
        tariff: row.tariff.map(Id::from),
        calls_max: row.calls_max,
        cps_max: row.cps_max,
        day_max: row.day_max.map(shown),
        month_max: row.month_max.map(shown),
        enabled: row.enabled,
        go_on_without_control: row.go_on_without_control,
        balance: balance.map(|b| shown(b.balance)),
        held: balance.map(|b| shown(b.held)),
        available: balance.and_then(|b| b.available).map(shown),
        calls: balance.map(|b| b.calls),
        day_spent: balance.map(|b| shown(b.spent[0])),
        month_spent: balance.map(|b| shown(b.spent[1])),
    }
}
