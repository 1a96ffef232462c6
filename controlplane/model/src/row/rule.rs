//! Typed rules of a tenant about its calls (spec RULE-01, NUM-DIAL-01): when, and what then.

use crate::{RuleId, TenantId};

/// Most rules of one tenant.
pub const RULES_MAX: usize = 10_000;
/// Most actions of a rule.
pub const RULE_ACTIONS_MAX: usize = 8;
/// Longest condition or value of a rule, bytes.
pub const RULE_TEXT_MAX: usize = 2048;

/// A rule: where its condition holds, its actions are carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Identity.
    pub id: RuleId,
    /// Tenant.
    pub tenant: TenantId,
    /// Shown name.
    pub name: String,
    /// At which stage of a call it works.
    pub stage: RuleStage,
    /// Rules of a stage work by this, the smaller first; equal ones in order of ids.
    pub position: i32,
    /// What must hold, an expression in CEL.
    pub condition: String,
    /// What is done then, in order.
    pub actions: Vec<RuleAction>,
    /// No later rule of the stage works on a call that this one worked on.
    pub last: bool,
    /// It works.
    pub enabled: bool,
}

/// The stages of a call at which rules work (source: `checkdialplan1` to `4`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleStage {
    /// 1: as it came, before it is known who calls.
    Received,
    /// 2: it is known who calls; the called number is still as it came.
    Known,
    /// 3: the called number is canonical; nothing is routed yet.
    Routing,
    /// 4: for each trunk that the call may go to.
    Routed,
}

/// One action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleAction {
    /// What is done.
    pub does: RuleDeed,
    /// For what sets something: an expression in CEL that makes the text; empty otherwise.
    pub value: String,
    /// For a refusal: the SIP status, 400 to 699; 0 otherwise.
    pub status: u16,
}

/// What a rule can do; nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RuleDeed {
    /// Refuse the call (source: `_REJECT`).
    Refuse,
    /// Change the called number, for routing, prices and records (source: `callednumber`).
    SetCalled,
    /// Change the number that one trunk is sent and nothing else (source: `calleddialed`).
    SetDialled,
    /// Change the caller's number (source: `callernumber`).
    SetCaller,
    /// Leave this trunk out.
    Skip,
    /// Tell the caller to call a URI instead (302), before anything is routed (source: `Forwardpx`
    /// with `Forwardto`).
    Redirect,
}
