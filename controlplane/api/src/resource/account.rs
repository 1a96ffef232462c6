//! Accounts: who pays, and what the till says of them.

use super::subscriber::BARRING;
use super::tenant::decimal;
use super::{Draft, Later, Resource, check_partners};
use crate::codec::{Flag, Ident, Int, Iso4217, LIMIT, List, Moment, NAME, Opt, PREFIX};
use crate::dispatch::Context;
use crate::field::{Codec, Object, Shaped, Use, Wrong, nullable, object};
use crate::live::AccountBalance;
use crate::problem::Problem;
use crate::query::{Filter, Query};
use crate::shape::Components;
use crate::value::money_shape;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use strowger_model::{
    Account, AccountId, Amount, Currency, Digits, Discount, OrganizationId, Right, TenantId, WHOLE,
    parse_decimal,
};
use strowger_routing::limits::{DISCOUNTS_MAX, PARTNERS_MAX};
use strowger_routing::{Change, RowName, World};
use strowger_store::Scope;

/// An account with its balance.
#[derive(Clone)]
pub(crate) struct Paying {
    account: Account,
    /// `None` while the till does not know the account.
    balance: Option<AccountBalance>,
}

object! {
    /// Who pays.
    ACCOUNT: Paying as "Account", blank();
    /// Identity.
    id: Shown Ident => account.id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => account.tenant;
    /// Organization that it belongs to.
    organization: Need Ident => account.organization;
    /// Shown name.
    name: Need NAME => account.name;
    /// Currency, ISO 4217.
    currency: Fixed Iso4217 => account.currency;
    /// Calls need credit; otherwise they are billed later.
    prepaid: Free Flag => account.prepaid;
    /// The balance never passes below this; null is no floor. A new prepaid account that names none
    /// has the floor 0.
    floor: Free Money::FLOOR => self;
    /// Its prices; without a tariff it pays as price rules say, and where none is for it, it makes
    /// internal calls only.
    tariff: Free Opt(Ident) => account.tariff;
    /// Most concurrent calls; 0 is no limit.
    calls_max: Free LIMIT => account.calls_max;
    /// Most call attempts per second; 0 is no limit.
    cps_max: Free LIMIT => account.cps_max;
    /// Most that the calls of one day may cost, in the tenant's time zone; null is no limit.
    day_max: Free Money::DAY => self;
    /// Most that the calls of one month may cost; null is no limit.
    month_max: Free Money::MONTH => self;
    /// That limit grows by so much for each month in which calls cost something; null is not.
    month_grows_by: Free Money::GROWS_BY => self;
    /// No further than this; null is without end. A limit that is above it does not grow.
    month_grows_to: Free Money::GROWS_TO => self;
    /// From the month of this time on; the time of the request where a limit that grows names none.
    month_grows_since: Free Opt(Moment) => account.month_grows_since_us;
    /// What is taken off its tariff's prices by called prefix; the longest counts.
    discounts: Free List(&DISCOUNT, DISCOUNTS_MAX) => account.discounts;
    /// What is taken off all of them besides, hundredths of a percent.
    reduction_bp: Free Int(0, WHOLE as i64) => account.reduction_bp;
    /// It pays for the calls of the accounts of its organization and those below too, at its own
    /// tariff. One account of an organization at most.
    resells: Free Flag => account.resells;
    /// Organizations whose trunks, and those of organizations below them, take its calls; empty is
    /// everybody's. Set by who sees the whole tenant. DIDs and emergency numbers are reached all
    /// the same.
    partners: Free List(Ident, PARTNERS_MAX) => account.partners;
    /// What its calls may be for, whoever makes them: beside what subscribers and trunks may call
    /// themselves.
    barring: Free &BARRING => account.barring;
    /// Where it resells: what is paid into accounts below it is taken from it, and their calls cost
    /// it nothing more. Accounts that resell below it pay so too. What they have when it is set was
    /// not paid for.
    resells_early: Free Flag => account.resells_early;
    /// The account of who brought it, in the same currency: it earns a part of what this one pays
    /// for calls, which who sells to this one pays.
    agent: Free Opt(Ident) => account.agent;
    /// The part, hundredths of a percent.
    commission_bp: Free Int(0, WHOLE as i64) => account.commission_bp;
    /// It is a part of what is left of that when who sells has paid for the call, and not of all.
    commission_of_profit: Free Flag => account.commission_of_profit;
    /// May call.
    enabled: Free Flag => account.enabled;
    /// Calls go on at the end of what was granted while the control plane is gone.
    go_on_without_control: Free Flag => account.go_on_without_control;
    /// What it has, calls included that are not booked yet; null while the till does not know
    /// the account.
    balance: Shown Money::live(|b| Some(b.balance)) => self;
    /// Held for running calls; null as `balance`.
    held: Shown Money::live(|b| Some(b.held)) => self;
    /// What further calls can hold; null as `balance`, and for an account without a floor.
    available: Shown Money::live(|b| b.available) => self;
    /// Calls it pays for now; null as `balance`.
    calls: Shown Calls => self;
    /// What calls that began today have cost; null as `balance`.
    day_spent: Shown Money::live(|b| Some(b.spent[0])) => self;
    /// What calls that began this month have cost; null as `balance`.
    month_spent: Shown Money::live(|b| Some(b.spent[1])) => self;
    /// Most that calls of today may cost, what the tenant allows included; null as `balance`, and
    /// without a limit.
    day_limit: Shown Money::live(|b| b.most[0]) => self;
    /// Most that calls of this month may cost, as far as the limit has grown; null as `day_limit`.
    month_limit: Shown Money::live(|b| b.most[1]) => self;
}

