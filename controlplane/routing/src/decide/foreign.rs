//! Calls to users of domains that are none of ours (spec SIP-DOMAIN-01, C-RTE-03).
//!
//! By default nobody leaves us so: the domain of a request is not looked at. Where it is, a trunk
//! of the tenant stands for all that is called, as for ENUM: it says by which listener, how the far
//! side is spoken to, how many calls there may be and what they cost us; name servers say where
//! the domain is, and the perimeter keeps it from leading into this host or its networks. Rules of
//! the tenant and its hook come before, barring holds, and the caller pays the internal price: no
//! carrier has a part in it. A domain is a name: what is an address may be ours behind a NAT.

use super::called::Called;
use super::plan::Plan;
use super::sender::Sender;
use super::way::{Place, Way};
use super::{Attempt, Stop};
use crate::fact::{Outsider, Query, Reached};
use crate::limits::{FOREIGN_ADDRESSES_MAX, FOREIGN_URI_MAX};
use crate::names::literal;
use crate::place::wanted_of;
use crate::refusal::Refusal;
use crate::trace::{Step, TO_DOMAIN};
use crate::uri::SipUri;
use strowger_link::{HeaderField, Octets};
use strowger_locate::draw;
use strowger_model::{Foreign, TrunkId, Unknown};

impl<'a> Attempt<'a> {
    /// A call that goes to another domain whoever its user may be here.
    pub(super) fn leave(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
    ) -> Result<Option<Plan>, Stop> {
        let mode = sender.settings.call.foreign;
        if !matches!(mode, Foreign::Always | Foreign::Redirect) {
            return Ok(None);
        }
        let Some(uri) = self.other_domain() else { return Ok(None) };
        self.note(Step::Beyond { beyond: TO_DOMAIN });
        self.check_barring(sender, called, false)?;
        if mode == Foreign::Redirect {
            self.note(Step::RedirectedCaller { contacts: 1 });
            let value = Octets(format!("<{uri}>").into_bytes());
            return Err(Stop::Redirect(vec![HeaderField { name: "Contact".to_owned(), value }]));
        }
        let diverted = self.diverted_before(sender);
        let place = Place::caller(sender.holder().into_iter().collect(), diverted);
        let way = self.lead_there(sender, called, uri, &place)?;
        self.note_hidden(sender);
        self.send_elsewhere(sender, &way)?;
        let costs = self.price(sender, called, &way)?;
        self.plan(sender, called, way, Some(costs)).map(Some)
    }

    /// The way to another domain for whom nobody here is meant by, where that is set.
    pub(super) fn lead_to_domain(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        place: &Place,
    ) -> Result<Option<Way>, Stop> {
        if sender.settings.call.foreign != Foreign::Unknown {
            return Ok(None);
        }
        let Some(uri) = self.other_domain() else { return Ok(None) };
        self.note(Step::Beyond { beyond: TO_DOMAIN });
        Ok(Some(self.lead_there(sender, called, uri, place)?))
    }

    /// The URI of the request, if it names a domain that is none of ours.
    fn other_domain(&self) -> Option<String> {
        let said = self.call.request_uri.as_str();
        let uri = SipUri::parse(said).filter(|_| said.len() <= FOREIGN_URI_MAX)?;
        let host = uri.host();
        let is_ours = literal(host).is_some() || self.world.tenant_of_host(host).is_some();
        (!is_ours).then(|| uri.without_headers(said))
    }

    fn lead_there(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        uri: String,
        place: &Place,
    ) -> Result<Way, Refusal> {
        let id = sender.settings.call.foreign_trunk.unwrap_or_default();
        let id = TrunkId(i64::try_from(id).unwrap_or(i64::MAX));
        let trunk = self.world.trunk(id).filter(|trunk| trunk.tenant == sender.tenant.id);
        let Some(trunk) = trunk else {
            self.note(Step::HopClosed { trunk: id.0 });
            return Err(Refusal::NoRoute);
        };
        let reached = self.reached_at(uri)?;
        let mut way = Way { inside: true, ..Way::outside() };
        self.route_to(sender, called, trunk.id, &reached, (place, &mut way))?;
        // A name is no number that the trunk's edit could say.
        for branch in way.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            if called.number.is_err() {
                branch.dialed.clone_from(&called.text);
            }
        }
        Ok(way)
    }

    /// Where name servers say that the domain of a URI is.
    fn reached_at(&mut self, uri: String) -> Result<Reached, Refusal> {
        let Some((uri, wanted)) = wanted_of(&uri) else {
            self.note(Step::NoTarget {});
            return Err(Refusal::NoRoute);
        };
        let Some(finding) = self.find_out(Query::Place(Box::new(wanted))) else {
            // Nobody is asked, or has answered yet.
            self.note(Step::NoTarget {});
            return Err(Refusal::NoRoute);
        };
        match finding.placed() {
            Ok(places) => {
                // Each call draws for itself, so that weights are shares of calls.
                let addresses = draw(places, self.ask.id.0);
                let addresses = addresses.into_iter().take(FOREIGN_ADDRESSES_MAX).collect();
                Ok(Reached { uri, addresses })
            }
            Err(lack) => {
                self.without(Outsider::Names, lack, Unknown::Refuse)?;
                Err(Refusal::NoRoute)
            }
        }
    }
}
