//! Rules about calls.

use super::Resource;
use crate::codec::{Flag, Ident, Int, List, NAME, Text, words};
use crate::field::{Object, object};
use crate::query::Filter;
use strowger_model::{
    OrganizationId, RULE_ACTIONS_MAX, RULE_TEXT_MAX, Rule, RuleAction, RuleDeed, RuleId, RuleStage,
    TenantId,
};
use strowger_routing::{Change, RowName};

object! {
    /// What a rule does.
    ACTION: RuleAction as "RuleAction", no_action();
    /// `refuse` the call; `redirect` the caller to a SIP URI (302); `set-called` for routing,
    /// prices and records; at the stage `routed` `set-dialled`, which one trunk is sent and nothing
    /// else, and `skip` the trunk; `set-caller`.
    does: Need words::<RuleDeed>() => does;
    /// To set or redirect: an expression in CEL that makes the text or the URI.
    value: Free Text(0, RULE_TEXT_MAX) => value;
    /// To refuse: the SIP status; else 0.
    status: Free Int(0, 699) => status;
}

fn no_action() -> RuleAction {
    RuleAction { does: RuleDeed::Skip, value: String::new(), status: 0 }
}

object! {
    /// A rule about calls: where its condition holds, its actions are carried out. Calls to
    /// emergency numbers pass all rules by.
    RULE: Rule as "Rule", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Shown name.
    name: Need NAME => name;
    /// When it works: `received`, before it is known who calls; `known`, on the called number as
    /// it came; `routing`, on the canonical number before a way is looked for; `routed`, for each
    /// trunk.
    stage: Need words::<RuleStage>() => stage;
    /// Rules of a stage work in this order, the smallest first.
    position: Free Int(-1_000_000, 1_000_000) => position;
    /// What must hold, in CEL, of fields of the call: `called`, `received`, `from`, `source`,
    /// `weekday` (1 is Monday), `hour`, `minute`; from `known` on `caller`, `account`,
    /// `organization`, `subscriber`, `trunk` (0 is none); from `routing` on `country`, `class`,
    /// `local`; at `routed` `to_trunk` and `dialled`.
    condition: Need Text(1, RULE_TEXT_MAX) => condition;
    /// What is done, in order.
    actions: Free List(&ACTION, RULE_ACTIONS_MAX) => actions;
    /// No later rule of the stage works on a call that this one worked on.
    last: Free Flag => last;
    /// It works.
    enabled: Free Flag => enabled;
}

fn blank() -> Rule {
    Rule {
        id: RuleId(0),
        tenant: TenantId(0),
        name: String::new(),
        stage: RuleStage::Routing,
        position: 0,
        condition: String::new(),
        actions: Vec::new(),
        last: false,
        enabled: true,
    }
}

impl Resource for Rule {
    type Row = Rule;
    const PATH: &'static str = "rules";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::flag("enabled")];

    fn object() -> &'static Object<Self> {
        &RULE
    }

    fn of(row: Rule) -> Self {
        row
    }

    fn row(&self) -> &Rule {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = RuleId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Rule(self.id))
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Rule(Box::new(self.clone())))
    }
}
