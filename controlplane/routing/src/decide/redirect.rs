//! Redirects (3xx): a called party says that the call is to go elsewhere (spec SIP-REDIR-01;
//! RFC 3261 8.1.3.4).
//!
//! | mode | followed are contacts with | who pays |
//! |---|---|---|
//! | `number` | another number at the same place | who paid for the way there, the new price |
//! | `domain` | the same number at another address | as before |
//! | `reroute` | any number or name of ours | who paid for the way there, the new price |
//! | `forward` | any number or name of ours | who was called, beside who paid so far |
//!
//! Contacts are tried in their order, each with what it may change and no more. The caller is whom
//! the settlement of the running call names, its wishes those of its INVITE, which the question
//! brings. Hops and parts of the settlement stay where they are and new ones stand behind them, so
//! that branches under way keep their prices; the till widens the call's own hold.

use super::called::{Called, Party};
use super::forward::{NotFollowed, Onward, loop_step};
use super::list::Gate;
use super::plan::{AdmitPlan, Payer, Plan, sender_manner};
use super::sender::{Sender, Who};
use super::way::{Diversion, Place, Way};
use super::{Attempt, Decision, Facts, Stop};
use crate::fact::Outsider;
use crate::location::Locations;
use crate::place::{drawn, place_of};
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::uri::SipUri;
use crate::world::{Holder, World};
use std::net::SocketAddr;
use strowger_billing::{Caller, Forwarder, Level, Part, PriceRef, Settlement, Wait};
use strowger_link::{
    Ask, DivertReason, Go, Grant, Next, Octets, OnRedirect, PartyRef, RedirectedAsk, Target, Tick,
    Transport,
};
use strowger_model::{
    Account, Barring, Egress, HostPort, OrganizationId, Profile, Redirect, Subscriber, Trunk,
    Unknown,
};

/// Most contacts of one redirect that are followed.
const CONTACTS_MAX: usize = 4;

/// Decides where a redirect leads: as [`super::decide`], for a call that is under way.
#[must_use]
pub fn redirected(
    (world, locations): (&World, &Locations),
    ask: &Ask,
    redirected: &RedirectedAsk,
    facts: &Facts,
    now: Tick,
    wall_us: i64,
) -> Decision {
    let asked = (ask, &*redirected.call);
    let mut attempt = Attempt::new((world, locations), asked, facts, (now, wall_us));
    let outcome = attempt.redirect(redirected);
    attempt.decided(outcome)
}

/// What a subscriber's 3xx means.
pub(super) fn of_subscriber(settings: &Profile) -> Redirect {
    settings.call.redirect.unwrap_or(Redirect::Forward)
}

/// The same in the words of the contract.
pub(super) const fn manner(mode: Redirect) -> OnRedirect {
    match mode {
        Redirect::Fail => OnRedirect::Fail,
        Redirect::Pass => OnRedirect::Pass,
        Redirect::Number | Redirect::Domain | Redirect::Reroute | Redirect::Forward => {
            OnRedirect::Ask
        }
    }
}

/// What a 3xx of a trunk means by the settings of its account.
fn redirect_by(settings: &Profile) -> Redirect {
    settings.call.redirect.unwrap_or(Redirect::Fail)
}

/// The same in the words of the contract.
pub(super) fn on_redirect(settings: &Profile) -> OnRedirect {
    manner(redirect_by(settings))
}

/// Who redirects.
#[derive(Clone, Copy)]
enum By<'a> {
    Subscriber(&'a Subscriber),
    Trunk(&'a Trunk, &'a Egress),
}

impl By<'_> {
    fn holder(self) -> Holder {
        match self {
            By::Subscriber(row) => Holder::Subscriber(row.id),
            By::Trunk(row, _) => Holder::Trunk(row.id),
        }
    }

    fn forwarder(self) -> Forwarder {
        match self {
            By::Subscriber(row) => Forwarder::Subscriber(row.id),
            By::Trunk(row, _) => Forwarder::Trunk(row.id),
        }
    }
}

/// Where a redirect wants the call to go.
struct Contact {
    /// Place in the list, from 1, for the trace.
    nth: i64,
    /// Number or name.
    user: String,
    /// `None` = a number without a place.
    host: Option<HostPort>,
    transport: Transport,
    uri: String,
}

/// A redirect under way.
struct Turn<'a> {
    by: By<'a>,
    before: Settlement,
    /// The price of the branch that was redirected.
    hop: u8,
    /// The number that it was sent.
    dialed: String,
    place: Place,
}

