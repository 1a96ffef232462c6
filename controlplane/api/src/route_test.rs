//! A dry run: what would become of a call, now or at a time.

use crate::codec::parse_id;
use crate::dispatch::Context;
use crate::form::{Form, texts};
use crate::problem::Problem;
use crate::reply::Json;
use crate::shape::{Components, view};
use crate::trace::{TraceStepView, eyes};
use crate::value::{Id, MoneyView, Named, Time, Word, money, parse_time, price};
use crate::{
    RouteBranch, RoutePayer, RouteRefusal, RouteSender, RouteTarget, RouteTest, RouteVerdict,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use strowger_model::{SubscriberId, TenantId, reason_name};

/// The pattern of an id; an empty text is none.
const ID_OR_EMPTY: &str = "^(0|-?[1-9][0-9]{0,17}|-?[1-8][0-9]{18})?$";
/// Longest text of a member, characters.
const TEXT_CHARS_MAX: usize = 100;

/// What a time covers, and what it does not.
const COVERS: &str = "Prices are those in force at that time. Everything else is as it is now: \
    routes, trunks, limits, registrations. Credit and limits of calls are not asked.";

view! {
    /// What would become of a call.
    RouteTestView {
        /// The time that the test is about.
        at: Time,
        /// What of it is of that time, and what of now.
        covers: &'static str,
        /// `go`, `refuse` or `challenge`.
        verdict: Word<RouteVerdict>,
        /// Why it is refused, as records say it; null otherwise.
        reason: Option<Named>,
        /// SIP status of a refusal.
        sip: Option<u16>,
        /// Q.850 cause of a refusal.
        q850: Option<u8>,
        /// What rings, one stage after the other.
        stages: Vec<RouteStageView>,
        /// The targets of its routes in the order to try, with what decided about their places;
        /// for who runs the switch.
        targets: Vec<RouteTargetPlaceView>,
        /// Who pays, the caller's account first, then the resellers above it.
        payers: Vec<RoutePayerView>,
        /// The steps of the decision.
        decision: Vec<TraceStepView>,
    }
}

view! {
    /// Targets that ring together.
    RouteStageView {
        /// The targets.
        branches: Vec<RouteBranchView>,
    }
}

view! {
    /// One target.
    RouteBranchView {
        /// Trunk that is called.
        trunk: Option<Id>,
        /// Subscriber that is called.
        subscriber: Option<Id>,
        /// Its name.
        name: Option<String>,
        /// Number as sent.
        dialled: String,
        /// Address and port that it is sent to.
        address: Option<String>,
        /// The caller as shown.
        caller: String,
        /// The caller as asserted.
        asserted: Option<String>,
        /// The caller is hidden.
        anonymous: bool,
        /// How long it may ring.
        ring_ms: u32,
        /// Header fields that go there beside those of the protocol, in order.
        headers: Vec<RouteHeaderView>,
        /// What the supplier takes a minute.
        price: Option<MoneyView>,
        /// Account of the supplier.
        supplier: Option<Id>,
    }
}

view! {
    /// A target of a route, and what decided about its place: what stands first here decides
    /// before what stands behind it.
    RouteTargetPlaceView {
        /// Trunk.
        trunk: Id,
        /// Its name.
        name: Option<String>,
        /// Its priority; each full hundred is a tier of its own.
        priority: i32,
        /// It failed lately.
        failed: bool,
        /// It failed lately for numbers like this.
        failed_here: bool,
        /// It comes first to see how good it is.
        probes: bool,
        /// Price and quality together, where the order asks for it; more is better.
        rank: Option<u8>,
        /// Share of its calls to such numbers that were answered, percent, of today and yesterday.
        asr_percent: Option<u32>,
        /// Their average talk.
        acd_ms: Option<u64>,
        /// What it talked that day; null when no minutes are agreed on (`commitment`).
        day_talk_ms: Option<u64>,
        /// What it talked that month.
        month_talk_ms: Option<u64>,
        /// What the call of comparison (`route.price_ms`) costs, without tax.
        cost: Option<MoneyView>,
        /// The trunk's own preference, thousandths.
        preference: u16,
        /// Share among equals.
        weight: u16,
    }
}

view! {
    /// A header field.
    RouteHeaderView {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    }
}

view! {
    /// Who pays.
    RoutePayerView {
        /// Account.
        account: Id,
        /// Its name.
        name: Option<String>,
        /// First price a minute.
        price: MoneyView,
        /// Tariff; null for the internal price.
        tariff: Option<Id>,
        /// Price line.
        rate: Option<Id>,
        /// Billing step.
        step_ms: u32,
        /// Least charged time.
        minimum_ms: u32,
    }
}

/// The test as it is sent.
pub(crate) struct RouteTestForm {
    tenant: Option<TenantId>,
    sender: RouteSender,
    /// The member that names the sender.
    by: &'static str,
    called: String,
    caller: Option<String>,
    at_us: Option<i64>,
}

impl Form for RouteTestForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let known = [
            ("tenant", false),
            ("subscriber", false),
            ("username", false),
            ("trunk", false),
            ("source", false),
            ("called", true),
            ("caller", false),
            ("at", false),
        ];
        let names = known.map(|(name, _)| name);
        let all = texts(cx.body(), known)?;
        for (name, text) in names.iter().zip(&all) {
            if text.chars().count() > TEXT_CHARS_MAX {
                let what = format!("has at most {TEXT_CHARS_MAX} characters");
                return Err(Problem::field(name, what));
            }
        }
        let [tenant, subscriber, username, trunk, source, called, caller, at] = all;
        if called.is_empty() {
            return Err(Problem::field("called", "is empty"));
        }
        let id = |name: &'static str, text: &str| {
            parse_id(text).ok_or_else(|| Problem::field(name, "is not an id"))
        };
        let given = |text: &str| !text.is_empty();
        let tenant = given(&tenant).then(|| id("tenant", &tenant)).transpose()?.map(TenantId);
        let at_us = given(&at).then(|| parse_time(&at).ok_or_else(not_a_time)).transpose()?;
        let (sender, by) = match (given(&subscriber), given(&username), given(&trunk)) {
            (true, false, false) => (
                RouteSender::Subscriber(SubscriberId(id("subscriber", &subscriber)?)),
                "subscriber",
            ),
            (false, true, false) => (RouteSender::Username(username), "username"),
            (false, false, true) => (RouteSender::Trunk(trunk, address(&source)?), "trunk"),
            (false, false, false) => {
                return Err(Problem::refused(
                    "username",
                    "is missing, as are subscriber and trunk",
                ));
            }
            (_, _, true) => return Err(Problem::refused("trunk", "stands beside another sender")),
            (true, true, _) => {
                return Err(Problem::refused("username", "stands beside another sender"));
            }
        };
        if by != "trunk" && given(&source) {
            return Err(Problem::refused("source", "goes with a trunk"));
        }
        let caller = given(&caller).then_some(caller);
        Ok(RouteTestForm { tenant, sender, by, called, caller, at_us })
    }

    fn describe(_: &mut Components) -> Value {
        let max = TEXT_CHARS_MAX;
        let text = |what: &str| json!({"type": "string", "maxLength": max, "description": what});
        let id =
            |what: &str| json!({"type": "string", "pattern": ID_OR_EMPTY, "description": what});
        let called = "Number as dialled, a trunk's tech prefix included.";
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["called"],
            "properties": {
                "tenant": id("Tenant of the sender, where there are several."),
                "subscriber": id("Who calls: id of a subscriber."),
                "username": text("Or user name of a subscriber."),
                "trunk": text("Or id or name of a trunk."),
                "source": text("Address and port that the trunk's call comes from."),
                "called": {
                    "type": "string", "minLength": 1, "maxLength": max, "description": called,
                },
                "caller": text("Caller's number as in From."),
                "at": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When the call begins; now if it is missing.",
                },
            },
        })
    }
}

