//! Call detail records.

mod audience;

pub(crate) use self::audience::Eye;

use self::audience::{CustomerCdrView, ResellerCdrView, SubscriberCdrView, SupplierCdrView};
use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::{shown, view};
use crate::value::{Id, MoneyView, Named, Time, Word, money, price};
use strowger_model::{
    AccountId, Amount, Audience, Audio, Cdr, CdrHeard, CdrHop, CdrId, CdrMedia, CdrOutcome, Charge,
    ChargeKind, Costs, Currency, Digits, FalseAnswer, REASON_NAMES, SubscriberId, TrunkId, audio,
    false_answer, party_name, reason_code, reason_name,
};
use strowger_routing::World;
use strowger_store::{CdrFilter, CdrKey, CdrOnly};

const LIST: &str = "cdrs";

view! {
    /// One attempt of a caller, priced; never changed once written.
    CdrView {
        /// Identity.
        id: Id,
        /// Which record of the attempt this is; 0 unless billing makes several.
        part: u8,
        /// Tenant; null when the attempt was refused before one was found.
        tenant: Option<Id>,
        /// Id that the attempt had among the running calls.
        call: Id,
        /// Version of the configuration that decided.
        snapshot: Id,
        /// First INVITE.
        started: Time,
        /// First ringing.
        rang: Option<Time>,
        /// Answer; null when nobody answered.
        answered: Option<Time>,
        /// First BYE, CANCEL or error.
        ended: Time,
        /// From start to answer, or to the end when nobody answered.
        setup_ms: u64,
        /// Talk as measured.
        talk_ms: u64,
        /// What of the talk may be charged.
        billable_ms: u64,
        /// Answered time of the caller's leg.
        caller_ms: u64,
        /// Answered time of the called leg.
        called_ms: u64,
        /// The calling side.
        caller: CdrCallerView,
        /// The called side: the leg that answered, else the last one tried.
        called: CdrCalledView,
        /// How it ended.
        outcome: CdrOutcomeView,
        /// Media of the caller's leg; null when not relayed.
        caller_media: Option<CdrMediaView>,
        /// Media of the called leg; null when not relayed.
        called_media: Option<CdrMediaView>,
        /// What the call was like to hear: `none` nothing came from either side, `caller-only` and
        /// `called-only` one side was not heard, `bad`, `fair`, `good` by the worst score; null
        /// when not answered, not relayed or too short to tell.
        audio: Option<Word<Audio>>,
        /// Why the answer is taken for false: `rings-on` the called party sent on behind it what it
        /// had sent before, `silent` it sent nothing although the caller spoke; else null.
        false_answer: Option<Word<FalseAnswer>>,
        /// What the caller's account pays.
        customer: Option<CdrChargeView>,
        /// What the resellers above it pay, bottom up.
        levels: Vec<CdrChargeView>,
        /// What the supplier of the called leg is owed.
        supplier: Option<CdrChargeView>,
        /// What agents earn of what `customer` and `levels` pay.
        commissions: Vec<CdrChargeView>,
        /// What a packet of money pays of `customer`: given back to its balance.
        packet: Option<CdrChargeView>,
        /// The five costs by the names of the source.
        costs: CdrCostsView,
        /// The same in the tenant's currency, each charge by the rate of when the call began
        /// (`exchange-rates`); null where a currency had none.
        native_costs: CdrCostsView,
        /// Branches other than the called leg.
        hops: Vec<CdrHopView>,
        /// Branches that were not kept.
        hops_dropped: u32,
        /// Facts that were not kept; durations do not suffer.
        facts_dropped: u32,
        /// A charge is missing: somebody must price it.
        unpriced: bool,
    }
}

view! {
    /// The calling side of a record.
    CdrCallerView {
        /// Account that pays.
        account: Option<Id>,
        /// Organization of the account.
        organization: Option<Id>,
        /// Subscriber that called.
        subscriber: Option<Id>,
        /// Trunk that sent the call.
        trunk: Option<Id>,
        /// Number as recognised; empty when none was.
        number: String,
        /// From user as received.
        from_user: String,
        /// Display name as received.
        display: String,
        /// Address and port that the INVITE came from.
        source: Option<String>,
        /// SIP Call-ID.
        sip_call_id: String,
        /// User-Agent.
        user_agent: String,
        /// The caller hides from whom he calls.
        hidden: bool,
    }
}

