//! What the tests of the four machines share: tables of state x event, lists of ticks, and laws
//! under random events.

use std::fmt::Debug;

use strowger_link::{MS, Tick};

use super::*;

/// The handle of a message in tests: its name.
pub(super) type Name = &'static str;

pub(super) const NOW: Tick = Tick(7_000 * MS);

/// What the harness needs of a machine.
pub(super) trait Machine: Clone + Debug {
    fn state_name(&self) -> &'static str;
    fn handle_timeout(&mut self, now: Tick);
    fn poll_timeout(&self) -> Option<Tick>;
    fn is_terminated(&self) -> bool;
    /// The next output in words.
    fn poll_text(&mut self) -> Option<String>;
}

macro_rules! machine {
    ($machine:ty, $output:ident) => {
        impl Machine for $machine {
            fn state_name(&self) -> &'static str {
                name_of(&self.state)
            }
            fn handle_timeout(&mut self, now: Tick) {
                <$machine>::handle_timeout(self, now);
            }
            fn poll_timeout(&self) -> Option<Tick> {
                <$machine>::poll_timeout(self)
            }
            fn is_terminated(&self) -> bool {
                <$machine>::is_terminated(self)
            }
            fn poll_text(&mut self) -> Option<String> {
                self.poll_output().map(tests::$output)
            }
        }
    };
}
pub(super) use machine;

pub(super) fn client_text(output: ClientOutput<Name>) -> String {
    match output {
        ClientOutput::Send(name) => format!("send {name}"),
        ClientOutput::Ack(name) => format!("ack {name}"),
        ClientOutput::Deliver => "deliver".into(),
        ClientOutput::TimedOut => "timed-out".into(),
        ClientOutput::TransportFailed => "transport-failed".into(),
        ClientOutput::Terminated => "terminated".into(),
    }
}

pub(super) fn server_text(output: ServerOutput<Name>) -> String {
    match output {
        ServerOutput::Send(name) => format!("send {name}"),
        ServerOutput::Trying => "trying".into(),
        ServerOutput::Deliver => "deliver".into(),
        ServerOutput::TimedOut => "timed-out".into(),
        ServerOutput::TransportFailed => "transport-failed".into(),
        ServerOutput::Terminated => "terminated".into(),
    }
}

/// All outputs of one event.
pub(super) fn drain(machine: &mut impl Machine) -> Vec<String> {
    std::iter::from_fn(|| machine.poll_text()).collect()
}

/// The machine after these events, its outputs thrown away.
pub(super) fn after<T: Machine>(mut machine: T, events: &[fn(&mut T)]) -> T {
    drain(&mut machine);
    for event in events {
        event(&mut machine);
        drain(&mut machine);
    }
    machine
}

