//! Tenants.

use super::{Draft, Resource};
use crate::codec::{Flag, Host, Int, Iso4217, List, NAME, PREFIX, Seconds, Set, Text, Zone, words};
use crate::field::{Codec, Object, Shaped, Use, Wrong, nullable, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::shape::Components;
use crate::value::{is_decimal, money_shape};
use serde_json::{Value, json};
use strowger_model::{
    Amount, Currency, DigestAlgorithm, Digits, NUMBER_MAX, Normalisation, OrganizationId,
    PRICE_DIGITS, PrefixEdit, Price, Tenant, TenantId, parse_decimal, print_decimal,
};
use strowger_routing::{Change, RowName, World};

/// Most prefixes in one list of a change of numbers.
const EDITS_MAX: usize = strowger_model::EDIT_PREFIXES_MAX;
/// A part of a number as it is received or sent.
const PART: Text = Text(0, NUMBER_MAX);
/// Longest call, seconds: a week.
const TALK_MAX: u32 = 604_800;
/// Longest time that something rings, seconds.
pub(super) const RING_MAX: u32 = 3_600;

object! {
    /// A change of a number. First a prefix of `remove` is taken off; then, under the conditions,
    /// `remove_then` is taken off and `add` put in front.
    PREFIX_EDIT: PrefixEdit as "PrefixEdit", PrefixEdit::default();
    /// Prefixes to take off; one at most.
    remove: Free List(PART, EDITS_MAX) => remove;
    /// Shortest number that `remove` touches, characters.
    remove_length_min: Free Int(0, 255) => remove_length_min;
    /// Longest number that `remove` touches, characters.
    remove_length_max: Free Int(0, 255) => remove_length_max;
    /// Condition: the rest has at least so many characters.
    add_length_min: Free Int(0, 255) => add_length_min;
    /// Condition: the rest has fewer characters than this.
    add_length_below: Free Int(0, 255) => add_length_below;
    /// Condition: the rest begins with one of these; empty is any.
    if_begins: Free List(PART, EDITS_MAX) => if_begins;
    /// Condition: the rest begins with none of these.
    if_not_begins: Free List(PART, EDITS_MAX) => if_not_begins;
    /// Taken off under the conditions.
    remove_then: Free PART => remove_then;
    /// Put in front under the conditions.
    add: Free PART => add;
}

object! {
    /// How called numbers become canonical.
    NORMALISATION: Normalisation as "Normalisation", Normalisation::default();
    /// Prefixes of international numbers; the first that fits is taken off.
    international: Free List(Text(1, NUMBER_MAX), EDITS_MAX) => international;
    /// How the rest is changed.
    incoming: Free &PREFIX_EDIT => incoming;
    /// A `#` at the end is the phone's "dial now".
    strip_trailing_hash: Free Flag => strip_trailing_hash;
    /// Shortest number accepted, characters.
    length_min: Free Int(0, NUMBER_MAX as i64) => length_min;
    /// Longest number accepted, characters.
    length_max: Free Int(1, NUMBER_MAX as i64) => length_max;
}

object! {
    /// A wall between customers of the operator.
    TENANT: Tenant as "Tenant", blank();
    /// Identity.
    id: Shown crate::codec::Ident => id;
    /// Shown name.
    name: Need NAME => name;
    /// Digest realm; it cannot be changed while there are passwords, which contain it.
    realm: Need Host => realm;
    /// Host names by which its subscribers address this switch, beside the realm.
    domains: Free List(Host, 64) => domains;
    /// Currency of its books and of internal prices, ISO 4217.
    currency: Fixed Iso4217 => currency;
    /// IANA name of the time zone of its days and months.
    timezone: Free Zone => timezone;
    /// Digest algorithms that strangers are challenged with, best first.
    algorithms: Free Set(words::<DigestAlgorithm>(), 1, 2) => algorithms;
    /// Country code without `+`.
    country_prefix: Free PREFIX => country_prefix;
    /// How called numbers become canonical.
    normalisation: Free &NORMALISATION => normalisation;
    /// Price per minute of calls between its subscribers, in its currency.
    internal_price: Free InternalPrice => self;
    /// Ring time when a subscriber or trunk names none.
    ring_timeout_ms: Free Seconds(1, RING_MAX) => ring_timeout_s;
    /// Longest call from answer.
    talk_ms_max: Free Seconds(1, TALK_MAX) => talk_s_max;
    /// A call ends when no media came so long after answer; 0 is never.
    media_start_timeout_ms: Free Seconds(0, TALK_MAX) => media_start_timeout_s;
    /// A call ends when media is gone for so long; 0 is never.
    media_timeout_ms: Free Seconds(0, TALK_MAX) => media_timeout_s;
    /// Most that the calls of one day may cost any account that subscribers call on, beside its own
    /// limit; null is no limit. For accounts in the tenant's currency.
    subscriber_day_max: Free DayMax::SUBSCRIBER => self;
    /// The same for accounts that trunks call on.
    trunk_day_max: Free DayMax::TRUNK => self;
}

fn blank() -> Tenant {
    Tenant {
        id: TenantId(0),
        name: String::new(),
        realm: String::new(),
        domains: Vec::new(),
        currency: Currency::EUR,
        timezone: "UTC".to_owned(),
        algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        country_prefix: Digits::EMPTY,
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 300,
        subscriber_day_max: None,
        trunk_day_max: None,
    }
}

/// An amount in the tenant's currency, or none.
struct DayMax {
    read: fn(&Tenant) -> Option<Amount>,
    write: fn(&mut Tenant, Option<Amount>),
}

impl DayMax {
    const SUBSCRIBER: DayMax =
        DayMax { read: |t| t.subscriber_day_max, write: |t, most| t.subscriber_day_max = most };
    const TRUNK: DayMax =
        DayMax { read: |t| t.trunk_day_max, write: |t, most| t.trunk_day_max = most };
}

impl Shaped for DayMax {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        nullable(money_shape())
    }
}

