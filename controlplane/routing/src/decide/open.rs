//! What is open to a call: routes at its time, lines of a trunk that are kept for some, and a trunk
//! that is tried by hand.

use super::called::Called;
use super::order::Placed;
use super::plan::Plan;
use super::sender::Sender;
use super::way::{Place, Way};
use super::{Attempt, Stop};
use crate::standing::View;
use crate::trace::Step;
use strowger_model::{Digits, Egress, Route, Tenant, TimeClass, Trunk, TrunkId};

impl<'a> Attempt<'a> {
    /// Whether a route is for calls now (spec ROUTE-PAT-01, ROUTE-TIME-01), by the tenant's clock.
    pub(super) fn is_open(&mut self, route: &Route, tenant: &Tenant, number: &Digits) -> bool {
        let Route { times, except_times, .. } = route;
        if times.is_empty() && except_times.is_empty() {
            return true;
        }
        let clock = self.world.clock(tenant, number);
        let now = clock.place(self.wall_us);
        let counts = |class: &TimeClass| class.counts(&now);
        let is_open =
            (times.is_empty() || times.iter().any(counts)) && !except_times.iter().any(counts);
        if !is_open {
            let (weekday, minute) = clock.weekday_and_minute(self.wall_us);
            let (day, minute) = (i64::from(weekday) + 1, i64::from(minute));
            self.note(Step::RouteClosed { route: route.id.0, day, minute });
        }
        is_open
    }

    /// How many lines of a trunk a call may take, 0 = all that there are; `None` when all are kept
    /// for others (spec CHRES-01). The gauge counts the lines of all calls, so those for whom none
    /// are kept find fewer, and never take one that is.
    pub(super) fn lines(&mut self, trunk: &Trunk, egress: &Egress, reserved: bool) -> Option<u32> {
        if egress.calls_reserved == 0 || reserved {
            return Some(egress.calls_max);
        }
        self.note(Step::HopReserved { trunk: trunk.id.0, lines: egress.calls_reserved.into() });
        let rest = egress.calls_max.checked_sub(egress.calls_reserved);
        rest.filter(|lines| *lines > 0)
    }

    /// Says whose turn it is.
    pub(super) fn note_turns(&mut self, sorted: &[Placed], view: &View<'_>) {
        let mut last = None;
        for placed in sorted {
            let Some(turn) = placed.turn.as_ref().filter(|turn| last != Some(*turn)) else {
                continue;
            };
            last = Some(turn);
            let Some(due) = view.due(turn) else { continue };
            let Some(trunk) = due.order.first() else { continue };
            let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.note(Step::ShareTurn {
                trunk: trunk.0,
                weight: due.weight.into(),
                total: count(due.total),
                taken: count(due.taken),
                calls: count(due.calls),
            });
        }
    }

    /// The trunk that a number is tried with by hand (spec C-RTE-02), and the number without the
    /// prefix that says so.
    pub(super) fn tested(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
    ) -> Option<(TrunkId, Called)> {
        if !sender.settings.route.test_calls {
            return None;
        }
        let world = self.world;
        let (trunk, rest) = world.test_trunk(sender.tenant.id, &called.text)?;
        self.note(Step::TestCall { trunk: trunk.0 });
        let called = self.called_of(sender.tenant, rest.to_owned());
        self.note_called(sender, &called);
        Some((trunk, called))
    }

    /// A call to try a trunk: to it and no other.
    pub(super) fn try_trunk(
        &mut self,
        sender: &Sender<'a>,
        trunk: TrunkId,
        called: &Called,
    ) -> Result<Plan, Stop> {
        self.is_test = true;
        self.check_barring(sender, called, false)?;
        let diverted = self.diverted_before(sender);
        let place = Place::caller(sender.holder().into_iter().collect(), diverted);
        let mut way = Way::outside();
        self.route_by(sender, called, trunk, &place, &mut way)?;
        self.note_hidden(sender);
        self.send_elsewhere(sender, &way)?;
        let costs = self.price(sender, called, &way)?;
        self.plan(sender, called, way, Some(costs))
    }
}
