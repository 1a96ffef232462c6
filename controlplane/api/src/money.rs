//! Money of one account: what it has, what holds it, what moved it, and moving it.
//!
//! A balance is never written: payments and adjustments are requests with a key of the client's
//! (`Idempotency-Key`), so that one that is sent again is answered as the first time.

use crate::dispatch::{Context, KEY};
use crate::form::{Form, line_shape, pattern_shape, saying_shape, texts};
use crate::limits::REASON_CHARS_MAX;
use crate::live::{AccountHold, MoneyOrder, MoneyRefusal};
use crate::problem::Problem;
use crate::reply::{Created, Json, Page};
use crate::shape::{Components, view};
use crate::value::{DECIMAL, Id, MoneyView, Time, UNSIGNED, Word, is_decimal, money};
use crate::{CallId, cursor};
use serde_json::{Value, json};
use strowger_model::{Account, AccountId, Amount};
use strowger_store::{LedgerEntry, MoneyKind, MoneyRequest, Scope, TransferKind};

const HOLDS: &str = "holds";
const ENTRIES: &str = "entries";

view! {
    /// What an account has in one unit.
    BalanceView {
        /// What was booked, and what ended calls cost that are not booked yet; null while the till
        /// does not know the account.
        balance: Option<MoneyView>,
        /// Held for running calls; null as `balance`.
        held: Option<MoneyView>,
        /// What further calls can hold; null as `balance`, and for an account without a floor.
        available: Option<MoneyView>,
        /// The balance never passes below this; null is no floor.
        floor: Option<MoneyView>,
    }
}

view! {
    /// What one running call holds.
    HoldView {
        /// The call.
        call: Id,
        /// What it can still cost this account.
        amount: MoneyView,
        /// Talk time granted from answer, milliseconds; null is no limit.
        granted_ms: Option<u64>,
        /// There is no money for more.
        last: bool,
        /// It was answered.
        answered: bool,
    }
}

view! {
    /// A change of a balance.
    EntryView {
        /// Identity of the transfer.
        id: Id,
        /// When it was booked.
        at: Time,
        /// What the balance changed by.
        amount: MoneyView,
        /// Why.
        kind: Word<TransferKind>,
        /// The batch of records that it sums up.
        batch: Option<Id>,
        /// The payment or adjustment.
        request: Option<Id>,
        /// The re-rating.
        rerate: Option<Id>,
        /// The free time that was bought.
        allowance: Option<Id>,
        /// The words beside that.
        reason: Option<String>,
    }
}

view! {
    /// A payment or adjustment that was booked.
    MoneyRequestView {
        /// Identity.
        id: Id,
        /// Account.
        account: Id,
        /// Which of the two.
        kind: Word<MoneyKind>,
        /// The account that it was taken from, which resells and pays early; null is none.
        from: Option<Id>,
        /// What the balance changed by.
        amount: MoneyView,
        /// Why, in words.
        reason: String,
        /// When it was booked.
        at: Time,
    }
}

/// A payment as it is sent.
pub(crate) struct PaymentForm(MoneyForm);
/// An adjustment as it is sent.
pub(crate) struct AdjustmentForm(MoneyForm);

struct MoneyForm {
    amount: String,
    currency: String,
    reason: String,
}

fn read(cx: &Context, needs_reason: bool) -> Result<MoneyForm, Problem> {
    let known = [("amount", true), ("currency", true), ("reason", needs_reason)];
    let [amount, currency, reason] = texts(cx.body(), known)?;
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Problem::field("reason", format!("has at most {REASON_CHARS_MAX} characters")));
    }
    if reason.chars().any(char::is_control) {
        return Err(Problem::field("reason", "has control characters"));
    }
    if needs_reason && reason.trim().is_empty() {
        return Err(Problem::field("reason", "says nothing"));
    }
    Ok(MoneyForm { amount, currency, reason })
}

