use crate::transaction::tests::{
    self, Dice, Event, Machine, NOW, Name, after, check_lives, list, machine, table, ticks,
};

use super::*;

type Client = ClientNonInvite<Name>;

fn name_of(state: &State<Name>) -> &'static str {
    match state {
        State::Trying(_) => "trying",
        State::Proceeding(_) => "proceeding",
        State::Completed { .. } => "completed",
        State::Terminated => "terminated",
    }
}

machine!(Client, client_text);

fn client(reliability: Reliability) -> Client {
    ClientNonInvite::new("BYE", reliability, Timers::DEFAULT, NOW)
}

const EVENTS: [Event<Client>; 7] = [
    ("1xx", |c| c.handle_response(ResponseClass::Provisional, NOW)),
    ("2xx", |c| c.handle_response(ResponseClass::Success, NOW)),
    ("300-699", |c| c.handle_response(ResponseClass::Failure, NOW)),
    ("transport", |c| c.handle_transport_error()),
    ("0.5 s", |c| c.handle_timeout(NOW.plus_ms(500))),
    ("5 s", |c| c.handle_timeout(NOW.plus_ms(5_000))),
    ("32 s", |c| c.handle_timeout(NOW.plus_ms(32_000))),
];
const PROVISIONAL: fn(&mut Client) = EVENTS[0].1;
const SUCCESS: fn(&mut Client) = EVENTS[1].1;
const FAILURE: fn(&mut Client) = EVENTS[2].1;

const TABLE: &str = "
trying     | 1xx       | deliver                          | proceeding
trying     | 2xx       | deliver                          | completed
trying     | 300-699   | deliver                          | completed
trying     | transport | transport-failed, terminated     | terminated
trying     | 0.5 s     | send BYE                         |
trying     | 5 s       | send BYE                         |
trying     | 32 s      | timed-out, terminated            | terminated
proceeding | 1xx       | deliver                          |
proceeding | 2xx       | deliver                          | completed
proceeding | 300-699   | deliver                          | completed
proceeding | transport | transport-failed, terminated     | terminated
proceeding | 0.5 s     | send BYE                         |
proceeding | 5 s       | send BYE                         |
proceeding | 32 s      | timed-out, terminated            | terminated
completed  | 1xx       | -                                |
completed  | 2xx       | -                                |
completed  | 300-699   | -                                |
completed  | transport | -                                |
completed  | 0.5 s     | -                                |
completed  | 5 s       | terminated                       | terminated
completed  | 32 s      | terminated                       | terminated
terminated | 1xx       | -                                |
terminated | 2xx       | -                                |
terminated | 300-699   | -                                |
terminated | transport | -                                |
terminated | 0.5 s     | -                                |
terminated | 5 s       | -                                |
terminated | 32 s      | -                                |
";

const TABLE_RELIABLE: &str = "
trying     | 1xx       | deliver                          | proceeding
trying     | 2xx       | deliver, terminated              | terminated
trying     | 300-699   | deliver, terminated              | terminated
trying     | transport | transport-failed, terminated     | terminated
trying     | 0.5 s     | -                                |
trying     | 5 s       | -                                |
trying     | 32 s      | timed-out, terminated            | terminated
proceeding | 1xx       | deliver                          |
proceeding | 2xx       | deliver, terminated              | terminated
proceeding | 300-699   | deliver, terminated              | terminated
proceeding | transport | transport-failed, terminated     | terminated
proceeding | 0.5 s     | -                                |
proceeding | 5 s       | -                                |
proceeding | 32 s      | timed-out, terminated            | terminated
";

#[test]
fn every_state_and_event() {
    let client = client(Reliability::Unreliable);
    let states = [
        after(client.clone(), &[]),
        after(client.clone(), &[PROVISIONAL]),
        after(client.clone(), &[FAILURE]),
        after(client, &[EVENTS[3].1]),
    ];
    assert_eq!(table(&states, &EVENTS), TABLE);
}

#[test]
fn every_state_and_event_on_a_reliable_transport() {
    let client = client(Reliability::Reliable);
    let states = [after(client.clone(), &[]), after(client, &[PROVISIONAL])];
    assert_eq!(table(&states, &EVENTS), TABLE_RELIABLE);
}

#[test]
fn timer_e_doubles_up_to_t2_until_timer_f() {
    let mut client = client(Reliability::Unreliable);
    assert_eq!(tests::drain(&mut client), ["send BYE"]);
    let expected = [
        (500, "send BYE"),
        (1_500, "send BYE"),
        (3_500, "send BYE"),
        (7_500, "send BYE"),
        (11_500, "send BYE"),
        (15_500, "send BYE"),
        (19_500, "send BYE"),
        (23_500, "send BYE"),
        (27_500, "send BYE"),
        (31_500, "send BYE"),
        (32_000, "timed-out, terminated"),
    ];
    assert_eq!(ticks(&mut client), list(&expected));
}

#[test]
fn in_proceeding_timer_e_goes_on_at_t2() {
    let mut client = after(client(Reliability::Unreliable), &[PROVISIONAL]);
    let expected = [
        (500, "send BYE"),
        (4_500, "send BYE"),
        (8_500, "send BYE"),
        (12_500, "send BYE"),
        (16_500, "send BYE"),
        (20_500, "send BYE"),
        (24_500, "send BYE"),
        (28_500, "send BYE"),
        (32_000, "timed-out, terminated"),
    ];
    assert_eq!(ticks(&mut client), list(&expected));
}

#[test]
fn timer_f_alone_on_a_reliable_transport() {
    for events in [&[][..], &[PROVISIONAL]] {
        let mut client = after(client(Reliability::Reliable), events);
        assert_eq!(ticks(&mut client), list(&[(32_000, "timed-out, terminated")]));
    }
}

#[test]
fn timer_k_is_t4_and_zero_on_a_reliable_transport() {
    let mut lingers = after(client(Reliability::Unreliable), &[SUCCESS]);
    assert_eq!(ticks(&mut lingers), list(&[(5_000, "terminated")]));
    assert!(after(client(Reliability::Reliable), &[SUCCESS]).is_terminated());
}

#[test]
fn lives() {
    // Memory: whether a final response, or any, came up.
    fn create(dice: &mut Dice) -> (Client, (bool, bool)) {
        (client(dice.reliability()), (false, false))
    }
    fn event(client: &mut Client, dice: &mut Dice, now: Tick) -> &'static str {
        if dice.below(12) == 0 {
            client.handle_transport_error();
            return "transport";
        }
        let class = dice.class();
        client.handle_response(class, now);
        if class == ResponseClass::Provisional { "1xx" } else { "final" }
    }
    // At most one final response comes up; after it nothing but the end.
    fn law((done, any): &mut (bool, bool), what: &str, outputs: &[String]) -> bool {
        let said = |text: &str| outputs.iter().any(|output| output == text);
        let legal = !*done || outputs.is_empty() || outputs == ["terminated"];
        *any |= said("deliver");
        *done |= what == "final" && said("deliver");
        legal && (!said("deliver") || what == "1xx" || what == "final") && !said("ack BYE")
    }
    check_lives(create, event, law);
}
