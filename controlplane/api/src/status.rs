//! How a subscriber stands, in one look: where it is registered, whom it calls, what it can spend.

use crate::call::{CallView, calls_of};
use crate::dispatch::Context;
use crate::permission::Permission;
use crate::problem::Problem;
use crate::registration::{RegistrationView, of_subscriber as contacts_of};
use crate::reply::Json;
use crate::shape::view;
use crate::value::{Id, MoneyView, Named, Time, Word, money};
use strowger_model::{Account, Cdr, Subscriber, reason_name};
use strowger_store::{CdrFilter, CdrOnly, Scope};

/// The last call is looked for among those of so many days.
const DAYS_BACK: i64 = 7;
const DAY_US: i64 = 86_400_000_000;

view! {
    /// How a subscriber stands.
    SubscriberStatusView {
        /// The subscriber.
        id: Id,
        /// Its user name.
        username: String,
        /// `off` its row or its account is switched off, `inactive` it is registered nowhere and
        /// calls nobody, `registered`, `calling`.
        state: Word<SubscriberState>,
        /// Where it is registered.
        contacts: Vec<RegistrationView>,
        /// Calls that it makes.
        calls: Vec<CallView>,
        /// The last call that it made and that its account paid for, within seven days.
        last_call: Option<LastCallView>,
        /// The account that pays.
        account: Id,
        /// What that has, calls included that are not booked yet; null while the till does not know
        /// the account, and for who may not see accounts.
        balance: Option<MoneyView>,
        /// What further calls can hold; null as `balance`, and for an account without a floor.
        available: Option<MoneyView>,
    }
}

view! {
    /// A call that was made.
    LastCallView {
        /// Its record.
        cdr: Id,
        /// Number that was called, as received.
        called: String,
        /// When it ended.
        ended: Time,
        /// Talk as measured.
        talk_ms: u64,
        /// Why it ended, for example `normal`, `busy`, `no-answer`, `no-credit`.
        reason: Named,
    }
}

/// How a subscriber stands, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SubscriberState {
    /// Its row or its account is switched off.
    Off,
    /// Registered nowhere, in no call.
    Inactive,
    /// Registered.
    Registered,
    /// It makes a call.
    Calling,
}

/// `GET /subscribers/{id}/status`
pub(crate) async fn of_subscriber(cx: Context) -> Result<Json<SubscriberStatusView>, Problem> {
    let row = cx.api.reader.row::<Subscriber>(cx.caller.scope, cx.id()?).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let contacts = contacts_of(&cx, row.id).await?;
    let calls = calls_of(&cx, row.tenant, row.id).await?;
    let last = last_call(&cx, &row).await?;
    let account = account_of(&cx, &row).await?;
    let is_off = !row.enabled || account.as_ref().is_some_and(|account| !account.enabled);
    let state = match (is_off, calls.is_empty(), contacts.is_empty()) {
        (true, ..) => SubscriberState::Off,
        (false, false, _) => SubscriberState::Calling,
        (false, true, false) => SubscriberState::Registered,
        (false, true, true) => SubscriberState::Inactive,
    };
    let balance = match &account {
        Some(account) => cx.api.live.balances(vec![account.id]).await?.pop(),
        None => None,
    };
    let said = balance.zip(account.as_ref().map(|account| account.currency));
    Ok(Json(SubscriberStatusView {
        id: row.id.into(),
        username: row.username,
        state: Word(state),
        contacts,
        calls,
        last_call: last.as_ref().map(shown),
        account: row.account.into(),
        balance: said.map(|(said, currency)| money(said.balance, currency)),
        available: said.and_then(|(said, currency)| Some(money(said.available?, currency))),
    }))
}

/// The account that pays, for who may see accounts and sees this one.
async fn account_of(cx: &Context, row: &Subscriber) -> Result<Option<Account>, Problem> {
    if cx.caller.must(Permission("accounts:read")).is_err() {
        return Ok(None);
    }
    Ok(cx.api.reader.row::<Account>(cx.caller.scope, row.account.0).await?)
}

/// The newest record of a call that the subscriber made.
async fn last_call(cx: &Context, row: &Subscriber) -> Result<Option<Cdr>, Problem> {
    let filter = CdrFilter {
        from_us: Some(cx.api.now_us().saturating_sub(DAYS_BACK * DAY_US)),
        account: Some(row.account),
        only: vec![CdrOnly::CallerIs(row.id)],
        limit: 1,
        ..CdrFilter::default()
    };
    // Whoever sees the subscriber sees what it called.
    let scope = Scope::Subscriber(row.tenant, row.id);
    Ok(cx.api.reader.cdrs(scope, &filter).await?.pop())
}

fn shown(cdr: &Cdr) -> LastCallView {
    LastCallView {
        cdr: cdr.id.into(),
        called: cdr.called.received.clone(),
        ended: Time(cdr.times.ended_us),
        talk_ms: cdr.times.talk_ms,
        reason: Named::new(cdr.outcome.reason, reason_name),
    }
}
