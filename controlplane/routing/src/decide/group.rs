//! Ring groups: members together or one after the other, outside members at the group's cost.
//!
//! A member's own forwards are not followed: the group has its own overflow, and a member's mailbox
//! must not answer for the group. One member who declines does not speak for the others.

use super::Attempt;
use super::forward::Onward;
use super::sender::Sender;
use super::way::{Place, Way};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_link::{ANY_STATUS, BRANCHES_MAX, Branch, DivertReason, Next};
use strowger_model::{RingGroup, RingMember, RingMode, RingParty};

impl<'a> Attempt<'a> {
    /// The first stage of a group.
    pub(super) fn ring_group(
        &mut self,
        sender: &Sender<'a>,
        group: &'a RingGroup,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let first = way.end();
        let members = match group.mode {
            RingMode::Parallel => self.ring_together(sender, group, place, way),
            RingMode::InTurn => self.ring_in_turn(sender, group, 0, place, way),
            RingMode::Rotating => {
                let count = u64::try_from(group.members.len()).unwrap_or(1).max(1);
                let from = self.locations.turn(group.id) % count;
                self.turn = Some(group.id);
                self.ring_in_turn(sender, group, usize::try_from(from).unwrap_or(0), place, way)
            }
        };
        let members = i64::try_from(members).unwrap_or_default();
        self.note(Step::GroupRings { group: group.id.0, members });
        let behind = way.end();
        let overflow = group.overflow.as_ref().and_then(|to| {
            self.note(Step::GroupOverflow { group: group.id.0 });
            let who = Onward::of_group(group, DivertReason::NoAnswer);
            self.send_on(sender, &who, to, place, way)
        });
        for stage in way.stages.get_mut(usize::from(first)..usize::from(behind)).unwrap_or_default()
        {
            let to_overflow = |to: Option<u8>| match to {
                Some(to) if to == behind => overflow,
                other => other,
            };
            let Next { failed, busy, no_answer, unreachable } = stage.next;
            stage.next = Next {
                failed: to_overflow(failed),
                busy: to_overflow(busy),
                no_answer: to_overflow(no_answer),
                unreachable: to_overflow(unreachable),
            };
        }
        match (first < behind, overflow) {
            (true, _) => Ok(first),
            (false, Some(overflow)) => Ok(overflow),
            (false, None) => Err(Refusal::Offline),
        }
    }

    /// One stage of all members; of a member outside its best way. How many ring.
    fn ring_together(
        &mut self,
        sender: &Sender<'a>,
        group: &'a RingGroup,
        place: &Place,
        way: &mut Way,
    ) -> usize {
        let mut branches: Vec<Branch> = Vec::new();
        let mut members = 0;
        for member in &group.members {
            let mut own = match member.party {
                RingParty::Subscriber(_) => {
                    let ring_s = self.ring_s(group, member);
                    self.member_inside(sender, member, (place, &*way), ring_s)
                }
                RingParty::Number(_) => self.member_outside(sender, group, member, place, way),
            };
            own.truncate(BRANCHES_MAX.saturating_sub(branches.len()));
            members += usize::from(!own.is_empty());
            branches.append(&mut own);
        }
        if branches.is_empty() {
            return 0;
        }
        branches.iter_mut().for_each(speak_for_itself);
        match way.push(branches) {
            Some(stage) => {
                way.lead(stage, Next::always(way.end()));
                members
            }
            None => 0,
        }
    }

    /// The best branch to a number outside; its stages are taken out of the way again, its price
    /// stays.
    fn member_outside(
        &mut self,
        sender: &Sender<'a>,
        group: &'a RingGroup,
        member: &RingMember,
        place: &Place,
        way: &mut Way,
    ) -> Vec<Branch> {
        let RingParty::Number(number) = member.party else { return Vec::new() };
        self.note(Step::GroupOutside { group: group.id.0 });
        let who = Onward::of_group(group, DivertReason::FollowMe);
        let before = way.stages.len();
        let Some(first) = self.send_on(sender, &who, number.as_str(), place, way) else {
            return Vec::new();
        };
        let stages = way.stages.split_off(before);
        let best = stages.into_iter().nth(usize::from(first).saturating_sub(before));
        let mut branches = best.map(|stage| stage.branches).unwrap_or_default();
        ring_for(&mut branches, self.ring_s(group, member));
        branches
    }

