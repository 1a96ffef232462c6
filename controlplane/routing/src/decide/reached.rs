//! Numbers that the domain name system has a URI for (ENUM, RFC 6116; spec ENUM-01).
//!
//! A trunk of the tenant stands for all that is reached so: it says by which listener, how far
//! side is spoken to, how many calls there may be, and what they cost. What it does not say is
//! where they go. Nothing leads into this host or its networks: the perimeter stands before each
//! address, as before those of rows. When nobody says anything the routes count alone.

use super::Attempt;
use super::called::Called;
use super::sender::Sender;
use super::way::{Place, Way};
use crate::fact::{Outsider, Query, Reached};
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::uri::SipUri;
use strowger_model::{Trunk, TrunkId, Unknown};
use strowger_numbering::is_e164;

impl<'a> Attempt<'a> {
    /// The way of a number that leaves us: where ENUM leads, then routes.
    pub(super) fn lead_out(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let Some(id) = sender.settings.fact.enum_trunk else {
            return self.route(sender, called, place, way);
        };
        if let Some(trunk) = self.enum_trunk(sender, id)
            && let Some(reached) = self.reached(called, trunk)
        {
            self.route_reached(sender, called, trunk.id, &reached, (place, way));
        }
        self.route_behind(sender, called, place, way)
    }

    /// The trunk by this id, if it is one of the sender's tenant.
    fn enum_trunk(&mut self, sender: &Sender<'a>, id: u64) -> Option<&'a Trunk> {
        let id = TrunkId(i64::try_from(id).unwrap_or(i64::MAX));
        let trunk = self.world.trunk(id).filter(|trunk| trunk.tenant == sender.tenant.id);
        if trunk.is_none() {
            self.note(Step::HopClosed { trunk: id.0 });
        }
        trunk
    }

    fn reached(&mut self, called: &Called, trunk: &Trunk) -> Option<Reached> {
        let number = called.number.ok().filter(is_e164)?;
        match self.find_out(Query::Reached(number))?.reached() {
            Ok(reached) => {
                let reached = reached.filter(|reached| SipUri::parse(&reached.uri).is_some());
                let addresses = reached.as_ref().map_or(0, |reached| reached.addresses.len());
                let addresses = i64::try_from(addresses).unwrap_or(i64::MAX);
                self.note(Step::EnumSays { addresses, trunk: trunk.id.0 });
                reached
            }
            Err(lack) => {
                // Who is not looked up is called by routes.
                self.without(Outsider::Enum, lack, Unknown::Continue).ok()?;
                None
            }
        }
    }
}