/// Who pays for the way to where the call was redirected, and what it may call.
struct Bearer<'a> {
    account: &'a Account,
    barring: Option<&'a Barring>,
    scope: Option<OrganizationId>,
    gate: Gate<'a>,
}

impl Contact {
    fn parse(nth: i64, uri: &str) -> Option<Contact> {
        if let Some((scheme, number)) = uri.split_once(':')
            && scheme.eq_ignore_ascii_case("tel")
        {
            let user = number.split(';').next().unwrap_or_default().to_owned();
            let uri = uri.to_owned();
            return Some(Contact { nth, user, host: None, transport: Transport::Udp, uri });
        }
        let parsed = SipUri::parse(uri)?;
        let user = parsed.user().unwrap_or_default().split(';').next().unwrap_or_default();
        let transport = match parsed.param("transport") {
            Some("tcp") => Transport::Tcp,
            Some("tls") => Transport::Tls,
            Some("ws" | "wss") => return None,
            Some(_) | None if parsed.is_secure() => Transport::Tls,
            Some(_) | None => Transport::Udp,
        };
        Some(Contact {
            nth,
            user: user.replace("%2B", "+"),
            host: Some(parsed.host_port()),
            transport,
            uri: parsed.without_headers(uri),
        })
    }
}

impl<'a> Attempt<'a> {
    fn redirect_of_trunk(&self, egress: &Egress) -> Redirect {
        redirect_by(self.world.account_settings(egress.account))
    }

    fn redirect(&mut self, asked: &RedirectedAsk) -> Result<Plan, Stop> {
        let before = Settlement::decode(&asked.settlement.0).map_err(|_| Refusal::Internal)?;
        // A call that nobody pays for goes where its plan says.
        if before.hold == 0 {
            return Err(Refusal::Denied.into());
        }
        let sender = self.sender_before(&before.caller)?;
        self.known = Some(before.clone());
        self.began_us = before.began_us;
        self.manner = sender_manner(&sender);
        self.receive_headers(&sender);
        self.check_enabled(&sender)?;
        let by = self.redirector(asked).ok_or(Refusal::Denied)?;
        let mode = match by {
            By::Subscriber(row) => of_subscriber(self.world.subscriber_settings(row.id)),
            By::Trunk(_, egress) => self.redirect_of_trunk(egress),
        };
        let place = self.place_of(&sender, &before, asked.hop, by);
        let (hop, dialed) = (asked.hop, asked.dialed.clone());
        let mut way = Way::inside();
        (way.hops, way.parts) = (before.hops.clone(), before.parts.clone());
        let turn = Turn { by, before, hop, dialed, place };
        let mut last: Option<u8> = None;
        for (nth, uri) in (1i64..).zip(asked.contacts.iter().take(CONTACTS_MAX)) {
            let mark = way.mark();
            match self.follow_contact(&sender, &turn, mode, (nth, uri), &mut way) {
                Ok(first) => {
                    if let Some(before) = last {
                        lead_on(before, first, &mut way);
                    }
                    last = Some(first);
                }
                Err(NotFollowed(step)) => {
                    way.back_to(&mark);
                    self.note(step);
                }
            }
        }
        if way.stages.is_empty() {
            return Err(Refusal::NoRoute.into());
        }
        self.wider_plan(&sender, turn.before, way)
    }