impl Codec<Tenant> for DayMax {
    fn show(&self, row: &Tenant) -> Value {
        (self.read)(row).map_or(
            Value::Null,
            |amount| json!({"amount": amount.print(row.currency), "currency": row.currency.code()}),
        )
    }

    fn take(&self, json: &Value, old: Option<&Tenant>) -> Result<Tenant, Wrong> {
        let mut row = old.cloned().unwrap_or_else(blank);
        let amount = match json.is_null() {
            true => None,
            false => Some(decimal(json, row.currency, row.currency.ledger_digits())?),
        };
        if amount.is_some_and(|amount| amount < 0) {
            return Err(Wrong::new("is below zero").at("amount"));
        }
        (self.write)(&mut row, amount.map(Amount));
        Ok(row)
    }
}

/// A price per minute in the tenant's currency.
struct InternalPrice;

impl Shaped for InternalPrice {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        money_shape()
    }
}

impl Codec<Tenant> for InternalPrice {
    fn show(&self, row: &Tenant) -> Value {
        let amount = print_decimal(row.internal_price.0, PRICE_DIGITS);
        json!({"amount": amount, "currency": row.currency.code()})
    }

    fn take(&self, json: &Value, old: Option<&Tenant>) -> Result<Tenant, Wrong> {
        let mut row = old.cloned().unwrap_or_else(blank);
        row.internal_price = match json.is_null() {
            true => Price(0),
            false => Price(decimal(json, row.currency, PRICE_DIGITS)?),
        };
        if row.internal_price.0 < 0 {
            return Err(Wrong::unfit("is below zero").at("amount"));
        }
        Ok(row)
    }
}

/// An amount with so many digits; the currency beside it must be this, if it is named.
pub(crate) fn decimal(json: &Value, currency: Currency, digits: u8) -> Result<i64, Wrong> {
    let members = json.as_object().ok_or_else(|| Wrong::new("is no amount with its currency"))?;
    let known = |name: &String| name == "amount" || name == "currency";
    if let Some(name) = members.keys().find(|name| !known(name)) {
        return Err(Wrong::new("is not a member of an amount").at(name));
    }
    if members.get("currency").is_some_and(|code| code.as_str() != Some(currency.code())) {
        return Err(Wrong::unfit(format!("is not {}", currency.code())).at("currency"));
    }
    let text = members.get("amount").and_then(Value::as_str);
    let text = text.filter(|text| is_decimal(text));
    let text = text.ok_or_else(|| Wrong::new("is no decimal number").at("amount"))?;
    parse_decimal(text, digits).map_err(|_| {
        let what = format!("is no decimal number of at most {digits} digits behind the point");
        Wrong::unfit(what).at("amount")
    })
}

impl Resource for Tenant {
    type Row = Tenant;
    const PATH: &'static str = "tenants";
    const FILTERS: &'static [Filter] = &[Filter::text("name"), Filter::text("realm")];

    fn object() -> &'static Object<Self> {
        &TENANT
    }

    fn of(row: Tenant) -> Self {
        row
    }

    fn row(&self) -> &Tenant {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = TenantId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.id), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Tenant(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if self.normalisation.length_min > self.normalisation.length_max {
            let detail = "is longer than the longest";
            return Err(Problem::refused("normalisation.length_min", detail));
        }
        let realm_changed = draft.before.is_some_and(|before| before.realm != self.realm);
        let mut own = draft.world.subscribers();
        let held = own.find(|subscriber| subscriber.tenant == self.id);
        match held.filter(|_| realm_changed) {
            Some(subscriber) => {
                let detail = format!(
                    "cannot be changed while there are passwords: subscriber {} has one",
                    subscriber.id
                );
                Err(Problem::conflict("realm", detail))
            }
            None => Ok(()),
        }
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Tenant(Box::new(self.clone())))
    }

    fn dependents(&self, world: &World) -> Vec<Change> {
        let own = world.accounts().filter(|account| account.tenant == self.id);
        own.map(|account| Change::Account(account.clone())).collect()
    }
}
