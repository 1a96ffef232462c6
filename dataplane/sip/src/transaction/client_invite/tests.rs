use crate::transaction::tests::{
    self, Dice, Event, Machine, NOW, Name, after, check_lives, list, machine, table, ticks,
};

use super::*;

type Client = ClientInvite<Name>;

fn name_of(state: &State<Name>) -> &'static str {
    match state {
        State::Calling { .. } => "calling",
        State::Proceeding { .. } => "proceeding",
        State::Completed { .. } => "completed",
        State::Accepted { .. } => "accepted",
        State::Terminated => "terminated",
    }
}

machine!(Client, client_text);

fn client(reliability: Reliability) -> Client {
    ClientInvite::new("INVITE", reliability, Timers::DEFAULT, NOW)
}

const EVENTS: [Event<Client>; 6] = [
    ("1xx", |c| c.handle_response(ResponseClass::Provisional, NOW)),
    ("2xx", |c| c.handle_response(ResponseClass::Success, NOW)),
    ("300-699", |c| c.handle_response(ResponseClass::Failure, NOW)),
    ("transport", |c| c.handle_transport_error()),
    ("0.5 s", |c| c.handle_timeout(NOW.plus_ms(500))),
    ("32 s", |c| c.handle_timeout(NOW.plus_ms(32_000))),
];
const PROVISIONAL: fn(&mut Client) = EVENTS[0].1;
const SUCCESS: fn(&mut Client) = EVENTS[1].1;
const FAILURE: fn(&mut Client) = EVENTS[2].1;

const TABLE: &str = "
calling    | 1xx       | deliver                          | proceeding
calling    | 2xx       | deliver                          | accepted
calling    | 300-699   | ack INVITE, deliver              | completed
calling    | transport | transport-failed, terminated     | terminated
calling    | 0.5 s     | send INVITE                      |
calling    | 32 s      | timed-out, terminated            | terminated
proceeding | 1xx       | deliver                          |
proceeding | 2xx       | deliver                          | accepted
proceeding | 300-699   | ack INVITE, deliver              | completed
proceeding | transport | -                                |
proceeding | 0.5 s     | -                                |
proceeding | 32 s      | -                                |
completed  | 1xx       | -                                |
completed  | 2xx       | -                                |
completed  | 300-699   | ack INVITE                       |
completed  | transport | transport-failed, terminated     | terminated
completed  | 0.5 s     | -                                |
completed  | 32 s      | terminated                       | terminated
accepted   | 1xx       | -                                |
accepted   | 2xx       | deliver                          |
accepted   | 300-699   | -                                |
accepted   | transport | -                                |
accepted   | 0.5 s     | -                                |
accepted   | 32 s      | terminated                       | terminated
terminated | 1xx       | -                                |
terminated | 2xx       | -                                |
terminated | 300-699   | -                                |
terminated | transport | -                                |
terminated | 0.5 s     | -                                |
terminated | 32 s      | -                                |
";

const TABLE_RELIABLE: &str = "
calling    | 1xx       | deliver                          | proceeding
calling    | 2xx       | deliver                          | accepted
calling    | 300-699   | ack INVITE, deliver, terminated  | terminated
calling    | transport | transport-failed, terminated     | terminated
calling    | 0.5 s     | -                                |
calling    | 32 s      | timed-out, terminated            | terminated
proceeding | 1xx       | deliver                          |
proceeding | 2xx       | deliver                          | accepted
proceeding | 300-699   | ack INVITE, deliver, terminated  | terminated
proceeding | transport | -                                |
proceeding | 0.5 s     | -                                |
proceeding | 32 s      | -                                |
accepted   | 1xx       | -                                |
accepted   | 2xx       | deliver                          |
accepted   | 300-699   | -                                |
accepted   | transport | -                                |
accepted   | 0.5 s     | -                                |
accepted   | 32 s      | terminated                       | terminated
";

#[test]
fn every_state_and_event() {
    let client = client(Reliability::Unreliable);
    let states = [
        after(client.clone(), &[]),
        after(client.clone(), &[PROVISIONAL]),
        after(client.clone(), &[FAILURE]),
        after(client.clone(), &[SUCCESS]),
        after(client, &[EVENTS[3].1]),
    ];
    assert_eq!(table(&states, &EVENTS), TABLE);
}

#[test]
fn every_state_and_event_on_a_reliable_transport() {
    let client = client(Reliability::Reliable);
    let states = [
        after(client.clone(), &[]),
        after(client.clone(), &[PROVISIONAL]),
        after(client, &[SUCCESS]),
    ];
    assert_eq!(table(&states, &EVENTS), TABLE_RELIABLE);
}

