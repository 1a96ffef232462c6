//! A fleet behind its lock: its calls, and one look at sockets and clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Instant;

use super::desk::{Desk, Key, Late, Owner, follower};
use super::leg::{Cancel, Leg};
use super::sound::Sound;
use super::{CallView, Change, Config, Dial, End, LegView, Order, Phase, Seat, Side, SoundView};
use crate::limits::FLEET_LEGS_MAX;
use crate::message::Message;
use crate::random::Random;
use crate::sdp::Direction;

pub(super) struct Core {
    pub(super) config: Config,
    pub(super) random: Random,
    pub(super) legs: Vec<Leg>,
    /// Legs by side, Call-ID and own tag.
    pub(super) dialogs: BTreeMap<(Side, String, String), usize>,
    near: Desk,
    far: Desk,
    calls: Vec<Call>,
    /// Told to begin and not begun, by time and number.
    waiting: BTreeSet<(Instant, u32)>,
    run: u32,
    begun: Instant,
}

struct Call {
    order: Order,
    near: Option<usize>,
    far: Option<usize>,
}

impl Core {
    pub(super) fn new(config: Config) -> io::Result<Self> {
        let mut random = Random::fresh();
        let mut open =
            |seat: &Seat| Desk::open(seat.clone(), config.server, config.t1, &mut random);
        let (near, far) = (open(&config.near)?, open(&config.far)?);
        let run = u32::try_from(random.bits() >> 32).unwrap_or(0);
        Ok(Self {
            random,
            legs: Vec::new(),
            dialogs: BTreeMap::new(),
            near,
            far,
            calls: Vec::new(),
            waiting: BTreeSet::new(),
            run,
            begun: Instant::now(),
            config,
        })
    }

    pub(super) fn desk(&mut self, side: Side) -> &mut Desk {
        match side {
            Side::Near => &mut self.near,
            Side::Far => &mut self.far,
        }
    }

    /// Reads what came, sends what is due.
    pub(super) fn look(&mut self, now: Instant) {
        for side in Side::BOTH {
            for (message, source) in self.desk(side).read() {
                match message.code() {
                    Some(_) => self.handle_response(side, &message),
                    None => self.handle_request(side, &message, source),
                }
            }
            for late in self.desk(side).look(now) {
                self.handle_late(side, late);
            }
        }
        while let Some(&(at, number)) = self.waiting.first()
            && at <= now
        {
            self.waiting.remove(&(at, number));
            self.begin(number);
        }
        self.listen();
        self.follow_orders(now);
    }

    pub(super) fn order(&mut self, order: Order, at: Instant) -> u32 {
        let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.calls.push(Call { order, near: None, far: None });
        self.waiting.insert((at, number));
        number
    }

    /// The order of a leg's call; of a call that is not known yet, to talk.
    pub(super) fn order_of(&self, leg: usize) -> Order {
        let number = self.legs.get(leg).and_then(|leg| leg.call);
        self.call(number).map_or(Order::TALK, |call| call.order)
    }

    fn call(&self, number: Option<u32>) -> Option<&Call> {
        self.calls.get(usize::try_from(number?).ok()?)
    }

    fn leg_of(&self, number: u32, side: Side) -> Option<usize> {
        let call = self.call(Some(number))?;
        match side {
            Side::Near => call.near,
            Side::Far => call.far,
        }
    }

    /// The far leg of a call is known: by the number that was dialled, or by its audio.
    pub(super) fn join(&mut self, number: u32, leg: usize) {
        let call = usize::try_from(number).ok().and_then(|at| self.calls.get_mut(at));
        let (Some(call), Some(far)) = (call, self.legs.get_mut(leg)) else { return };
        call.far = Some(leg);
        far.call = Some(number);
        far.sound.set_call(number);
    }

    /// The number of the call that a Request-URI's user names.
    pub(super) fn number_in(&self, user: &str) -> Option<u32> {
        match &self.config.dial {
            Dial::Numbered(prefix) => user.strip_prefix(prefix.as_str())?.parse().ok(),
            Dial::Fixed(_) => None,
        }
    }

    fn dialled(&self, number: u32) -> String {
        match &self.config.dial {
            Dial::Numbered(prefix) => format!("{prefix}{number:06}"),
            Dial::Fixed(user) => user.clone(),
        }
    }

    pub(super) fn open_leg(
        &mut self,
        side: Side,
        call: Option<u32>,
        call_id: String,
    ) -> Option<usize> {
        if self.legs.len() >= FLEET_LEGS_MAX {
            return None;
        }
        let ip = self.desk(side).local.ip();
        let whose = (self.run, side, call);
        let pace = self.config.packets_per_s;
        let sound = Sound::open(ip, whose, pace, &mut self.random).ok()?;
        self.legs.push(Leg::new(side, call, call_id, sound));
        Some(self.legs.len() - 1)
    }

