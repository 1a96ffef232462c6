//! Rules about callers: the firewall by caller.

use super::{Draft, Resource};
use crate::codec::{Flag, Ident, Moment, Opt, PREFIX, Text};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use strowger_model::{CallerRule, CallerRuleId, Digits, OrganizationId, TenantId};
use strowger_routing::{Change, RowName};

object! {
    /// Callers that may not call, or that may whatever others may not: of an account, with numbers
    /// that begin so, or both. It is about all their calls, about those to one subscriber, or about
    /// those that leave us to some numbers; each of the three is a gate that calls must pass. At
    /// a gate, of the rules about a caller's account the one with the longest prefix decides;
    /// without one, of the rules about all accounts. Emergency calls are never turned away.
    CALLER_RULE: CallerRule as "CallerRule", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Only calls that this account pays for; null is of all accounts.
    account: Free Opt(Ident) => account;
    /// Only callers whose number begins so, canonical; empty is all numbers and callers without
    /// one, and needs an account, a subscriber or a called number. Nobody else has the same
    /// account, prefix, subscriber and called number.
    prefix: Free PREFIX => prefix;
    /// Only their calls to this subscriber, or to who forwards there: it is asked of who leads
    /// to the subscriber. With an empty prefix and no account everybody is meant, so others that
    /// allow some say who alone may call.
    subscriber: Free Opt(Ident) => subscriber;
    /// Only their calls that leave us to numbers that begin so, canonical; the longest that has a
    /// rule counts. Empty is not about called numbers. Never together with a subscriber.
    called: Free PREFIX => called;
    /// They may call, whatever wider rules and the setting `call.callers_default_deny` say; else
    /// they may not.
    allow: Free Flag => allow;
    /// Why, for people.
    reason: Free Text(0, 200) => reason;
    /// When it was made.
    from: Shown Moment => from_us;
    /// When it ends; null is never.
    until: Free Opt(Moment) => until_us;
    /// The switch made it by itself: settings of `guard` say when.
    automatic: Shown Flag => automatic;
}

fn blank() -> CallerRule {
    CallerRule {
        id: CallerRuleId(0),
        tenant: TenantId(0),
        account: None,
        prefix: Digits::EMPTY,
        subscriber: None,
        called: Digits::EMPTY,
        allow: false,
        reason: String::new(),
        from_us: 0,
        until_us: None,
        automatic: false,
    }
}

impl Resource for CallerRule {
    type Row = CallerRule;
    const PATH: &'static str = "caller-rules";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("account", "account_id"),
        Filter::number("prefix"),
        Filter::id("subscriber", "subscriber_id"),
        Filter::begins("called"),
        Filter::since("from", "from_us"),
        Filter::flag("allow"),
        Filter::flag("automatic"),
    ];

    fn object() -> &'static Object<Self> {
        &CALLER_RULE
    }

    fn of(row: CallerRule) -> Self {
        row
    }

    fn row(&self) -> &CallerRule {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = CallerRuleId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::CallerRule(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if draft.before.is_none() {
            self.from_us = draft.at_us;
        }
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::CallerRule(self.clone()))
    }
}