object! {
    /// A part of the price that is not charged.
    DISCOUNT: Discount as "Discount", no_discount();
    /// Called numbers it is for; empty is all.
    prefix: Need PREFIX => prefix;
    /// The part, hundredths of a percent.
    share_bp: Need Int(0, WHOLE as i64) => share_bp;
}

const fn no_discount() -> Discount {
    Discount { prefix: Digits::EMPTY, share_bp: 0 }
}

fn blank() -> Paying {
    let (id, tenant, organization) = (AccountId(0), TenantId(0), OrganizationId(0));
    let account = Account::new(id, tenant, organization, Currency::EUR);
    Paying { account, balance: None }
}

/// An amount in the account's currency.
struct Money {
    read: fn(&Paying) -> Option<Amount>,
    write: fn(&mut Account, Option<Amount>),
    least: i64,
}

impl Money {
    const FLOOR: Money =
        Money { read: |p| p.account.floor, write: |a, m| a.floor = m, least: i64::MIN };
    const DAY: Money = Money { read: |p| p.account.day_max, write: |a, m| a.day_max = m, least: 0 };
    const MONTH: Money =
        Money { read: |p| p.account.month_max, write: |a, m| a.month_max = m, least: 0 };
    const GROWS_BY: Money =
        Money { read: |p| p.account.month_grows_by, write: |a, m| a.month_grows_by = m, least: 0 };
    const GROWS_TO: Money =
        Money { read: |p| p.account.month_grows_to, write: |a, m| a.month_grows_to = m, least: 0 };
}

/// An amount that the till says.
struct Live(fn(&AccountBalance) -> Option<Amount>);

impl Money {
    const fn live(read: fn(&AccountBalance) -> Option<Amount>) -> Live {
        Live(read)
    }
}

fn shown(amount: Option<Amount>, row: &Paying) -> Value {
    let currency = row.account.currency;
    amount.map_or(
        Value::Null,
        |amount| json!({"amount": amount.print(currency), "currency": currency.code()}),
    )
}

impl Shaped for Money {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        nullable(money_shape())
    }
}

impl Codec<Paying> for Money {
    fn show(&self, row: &Paying) -> Value {
        shown((self.read)(row), row)
    }

    fn take(&self, json: &Value, old: Option<&Paying>) -> Result<Paying, Wrong> {
        let mut row = old.cloned().unwrap_or_else(blank);
        let currency = row.account.currency;
        let amount = match json.is_null() {
            true => None,
            false => Some(decimal(json, currency, currency.ledger_digits())?),
        };
        if amount.is_some_and(|amount| amount < self.least) {
            return Err(Wrong::unfit("is below zero").at("amount"));
        }
        (self.write)(&mut row.account, amount.map(Amount));
        Ok(row)
    }
}

impl Shaped for Live {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        nullable(money_shape())
    }
}

impl Codec<Paying> for Live {
    fn show(&self, row: &Paying) -> Value {
        shown(row.balance.as_ref().and_then(self.0), row)
    }

