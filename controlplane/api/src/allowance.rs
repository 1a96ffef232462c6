//! Free time of an account: what it was given and what is used of it.

use crate::codec::SAYING;
use crate::cursor;
use crate::dispatch::{Context, KEY};
use crate::edit::seen;
use crate::form::{Form, count, pattern_shape, texts};
use crate::limits::NAME_CHARS_MAX;
use crate::live::{AllowancePool, MoneyRefusal};
use crate::money::{account, amount, credited};
use crate::problem::Problem;
use crate::reply::{Created, Json, Page};
use crate::shape::{Components, view};
use crate::value::{Id, MoneyView, Time, UNSIGNED, money, parse_time};
use serde_json::{Value, json};
use strowger_model::{
    Account, Allowance, AllowanceId, Amount, Currency, Digits, NUMBER_MAX, Renewal,
};
use strowger_store::{GivenAllowance, MoneyKind, NewAllowance, Scope};

const LIST: &str = "allowances";

view! {
    /// Free time of an account.
    AllowanceView {
        /// Identity.
        id: Id,
        /// Account.
        account: Id,
        /// Shown name.
        name: String,
        /// What the called number must begin with, in canonical form; empty is every number.
        prefix: String,
        /// How much there is, milliseconds of talk; 0 for a packet of money.
        granted_ms: u64,
        /// What records used of it.
        used_ms: u64,
        /// What running calls can still use of it.
        reserved_ms: u64,
        /// How much money there is, with tax: it pays for calls before the balance does; null for
        /// free time.
        credit: Option<MoneyView>,
        /// What records used of that; null for free time.
        credit_used: Option<MoneyView>,
        /// For calls that begin then or later.
        from: Time,
        /// For calls that begin before then.
        until: Time,
        /// As much is given again then, for so many days at a time; 0 is not.
        renew_days: u32,
        /// The last of it ends then; null where it is not given again.
        renew_until: Option<Time>,
        /// What the account paid for it, with tax; null where it was given.
        price: Option<MoneyView>,
        /// Tax in that, millionths.
        vat_ppm: u32,
    }
}

/// What a body has, and whether it must.
const MEMBERS: [(&str, bool); 10] = [
    ("name", true),
    ("prefix", false),
    ("seconds", false),
    ("credit", false),
    ("from", true),
    ("until", true),
    ("renew_days", false),
    ("renew_until", false),
    ("price", false),
    ("vat_ppm", false),
];
/// Longest time after which free time is given again, days.
const RENEW_DAYS_MAX: u32 = 366;
/// Its digits.
const RENEW_DIGITS: usize = 3;

/// A whole number above zero.
fn whole(name: &'static str, text: &str, digits_max: usize) -> Result<u32, Problem> {
    count(text, digits_max).ok_or_else(|| {
        let what = format!("is no whole number above zero, of {digits_max} digits at most");
        Problem::field(name, what)
    })
}

fn time(name: &'static str, text: &str) -> Result<i64, Problem> {
    parse_time(text).ok_or(Problem::field(name, "is no time of RFC 3339"))
}

/// How free time that ends at `until_us` is given again: both members or none.
fn renewal(days: &str, last: &str, until_us: i64) -> Result<Option<Renewal>, Problem> {
    if days.is_empty() && last.is_empty() {
        return Ok(None);
    }
    if days.is_empty() || last.is_empty() {
        let name = if days.is_empty() { "renew_days" } else { "renew_until" };
        return Err(Problem::refused(name, "is missing beside the other"));
    }
    let days = whole("renew_days", days, RENEW_DIGITS)?;
    if days > RENEW_DAYS_MAX {
        return Err(Problem::refused("renew_days", format!("is above {RENEW_DAYS_MAX}")));
    }
    let last_us = time("renew_until", last)?;
    if last_us <= until_us {
        return Err(Problem::refused("renew_until", "is not behind until"));
    }
    Ok(Some(Renewal { days, until_us: last_us }))
}

/// Free time as it is sent.
pub(crate) struct AllowanceForm {
    name: String,
    prefix: Option<Digits>,
    seconds: u32,
    credit: String,
    from_us: i64,
    until_us: i64,
    renewal: Option<Renewal>,
    price: String,
    vat_ppm: u32,
}

/// Digits of the tax in a price, and the most of it: all of it again.
const VAT_DIGITS: usize = 7;
const VAT_PPM_MAX: u32 = 1_000_000;