fn not_a_time() -> Problem {
    Problem::field("at", "is no time of RFC 3339")
}

fn address(text: &str) -> Result<Option<SocketAddr>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| Problem::refused("source", "is no address with a port"))
}

/// `POST /route-tests`
pub(crate) async fn run(form: RouteTestForm, cx: Context) -> Result<Json<RouteTestView>, Problem> {
    let RouteTestForm { tenant, sender, by, called, caller, at_us } = form;
    let (scope, eyes) = (cx.caller.scope, eyes(&cx.caller));
    let test = RouteTest { scope, eyes, tenant, sender, called, caller, at_us };
    let tested = match cx.api.live.test_route(test).await? {
        Ok(tested) => tested,
        Err(RouteRefusal::NoSender) => return Err(Problem::refused(by, "is nobody")),
        Err(RouteRefusal::WhichTenant) => {
            return Err(Problem::refused("tenant", "is missing, there are several"));
        }
        Err(RouteRefusal::NoSource) => {
            return Err(Problem::refused("trunk", "has no source, no call comes from it"));
        }
    };
    let refusal = match tested.verdict {
        RouteVerdict::Refuse { sip, q850, reason } => Some((sip, q850, reason)),
        RouteVerdict::Go | RouteVerdict::Challenge => None,
    };
    let stage = |branches: &Vec<RouteBranch>| RouteStageView {
        branches: branches.iter().map(branch).collect(),
    };
    Ok(Json(RouteTestView {
        at: Time(tested.at_us),
        covers: COVERS,
        verdict: Word(tested.verdict),
        reason: refusal.map(|(_, _, reason)| Named::new(reason, reason_name)),
        sip: refusal.map(|(sip, _, _)| sip),
        q850: refusal.map(|(_, q850, _)| q850),
        stages: tested.stages.iter().map(stage).collect(),
        targets: tested.targets.iter().map(target).collect(),
        payers: tested.payers.iter().map(payer).collect(),
        decision: tested.steps.into_iter().map(TraceStepView::of).collect(),
    }))
}