fn describe(amount: &str, needs_reason: bool) -> Value {
    let told = |mut shape: Value, what: &str| {
        shape["description"] = json!(what);
        shape
    };
    let pattern = if needs_reason { DECIMAL } else { UNSIGNED };
    let reason = if needs_reason { saying_shape } else { line_shape };
    let codes = json!({"type": "string", "enum": crate::currency::codes()});
    let required = if needs_reason { 3 } else { 2 };
    let names = ["amount", "currency", "reason"];
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": names.iter().take(required).collect::<Vec<_>>(),
        "properties": {
            "amount": told(pattern_shape(pattern), amount),
            "currency": told(codes, "Currency of the account, ISO 4217."),
            "reason": told(reason(REASON_CHARS_MAX), "Why, in words."),
        },
    })
}

impl Form for PaymentForm {
    const NEEDS_KEY: bool = true;

    fn read(cx: &Context) -> Result<Self, Problem> {
        read(cx, false).map(PaymentForm)
    }

    fn describe(_: &mut Components) -> Value {
        describe("Decimal number above zero.", false)
    }
}

impl Form for AdjustmentForm {
    const NEEDS_KEY: bool = true;

    fn read(cx: &Context) -> Result<Self, Problem> {
        read(cx, true).map(AdjustmentForm)
    }

    fn describe(_: &mut Components) -> Value {
        describe("Decimal number, added to the balance; below zero takes away. Not zero.", true)
    }
}

/// The account of the path, if the caller may see it.
pub(crate) async fn account(cx: &Context) -> Result<Account, Problem> {
    let row = cx.api.reader.account(cx.caller.scope, AccountId(cx.id()?)).await?;
    row.ok_or_else(Problem::not_found)
}

/// The account of the path, if the caller may put money or free time on it: a reseller gives to
/// those below him, never to himself.
pub(crate) async fn credited(cx: &Context) -> Result<Account, Problem> {
    let row = account(cx).await?;
    match cx.caller.scope {
        Scope::Organization(_, own) if own == row.organization => {
            Err(Problem::denied("not to an account of your own"))
        }
        Scope::Nothing
        | Scope::All
        | Scope::Tenant(_)
        | Scope::Organization(..)
        | Scope::Customer(..)
        | Scope::Supplier(..)
        | Scope::Subscriber(..) => Ok(row),
    }
}

/// `GET /accounts/{id}/balances`
pub(crate) async fn balances(cx: Context) -> Result<Json<Page<BalanceView>>, Problem> {
    let row = account(&cx).await?;
    let known = cx.api.live.balances(vec![row.id]).await?;
    let known = known.iter().find(|balance| balance.account == row.id);
    let shown = |amount| money(amount, row.currency);
    Ok(Json(Page::whole(vec![BalanceView {
        balance: known.map(|b| shown(b.balance)),
        held: known.map(|b| shown(b.held)),
        available: known.and_then(|b| b.available).map(shown),
        floor: row.floor.map(shown),
    }])))
}

/// `GET /accounts/{id}/holds`
pub(crate) async fn holds(cx: Context) -> Result<Json<Page<HoldView>>, Problem> {
    let after = cursor::decode(HOLDS, cx.query.next.as_deref())?.map(CallId);
    let row = account(&cx).await?;
    let holds = cx.api.live.holds(row.id, after, cx.rows()).await?;
    let view = |hold: &AccountHold| HoldView {
        call: hold.call.into(),
        amount: money(hold.amount, row.currency),
        granted_ms: hold.granted_ms,
        last: hold.last,
        answered: hold.answered,
    };
    let key = |hold: &AccountHold| cursor::encode(HOLDS, hold.call.0);
    Ok(Json(Page::cut(holds, cx.query.limit, view, key)))
}

/// `GET /accounts/{id}/entries`
pub(crate) async fn entries(cx: Context) -> Result<Json<Page<EntryView>>, Problem> {
    let before = cursor::decode(ENTRIES, cx.query.next.as_deref())?;
    let row = account(&cx).await?;
    let entries = cx.api.reader.entries(row.tenant, row.id, before, cx.query.rows()).await?;
    let view = |entry: &LedgerEntry| EntryView {
        id: entry.id.into(),
        at: Time(entry.at_us),
        amount: money(entry.amount, entry.currency),
        kind: Word(entry.kind),
        batch: entry.batch.map(Id::from),
        request: entry.request.map(Id::from),
        rerate: entry.rerate.map(Id::from),
        allowance: entry.allowance.map(Id::from),
        reason: entry.reason.clone(),
    };
    let key = |entry: &LedgerEntry| cursor::encode(ENTRIES, entry.id);
    Ok(Json(Page::cut(entries, cx.query.limit, view, key)))
}