/// Most digits of its seconds: more than thirty years.
const SECONDS_DIGITS: usize = 9;

/// The tax in a price; 0 where none is named.
fn vat_ppm(text: &str, has_price: bool) -> Result<u32, Problem> {
    if text.is_empty() {
        return Ok(0);
    }
    let ppm = whole("vat_ppm", text, VAT_DIGITS)?;
    match (has_price, ppm) {
        (false, _) => Err(Problem::refused("vat_ppm", "is missing its price")),
        (true, 1..=VAT_PPM_MAX) => Ok(ppm),
        (true, _) => Err(Problem::refused("vat_ppm", format!("is above {VAT_PPM_MAX}"))),
    }
}

impl Form for AllowanceForm {
    const NEEDS_KEY: bool = true;

    fn read(cx: &Context) -> Result<Self, Problem> {
        let [name, prefix, seconds, credit, from, until, days, last, price, vat] =
            texts(cx.body(), MEMBERS)?;
        if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let what = format!("has at most {NAME_CHARS_MAX} characters and no control characters");
            return Err(Problem::field("name", what));
        }
        if name.trim().is_empty() {
            return Err(Problem::field("name", "says nothing"));
        }
        let digits = |text: &str| Digits::parse(text);
        let prefix = digits(&prefix).map_err(|_| Problem::field("prefix", "is no number"))?;
        let seconds = match (seconds.as_str(), credit.as_str()) {
            ("", "") => return Err(Problem::refused("seconds", "is missing, as is credit")),
            ("", _) => 0,
            (_, "") => whole("seconds", &seconds, SECONDS_DIGITS)?,
            (_, _) => return Err(Problem::refused("credit", "stands beside seconds")),
        };
        let (from_us, until_us) = (time("from", &from)?, time("until", &until)?);
        if until_us <= from_us {
            return Err(Problem::refused("until", "is not behind from"));
        }
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let renewal = renewal(&days, &last, until_us)?;
        let vat_ppm = vat_ppm(&vat, !price.is_empty())?;
        Ok(AllowanceForm {
            name,
            prefix,
            seconds,
            credit,
            from_us,
            until_us,
            renewal,
            price,
            vat_ppm,
        })
    }

    fn describe(_: &mut Components) -> Value {
        let text = |pattern: &str, most: usize, what: &str| {
            let mut shape = json!({"type": "string", "pattern": pattern, "maxLength": most});
            shape["description"] = json!(what);
            shape
        };
        let seconds = format!("^[1-9][0-9]{{0,{}}}$", SECONDS_DIGITS - 1);
        let prefix = format!("^[0-9*#]{{0,{NUMBER_MAX}}}$");
        let renew = format!("^[1-9][0-9]{{0,{}}}$", RENEW_DIGITS - 1);
        let begins = "What the called number must begin with; empty is every number.";
        let again = "As much is given again at `until`, and again after so many days of the \
            tenant's time zone: a whole number up to 366. Without it, once.";
        let time =
            |what: &str| json!({"type": "string", "format": "date-time", "description": what});
        let vat = format!("^[1-9][0-9]{{0,{}}}$", VAT_DIGITS - 1);
        let mut credit = pattern_shape(UNSIGNED);
        credit["description"] = json!(
            "In place of `seconds`: a packet of money, with tax, in the account's currency. Calls \
             that begin while it lasts are paid out of it before the balance."
        );
        let mut price = pattern_shape(UNSIGNED);
        price["description"] = json!(
            "What the account pays for it, with tax, in its currency. With `renew_days` it is \
             bought again when it ends: where the balance does not allow it, each minute for as \
             many days, and begins when it is paid."
        );
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "from", "until"],
            "properties": {
                "name": text(SAYING, NAME_CHARS_MAX, "Shown name."),
                "prefix": text(&prefix, NUMBER_MAX, begins),
                "seconds": text(&seconds, SECONDS_DIGITS, "Seconds of talk, or `credit`."),
                "credit": credit,
                "from": time("For calls that begin then or later."),
                "until": time("For calls that begin before then."),
                "renew_days": text(&renew, RENEW_DIGITS, again),
                "renew_until": time("The last of it ends then; beside `renew_days`."),
                "price": price,
                "vat_ppm": text(&vat, VAT_DIGITS, "Tax in the price, millionths."),
            },
        })
    }
}

