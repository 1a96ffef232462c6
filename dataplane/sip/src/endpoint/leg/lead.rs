//! Where the next hop of a dialog is, when a Contact or Record-Route names it by a host name
//! (RFC 3263).
//!
//! A name is looked up as soon as the dialog has it, by whoever drives the endpoint
//! ([`Output::Name`]), and the answer counts until the dialog has another next hop:
//!
//! | state | event | next |
//! |---|---|---|
//! | no name | the next hop is a name | asked: [`Output::Name`] |
//! | asked | it leads to addresses | led: ACKs that waited go out there |
//! | asked | it leads nowhere, or nobody says in time | lost: they go where the leg began |
//! | led, at address n | a request there gets no answer | led, at n + 1: the request goes there |
//! | led, at the last one | the same | led, at the first; the request has failed |
//! | any | the next hop changes | as from the beginning; ACKs that waited go out |
//!
//! Only an ACK waits, because nothing else of the dialog is due at the moment in which the name
//! comes; whatever else is sent meanwhile goes where the leg began. A name that leads there too
//! leads there first: one host of several has the dialog, and it is that one.
//!
//! Bounds: one name a leg, `HOP_ADDRESSES_MAX` addresses. Whoever drives answers each question once
//! and soon. Behind a NAT, to a browser and to another shard of ours a name leads nowhere: the way
//! on which the leg began is the only one.

use std::net::SocketAddr;

use strowger_link::{Tick, Transport};

use super::super::config::Path;
use super::super::layer::{Heard, Layer, Role};
use super::super::output::{Lookup, Output};
use super::{Acked, Leg, is_reached};
use crate::dialog::Dialog;
use crate::limits::HOP_ADDRESSES_MAX;
use crate::message::Message;

/// A name as next hop.
pub(super) struct Lead {
    host: Box<str>,
    port: u16,
    state: State,
}

enum State {
    Asked,
    /// Addresses in the order to try, and which of them counts.
    Led(Box<[SocketAddr]>, usize),
    Lost,
}

impl Lead {
    fn is(&self, host: &str, port: u16) -> bool {
        self.port == port && *self.host == *host
    }

    fn address(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Led(all, at) => all.get(*at).copied(),
            State::Asked | State::Lost => None,
        }
    }
}

impl Leg {
    /// The dialog has another target or route set, or its first.
    pub(super) fn look(&mut self, layer: &mut Layer) {
        let name = self.name_of(&self.dialog).map(|(host, port)| (host.to_owned(), port));
        self.look_up(name, layer);
    }

    /// The target of the dialog is the one that a message names, if it names one.
    pub(super) fn retarget(&mut self, message: Message<'_>, layer: &mut Layer) {
        self.dialog.refresh(message);
        self.look(layer);
    }

    /// As [`Leg::look`], of an early dialog.
    pub(super) fn look_early(&mut self, dialog: &Dialog, layer: &mut Layer) {
        if let Some((host, port)) = self.name_of(dialog) {
            self.look_up(Some((host.to_owned(), port)), layer);
        }
    }