view! {
    /// The called side of a record.
    CdrCalledView {
        /// Number as received.
        received: String,
        /// The same in canonical form; null when it has none.
        normalised: Option<String>,
        /// Number as sent to the called party; empty when no leg was opened.
        dialled: String,
        /// Prefix of the destination that the number belongs to.
        destination: Option<String>,
        /// Subscriber that was called.
        subscriber: Option<Id>,
        /// Trunk that took the call.
        trunk: Option<Id>,
        /// Address and port that the call was sent to.
        remote: Option<String>,
    }
}

view! {
    /// How an attempt or a branch ended.
    CdrOutcomeView {
        /// Who ended it: `called`, `caller`, `switch` or `unknown`.
        party: Named,
        /// Why, for example `normal`, `busy`, `no-answer`, `no-credit`.
        reason: Named,
        /// SIP status; null when there was none.
        sip: Option<u16>,
        /// Q.850 cause; null when unknown.
        q850: Option<u8>,
        /// The disconnect code that the source would have written: 4000 and a SIP status.
        code: u16,
    }
}

view! {
    /// Media of one leg.
    CdrMediaView {
        /// Packets received from the leg.
        received: u64,
        /// Octets received.
        received_octets: u64,
        /// Packets sent to the leg.
        sent: u64,
        /// Octets sent.
        sent_octets: u64,
        /// Packets lost on the way to us.
        lost: u64,
        /// Interarrival jitter at the end, microseconds.
        jitter_us: u32,
        /// Largest jitter, microseconds.
        jitter_us_max: u32,
        /// Packets dropped.
        dropped: u64,
        /// Last payload type; null when no packet came.
        payload_type: Option<u8>,
        /// Codec; empty when not described.
        codec: String,
        /// Address that its media came from.
        remote: Option<String>,
        /// Mean opinion score of what came from the leg, where it reached us: hundredths, 100 to
        /// 450; null of no audio.
        mos_hundredths: Option<u16>,
        /// What the leg told by RTCP of what it was sent; null when it told nothing.
        heard: Option<CdrHeardView>,
        /// From the answer to its first packet behind it, or to the end if none came; null when not
        /// answered, or not known.
        silent_ms: Option<u32>,
        /// For so long after the answer it sent the very sound that it had sent before.
        rang_ms: u32,
    }
}

view! {
    /// How a leg heard the other one, by its own word.
    CdrHeardView {
        /// Reports that told it.
        reports: u32,
        /// Packets that it missed.
        lost: u32,
        /// Interarrival jitter where it is, microseconds.
        jitter_us: u32,
        /// Round trip between it and us, microseconds; null when nothing measured it.
        round_trip_us: Option<u32>,
        /// The longest, microseconds.
        round_trip_us_max: Option<u32>,
        /// Mean opinion score of what it heard: hundredths, 100 to 450.
        mos_hundredths: Option<u16>,
    }
}

view! {
    /// What one account pays for a record, or is owed.
    CdrChargeView {
        /// Account that pays; of a supplier's charge and of a commission the one that is owed.
        account: Id,
        /// Organization of the account.
        organization: Id,
        /// Reseller that receives it, or pays a commission; null for the tenant itself and for
        /// suppliers.
        payee: Option<Id>,
        /// Whose charge.
        kind: Word<ChargeKind>,
        /// Paid in advance.
        prepaid: bool,
        /// Without tax.
        net: MoneyView,
        /// Tax rate, millionths.
        vat_ppm: u32,
        /// With tax.
        gross: MoneyView,
        /// Charged time, after free time, minimum and step.
        charged_ms: u64,
        /// Talk that an allowance paid, in whole steps as far as it went.
        free_ms: u64,
        /// The allowance that paid it.
        allowance: Option<Id>,
        /// Billing step.
        step_ms: u32,
        /// First price per minute, in the currency of its tariff.
        unit_price: MoneyView,
        /// Tariff; null for a price of no tariff.
        tariff: Option<Id>,
        /// Price line.
        rate: Option<Id>,
    }
}

view! {
    /// What a record costs whom, without tax; null where nobody pays it, and where it would add up
    /// currencies.
    CdrCostsView {
        /// What the caller's account pays.
        enduser: Option<MoneyView>,
        /// What the supplier is owed.
        provider: Option<MoneyView>,
        /// What agents earn.
        sales: Option<MoneyView>,
        /// What is left to the tenant: what it is paid less what it owes supplier and agents.
        company: Option<MoneyView>,
        /// What the topmost reseller pays.
        other: Option<MoneyView>,
    }
}