    fn take(&self, _: &Value, _: Option<&Paying>) -> Result<Paying, Wrong> {
        Err(Wrong::new("is only shown and cannot be set"))
    }
}

/// Calls that it pays for.
struct Calls;

impl Shaped for Calls {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        nullable(Int(0, i64::from(u32::MAX)).schema(components, of))
    }
}

impl Codec<Paying> for Calls {
    fn show(&self, row: &Paying) -> Value {
        json!(row.balance.as_ref().map(|balance| balance.calls))
    }

    fn take(&self, _: &Value, _: Option<&Paying>) -> Result<Paying, Wrong> {
        Err(Wrong::new("is only shown and cannot be set"))
    }
}

/// Whether a field of an account is what it was.
type Same = (&'static str, fn(&Account, &Account) -> bool);

/// What an account that resells owes who is above it is decided by these.
const OWED_BY: [Same; 11] = [
    ("organization", |a, b| a.organization == b.organization),
    ("prepaid", |a, b| a.prepaid == b.prepaid),
    ("floor", |a, b| a.floor == b.floor),
    ("tariff", |a, b| a.tariff == b.tariff),
    ("discounts", |a, b| a.discounts == b.discounts),
    ("reduction_bp", |a, b| a.reduction_bp == b.reduction_bp),
    ("resells", |a, b| a.resells == b.resells),
    ("resells_early", |a, b| a.resells_early == b.resells_early),
    ("agent", |a, b| a.agent == b.agent),
    ("commission_bp", |a, b| a.commission_bp == b.commission_bp),
    ("commission_of_profit", |a, b| a.commission_of_profit == b.commission_of_profit),
];

/// It has no agent, or the one that it had, who earns what he did.
fn keeps_agent(now: &Account, was: Option<&Account>) -> bool {
    let terms = |of: &Account| (of.agent, of.commission_bp, of.commission_of_profit);
    now.agent.is_none() || was.is_some_and(|was| terms(now) == terms(was))
}

impl Paying {
    /// Who resells does not decide what he owes himself. Where he has paid for the credit below
    /// when he handed it out, he does not either decide what it is worth: accounts below have his
    /// own prices.
    fn check_reseller(&self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        let Scope::Organization(_, own) = draft.scope else { return Ok(()) };
        let (now, was) = (&self.account, draft.before.map(|before| &before.account));
        let reseller = draft.world.reseller(own);
        let is_early = reseller.is_some_and(|reseller| draft.world.is_early(reseller));
        // Who sells to accounts below pays their agents: without a late reseller it is not him.
        if (reseller.is_none() || is_early) && !keeps_agent(now, was) {
            return Err(Problem::refused("agent", "is named by who pays for it"));
        }
        let Some(reseller) = reseller else { return Ok(()) };
        if let Some(was) = was.filter(|was| was.id == reseller.id) {
            return match OWED_BY.iter().find(|(_, is_same)| !is_same(now, was)) {
                None => Ok(()),
                Some((name, _)) => Err(Problem::refused(name, "is for who is above to change")),
            };
        }
        if !is_early {
            return Ok(());
        }
        let blank = blank().account;
        let was = was.unwrap_or(&blank);
        // Without a tariff there is no price, unless the operator gives one by rules.
        let none = now.tariff.is_none() && !draft.world.has_price_rules(now.tenant);
        let has_own = none || now.tariff == reseller.tariff;
        let bounds = [
            ("tariff", has_own || now.tariff == was.tariff),
            ("discounts", now.discounts.is_empty() || now.discounts == was.discounts),
            ("reduction_bp", now.reduction_bp == 0 || now.reduction_bp == was.reduction_bp),
        ];
        match bounds.iter().find(|(_, fits)| !fits) {
            None => Ok(()),
            Some((name, _)) => {
                let what = "is not that of the account that resells, which has paid for the credit";
                Err(Problem::refused(name, what))
            }
        }
    }

    /// From whom prices are withheld leaves what accounts pay as it is.
    fn check_prices(&self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if !draft.withheld.contains(&Right::Prices) {
            return Ok(());
        }
        let blank = blank().account;
        let was = draft.before.map_or(&blank, |before| &before.account);
        let now = &self.account;
        let all = [
            ("tariff", now.tariff == was.tariff),
            ("discounts", now.discounts == was.discounts),
            ("reduction_bp", now.reduction_bp == was.reduction_bp),
        ];
        match all.iter().find(|(_, is_same)| !is_same) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::refused(name, "is withheld from you to set")),
        }
    }

    /// An agent is another account of the tenant, kept in the same currency.
    fn check_agent(&self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        let Some(agent) = self.account.agent else { return Ok(()) };
        let row = draft.world.account(agent).filter(|row| row.tenant == self.account.tenant);
        let Some(row) = row.filter(|_| agent != self.account.id) else {
            return Err(Problem::refused("agent", "is no other account of the tenant"));
        };
        if row.currency != self.account.currency {
            return Err(Problem::refused("agent", "is kept in another currency"));
        }
        Ok(())
    }
}