    /// Who called, as the settlement says.
    pub(super) fn sender_before(&mut self, caller: &Caller) -> Result<Sender<'a>, Stop> {
        let world = self.world;
        let subscriber = match caller.subscriber {
            Some(id) => Some(world.subscriber(id).ok_or(Refusal::Denied)?),
            None => None,
        };
        let trunk = match caller.trunk {
            Some(id) => {
                let row = world.trunk(id).ok_or(Refusal::Denied)?;
                Some((row, row.ingress.as_ref().ok_or(Refusal::Denied)?))
            }
            None => None,
        };
        let (tenant, account, settings) = match (subscriber, trunk) {
            (Some(row), _) => (row.tenant, row.account, world.subscriber_settings(row.id)),
            (None, Some((row, ingress))) => {
                (row.tenant, ingress.account, world.account_settings(ingress.account))
            }
            (None, None) => return Err(Refusal::Denied.into()),
        };
        let (who, behalf) = match (subscriber, trunk) {
            (_, Some((row, ingress))) => (Who::Trunk(row, ingress), subscriber),
            (Some(row), None) => (Who::Subscriber(row), None),
            (None, None) => return Err(Refusal::Denied.into()),
        };
        let tenant = world.tenant(tenant).ok_or(Refusal::Internal)?;
        let account = world.account(account).ok_or(Refusal::Internal)?;
        Ok(Sender { tenant, account, who, behalf, settings })
    }

    fn redirector(&mut self, asked: &RedirectedAsk) -> Option<By<'a>> {
        let world = self.world;
        let status = i64::from(asked.status);
        match asked.party {
            PartyRef::Subscriber(id) => {
                self.note(Step::Redirected { subscriber: id, status });
                world.subscriber(strowger_model::SubscriberId(id)).map(By::Subscriber)
            }
            PartyRef::Trunk(id) => {
                self.note(Step::RedirectedByTrunk { trunk: id, status });
                let trunk = world.trunk(strowger_model::TrunkId(id))?;
                Some(By::Trunk(trunk, trunk.egress.as_ref()?))
            }
            PartyRef::Unknown => None,
        }
    }

    /// Where in the tree of forwards the branch stood: who was called on the way, and who diverted.
    fn place_of(&mut self, sender: &Sender<'a>, before: &Settlement, hop: u8, by: By<'a>) -> Place {
        let part = PriceRef::of(hop).part;
        let mut chain: Vec<Holder> = sender.holder().into_iter().collect();
        let mut diversions = Vec::new();
        for (_, part) in before.chain(part) {
            chain.push(match part.by {
                Forwarder::Subscriber(id) => Holder::Subscriber(id),
                Forwarder::RingGroup(id) => Holder::RingGroup(id),
                Forwarder::Trunk(id) => Holder::Trunk(id),
            });
            if !part.instead
                && let Some(user) = self.number_of_forwarder(part.by)
            {
                let reason = DivertReason::Unknown;
                diversions.push(Diversion { user, reason, count: 1, hidden: false });
            }
        }
        chain.push(by.holder());
        diversions.extend(self.diverted_before(sender));
        Place { part, chain, diversions }
    }

    fn number_of_forwarder(&self, by: Forwarder) -> Option<String> {
        let number = match by {
            Forwarder::Subscriber(id) => self.world.subscriber(id)?.numbers.first().copied(),
            Forwarder::RingGroup(id) => self.world.ring_group(id)?.numbers.first().copied(),
            Forwarder::Trunk(_) => None,
        };
        number.map(|number| number.to_string())
    }

    fn follow_contact(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        mode: Redirect,
        (nth, uri): (i64, &str),
        way: &mut Way,
    ) -> Result<u8, NotFollowed> {
        let unfit = NotFollowed(Step::RedirectUnfit { contact: nth });
        let contact = Contact::parse(nth, uri).filter(|contact| !contact.user.is_empty());
        let contact = contact.ok_or(NotFollowed(Step::RedirectNowhere { contact: nth }))?;
        match mode {
            Redirect::Fail | Redirect::Pass => Err(unfit),
            Redirect::Domain => {
                self.follow_domain(sender, turn, &contact, way).map_err(NotFollowed)
            }
            Redirect::Forward => self.follow_forward(sender, turn, &contact, way),
            Redirect::Number if !self.is_same_place(sender, turn.by, &contact) => Err(unfit),
            Redirect::Number | Redirect::Reroute => {
                self.follow_instead(sender, turn, mode, &contact, way)
            }
        }
    }

    /// The contact leads to where the branch went, or to us.
    fn is_same_place(&self, sender: &Sender<'a>, by: By<'a>, contact: &Contact) -> bool {
        let Some(host) = &contact.host else { return true };
        let is_theirs = |egress: &Egress| {
            let ips = self.world.names().addresses(&host.name);
            let known = self.world.egress_addresses(egress);
            known.iter().any(|(address, _)| ips.contains(&address.ip()))
        };
        match by {
            By::Trunk(_, egress) if is_theirs(egress) => true,
            By::Trunk(..) | By::Subscriber(_) => self.is_ours(sender, host),
        }
    }

    /// The host is this tenant's, or an address of ours.
    fn is_ours(&self, sender: &Sender<'a>, host: &HostPort) -> bool {
        let tenant = self.world.tenant_of_host(&host.name);
        let own = self.world.listeners().iter().map(|listener| listener.address.ip());
        tenant.is_some_and(|tenant| tenant.id == sender.tenant.id)
            || host.name.eq_ignore_ascii_case(&self.ask.hints.host)
            || crate::names::literal(&host.name).is_some_and(|ip| own.clone().any(|o| o == ip))
    }

    /// What a contact names, if it is a number or a name of ours.
    fn named_by(&self, sender: &Sender<'a>, contact: &Contact) -> Result<Called, NotFollowed> {
        let nowhere = NotFollowed(Step::RedirectNowhere { contact: contact.nth });
        let called = self.called_of(sender.tenant, contact.user.clone());
        let Some(host) = &contact.host else { return Ok(called) };
        let theirs = self.world.tenant_of_host(&host.name);
        let is_foreign = theirs.is_some_and(|tenant| tenant.id != sender.tenant.id);
        // A name means nobody of ours at somebody else's host; a number is a number.
        if is_foreign || (called.number.is_err() && !self.is_ours(sender, host)) {
            return Err(nowhere);
        }
        Ok(called)
    }

    /// As if who was called forwarded, at its cost.
    fn follow_forward(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        contact: &Contact,
        way: &mut Way,
    ) -> Result<u8, NotFollowed> {
        let nowhere = || NotFollowed(Step::RedirectNowhere { contact: contact.nth });
        let called = self.named_by(sender, contact)?;
        let onward = match turn.by {
            By::Subscriber(row) => Onward::redirecting(row),
            By::Trunk(row, _) => {
                // Who only takes calls from us pays for none.
                let ingress = row.ingress.as_ref().ok_or_else(nowhere)?;
                let account = self.world.account(ingress.account).ok_or_else(nowhere)?;
                Onward {
                    by: Forwarder::Trunk(row.id),
                    account: account.id,
                    organization: account.organization,
                    barring: Some(&ingress.barring),
                    diversion: Diversion {
                        user: turn.dialed.clone(),
                        reason: DivertReason::Deflection,
                        count: 1,
                        hidden: false,
                    },
                }
            }
        };
        self.try_send_on(sender, &onward, &called.text, &turn.place, way)
    }

    /// Who pays for the way to a place.
    fn bearer(&self, sender: &Sender<'a>, turn: &Turn<'a>) -> Option<Bearer<'a>> {
        let world = self.world;
        let home = turn.before.home(turn.place.part).and_then(|home| turn.before.part(home));
        let Some(part) = home else {
            let (account, barring) = (sender.account, Some(sender.barring()));
            let (scope, gate) = (sender.scope(), sender.gate());
            return Some(Bearer { account, barring, scope, gate });
        };
        let barring = match part.by {
            Forwarder::Subscriber(id) => Some(&world.subscriber(id)?.barring),
            Forwarder::RingGroup(_) => None,
            Forwarder::Trunk(id) => world.trunk(id)?.ingress.as_ref().map(|i| &i.barring),
        };
        let account = world.account(part.level.account)?;
        let gate = Gate::of(world, account);
        Some(Bearer { account, barring, scope: Some(part.level.organization), gate })
    }

    /// Another number in place of the old one, at the cost of who paid for that.
    fn follow_instead(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        mode: Redirect,
        contact: &Contact,
        way: &mut Way,
    ) -> Result<u8, NotFollowed> {
        let nowhere = || NotFollowed(Step::RedirectNowhere { contact: contact.nth });
        let called = self.named_by(sender, contact)?;
        if let Ok(number) = called.number {
            self.note(Step::Number(number));
        }
        let bearer = self.bearer(sender, turn).ok_or_else(nowhere)?;
        let party = self.check_instead(sender, turn, (contact, &called), &bearer, way)?;
        let called = match party {
            Some(_) => called,
            None => {
                let set = &self.world.account_settings(bearer.account.id).fact;
                self.ported(called, set).map_err(|_| nowhere())?
            }
        };
        let level = self.instead_level(sender, turn, (&called, party.is_some()), &bearer)?;
        let place = Place { part: u8::try_from(way.parts.len()).ok(), ..turn.place.clone() };
        way.parts.push(Part {
            parent: turn.place.part,
            by: turn.by.forwarder(),
            instead: true,
            number: called.number.ok(),
            destination: self.destination_of(sender.tenant.id, &called),
            level,
        });
        let led = match (party, turn.by) {
            (Some(party), _) => self.lead(sender, &called, party, &place, way),
            (None, By::Trunk(trunk, _)) if mode == Redirect::Number => {
                self.route_by(sender, &called, trunk.id, &place, way)
            }
            (None, By::Trunk(..) | By::Subscriber(_)) => self.route(sender, &called, &place, way),
        };
        led.map_err(|_| NotFollowed(Step::ForwardNowhere {}))
    }

    /// Whether another number may be called, and whom of ours it means.
    fn check_instead(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        (contact, called): (&Contact, &Called),
        bearer: &Bearer<'a>,
        way: &Way,
    ) -> Result<Option<Party<'a>>, NotFollowed> {
        let account = bearer.account;
        if !account.enabled || self.facts.unable.contains(&account.id) {
            return Err(NotFollowed(Step::ForwarderUnable { account: account.id.0 }));
        }
        // An allowance or a packet was chosen for the number that was dialled, and pays for that
        // alone.
        let is_callers = turn.before.home(turn.place.part).is_none();
        if is_callers && (turn.before.allowance.is_some() || turn.before.packet.is_some()) {
            return Err(NotFollowed(Step::ForwarderUnable { account: account.id.0 }));
        }
        let forwards_max = usize::from(sender.settings.call.forwards_max);
        if way.parts.len() >= forwards_max.min(strowger_billing::FORWARDS_MAX) {
            return Err(NotFollowed(Step::ForwardBeyond {}));
        }
        if self.emergency_of(sender.tenant.id, called).is_some() {
            return Err(NotFollowed(Step::ForwardBarred {}));
        }
        let looks = self.world.account_settings(account.id).call.local_numbers;
        let party = self.find_local(sender.tenant.id, bearer.scope, called, looks);
        if let Some(party) = &party
            && turn.place.chain.contains(&party.holder())
        {
            return Err(NotFollowed(loop_step(party.holder())));
        }
        let is_known = |number| {
            let chain = turn.before.chain(turn.place.part);
            turn.before.number == number || chain.into_iter().any(|(_, part)| part.number == number)
        };
        if called.number.is_ok_and(|number| is_known(Some(number))) {
            return Err(NotFollowed(Step::RedirectUnfit { contact: contact.nth }));
        }
        let bars = |barring: &Barring| {
            let by_prefix = || called.number.is_ok_and(|number| barring.bars(&number));
            barring.all || (party.is_none() && by_prefix())
        };
        if bearer.barring.is_some_and(bars) || bars(&account.barring) {
            return Err(NotFollowed(Step::ForwardBarred {}));
        }
        if party.is_none() {
            let is_callers = turn.before.home(turn.place.part).is_none();
            let number = |own: &Self| match is_callers {
                true => own.number_of(sender),
                false => String::new(),
            };
            let denied = self.denied_called(&bearer.gate, called);
            let denied = denied.or_else(|| self.denied_out(&bearer.gate, number, called));
            denied.map_or(Ok(()), |step| Err(NotFollowed(step)))?;
        }
        Ok(party)
    }

    /// What the new number costs who paid for the old one.
    fn instead_level(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        (called, is_local): (&Called, bool),
        bearer: &Bearer<'a>,
    ) -> Result<Level, NotFollowed> {
        let account = bearer.account;
        let is_callers = turn.before.home(turn.place.part).is_none();
        let own = match (is_callers, is_local, sender.subscriber()) {
            (true, true, None) => self.tariff_terms(account, called),
            (true | false, true | false, Some(_) | None) => Ok(None),
        };
        let own = own.map_err(|_| NotFollowed(Step::NoPrice { account: account.id.0 }))?;
        let terms = match own {
            Some(terms) => terms,
            None => self.onward_terms(sender.tenant, account, called, is_local)?,
        };
        self.note(Step::RedirectInstead { account: account.id.0 });
        Ok(self.level(account, terms))
    }

    /// The same number at another address, at the same price.
    fn follow_domain(
        &mut self,
        sender: &Sender<'a>,
        turn: &Turn<'a>,
        contact: &Contact,
        way: &mut Way,
    ) -> Result<u8, Step> {
        let (unfit, nowhere) = (
            Step::RedirectUnfit { contact: contact.nth },
            Step::RedirectNowhere { contact: contact.nth },
        );
        let called = self.called_of(sender.tenant, contact.user.clone());
        let sent = self.called_of(sender.tenant, turn.dialed.clone());
        let is_same = contact.user == turn.dialed
            || called.number.is_ok_and(|number| sent.number.is_ok_and(|sent| sent == number));
        if !is_same {
            return Err(unfit);
        }
        let (host, transport) = (contact.host.as_ref().ok_or(unfit)?, contact.transport);
        let (asked, allow_private) = match turn.by {
            By::Subscriber(_) => (self.ask.hints.listener, false),
            By::Trunk(_, egress) => {
                (egress.listener.unwrap_or(self.ask.hints.listener), egress.allow_private)
            }
        };
        let perimeter = self.world.perimeter();
        let may = |address: &SocketAddr| perimeter.check(*address, allow_private).is_ok();
        let address = self.addresses_of(host, transport).into_iter().find(may).ok_or(nowhere)?;
        let listener = self.world.listener(asked, transport, address).ok_or(nowhere)?;
        let uri = contact.uri.clone();
        let target = Target { uri, address, transport, flow: 0, routes: Vec::new() };
        let mut branch = match turn.by {
            By::Subscriber(row) => {
                let settings = self.world.subscriber_settings(row.id);
                self.callee_branch(sender, (row, settings), (target.clone(), listener), false)
            }
            By::Trunk(row, _) => {
                let mark = way.mark();
                let led = self.route_by(sender, &called, row.id, &turn.place, way);
                let first = led.ok().and_then(|first| way.stages.get(usize::from(first)));
                let branch = first.and_then(|stage| stage.branches.first().cloned());
                way.back_to(&mark);
                branch.ok_or(nowhere)?
            }
        };
        (branch.target, branch.listener, branch.hop) = (target, listener, turn.hop);
        way.push(vec![branch]).ok_or(nowhere)
    }

    /// The addresses of a host: those of a name that rows know, or what a name server says.
    fn addresses_of(&mut self, host: &HostPort, transport: Transport) -> Vec<SocketAddr> {
        let chance = self.ask.id.0;
        let known = self.world.names().targets(host, transport, chance);
        if !known.is_empty() {
            return known;
        }
        let Some(finding) = self.find_out(place_of(host, transport)) else { return Vec::new() };
        match finding.placed() {
            Ok(places) => drawn(places, transport, chance),
            Err(lack) => {
                // Nobody says: it leads nowhere, whatever is set for a call's numbers.
                let _goes_on = self.without(Outsider::Names, lack, Unknown::Continue);
                Vec::new()
            }
        }
    }

    /// The stages of a redirect with what the whole call costs from now on.
    fn wider_plan(
        &mut self,
        sender: &Sender<'a>,
        before: Settlement,
        way: Way,
    ) -> Result<Plan, Stop> {
        let mut settlement = Settlement { hops: way.hops, parts: way.parts, ..before };
        self.exchange_costs(sender.tenant, &mut settlement);
        let payers = settlement.payers(None, Wait::UNKNOWN).ok_or(Refusal::Internal)?;
        let ms_max = settlement.ms_max;
        let admit = AdmitPlan {
            levels: payers.into_iter().map(|(account, bound)| Payer { account, bound }).collect(),
            limits: Vec::new(),
            address: None,
            money_min: None,
            ms_min: sender.settings.call.talk_ms_min,
            ms_max,
        };
        let mut go = Go {
            prelude: None,
            stages: way.stages,
            on_exhausted: Refusal::Exhausted.refuse(true, Octets::default()),
            grant: Grant { ms: 0, free_ms: 0, last: true, go_on: false },
            max_ms: ms_max,
            media: super::ring::media_policy(sender, false),
            settlement: Octets(settlement.encode().map_err(|_| Refusal::Internal)?),
            manner: sender_manner(sender),
            reroute: None,
        };
        self.rule_replies(&mut go.stages);
        let go_on = sender.account.go_on_without_control;
        Ok(Plan { ask: self.ask.id, go, admit: Some(admit), go_on, retry_after_s: 0 })
    }
}

/// Whatever came of the stages from one on that nothing else follows, the next contact is tried.
fn lead_on(from: u8, to: u8, way: &mut Way) {
    let stages = way.stages.iter_mut().take(usize::from(to)).skip(usize::from(from));
    for stage in stages {
        let Next { failed, busy, no_answer, unreachable } = stage.next;
        let or_on = |next: Option<u8>| next.or(Some(to));
        stage.next = Next {
            failed: or_on(failed),
            busy: or_on(busy),
            no_answer: or_on(no_answer),
            unreachable: or_on(unreachable),
        };
    }
}
