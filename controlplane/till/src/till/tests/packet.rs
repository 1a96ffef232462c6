//! Packets of money: what pays before the balance, and what is held of which.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PACKET: AllowanceId = AllowanceId(8);

impl Desk {
    /// A packet of account 1 with so many cents.
    fn pack(&mut self, cents: i64) -> String {
        let (granted, used) = (Amount(cents * EURO / 100), Amount(0));
        let packet = crate::Packet { packet: PACKET, key: key(1), granted, used };
        self.tell(Event::Packet(packet))
    }

    fn admit_packed(&mut self, hold: u64, accounts: &[i64]) -> String {
        self.tell(Event::Admit(Admit { packet: Some(PACKET), ..ask(hold, accounts) }))
    }

    fn settle_packed(&mut self, hold: u64, charge: i64) -> String {
        let packet = Some(PacketUse { packet: PACKET, charge: Amount(charge) });
        self.tell(Event::Settle(Settle { packet, ..end(hold, charge) }))
    }

    /// Used and held of the packet.
    fn packet(&self) -> (i64, i64) {
        let packet = self.till.packet(PACKET).unwrap();
        (packet.used.0, packet.held.0)
    }
}

#[test]
fn a_packet_goes_before_the_balance_and_is_shared_without_being_parted() {
    // Nothing on the account, ten minutes in the packet.
    let mut desk = Desk::open(0);
    assert_eq!(desk.pack(100), "");
    assert_eq!(desk.admit(9, &[1]), "refused 9: no credit of 1");
    assert_eq!(desk.admit_packed(1, &[1]), "admitted 1 75000 ms");
    assert_eq!((desk.packet(), desk.purse(1)), ((0, 12_500_000), (0, 0, 0)));
    assert_eq!(desk.admit_packed(2, &[1]), "admitted 2 65000 ms");
    assert_eq!(desk.settle_packed(1, 12_500_000), "");
    // The balance paid, and was given back.
    assert_eq!((desk.packet(), desk.purse(1)), ((12_500_000, 10_833_334), (0, 0, 0)));
    // Told again, it changes nothing.
    assert_eq!(desk.settle_packed(1, 12_500_000), "");
    assert_eq!(desk.packet(), (12_500_000, 10_833_334));
    // A restart of the control plane finds it held again.
    let adopt = Adopt {
        hold: HoldId(5),
        levels: ask(5, &[1]).levels,
        free: None,
        free_ms: 0,
        packet: Some(PACKET),
        limits: Vec::new(),
        granted_ms: 60_000,
        last: false,
        ms_max: 0,
        started: true,
        at_us: 0,
    };
    assert_eq!(desk.tell(Event::Adopt(adopt)), "");
    assert_eq!((desk.packet().1, desk.purse(1).2), (20_833_334, 0));
    assert_eq!(desk.tell(Event::Void(HoldId(5))), "");
    assert_eq!(desk.tell(Event::Void(HoldId(2))), "");
    assert_eq!((desk.packet(), desk.purse(1)), ((12_500_000, 0), (0, 0, 0)));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn what_goes_beyond_the_packet_is_held_of_the_balance() {
    let mut desk = Desk::open(1);
    assert_eq!(desk.pack(10), "");
    // A tenth of a euro and a euro: an eighth of eleven minutes.
    assert_eq!(desk.admit_packed(1, &[1]), "admitted 1 82000 ms");
    let (_, held) = desk.packet();
    assert_eq!((held, desk.purse(1).2), (dime().cost_up(82_000).0, held - 10_000_000));
    // Another call of the packet: all that it can cost is the balance's.
    assert_eq!(desk.admit_packed(2, &[1]), "admitted 2 72000 ms");
    let both = desk.packet().1;
    assert_eq!(desk.purse(1).2, both - 10_000_000);
    // Whoever ends first is paid by it.
    assert_eq!(desk.settle_packed(2, 4_000_000), "");
    assert_eq!((desk.packet(), desk.purse(1)), ((4_000_000, held), (EURO, 0, held - 6_000_000)));
    assert_eq!(desk.settle_packed(1, 9_000_000), "");
    assert_eq!((desk.packet(), desk.purse(1)), ((10_000_000, 0), (EURO, -3_000_000, 0)));
    // The books say what both were, and the sum stays.
    let line = |charge| Line { key: key(1), charge: Amount(charge) };
    let lines = [4_000_000, 9_000_000, -4_000_000, -6_000_000].map(line).into();
    assert_eq!(desk.tell(Event::Committed(Commit { batch: 1, lines })), "");
    assert_eq!(desk.purse(1), (EURO - 3_000_000, 0, 0));
    // Used up, it is no reason to be lengthened, and another size is.
    assert_eq!(desk.admit_packed(3, &[1]), "admitted 3 72000 ms");
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn a_packet_of_another_account_or_none_pays_nothing() {
    let mut desk = Desk::open(0);
    assert_eq!(desk.admit_packed(1, &[1]), "refused 1: no credit of 1");
    assert_eq!(desk.pack(100), "");
    desk.load(3, 0, Some(0));
    assert_eq!(desk.admit_packed(2, &[3]), "refused 2: no credit of 3");
    // Who pays beside needs money of his own.
    assert_eq!(desk.admit_packed(3, &[1, 3]), "refused 3: no credit of 3");
    assert_eq!(desk.admit_packed(4, &[1]), "admitted 4 75000 ms");
    assert_eq!(desk.tell(Event::Disallow(PACKET)), "");
    assert_eq!(desk.packet(), (0, 12_500_000), "a call holds some of it still");
    assert_eq!(desk.tell(Event::Void(HoldId(4))), "");
    assert_eq!(desk.tell(Event::Disallow(PACKET)), "");
    assert_eq!(desk.till.packet(PACKET), None);
}

#[derive(Clone, Debug)]
enum Step {
    Admit {
        packed: bool,
        price: usize,
    },
    Extend(u64),
    /// Ends after so many thousandths of what was granted.
    End(u64, u64),
    Void(u64),
    Pay(i64),
    Take(i64),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 0..3_usize).prop_map(|(packed, price)| Step::Admit { packed, price }),
        6 => (0..8_u64).prop_map(Step::Extend),
        5 => (0..8_u64, 0..=1_000_u64).prop_map(|(n, part)| Step::End(n, part)),
        1 => (0..8_u64).prop_map(Step::Void),
        1 => (1..60_000_000_i64).prop_map(Step::Pay),
        1 => (1..60_000_000_i64).prop_map(Step::Take),
    ]
}