/// `POST /accounts/{id}/payments`
pub(crate) async fn pay(
    form: PaymentForm,
    cx: Context,
) -> Result<Created<MoneyRequestView>, Problem> {
    move_money(form.0, MoneyKind::Payment, &cx).await
}

/// `POST /accounts/{id}/adjustments`
pub(crate) async fn adjust(
    form: AdjustmentForm,
    cx: Context,
) -> Result<Created<MoneyRequestView>, Problem> {
    move_money(form.0, MoneyKind::Adjustment, &cx).await
}

async fn move_money(
    form: MoneyForm,
    kind: MoneyKind,
    cx: &Context,
) -> Result<Created<MoneyRequestView>, Problem> {
    let row = credited(cx).await?;
    if form.currency != row.currency.code() {
        let detail = format!("the account is kept in {}", row.currency.code());
        return Err(Problem::refused("currency", detail));
    }
    let order = MoneyOrder {
        tenant: row.tenant,
        account: row.id,
        key: cx.key()?.to_owned(),
        kind,
        amount: amount("amount", &form.amount, kind, &row)?,
        currency: row.currency,
        reason: form.reason,
        actor: cx.caller.name.clone(),
    };
    match cx.api.live.move_money(order).await? {
        Ok(done) => Ok(Created(shown(&done))),
        Err(MoneyRefusal::OtherRequest) => {
            Err(Problem::refused(KEY, "another request of this account has had this key"))
        }
        Err(MoneyRefusal::Floor) => Err(Problem::refused(
            "amount",
            "the balance, less what calls hold, would pass its floor",
        )),
        Err(MoneyRefusal::ResellerFloor) => Err(Problem::refused(
            "amount",
            "the balance of the account that resells, less what calls hold, would pass its floor",
        )),
        Err(MoneyRefusal::ResellerCurrency) => {
            let detail = "the account that resells, which pays for it, is kept in another one";
            Err(Problem::refused("currency", detail))
        }
        Err(MoneyRefusal::UnknownAccount) => {
            Err(Problem::unavailable("the till does not know the account yet; it"))
        }
    }
}

/// An amount in the account's currency that a client sent as `name`.
pub(crate) fn amount(
    name: &str,
    text: &str,
    kind: MoneyKind,
    row: &Account,
) -> Result<Amount, Problem> {
    let is_signed = text.starts_with('-') && kind == MoneyKind::Payment;
    if !is_decimal(text) || is_signed {
        return Err(Problem::field(name, "is no decimal number"));
    }
    let parsed = Amount::parse(text, row.currency).ok();
    // The smallest number has no opposite.
    let parsed = parsed.filter(|amount| amount.0 != i64::MIN);
    let digits = row.currency.ledger_digits();
    let amount = parsed.ok_or_else(|| {
        let what = format!("is no decimal number of at most {digits} digits behind the point");
        Problem::refused(name, what)
    })?;
    match (kind, amount.0) {
        (MoneyKind::Payment, ..=0) => Err(Problem::refused(name, "is not above zero")),
        (MoneyKind::Adjustment, 0) => Err(Problem::refused(name, "is zero")),
        (MoneyKind::Payment | MoneyKind::Adjustment, _) => Ok(amount),
    }
}

fn shown(request: &MoneyRequest) -> MoneyRequestView {
    let money_of = &request.money;
    MoneyRequestView {
        id: request.id.into(),
        account: money_of.account.into(),
        kind: Word(money_of.kind),
        from: money_of.from.map(Id::from),
        amount: money(money_of.amount, money_of.currency),
        reason: money_of.reason.clone(),
        at: Time(money_of.at_us),
    }
}