/// An event at [`NOW`] and its name in the table.
pub(super) type Event<T> = (&'static str, fn(&mut T));

/// One line for each state and event: state, event, outputs, next state.
pub(super) fn table<T: Machine>(states: &[T], events: &[Event<T>]) -> String {
    let mut text = String::from("\n");
    for state in states {
        for (name, event) in events {
            let mut machine = state.clone();
            event(&mut machine);
            let outputs = match drain(&mut machine) {
                outputs if outputs.is_empty() => "-".into(),
                outputs => outputs.join(", "),
            };
            let (from, to) = (state.state_name(), machine.state_name());
            let to = if from == to { "" } else { to };
            let line = format!("{from:<10} | {name:<9} | {outputs:<32} | {to}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The timers of a machine left alone: milliseconds since [`NOW`] and what happened then.
pub(super) fn ticks<T: Machine>(machine: &mut T) -> Vec<(u64, String)> {
    let mut list = Vec::new();
    while let Some(next) = machine.poll_timeout() {
        if next > NOW {
            let before = Tick(next.0 - 1);
            machine.handle_timeout(before);
            assert!(drain(machine).is_empty(), "a timer fired early");
        }
        machine.handle_timeout(next);
        list.push((next.ms_since(NOW), drain(machine).join(", ")));
        assert!(list.len() < 100, "endless timers: {list:?}");
    }
    list
}

/// The same, written the way the tables of expected ticks are.
pub(super) fn list(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
    lines.iter().map(|(ms, what)| (*ms, (*what).to_owned())).collect()
}

/// A small generator of test choices (xorshift64*).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % n
    }

    pub(super) fn class(&mut self) -> ResponseClass {
        match self.below(4) {
            0 | 1 => ResponseClass::Provisional,
            2 => ResponseClass::Success,
            _ => ResponseClass::Failure,
        }
    }

    pub(super) fn reliability(&mut self) -> Reliability {
        if self.below(3) == 0 { Reliability::Reliable } else { Reliability::Unreliable }
    }
}

/// Random lives of a machine: 2,000 seeds, up to 40 steps each. `event` causes one event by chance;
/// `law` sees the event's name and outputs and holds what is special to the machine. Checked for
/// all: at most three outputs an event; `terminated` exactly once and last, and exactly then the
/// state; nothing after it; no timer then, and none that is due at once again.
pub(super) fn check_lives<T: Machine, L>(
    create: fn(&mut Dice) -> (T, L),
    event: fn(&mut T, &mut Dice, Tick) -> &'static str,
    law: fn(&mut L, &str, &[String]) -> bool,
) {
    let mut ended = 0;
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let (mut machine, mut memory) = create(&mut dice);
        let (mut now, mut over) = (NOW, false);
        let mut story = vec![format!("seed {seed}")];
        for step in 0..40 {
            let what = match dice.below(3) {
                _ if step == 0 => "new",
                0 => {
                    // As a rule on time, at times late, at times early.
                    let late = [0, 0, 8 * MS, 9_000 * MS][dice.below(4) as usize];
                    let due = machine.poll_timeout().unwrap_or(now).max(now);
                    now = if dice.below(8) == 0 { now } else { due.plus_ns(late) };
                    machine.handle_timeout(now);
                    "timeout"
                }
                _ => {
                    now = now.plus_ms(dice.below(700));
                    event(&mut machine, &mut dice, now)
                }
            };
            let outputs = drain(&mut machine);
            story.push(format!("{} ms {what}: {outputs:?}", now.ms_since(NOW)));
            let ends = outputs.iter().filter(|o| *o == "terminated").count();
            let told = ends == 1 && outputs.last().is_some_and(|o| o == "terminated");
            assert!(outputs.len() <= 3 && (ends == 0 || told), "{story:#?}");
            assert!(!over || outputs.is_empty(), "speaks after its end: {story:#?}");
            over |= told;
            assert_eq!(over, machine.is_terminated(), "{story:#?}");
            assert!(!over || machine.poll_timeout().is_none(), "a dead timer: {story:#?}");
            let spins = what == "timeout" && machine.poll_timeout().is_some_and(|t| t <= now);
            assert!(!spins, "due again at once: {story:#?}");
            assert!(law(&mut memory, what, &outputs), "{story:#?}");
        }
        ended += u32::from(over);
    }
    assert!(ended > 500, "the lives are too tame: {ended} ended");
}

#[test]
fn classes_cover_the_legal_codes_and_no_others() {
    assert_eq!(ResponseClass::of(99), None);
    assert_eq!(ResponseClass::of(100), Some(ResponseClass::Provisional));
    assert_eq!(ResponseClass::of(199), Some(ResponseClass::Provisional));
    assert_eq!(ResponseClass::of(200), Some(ResponseClass::Success));
    assert_eq!(ResponseClass::of(299), Some(ResponseClass::Success));
    assert_eq!(ResponseClass::of(300), Some(ResponseClass::Failure));
    assert_eq!(ResponseClass::of(699), Some(ResponseClass::Failure));
    assert_eq!(ResponseClass::of(700), None);
}

/// The bytes one transaction holds beside its message and its key, for a handle of 16 bytes.
#[test]
fn sizes() {
    type Handle = std::rc::Rc<[u8]>;
    let sizes = [
        ("ClientInvite", size_of::<ClientInvite<Handle>>()),
        ("ClientNonInvite", size_of::<ClientNonInvite<Handle>>()),
        ("ServerInvite", size_of::<ServerInvite<Handle>>()),
        ("ServerNonInvite", size_of::<ServerNonInvite<Handle>>()),
        ("ServerKey", size_of::<key::ServerKey>()),
        ("ClientKey", size_of::<key::ClientKey>()),
    ];
    let expected = [
        ("ClientInvite", 144),
        ("ClientNonInvite", 152),
        ("ServerInvite", 120),
        ("ServerNonInvite", 104),
        ("ServerKey", 16),
        ("ClientKey", 16),
    ];
    assert_eq!(sizes, expected);
}