fn branch(branch: &RouteBranch) -> RouteBranchView {
    RouteBranchView {
        trunk: branch.trunk.map(Id::from),
        subscriber: branch.subscriber.map(Id::from),
        name: branch.name.clone(),
        dialled: branch.dialled.clone(),
        address: branch.address.map(|address| address.to_string()),
        caller: branch.caller.clone(),
        asserted: branch.asserted.clone(),
        anonymous: branch.anonymous,
        ring_ms: branch.ring_ms,
        headers: branch.headers.iter().map(header).collect(),
        price: branch.price.map(|(per_minute, currency)| price(per_minute, currency)),
        supplier: branch.supplier.map(Id::from),
    }
}

fn target(target: &RouteTarget) -> RouteTargetPlaceView {
    RouteTargetPlaceView {
        trunk: target.trunk.into(),
        name: target.name.clone(),
        priority: target.priority,
        failed: target.failed.0,
        failed_here: target.failed.1,
        probes: target.probes,
        rank: target.rank,
        asr_percent: target.asr_percent,
        acd_ms: target.acd_ms,
        day_talk_ms: target.talked_ms.map(|[day, _]| day),
        month_talk_ms: target.talked_ms.map(|[_, month]| month),
        cost: target.cost.map(|(amount, currency)| money(amount, currency)),
        preference: target.preference,
        weight: target.weight,
    }
}

fn header((name, value): &(String, String)) -> RouteHeaderView {
    RouteHeaderView { name: name.clone(), value: value.clone() }
}

fn payer(payer: &RoutePayer) -> RoutePayerView {
    RoutePayerView {
        account: payer.account.into(),
        name: payer.name.clone(),
        price: price(payer.price, payer.currency),
        tariff: payer.tariff.map(Id::from),
        rate: payer.rate.map(Id::from),
        step_ms: payer.step_ms,
        minimum_ms: payer.minimum_ms,
    }
}