/// A filter by what the till says.
const BALANCE_BELOW: &str = "balance_below";

impl Resource for Paying {
    type Row = Account;
    const PATH: &'static str = "accounts";
    const OWN: &'static [&'static str] = &["name", "resells", "resells_early"];
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::id("tariff", "tariff_id"),
        Filter::text("name"),
        Filter::flag("prepaid"),
        Filter::flag("enabled"),
        Filter::live_decimal(BALANCE_BELOW).about(
            "Only those whose balance is below this, in their own currency. Many accounts are \
             looked at for it: a page may have few rows, and none, and the next one more.",
        ),
    ];

    fn object() -> &'static Object<Self> {
        &ACCOUNT
    }

    fn of(account: Account) -> Self {
        Paying { account, balance: None }
    }

    fn row(&self) -> &Account {
        &self.account
    }

    fn set_id(&mut self, id: i64) {
        self.account.id = AccountId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.account.tenant), Some(self.account.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Account(self.account.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        self.check_reseller(draft)?;
        self.check_prices(draft)?;
        let is_new = draft.before.is_none();
        if is_new && self.account.prepaid && !draft.given.contains_key("floor") {
            self.account.floor = Some(Amount::ZERO);
        }
        if self.account.prepaid && self.account.floor.is_none() {
            return Err(Problem::refused("floor", "must be there for an account that is prepaid"));
        }
        let before = draft.before.map(|before| before.account.partners.as_slice());
        check_partners(draft, (self.account.tenant, &self.account.partners), before, "partners")?;
        self.check_agent(draft)?;
        if self.account.resells_early && !self.account.resells {
            return Err(Problem::refused("resells_early", "is for an account that resells"));
        }
        let since_us = &mut self.account.month_grows_since_us;
        if since_us.is_some_and(|since_us| since_us > draft.at_us) {
            return Err(Problem::refused("month_grows_since", "is later than now"));
        }
        if self.account.month_grows_by.is_some() && since_us.is_none() {
            *since_us = Some(draft.at_us);
        }
        Ok(())
    }

    /// Without the account that resells nobody would pay for the calls below but their callers.
    fn check_removal(&self, scope: Scope, world: &World) -> Result<(), Problem> {
        let Scope::Organization(_, own) = scope else { return Ok(()) };
        match world.reseller(own).filter(|reseller| reseller.id == self.account.id) {
            Some(_) => Err(Problem::denied("the account that resells is for who is above")),
            None => Ok(()),
        }
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Account(self.account.clone()))
    }

    fn dependents(&self, world: &World) -> Vec<Change> {
        let id = self.account.id;
        let owed = world.trunks().filter(|t| t.egress.as_ref().is_some_and(|e| e.account == id));
        owed.map(|trunk| Change::Trunk(Box::new(trunk.clone()))).collect()
    }

    fn is_wanted(&self, query: &Query) -> bool {
        let Some(most) = query.text(BALANCE_BELOW) else { return true };
        let most = parse_decimal(most, self.account.currency.ledger_digits());
        let is_below = |balance: &AccountBalance| most.is_ok_and(|most| balance.balance.0 < most);
        self.balance.as_ref().is_some_and(is_below)
    }

    fn enliven<'a>(cx: &'a Context, mut rows: Vec<Self>) -> Later<'a, Vec<Self>> {
        Box::pin(async move {
            let ids = rows.iter().map(|row| row.account.id).collect();
            let balances = cx.api.live.balances(ids).await?;
            let balances: BTreeMap<_, _> = balances.into_iter().map(|b| (b.account, b)).collect();
            for row in &mut rows {
                row.balance = balances.get(&row.account.id).copied();
            }
            Ok(rows)
        })
    }
}