    /// The name that requests of a dialog go to, if they can.
    fn name_of<'a>(&self, dialog: &'a Dialog) -> Option<(&'a str, u16)> {
        let (host, port) = dialog.next_name()?;
        let by_flow = matches!(self.path.transport, Transport::Ws | Transport::Wss);
        (!self.is_direct(dialog) && !by_flow).then_some((host, port))
    }

    fn look_up(&mut self, name: Option<(String, u16)>, layer: &mut Layer) {
        let known = self.lead.as_deref();
        let Some((host, port)) = name else {
            if known.is_some() {
                self.lead = None;
                self.release(layer);
            }
            return;
        };
        if known.is_some_and(|lead| lead.is(&host, port)) {
            return;
        }
        let state = State::Asked;
        self.lead = Some(Box::new(Lead { host: host.as_str().into(), port, state }));
        let lookup = Lookup { leg: self.id, path: self.path, host, port };
        layer.push(Output::Name(Box::new(lookup)));
    }

    /// Where a name leads that was looked up; nowhere when there are no addresses.
    pub(in super::super) fn led(
        &mut self,
        (host, port): (&str, u16),
        addresses: &[SocketAddr],
        layer: &mut Layer,
    ) {
        let own = self.path.peer;
        let Some(lead) = self.lead.as_deref_mut() else { return };
        if !lead.is(host, port) || !matches!(lead.state, State::Asked) {
            return;
        }
        let fits = |address: &&SocketAddr| is_reached(own, **address);
        let mut all: Vec<SocketAddr> =
            addresses.iter().filter(fits).take(HOP_ADDRESSES_MAX).copied().collect();
        // Stable: the others keep their order.
        all.sort_by_key(|address| (*address != own, address.ip() != own.ip()));
        lead.state = if all.is_empty() { State::Lost } else { State::Led(all.into(), 0) };
        self.release(layer);
    }

    /// Whether the name of a dialog's next hop is being looked up.
    pub(super) fn is_looking(&self, dialog: &Dialog) -> bool {
        let Some(lead) = self.lead.as_deref() else { return false };
        let named = dialog.next_name().is_some_and(|(host, port)| lead.is(host, port));
        named && matches!(lead.state, State::Asked)
    }

    /// The address that the name of a dialog's next hop leads to.
    pub(super) fn led_to(&self, dialog: &Dialog) -> Option<SocketAddr> {
        let lead = self.lead.as_deref()?;
        let (host, port) = dialog.next_name()?;
        lead.address().filter(|_| lead.is(host, port))
    }

    /// Whether the name of the next hop leads to this host, among others.
    pub(super) fn leads_to(&self, source: SocketAddr) -> bool {
        let state = self.lead.as_deref().map(|lead| &lead.state);
        match state {
            Some(State::Led(all, _)) => all.iter().any(|address| address.ip() == source.ip()),
            Some(State::Asked | State::Lost) | None => false,
        }
    }

    /// Sends the ACKs that waited for the name.
    fn release(&mut self, layer: &mut Layer) {
        let own = self.request_path(&self.dialog);
        let strays: Vec<Path> =
            self.strays.iter().map(|stray| self.request_path(&stray.dialog)).collect();
        let send = |acked: &mut Acked, path: Path, layer: &mut Layer| {
            if std::mem::take(&mut acked.waits) {
                acked.path = path;
                layer.transmit(path, acked.bytes.clone());
            }
        };
        for acked in &mut self.acks {
            send(acked, own, layer);
        }
        for (stray, path) in self.strays.iter_mut().zip(strays) {
            send(&mut stray.acked, path, layer);
        }
    }

    /// A request of the dialog had no answer: it is sent to the next address of its name, if there
    /// is one (RFC 3263 section 4.3).
    pub(super) fn sends_elsewhere(
        &mut self,
        heard: &Heard,
        role: Role,
        layer: &mut Layer,
        now: Tick,
    ) -> bool {
        if self.lead.is_none() || !self.may_go_elsewhere(heard.path, role) {
            return false;
        }
        match role {
            Role::Reinvite => self.reoffer_elsewhere(heard.id, layer, now),
            Role::Bye(_)
            | Role::Info(_)
            | Role::Refresh(_)
            | Role::Message(_)
            | Role::Notify(_) => {
                let path = self.request_path(&self.dialog);
                self.send_again(heard, (role, path), layer, now);
                true
            }
            Role::Invite | Role::StrayBye(_) | Role::Update | Role::Prack(_) | Role::Cancel => {
                false
            }
        }
    }

    /// Moves to the address behind the one that was tried; `false` behind the last.
    fn may_go_elsewhere(&mut self, tried: Path, role: Role) -> bool {
        if matches!(role, Role::Invite | Role::StrayBye(_) | Role::Cancel) {
            return false;
        }
        let before = self.request_path(&self.dialog);
        let Some(State::Led(all, at)) = self.lead.as_deref_mut().map(|lead| &mut lead.state) else {
            return false;
        };
        // Before the name was known it went elsewhere.
        if before.peer != tried.peer {
            return true;
        }
        // The connection is gone; another one may be had to the same host.
        if let Some(address) = all.get(*at).filter(|_| tried.flow != 0 && before == tried) {
            (self.path.peer, self.path.flow) = (*address, 0);
            self.touched = true;
            return true;
        }
        *at += 1;
        let is_left = *at < all.len();
        if !is_left {
            *at = 0;
        }
        is_left
    }
}