fn bound(price: usize) -> CostBound {
    let (price, step_ms, fee) =
        [(100_000_000, 1_000, 0), (900_000_000, 60_000, 5_000), (250_000_000, 7_000, 0)][price];
    priced(price, step_ms, fee)
}

/// A purse of two pockets, as a person would keep it.
struct Purse {
    desk: Desk,
    balance: i64,
    packet: i64,
    /// Running calls: packed, price, talk granted.
    calls: BTreeMap<u64, (bool, usize, u64)>,
    next: u64,
}

impl Purse {
    fn drain(&mut self) {
        while let Some(output) = self.desk.till.poll_output() {
            match output {
                Output::Admitted(granted)
                | Output::Extended(granted)
                | Output::Lengthened(granted) => {
                    self.calls.get_mut(&granted.hold.0).expect("a call").2 = granted.ms;
                }
                Output::Refused { hold, .. } => {
                    self.calls.remove(&hold.0);
                }
                Output::Adjusted { .. } | Output::AdjustRefused { .. } => {}
                Output::Unknown(_) | Output::Expired(_) | Output::Alarm(_) => {
                    panic!("{output:?}")
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        self.next += 1;
        let (id, now) = (self.next, self.desk.now);
        let ids: Vec<u64> = self.calls.keys().copied().collect();
        let nth = |n: u64| ids.get(usize::try_from(n).unwrap_or_default()).copied();
        match step {
            Step::Admit { packed, price } => {
                let levels = vec![Payer { key: key(1), bound: bound(price) }];
                let packet = packed.then_some(PACKET);
                self.calls.insert(id, (packed, price, 0));
                let admit = Admit { levels, packet, ..ask(id, &[]) };
                self.desk.till.handle(Event::Admit(admit), now);
            }
            Step::Extend(n) => {
                let Some(id) = nth(n) else { return };
                let granted_ms = self.calls[&id].2;
                let event = Event::Extend { hold: HoldId(id), granted_ms, free_ms: 0 };
                self.desk.till.handle(event, now);
            }
            Step::End(n, part) => {
                let Some(id) = nth(n) else { return };
                let (packed, price, ms) = self.calls.remove(&id).expect("a call");
                let charge = bound(price).cost_up(ms * part / 1_000);
                let pays = if packed { charge.0.min(self.packet) } else { 0 };
                self.packet -= pays;
                self.balance -= charge.0 - pays;
                let packet = packed.then_some(PacketUse { packet: PACKET, charge });
                let settle = Settle { packet, ..end(id, charge.0) };
                self.desk.till.handle(Event::Settle(settle), now);
            }
            Step::Void(n) => {
                let Some(id) = nth(n) else { return };
                self.calls.remove(&id);
                self.desk.till.handle(Event::Void(HoldId(id)), now);
            }
            Step::Pay(amount) => {
                self.balance += amount;
                self.adjust(id, amount, Stage::Durable);
            }
            Step::Take(amount) => {
                self.adjust(id, -amount, Stage::Asked);
                let said = self.desk.till.poll_output();
                if matches!(said, Some(Output::Adjusted { .. })) {
                    self.balance -= amount;
                    self.adjust(id, -amount, Stage::Durable);
                }
            }
        }
        self.drain();
    }

    fn adjust(&mut self, id: u64, amount: i64, stage: Stage) {
        let adjust = Adjust { id, key: key(1), amount: Amount(amount), stage };
        self.desk.till.handle(Event::Adjust(adjust), self.desk.now);
    }

    fn check(&self) {
        assert!(self.balance >= 0, "the balance passed its floor: {}", self.balance);
        let balance = self.desk.till.balance(key(1)).unwrap();
        assert_eq!(balance.total().0, self.balance);
        let granted = self.desk.till.packet(PACKET).unwrap();
        assert_eq!(granted.granted.0 - granted.used.0, self.packet);
        // What calls can cost, whoever pays, is there.
        let cost = |packed| {
            let calls = self.calls.values().filter(move |call| call.0 == packed);
            calls.map(|(_, price, ms)| bound(*price).cost_up(*ms).0).sum::<i64>()
        };
        let beyond = (cost(true) - self.packet).max(0);
        assert_eq!(balance.held.0, cost(false) + beyond);
        assert!(balance.held.0 <= self.balance, "{balance:?}");
        assert_eq!(self.desk.till.drift(), 0);
    }
}

proptest! {
    #[test]
    fn no_order_of_calls_passes_what_packet_and_balance_have(
        steps in proptest::collection::vec(steps(), 1..100),
        cents in 0..300_i64,
    ) {
        let mut desk = Desk::open(1);
        desk.pack(cents);
        let (balance, packet) = (EURO, cents * EURO / 100);
        let mut purse = Purse { desk, balance, packet, calls: BTreeMap::new(), next: 100 };
        for step in steps {
            purse.step(step);
            purse.check();
        }
    }
}
