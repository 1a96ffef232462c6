//! Header fields of the caller on their way to branches: rules of the trunk they came by, of the
//! trunk they go to, and what of the rest may pass (`crate::header`).

use super::Attempt;
use super::sender::{Sender, Who};
use crate::header::{Fields, Pass};
use crate::trace::Step;
use strowger_link::{HeaderField, PartyRef, Stage, ruled};
use strowger_model::{Egress, Trunk, TrunkId};

impl<'a> Attempt<'a> {
    /// The rules of the trunk that a call comes from, before anything else looks at its fields.
    pub(super) fn receive_headers(&mut self, sender: &Sender<'a>) {
        let Who::Trunk(trunk, _) = sender.who else { return };
        self.replies = self.world.header_rules(trunk.id);
        let rules = self.replies.map(|rules| &rules.ingress);
        let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return };
        let mut fields = Fields::of(self.call);
        let worked = fields.apply(rules);
        self.note(Step::HeadersReceived { trunk: trunk.id.0, rules: worked.into() });
        if fields.is_cut {
            self.note(Step::HeadersBeyond { trunk: trunk.id.0 });
        }
        self.fields = Some(fields);
    }

    /// What goes to a trunk beside the fields of the protocol.
    pub(super) fn headers_to(
        &mut self,
        sender: &Sender<'a>,
        trunk: &'a Trunk,
        egress: &'a Egress,
    ) -> Vec<HeaderField> {
        let rules = self.world.header_rules(trunk.id).map(|rules| &rules.egress);
        let rules = rules.filter(|rules| !rules.is_empty());
        if rules.is_none() && self.fields.is_none() && !egress.pass_headers {
            return Vec::new();
        }
        let mut fields = self.fields.clone().unwrap_or_else(|| Fields::of(self.call));
        fields.is_cut = false;
        let worked = rules.map_or(0, |rules| fields.apply(rules));
        let network = egress.trusted && is_of_network(sender);
        let leaving = fields.leaving(Pass { own: egress.pass_headers, network });
        let count = i64::try_from(leaving.len()).unwrap_or_default();
        self.note(Step::HeadersSent { trunk: trunk.id.0, rules: worked.into(), fields: count });
        if fields.is_cut {
            self.note(Step::HeadersBeyond { trunk: trunk.id.0 });
        }
        leaving
    }

    /// Each branch tells what of its responses the caller hears: rules of the trunk it goes to,
    /// then of the trunk that the call came by, whose rules work on our own refusals as well.
    pub(super) fn rule_replies(&self, stages: &mut [Stage]) {
        if self.replies.is_none() && !self.world.has_header_rules() {
            return;
        }
        for branch in stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            let heard = match &branch.party {
                PartyRef::Trunk(id) => self.world.header_rules(TrunkId(*id)),
                PartyRef::Subscriber(_) | PartyRef::Unknown => None,
            };
            let heard = heard.map(|rules| rules.heard.as_slice()).unwrap_or_default();
            let told = self.replies.map(|rules| rules.told.as_slice()).unwrap_or_default();
            branch.replies = [heard, told].concat();
        }
    }

    /// Fields of a refusal of ours, by the rules of the trunk that the call came by.
    pub(super) fn own_reply(&self) -> Vec<HeaderField> {
        self.replies.map(|rules| ruled(&rules.told, Vec::new())).unwrap_or_default()
    }

    /// What goes to a subscriber: what rules wrote, nothing of the caller's own.
    pub(super) fn headers_inside(&self) -> Vec<HeaderField> {
        self.fields.as_ref().map(|fields| fields.leaving(Pass::NOTHING)).unwrap_or_default()
    }
}

/// The caller belongs to a network of trust: a trunk that is believed.
const fn is_of_network(sender: &Sender<'_>) -> bool {
    match sender.who {
        Who::Subscriber(_) => false,
        Who::Trunk(_, ingress) => ingress.trusted,
    }
}