/// `GET /accounts/{id}/allowances`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<AllowanceView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(AllowanceId);
    let row = account(&cx).await?;
    let given = cx.api.reader.allowances_of(row.id, after, cx.query.rows()).await?;
    let pools = cx.api.live.pools(given.iter().map(|one| one.allowance.id).collect()).await?;
    let view = |given: &GivenAllowance| {
        let id = given.allowance.id;
        let pool = pools.iter().find(|pool| pool.allowance == id).copied();
        // One that ended long ago is in the books only.
        let booked =
            AllowancePool { used_ms: given.used_ms, used: given.used, ..AllowancePool::none(id) };
        shown(&given.allowance, pool.unwrap_or(booked), row.currency)
    };
    let key = |given: &GivenAllowance| cursor::encode(LIST, given.allowance.id.0);
    Ok(Json(Page::cut(given, cx.query.limit, view, key)))
}

/// `POST /accounts/{id}/allowances`
pub(crate) async fn give(
    form: AllowanceForm,
    cx: Context,
) -> Result<Created<AllowanceView>, Problem> {
    let row = credited(&cx).await?;
    unless_early(&cx).await?;
    let new = NewAllowance {
        allowance: form.of(&row)?,
        key: cx.key()?.to_owned(),
        renews: None,
        payee: None,
        actor: cx.caller.name.clone(),
        at_us: 0,
    };
    match cx.api.live.give(new).await? {
        // As it was given: the same again for the same key.
        Ok(given) => {
            let unused = AllowancePool::none(given.id);
            Ok(Created(shown(&given, unused, row.currency)))
        }
        Err(MoneyRefusal::OtherRequest) => {
            Err(Problem::refused(KEY, "another request of this account has had this key"))
        }
        Err(MoneyRefusal::Floor) => Err(Problem::refused(
            "price",
            "the balance, less what calls hold, would pass its floor",
        )),
        Err(
            MoneyRefusal::UnknownAccount
            | MoneyRefusal::ResellerFloor
            | MoneyRefusal::ResellerCurrency,
        ) => Err(Problem::unavailable("the till does not know the account yet; it")),
    }
}

/// Nobody pays for free time below who resells and pays early: he does not give it.
async fn unless_early(cx: &Context) -> Result<(), Problem> {
    let Scope::Organization(_, own) = cx.caller.scope else { return Ok(()) };
    let world = seen(&cx.api).await?;
    match world.reseller(own).filter(|reseller| world.is_early(reseller)) {
        Some(_) => Err(Problem::denied("not by an account that pays when it hands credit out")),
        None => Ok(()),
    }
}

impl AllowanceForm {
    fn of(self, row: &Account) -> Result<Allowance, Problem> {
        let money = |name: &'static str, text: &str| match text {
            "" => Ok(Amount::ZERO),
            text => amount(name, text, MoneyKind::Payment, row),
        };
        let (price, credit) = (money("price", &self.price)?, money("credit", &self.credit)?);
        Ok(Allowance {
            id: AllowanceId(0),
            tenant: row.tenant,
            account: row.id,
            name: self.name,
            prefix: self.prefix,
            seconds: self.seconds,
            credit,
            from_us: self.from_us,
            until_us: self.until_us,
            renewal: self.renewal,
            price,
            vat_ppm: self.vat_ppm,
        })
    }
}

fn shown(allowance: &Allowance, pool: AllowancePool, currency: Currency) -> AllowanceView {
    let prefix = allowance.prefix.as_ref().map_or("", Digits::as_str);
    AllowanceView {
        id: allowance.id.into(),
        account: allowance.account.into(),
        name: allowance.name.clone(),
        prefix: prefix.to_owned(),
        granted_ms: allowance.granted_ms(),
        used_ms: pool.used_ms,
        reserved_ms: pool.reserved_ms,
        credit: allowance.is_money().then(|| money(allowance.credit, currency)),
        credit_used: allowance.is_money().then(|| money(pool.used, currency)),
        from: Time(allowance.from_us),
        until: Time(allowance.until_us),
        renew_days: allowance.renewal.map_or(0, |renewal| renewal.days),
        renew_until: allowance.renewal.map(|renewal| Time(renewal.until_us)),
        price: (allowance.price > Amount::ZERO).then(|| money(allowance.price, currency)),
        vat_ppm: allowance.vat_ppm,
    }
}