    /// How long a member rings, seconds; 0 = as when it is called itself.
    fn ring_s(&self, group: &RingGroup, member: &RingMember) -> u32 {
        let set = self.world.account_settings(group.account).ring_group.member_ms;
        if member.ring_s > 0 { member.ring_s } else { set.unwrap_or_default() / 1_000 }
    }

    fn member_inside(
        &mut self,
        sender: &Sender<'a>,
        member: &RingMember,
        (place, way): (&Place, &Way),
        ring_s: u32,
    ) -> Vec<Branch> {
        let RingParty::Subscriber(id) = member.party else { return Vec::new() };
        let Some(row) = self.world.subscriber(id).filter(|row| row.enabled) else {
            self.note(Step::SubscriberDisabled { subscriber: id.0 });
            return Vec::new();
        };
        // Who calls the group and belongs to it is not rung.
        if place.chain.contains(&id.into()) {
            self.note(Step::ForwardLoop { subscriber: id.0 });
            return Vec::new();
        }
        // Who does not take the call is not rung; the others are.
        if self.check_callee(sender, row, place, way).is_err() {
            return Vec::new();
        }
        let branches = self.contact_branches(sender, row, place, ring_s);
        if branches.is_empty() {
            self.note(self.why_no_contact(row));
        }
        branches
    }

    /// A stage for each member from `from` on, each leading to the next however it ends. How many
    /// ring.
    fn ring_in_turn(
        &mut self,
        sender: &Sender<'a>,
        group: &'a RingGroup,
        from: usize,
        place: &Place,
        way: &mut Way,
    ) -> usize {
        let (before, after) = group.members.split_at(from.min(group.members.len()));
        let mut members = 0;
        for member in after.iter().chain(before) {
            let first = way.end();
            match member.party {
                RingParty::Subscriber(_) => {
                    let ring_s = self.ring_s(group, member);
                    let branches = self.member_inside(sender, member, (place, &*way), ring_s);
                    if branches.is_empty() || way.push(branches).is_none() {
                        continue;
                    }
                }
                RingParty::Number(number) => {
                    self.note(Step::GroupOutside { group: group.id.0 });
                    let who = Onward::of_group(group, DivertReason::FollowMe);
                    if self.send_on(sender, &who, number.as_str(), place, way).is_none() {
                        continue;
                    }
                }
            }
            members += 1;
            self.lead_to_next_member(way, first, self.ring_s(group, member));
        }
        members
    }

    /// The stages of a member, the last of which leads to the next member's.
    fn lead_to_next_member(&self, way: &mut Way, first: u8, ring_s: u32) {
        let end = way.end();
        let own = way.stages.get_mut(usize::from(first)..).unwrap_or_default();
        for stage in own {
            ring_for(&mut stage.branches, ring_s);
            stage.branches.iter_mut().for_each(speak_for_itself);
            let next = stage.next;
            stage.next = Next {
                failed: next.failed.or(Some(end)),
                busy: next.busy.or(Some(end)),
                no_answer: next.no_answer.or(Some(end)),
                // The next address of the same member goes first.
                unreachable: next.unreachable.or(next.failed).or(Some(end)),
            };
        }
    }
}

/// Whatever it says, the others ring.
fn speak_for_itself(branch: &mut Branch) {
    branch.continue_on = vec![ANY_STATUS];
    branch.stop_on = Vec::new();
}

fn ring_for(branches: &mut [Branch], ring_s: u32) {
    if ring_s > 0 {
        branches.iter_mut().for_each(|branch| branch.ring_ms = ring_s.saturating_mul(1_000));
    }
}