#[test]
fn timer_a_doubles_until_timer_b() {
    let mut client = client(Reliability::Unreliable);
    assert_eq!(tests::drain(&mut client), ["send INVITE"]);
    let expected = [
        (500, "send INVITE"),
        (1_500, "send INVITE"),
        (3_500, "send INVITE"),
        (7_500, "send INVITE"),
        (15_500, "send INVITE"),
        (31_500, "send INVITE"),
        (32_000, "timed-out, terminated"),
    ];
    assert_eq!(ticks(&mut client), list(&expected));
}

#[test]
fn timer_b_alone_on_a_reliable_transport() {
    let mut client = client(Reliability::Reliable);
    assert_eq!(tests::drain(&mut client), ["send INVITE"]);
    assert_eq!(ticks(&mut client), list(&[(32_000, "timed-out, terminated")]));
}

#[test]
fn timers_a_and_b_scale_with_t1() {
    let timers = Timers::new(2_000, 4_000, 5_000).unwrap();
    let client = ClientInvite::new("INVITE", Reliability::Unreliable, timers, NOW);
    let expected = [
        (2_000, "send INVITE"),
        (6_000, "send INVITE"),
        (14_000, "send INVITE"),
        (30_000, "send INVITE"),
        (62_000, "send INVITE"),
        (126_000, "send INVITE"),
        (128_000, "timed-out, terminated"),
    ];
    assert_eq!(ticks(&mut after(client, &[])), list(&expected));
}

#[test]
fn a_provisional_response_stops_every_timer() {
    assert_eq!(ticks(&mut after(client(Reliability::Unreliable), &[PROVISIONAL])), list(&[]));
}

#[test]
fn timer_d_is_32_seconds_and_zero_on_a_reliable_transport() {
    let completed = |reliability| after(client(reliability), &[FAILURE]);
    assert_eq!(ticks(&mut completed(Reliability::Unreliable)), list(&[(32_000, "terminated")]));
    assert!(completed(Reliability::Reliable).is_terminated());
}

#[test]
fn timer_d_is_not_restarted_by_a_retransmission() {
    let mut client = after(client(Reliability::Unreliable), &[FAILURE]);
    client.handle_response(ResponseClass::Failure, NOW.plus_ms(20_000));
    assert_eq!(client.poll_timeout(), Some(NOW.plus_ms(32_000)));
}

#[test]
fn timer_m_is_64_t1_on_any_transport() {
    for reliability in [Reliability::Unreliable, Reliability::Reliable] {
        let mut client = after(client(reliability), &[SUCCESS]);
        assert_eq!(ticks(&mut client), list(&[(32_000, "terminated")]));
    }
}

#[test]
fn a_late_turn_retransmits_once_and_counts_from_then() {
    let mut client = after(client(Reliability::Unreliable), &[]);
    client.handle_timeout(NOW.plus_ms(6_000));
    assert_eq!(tests::drain(&mut client), ["send INVITE"]);
    assert_eq!(client.poll_timeout(), Some(NOW.plus_ms(7_000)));
}

/// What came up so far.
#[derive(Default)]
struct Seen {
    provisional: bool,
    success: bool,
    failure: bool,
}

#[test]
fn lives() {
    fn create(dice: &mut Dice) -> (Client, Seen) {
        (client(dice.reliability()), Seen::default())
    }
    fn event(client: &mut Client, dice: &mut Dice, now: Tick) -> &'static str {
        if dice.below(12) == 0 {
            client.handle_transport_error();
            return "transport";
        }
        let class = dice.class();
        client.handle_response(class, now);
        match class {
            ResponseClass::Provisional => "1xx",
            ResponseClass::Success => "2xx",
            ResponseClass::Failure => "300-699",
        }
    }
    // One kind of final response comes up, a failure once; every ACK answers a failure; no INVITE
    // after a response; a timeout only if nothing ever came.
    fn law(seen: &mut Seen, what: &str, outputs: &[String]) -> bool {
        let said = |text: &str| outputs.iter().any(|output| output == text);
        let any = seen.provisional || seen.success || seen.failure;
        let legal = (!said("ack INVITE") || what == "300-699")
            && (what != "300-699" || !said("deliver") || said("ack INVITE"))
            && (!said("deliver") || !seen.failure)
            && (!said("deliver") || !seen.success || what == "2xx")
            && (!said("send INVITE") || !any)
            && (!said("timed-out") || !any);
        seen.provisional |= what == "1xx" && said("deliver");
        seen.success |= what == "2xx" && said("deliver");
        seen.failure |= what == "300-699" && said("deliver");
        legal
    }
    check_lives(create, event, law);
}