view! {
    /// A branch that is not the called leg: it failed, or another one won.
    CdrHopView {
        /// Place among the branches, in order of time.
        index: u8,
        /// Stage of the decision.
        stage: u8,
        /// Branch of the stage.
        branch: u8,
        /// Trunk tried.
        trunk: Option<Id>,
        /// Subscriber tried.
        subscriber: Option<Id>,
        /// Supplier's account, when priced.
        supplier: Option<Id>,
        /// Number as sent.
        dialled: String,
        /// Address and port that it was sent to.
        remote: String,
        /// When it was sent.
        started: Time,
        /// First ringing.
        rang: Option<Time>,
        /// It answered, and lost.
        answered: Option<Time>,
        /// When it ended.
        ended: Time,
        /// How it ended.
        outcome: CdrOutcomeView,
    }
}

shown! {
    /// A record, as each audience is shown it.
    CdrShown {
        Operator: CdrView,
        Reseller: ResellerCdrView,
        Customer: CustomerCdrView,
        Supplier: SupplierCdrView,
        Subscriber: SubscriberCdrView,
    }
}

/// What records can be narrowed to, beside time and who pays.
pub(crate) static SUBSCRIBER: Filter = Filter::id("subscriber", "subscriber")
    .about("Only calls that this subscriber made or took. With it, `from` is needed.");
pub(crate) static TRUNK: Filter = Filter::id("trunk", "trunk")
    .about("Only calls that this trunk sent or took. With it, `from` is needed.");
pub(crate) static CALLER: Filter = Filter::begins("caller")
    .about("Only calls from numbers that begin so. With it, `from` is needed.");
pub(crate) static CALLED: Filter = Filter::begins("called")
    .about("Only calls to canonical numbers that begin so. With it, `from` is needed.");
pub(crate) static ANSWERED: Filter = Filter::flag("answered")
    .about("Only calls that were answered, or were not. With it, `from` is needed.");
pub(crate) static REASON: Filter = Filter::word("reason", &REASON_NAMES)
    .about("Only calls that ended for this reason. With it, `from` is needed.");
pub(crate) static ONE_SIDED: Filter = Filter::flag("one_sided").about(
    "Only relayed calls that talked while one side sent nothing, or in which both did. With it, \
     `from` is needed.",
);
pub(crate) static UNPROFITABLE: Filter = Filter::flag("unprofitable").about(
    "Only calls whose supplier is owed more than the customer pays, in one currency, or not more. \
     With it, `from` is needed.",
);
pub(crate) static UNPRICED: Filter = Filter::flag("unpriced")
    .about("Only calls of which a charge is missing, or none is. With it, `from` is needed.");

/// What the query asks of records. What somebody is not shown he cannot ask for either.
fn wanted(cx: &Context) -> Result<Vec<CdrOnly>, Problem> {
    let query = &cx.query;
    let begins = |name: &str| query.text(name).and_then(|text| Digits::parse(text).ok());
    let flag = |name: &str| query.id_of(name).map(|is| is != 0);
    let code = query.text("reason").and_then(reason_code);
    let operator: &[Audience] = &[Audience::Operator];
    let payers: &[Audience] = &[Audience::Operator, Audience::Reseller, Audience::Customer];
    let callers: &[Audience] =
        &[Audience::Operator, Audience::Reseller, Audience::Customer, Audience::Subscriber];
    let subscriber = query.id_of("subscriber").map(SubscriberId);
    let all = [
        ("subscriber", payers, subscriber.map(CdrOnly::Subscriber)),
        ("trunk", operator, query.id_of("trunk").map(TrunkId).map(CdrOnly::Trunk)),
        // A caller may hide from whom he calls, and from who pays for a forward.
        ("caller", operator, begins("caller").map(CdrOnly::Caller)),
        ("called", callers, begins("called").map(CdrOnly::Called)),
        ("answered", callers, flag("answered").map(CdrOnly::Answered)),
        ("reason", callers, code.map(CdrOnly::Reason)),
        ("one_sided", payers, flag("one_sided").map(CdrOnly::OneSided)),
        ("unprofitable", operator, flag("unprofitable").map(CdrOnly::Unprofitable)),
        ("unpriced", operator, flag("unpriced").map(CdrOnly::Unpriced)),
    ];
    let audience = cx.caller.audience();
    let mut wanted = Vec::new();
    for (name, for_whom, only) in all {
        let Some(only) = only else { continue };
        if !for_whom.contains(&audience) {
            return Err(Problem::denied(format!("`{name}` is not for you to ask")));
        }
        wanted.push(only);
    }
    Ok(wanted)
}