    fn begin(&mut self, number: u32) {
        let (call_id, tag) = (self.random.token(), self.random.token());
        let Some(id) = self.open_leg(Side::Near, Some(number), call_id.clone()) else { return };
        let uri = format!("sip:{}@{}", self.dialled(number), self.config.server);
        let own = format!("<sip:{}@{}>;tag={tag}", self.config.near.user, self.config.server);
        let contact = self.near.contact();
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.local_tag.clone_from(&tag);
        leg.local_line = own;
        leg.remote_line = format!("<{uri}>");
        leg.target = uri;
        leg.times.asked = Some(Instant::now());
        let text = leg.describe(Direction::SendRecv);
        let mut invite = leg.request("INVITE", Some(1));
        invite.push("Contact", &contact);
        invite.set_body("application/sdp", text.as_bytes());
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(call) = self.calls.get_mut(at) {
            call.near = Some(id);
        }
        self.dialogs.insert((Side::Near, call_id, tag), id);
        self.near.authorize(&mut invite, &mut self.random);
        self.send(Owner::Invite(id), Side::Near, invite, 0);
    }

    /// Sends a request in a new transaction.
    pub(super) fn send(&mut self, owner: Owner, side: Side, request: Message, tries: u8) {
        let branch = format!("z9hG4bK{}", self.random.token());
        if let Owner::Invite(id) | Owner::Reinvite(id) | Owner::Bye(id) = owner
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.note(format!("> {}", request.summary()));
            if matches!(owner, Owner::Invite(_)) {
                leg.branch.clone_from(&branch);
                let names = ["Authorization", "Proxy-Authorization"];
                let kept =
                    request.headers.iter().filter(|(name, _)| names.contains(&name.as_str()));
                leg.credentials = kept.cloned().collect();
            }
        }
        self.desk(side).send(owner, request, branch, tries);
    }

    pub(super) fn register(&mut self, side: Side, expires_s: u32) {
        let server = self.config.server;
        let tag = self.random.token();
        let desk = self.desk(side);
        desk.registered = None;
        desk.register.1 += 1;
        let own = format!("<sip:{}@{server}>", desk.seat.user);
        let mut request = Message::request("REGISTER", &format!("sip:{server}"));
        request.push("Max-Forwards", "70");
        request.push("From", &format!("{own};tag={tag}"));
        request.push("To", &own);
        request.push("Call-ID", &desk.register.0);
        request.push("CSeq", &format!("{} REGISTER", desk.register.1));
        request.push("Contact", &desk.contact());
        request.push("Expires", &expires_s.to_string());
        self.send(Owner::Register, side, request, 0);
    }

    pub(super) fn answer(&mut self, number: u32) {
        if let Some(id) = self.leg_of(number, Side::Far) {
            self.answer_leg(id);
        }
    }

    pub(super) fn hang_up(&mut self, number: u32, side: Side) {
        let Some(id) = self.leg_of(number, side) else { return };
        let Some(leg) = self.legs.get_mut(id) else { return };
        match (leg.phase, side) {
            (Phase::Talking | Phase::Answered, _) => self.part(id),
            (Phase::Calling | Phase::Ringing, Side::Near) if leg.cancel == Cancel::No => {
                leg.cancel = Cancel::Wanted;
                if leg.phase == Phase::Ringing {
                    self.cancel(id);
                }
            }
            (Phase::Calling | Phase::Ringing, Side::Far) => self.refuse(id, 480),
            (Phase::Calling | Phase::Ringing, Side::Near)
            | (Phase::Waiting | Phase::Ending | Phase::Ended, _) => {}
        }
    }

    /// Sends CANCEL for the pending INVITE: same branch, no credentials (RFC 3261 9.1).
    pub(super) fn cancel(&mut self, id: usize) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        let key: Key = (leg.branch.clone(), "INVITE".to_owned());
        let Some(tx) = self.near.clients.get(&key) else { return };
        leg.cancel = Cancel::Sent;
        let cancel = follower(&tx.request, "CANCEL", tx.request.header("To").unwrap_or_default());
        leg.note(format!("> {}", cancel.summary()));
        self.near.hasten(&key.0);
        self.near.send(Owner::Cancel, cancel, key.0, 0);
    }

    /// Sends BYE.
    pub(super) fn part(&mut self, id: usize) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.phase = Phase::Ending;
        leg.times.parted = Some(Instant::now());
        leg.sound.end();
        let (side, bye) = (leg.side, leg.request("BYE", None));
        self.send(Owner::Bye(id), side, bye, 0);
    }

    pub(super) fn change(&mut self, number: u32, side: Side, wish: Direction) {
        let Some(id) = self.leg_of(number, side) else { return };
        let contact = self.desk(side).contact();
        let Some(leg) = self.legs.get_mut(id) else { return };
        if leg.phase != Phase::Talking {
            return;
        }
        leg.change = Change::Pending(wish);
        let text = leg.describe(wish);
        let mut invite = leg.request("INVITE", None);
        invite.push("Contact", &contact);
        invite.set_body("application/sdp", text.as_bytes());
        self.send(Owner::Reinvite(id), side, invite, 0);
    }

    pub(super) fn forget_gaps(&mut self) {
        self.legs.iter_mut().for_each(|leg| leg.sound.forget_gap());
    }

    /// Ends everything without waiting.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
        for number in 0..u32::try_from(self.calls.len()).unwrap_or(0) {
            let far = self.leg_of(number, Side::Far).and_then(|id| self.legs.get(id));
            let rings = far.is_some_and(|leg| leg.phase <= Phase::Ringing);
            self.hang_up(number, if rings { Side::Far } else { Side::Near });
        }
    }

    pub(super) fn views(&self, now: Instant) -> Vec<CallView> {
        let numbers = 0..u32::try_from(self.calls.len()).unwrap_or(0);
        numbers.filter_map(|number| self.view(number, now)).collect()
    }

    pub(super) fn view(&self, number: u32, now: Instant) -> Option<CallView> {
        let call = self.call(Some(number))?;
        let view = |id: Option<usize>| self.legs.get(id?).map(|leg| leg.view(now));
        let near = view(call.near).unwrap_or(LegView {
            phase: Phase::Waiting,
            end: None,
            reason: None,
            asked: None,
            answered: None,
            parted: None,
            ended: None,
            hears: None,
            change: Change::None,
            changed: 0,
            sound: SoundView::default(),
        });
        Some(CallView { number, dialled: self.dialled(number), near, far: view(call.far) })
    }

    pub(super) fn log(&self, number: u32) -> String {
        let legs = Side::BOTH.into_iter().filter_map(|side| self.leg_of(number, side));
        legs.filter_map(|id| self.legs.get(id)).map(|leg| leg.log(self.begun)).collect()
    }

    /// Audio both ways, for all legs.
    fn listen(&mut self) {
        let mut named = Vec::new();
        for (id, leg) in self.legs.iter_mut().enumerate() {
            let now = Instant::now();
            leg.sound.send(now);
            named.extend(leg.sound.receive(now).map(|number| (number, id)));
        }
        for (number, id) in named {
            self.join(number, id);
        }
    }

    fn follow_orders(&mut self, now: Instant) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let due: Vec<usize> = (0..self.legs.len())
            .filter(|id| {
                self.legs.get(*id).is_some_and(|leg| {
                    leg.side == Side::Far && leg.phase == Phase::Ringing && passed(leg.answer_at)
                })
            })
            .collect();
        due.into_iter().for_each(|id| self.answer_leg(id));
        let over: Vec<usize> = (0..self.legs.len())
            .filter(|id| {
                let order = self.order_of(*id);
                self.legs.get(*id).is_some_and(|leg| {
                    let until = leg.times.answered.zip(order.talk).map(|(at, talk)| at + talk);
                    let ends = leg.side == order.ender && leg.call.is_some();
                    ends && leg.phase == Phase::Talking && passed(until)
                })
            })
            .collect();
        over.into_iter().for_each(|id| self.part(id));
    }

    fn handle_late(&mut self, side: Side, late: Late) {
        match late {
            Late::Unanswered(Owner::Invite(id) | Owner::Bye(id)) => {
                self.fall_silent(id, End::Silent)
            }
            Late::Unanswered(Owner::Reinvite(id)) => {
                self.part(id);
                self.fall_silent(id, End::Silent);
            }
            Late::Unanswered(Owner::Register) => self.desk(side).registered = Some(408),
            Late::Unanswered(Owner::Cancel) => {}
            Late::Unacknowledged(id) => {
                // RFC 3261 13.3.1.4: the dialog is confirmed, but the session should be ended.
                self.part(id);
                self.fall_silent(id, End::NoAck);
            }
        }
    }

    fn fall_silent(&mut self, id: usize, end: End) {
        if let Some(leg) = self.legs.get_mut(id) {
            leg.end_without(end);
        }
    }
}
