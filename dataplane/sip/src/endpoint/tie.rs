//! Ties: dialogs between two shards of one process, by which a REFER with Replaces reaches a call
//! that another shard has (`dataplane/adr/0146-calls-of-two-shards-are-tied-by-a-dialog.md`).
//!
//! A tie is a dialog as any other, but no network carries it: its way is [`Path::to_shard`]. Its
//! INVITE names the dialog whose place is wanted, in Replaces, and from where its sender spoke, in
//! a field that is read on such a way alone. Here it is judged as a REFER of one's own shard is:
//! the dialog must be there, be answered, and belong to where the asker speaks from.

use std::net::SocketAddr;

use strowger_leg::{Offer, Replaces as Place};
use strowger_link::{HeaderField, LegId, Octets};

use super::config::Path;
use super::layer::{Known, Owner};
use super::leg::{Leg, Offering, Replaced, Replaces};
use super::output::Counted;
use super::{Endpoint, Incoming, LegKeys, gate, offer};
use crate::header::Header;
use crate::lex;
use crate::message::Message;

/// The field that says from where an asker spoke.
const ASKER: &str = "Strowger-Asker";

/// The shards of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shards {
    own: u8,
    count: u8,
}

impl Endpoint {
    /// This is the endpoint of shard `own` of `count` from now on: calls of the others are known by
    /// the segment in our tags.
    pub fn join_shards(&mut self, own: u8, count: u8) {
        self.shards = Some(Shards { own, count });
    }

    /// A dialog that another shard has, if a tag names one; whether it is there, and whose, that
    /// shard says.
    pub(super) fn replaced_abroad(&self, replaces: &Replaces, path: &Path) -> Replaced {
        let Some(Shards { own, count }) = self.shards else { return Replaced::Unknown };
        let tags = [replaces.to_tag.as_slice(), replaces.from_tag.as_slice()];
        let mut legs = tags.into_iter().filter_map(|tag| self.layer.leg_of(tag));
        let abroad = |leg: &LegId| leg.slot.seg != own && leg.slot.seg < count;
        let Some(leg) = legs.find(abroad) else { return Replaced::Unknown };
        let field = |name: &str, value| HeaderField { name: name.to_owned(), value: Octets(value) };
        let asker = format!("{} {}", path.peer, path.flow).into_bytes();
        let named = field(Header::Replaces.name(), replaces.value());
        Replaced::Abroad(leg, vec![named, field(ASKER, asker)])
    }

    /// Another shard wants a place of a call of ours for a party of its own.
    pub(super) fn handle_tie(
        &mut self,
        incoming: Incoming<'_>,
        known: Known,
        keys: &mut dyn LegKeys,
    ) {
        let Incoming { request, path, now, .. } = incoming;
        let (id, replaced) = match self.tied(incoming, keys) {
            Ok(found) => found,
            Err(status) => return self.bar(incoming, &gate::Bar::new(status)),
        };
        let known = self.layer.known_anywhere(known, request);
        let opened = self.seal(id).and_then(|token| {
            let tx = self.layer.serve(known, request, &path, Owner::Leg(id), now)?;
            Some((token, tx))
        });
        let Some((token, tx)) = opened else {
            keys.close(id);
            return self.refuse_full(incoming);
        };
        let place = Place { leg: replaced, ringing: false, named: String::new() };
        let replaces = Some(Box::new(place));
        let offer = Offer { replaces, ..offer::offer(request, &path, None) };
        let offering = Offering { id, token, path, request, tx, nated: false, holder: None };
        match Leg::offered(&offering, &mut self.layer, now) {
            Ok(leg) => {
                leg.tell_offered(offer, &mut self.layer);
                self.legs.insert(id, Box::new(leg));
                self.settle(id);
            }
            Err(refusal) => {
                keys.close(id);
                self.layer.count(Counted::Refused(refusal));
                self.layer.respond_plain(tx, 400, token.as_str().as_bytes(), now);
            }
        }
    }

    /// The new leg, and the one whose place it wants.
    ///
    /// # Errors
    /// The status that refuses the INVITE.
    fn tied(
        &mut self,
        incoming: Incoming<'_>,
        keys: &mut dyn LegKeys,
    ) -> Result<(LegId, LegId), u16> {
        let Incoming { request, path, .. } = incoming;
        let replaces = request.value(Header::Replaces).and_then(Replaces::parse).ok_or(400_u16)?;
        let asker = asker(request, &path).ok_or(400_u16)?;
        if !self.make_room() {
            return Err(503);
        }
        let tags = [replaces.to_tag.as_slice(), replaces.from_tag.as_slice()];
        let mut legs = tags.into_iter().filter_map(|tag| self.layer.leg_of(tag));
        let found = legs.find(|id| {
            let leg = self.legs.get(id);
            leg.is_some_and(|leg| leg.is_meant(&replaces) && leg.is_party(&asker, keys))
        });
        let replaced = found.ok_or(481_u16)?;
        let id = keys.open_beside(replaced).map_err(|cause| cause.sip)?;
        Ok((id, replaced))
    }
}

/// The way by which the asker spoke to its own shard.
fn asker(request: Message<'_>, path: &Path) -> Option<Path> {
    let wanted = |name: &[u8]| name.eq_ignore_ascii_case(ASKER.as_bytes());
    let field = request.fields().find(|field| wanted(field.name))?;
    let text = std::str::from_utf8(lex::trim(field.value)).ok()?;
    let (peer, flow) = text.split_once(' ')?;
    let peer: SocketAddr = peer.parse().ok()?;
    Some(Path { peer, flow: flow.parse().ok()?, ..*path })
}