/// `GET /cdrs`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<CdrShown>>, Problem> {
    let before = cursor::decode(LIST, cx.query.next.as_deref())?;
    let sees_payers = match cx.caller.audience() {
        Audience::Operator | Audience::Reseller | Audience::Customer => true,
        Audience::Supplier | Audience::Subscriber => false,
    };
    // To ask for the calls of an account tells who paid for which.
    if cx.query.account.is_some() && !sees_payers {
        return Err(Problem::denied("who pays is not for you"));
    }
    let only = wanted(&cx)?;
    // No index serves those: how far back they are looked for is for who asks to say.
    if !only.is_empty() && cx.query.from_us.is_none() {
        return Err(Problem::refused(
            "from",
            "is needed: records are looked through from there on",
        ));
    }
    let filter = CdrFilter {
        only,
        from_us: cx.query.from_us,
        until_us: cx.query.until_us,
        account: cx.query.account.map(AccountId),
        before: before.map(|(ended_us, id, part)| CdrKey { ended_us, id: CdrId(id), part }),
        limit: cx.query.rows(),
    };
    let cdrs = cx.api.reader.cdrs(cx.caller.scope, &filter).await?;
    let eye = Eye::of(&cx).await?;
    let key = |cdr: &Cdr| cursor::encode(LIST, (cdr.times.ended_us, cdr.id.0, cdr.part));
    Ok(Json(Page::cut(cdrs, cx.query.limit, |cdr| eye.shown(cdr), key)))
}

/// `GET /cdrs/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<CdrShown>, Problem> {
    let cdr = cx.api.reader.cdr(cx.caller.scope, CdrId(cx.id()?)).await?;
    let cdr = cdr.ok_or_else(Problem::not_found)?;
    Ok(Json(Eye::of(&cx).await?.shown(&cdr)))
}

fn view(cdr: &Cdr, world: &World) -> CdrView {
    CdrView {
        id: cdr.id.into(),
        part: cdr.part,
        tenant: cdr.tenant.map(Id::from),
        call: cdr.ask.into(),
        snapshot: cdr.snapshot.into(),
        started: Time(cdr.times.started_us),
        rang: cdr.times.rang_us.map(Time),
        answered: cdr.times.answered_us.map(Time),
        ended: Time(cdr.times.ended_us),
        setup_ms: cdr.times.setup_ms,
        talk_ms: cdr.times.talk_ms,
        billable_ms: cdr.times.billable_ms,
        caller_ms: cdr.times.caller_ms,
        called_ms: cdr.times.called_ms,
        caller: caller(cdr),
        called: called(cdr),
        outcome: outcome(cdr.outcome),
        caller_media: cdr.caller_media.as_ref().map(media),
        called_media: cdr.called_media.as_ref().map(media),
        audio: audio(cdr).map(Word),
        false_answer: answer_of(cdr).map(Word),
        customer: cdr.customer.as_ref().map(charge),
        levels: cdr.levels.iter().map(charge).collect(),
        supplier: cdr.supplier.as_ref().map(charge),
        commissions: cdr.commissions.iter().map(charge).collect(),
        packet: cdr.packet.as_ref().map(charge),
        costs: costs(cdr.costs()),
        native_costs: costs(native(cdr, world)),
        hops: cdr.hops.iter().map(hop).collect(),
        hops_dropped: cdr.hops_dropped,
        facts_dropped: cdr.facts_dropped,
        unpriced: cdr.unpriced,
    }
}

fn text(digits: &Digits) -> String {
    digits.as_str().to_owned()
}

fn caller(cdr: &Cdr) -> CdrCallerView {
    let side = &cdr.caller;
    CdrCallerView {
        account: side.account.map(Id::from),
        organization: side.organization.map(Id::from),
        subscriber: side.subscriber.map(Id::from),
        trunk: side.trunk.map(Id::from),
        number: side.number.clone(),
        from_user: side.from_user.clone(),
        display: side.display.clone(),
        source: side.source.map(|source| source.to_string()),
        sip_call_id: side.sip_call_id.clone(),
        user_agent: side.user_agent.clone(),
        hidden: side.hidden,
    }
}

fn called(cdr: &Cdr) -> CdrCalledView {
    let side = &cdr.called;
    CdrCalledView {
        received: side.received.clone(),
        normalised: side.normalised.as_ref().map(text),
        dialled: side.dialled.clone(),
        destination: side.destination.as_ref().map(text),
        subscriber: side.subscriber.map(Id::from),
        trunk: side.trunk.map(Id::from),
        remote: side.remote.map(|remote| remote.to_string()),
    }
}

