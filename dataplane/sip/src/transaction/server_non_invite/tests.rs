use crate::transaction::tests::{
    self, Dice, Event, Machine, NOW, Name, after, check_lives, list, machine, table, ticks,
};

use super::*;

type Server = ServerNonInvite<Name>;

fn name_of(state: &State<Name>) -> &'static str {
    match state {
        State::Trying => "trying",
        State::Proceeding { .. } => "proceeding",
        State::Completed { .. } => "completed",
        State::Terminated => "terminated",
    }
}

machine!(Server, server_text);

fn server(reliability: Reliability) -> Server {
    ServerNonInvite::new(reliability, Timers::DEFAULT)
}

const EVENTS: [Event<Server>; 7] = [
    ("request", |s| s.handle_request()),
    ("1xx of TU", |s| s.respond(ResponseClass::Provisional, "100", NOW)),
    ("2xx of TU", |s| s.respond(ResponseClass::Success, "202", NOW)),
    ("4xx of TU", |s| s.respond(ResponseClass::Failure, "481", NOW)),
    ("transport", |s| s.handle_transport_error()),
    ("0.5 s", |s| s.handle_timeout(NOW.plus_ms(500))),
    ("32 s", |s| s.handle_timeout(NOW.plus_ms(32_000))),
];
const PROVISIONAL: fn(&mut Server) = |s| s.respond(ResponseClass::Provisional, "182", NOW);
const SUCCESS: fn(&mut Server) = |s| s.respond(ResponseClass::Success, "200", NOW);
const LAST: fn(&mut Server) = EVENTS[6].1;

const TABLE: &str = "
trying     | request   | -                                |
trying     | 1xx of TU | send 100                         | proceeding
trying     | 2xx of TU | send 202                         | completed
trying     | 4xx of TU | send 481                         | completed
trying     | transport | -                                |
trying     | 0.5 s     | -                                |
trying     | 32 s      | -                                |
proceeding | request   | send 182                         |
proceeding | 1xx of TU | send 100                         |
proceeding | 2xx of TU | send 202                         | completed
proceeding | 4xx of TU | send 481                         | completed
proceeding | transport | transport-failed                 |
proceeding | 0.5 s     | -                                |
proceeding | 32 s      | -                                |
completed  | request   | send 200                         |
completed  | 1xx of TU | -                                |
completed  | 2xx of TU | -                                |
completed  | 4xx of TU | -                                |
completed  | transport | transport-failed                 |
completed  | 0.5 s     | -                                |
completed  | 32 s      | terminated                       | terminated
terminated | request   | -                                |
terminated | 1xx of TU | -                                |
terminated | 2xx of TU | -                                |
terminated | 4xx of TU | -                                |
terminated | transport | -                                |
terminated | 0.5 s     | -                                |
terminated | 32 s      | -                                |
";

const TABLE_RELIABLE: &str = "
trying     | request   | -                                |
trying     | 1xx of TU | send 100                         | proceeding
trying     | 2xx of TU | send 202, terminated             | terminated
trying     | 4xx of TU | send 481, terminated             | terminated
trying     | transport | -                                |
trying     | 0.5 s     | -                                |
trying     | 32 s      | -                                |
proceeding | request   | send 182                         |
proceeding | 1xx of TU | send 100                         |
proceeding | 2xx of TU | send 202, terminated             | terminated
proceeding | 4xx of TU | send 481, terminated             | terminated
proceeding | transport | transport-failed                 |
proceeding | 0.5 s     | -                                |
proceeding | 32 s      | -                                |
";

#[test]
fn every_state_and_event() {
    let server = server(Reliability::Unreliable);
    let states = [
        after(server.clone(), &[]),
        after(server.clone(), &[PROVISIONAL]),
        after(server.clone(), &[SUCCESS]),
        after(server, &[SUCCESS, LAST]),
    ];
    assert_eq!(table(&states, &EVENTS), TABLE);
}

#[test]
fn every_state_and_event_on_a_reliable_transport() {
    let server = server(Reliability::Reliable);
    let states = [after(server.clone(), &[]), after(server, &[PROVISIONAL])];
    assert_eq!(table(&states, &EVENTS), TABLE_RELIABLE);
}

#[test]
fn no_timer_runs_before_the_final_response() {
    for events in [&[][..], &[PROVISIONAL]] {
        assert_eq!(ticks(&mut after(server(Reliability::Unreliable), events)), list(&[]));
    }
}

#[test]
fn timer_j_is_64_t1_and_zero_on_a_reliable_transport() {
    let mut lingers = after(server(Reliability::Unreliable), &[SUCCESS]);
    assert_eq!(ticks(&mut lingers), list(&[(32_000, "terminated")]));
    assert!(after(server(Reliability::Reliable), &[SUCCESS]).is_terminated());
}

#[test]
fn lives() {
    // Memory: the final response that went out.
    fn create(dice: &mut Dice) -> (Server, Option<String>) {
        (server(dice.reliability()), None)
    }
    fn event(server: &mut Server, dice: &mut Dice, now: Tick) -> &'static str {
        match dice.below(4) {
            0 => server.handle_request(),
            1 => server.handle_transport_error(),
            _ => match dice.class() {
                class @ ResponseClass::Provisional => server.respond(class, "100", now),
                class @ ResponseClass::Success => server.respond(class, "200", now),
                class @ ResponseClass::Failure => server.respond(class, "500", now),
            },
        }
        "other"
    }
    // The first final response is the only one that ever goes out, and nothing else after it.
    fn law(last: &mut Option<String>, _: &str, outputs: &[String]) -> bool {
        outputs.iter().filter(|output| output.starts_with("send")).all(|sent| {
            let legal = last.as_ref().is_none_or(|last| last == sent);
            if sent != "send 100" {
                *last = Some(sent.clone());
            }
            legal
        })
    }
    check_lives(create, event, law);
}
