//! Trunks.

use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Word, ms};
use strowger_model::{Egress, Ingress, PrefixEdit, SourceMatch, Transport, Trunk, TrunkId};

const LIST: &str = "trunks";

view! {
    /// A peer.
    TrunkView {
        /// Identity.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// Organization that it belongs to.
        organization: Id,
        /// Shown name.
        name: String,
        /// Carries calls.
        enabled: bool,
        /// How it sends us calls; null when it does not.
        ingress: Option<IngressView>,
        /// How it takes calls from us; null when it does not.
        egress: Option<EgressView>,
    }
}

view! {
    /// How a trunk sends us calls.
    IngressView {
        /// Where its requests come from.
        sources: Vec<SourceView>,
        /// Account that pays.
        account: Id,
        /// Prefix that its called numbers carry and that is taken off.
        tech_prefix: Option<String>,
    }
}

view! {
    /// Source addresses.
    SourceView {
        /// Network, for example `192.0.2.0/24`.
        network: String,
        /// Source port; null is any.
        port: Option<u16>,
    }
}

view! {
    /// How a trunk takes calls.
    EgressView {
        /// Addresses and ports, tried in order.
        targets: Vec<String>,
        /// Transport to all of them.
        transport: Word<Transport>,
        /// The supplier's account.
        account: Id,
        /// What the supplier charges us.
        tariff: Option<Id>,
        /// How the called number is changed for it.
        called: PrefixEditView,
        /// How the calling number is changed for it.
        caller: PrefixEditView,
        /// Most concurrent calls; 0 is no limit.
        calls_max: u32,
        /// Most attempts per second; 0 is no limit.
        cps_max: u32,
        /// Time to a final answer; 0 is the tenant's ring time.
        ring_timeout_ms: u64,
        /// Time to the first provisional answer; 0 is the transaction's own.
        first_timeout_ms: u64,
        /// Preference among equal targets of a route, thousandths, larger first.
        q: u16,
    }
}

view! {
    /// A change of a number. First a prefix of `remove` is taken off; then, under the conditions,
    /// `remove_then` is taken off and `add` put in front.
    PrefixEditView {
        /// Prefixes to take off; one at most.
        remove: Vec<String>,
        /// Shortest number that `remove` touches, characters.
        remove_length_min: u8,
        /// Longest number that `remove` touches, characters.
        remove_length_max: u8,
        /// Condition: the rest has at least so many characters.
        add_length_min: u8,
        /// Condition: the rest has fewer characters than this.
        add_length_below: u8,
        /// Condition: the rest begins with one of these; empty is any.
        if_begins: Vec<String>,
        /// Condition: the rest begins with none of these.
        if_not_begins: Vec<String>,
        /// Taken off under the conditions.
        remove_then: String,
        /// Put in front under the conditions.
        add: String,
    }
}

/// `GET /trunks`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<TrunkView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(TrunkId);
    let rows = cx.api.reader.trunks(cx.caller.scope, after, cx.query.rows()).await?;
    let key = |row: &Trunk| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /trunks/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<TrunkView>, Problem> {
    let row = cx.api.reader.trunk(cx.caller.scope, TrunkId(cx.id()?)).await?;
    row.map(|row| Json(view(&row))).ok_or_else(Problem::not_found)
}

fn view(row: &Trunk) -> TrunkView {
    TrunkView {
        id: row.id.into(),
        tenant: row.tenant.into(),
        organization: row.organization.into(),
        name: row.name.clone(),
        enabled: row.enabled,
        ingress: row.ingress.as_ref().map(ingress),
        egress: row.egress.as_ref().map(egress),
    }
}

fn ingress(ingress: &Ingress) -> IngressView {
    IngressView {
        sources: ingress.sources.iter().map(source).collect(),
        account: ingress.account.into(),
        tech_prefix: ingress.tech_prefix.map(|prefix| prefix.as_str().to_owned()),
    }
}

fn source(source: &SourceMatch) -> SourceView {
    SourceView {
        network: format!("{}/{}", source.network, source.prefix_len),
        port: (source.port != 0).then_some(source.port),
    }
}

fn egress(egress: &Egress) -> EgressView {
    EgressView {
        targets: egress.targets.iter().map(ToString::to_string).collect(),
        transport: Word(egress.transport),
        account: egress.account.into(),
        tariff: egress.tariff.map(Id::from),
        called: prefix_edit(&egress.called),
        caller: prefix_edit(&egress.caller),
        calls_max: egress.calls_max,
        cps_max: egress.cps_max,
        ring_timeout_ms: ms(egress.ring_timeout_s),
        first_timeout_ms: ms(egress.first_timeout_s),
        q: egress.q,
    }
}

fn prefix_edit(edit: &PrefixEdit) -> PrefixEditView {
    PrefixEditView {
        remove: edit.remove.clone(),
        remove_length_min: edit.remove_length_min,
        remove_length_max: edit.remove_length_max,
        add_length_min: edit.add_length_min,
        add_length_below: edit.add_length_below,
        if_begins: edit.if_begins.clone(),
        if_not_begins: edit.if_not_begins.clone(),
        remove_then: edit.remove_then.clone(),
        add: edit.add.clone(),
    }
}