fn outcome(outcome: CdrOutcome) -> CdrOutcomeView {
    CdrOutcomeView {
        party: Named::new(outcome.party, party_name),
        reason: Named::new(outcome.reason, reason_name),
        sip: (outcome.sip != 0).then_some(outcome.sip),
        q850: (outcome.q850 != 0).then_some(outcome.q850),
        code: outcome.source_code(),
    }
}

/// Whether the answer of a record was false.
fn answer_of(cdr: &Cdr) -> Option<FalseAnswer> {
    cdr.times.answered_us?;
    false_answer(cdr.caller_media.as_ref()?, cdr.called_media.as_ref()?)
}

pub(crate) fn media(media: &CdrMedia) -> CdrMediaView {
    CdrMediaView {
        received: media.received,
        received_octets: media.received_octets,
        sent: media.sent,
        sent_octets: media.sent_octets,
        lost: media.lost,
        jitter_us: media.jitter_us,
        jitter_us_max: media.jitter_us_max,
        dropped: media.dropped,
        payload_type: media.payload_type,
        codec: media.codec.clone(),
        remote: media.remote.map(|remote| remote.to_string()),
        mos_hundredths: media.mos,
        heard: media.heard.as_ref().map(heard),
        silent_ms: media.silent_ms,
        rang_ms: media.rang_ms,
    }
}

fn heard(told: &CdrHeard) -> CdrHeardView {
    CdrHeardView {
        reports: told.reports,
        lost: told.lost,
        jitter_us: told.jitter_us,
        round_trip_us: told.round_trip_us,
        round_trip_us_max: told.round_trip_us_max,
        mos_hundredths: told.mos,
    }
}

fn charge(charge: &Charge) -> CdrChargeView {
    CdrChargeView {
        account: charge.account.into(),
        organization: charge.organization.into(),
        payee: charge.payee.map(Id::from),
        kind: Word(charge.kind),
        prepaid: charge.prepaid,
        net: money(charge.net, charge.currency),
        vat_ppm: charge.vat_ppm,
        gross: money(charge.gross, charge.currency),
        charged_ms: charge.charged_ms,
        free_ms: charge.free_ms,
        allowance: charge.allowance.map(Id::from),
        step_ms: charge.step_ms,
        unit_price: price(charge.unit_price, charge.price_currency),
        tariff: charge.tariff.map(Id::from),
        rate: charge.rate.map(Id::from),
    }
}

/// The five costs in the tenant's currency.
fn native(cdr: &Cdr, world: &World) -> Costs {
    let tenant = cdr.tenant.and_then(|id| world.tenant(id));
    cdr.costs_by(&|charge| {
        let (tenant, to) = (tenant?, tenant?.currency);
        if charge.currency == to {
            return Some((charge.net, to));
        }
        let exchange = world.exchange(tenant, charge.currency, to, cdr.times.started_us)?;
        // To the nearest, half away from zero.
        let (up, down) = exchange.ratio(charge.currency.ledger_digits());
        let exact = i128::from(charge.net.0).checked_mul(up)?.checked_mul(2)?;
        let half = if exact < 0 { -down } else { down };
        let worth = exact.checked_add(half)? / down.checked_mul(2)?;
        Some((i64::try_from(worth).ok().map(Amount)?, to))
    })
}

fn costs(costs: Costs) -> CdrCostsView {
    let shown = |cost: Option<(Amount, Currency)>| cost.map(|(amount, of)| money(amount, of));
    CdrCostsView {
        enduser: shown(costs.enduser),
        provider: shown(costs.provider),
        sales: shown(costs.sales),
        company: shown(costs.company),
        other: shown(costs.other),
    }
}

fn hop(hop: &CdrHop) -> CdrHopView {
    CdrHopView {
        index: hop.index,
        stage: hop.stage,
        branch: hop.branch,
        trunk: hop.trunk.map(Id::from),
        subscriber: hop.subscriber.map(Id::from),
        supplier: hop.supplier.map(Id::from),
        dialled: hop.dialled.clone(),
        remote: hop.remote.to_string(),
        started: Time(hop.started_us),
        rang: hop.rang_us.map(Time),
        answered: hop.answered_us.map(Time),
        ended: Time(hop.ended_us),
        outcome: outcome(hop.outcome),
    }
}
