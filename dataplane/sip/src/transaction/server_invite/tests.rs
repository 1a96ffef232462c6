use crate::transaction::tests::{
    self, Dice, Event, Machine, NOW, Name, after, check_lives, list, machine, table, ticks,
};

use super::*;

type Server = ServerInvite<Name>;

/// Waiting and Proceeding together are the Proceeding of figure 7.
fn name_of(state: &State<Name>) -> &'static str {
    match state {
        State::Waiting { .. } => "waiting",
        State::Proceeding { .. } => "proceeding",
        State::Completed { .. } => "completed",
        State::Confirmed { .. } => "confirmed",
        State::Accepted { .. } => "accepted",
        State::Terminated => "terminated",
    }
}

machine!(Server, server_text);

fn server(reliability: Reliability) -> Server {
    ServerInvite::new(Trying::After200Ms, reliability, Timers::DEFAULT, NOW)
}

const EVENTS: [Event<Server>; 10] = [
    ("INVITE", |s| s.handle_invite()),
    ("ACK", |s| s.handle_ack(NOW)),
    ("1xx of TU", |s| s.respond(ResponseClass::Provisional, "183", NOW)),
    ("2xx of TU", |s| s.respond(ResponseClass::Success, "200", NOW)),
    ("6xx of TU", |s| s.respond(ResponseClass::Failure, "603", NOW)),
    ("transport", |s| s.handle_transport_error()),
    ("0.2 s", |s| s.handle_timeout(NOW.plus_ms(200))),
    ("0.5 s", |s| s.handle_timeout(NOW.plus_ms(500))),
    ("5 s", |s| s.handle_timeout(NOW.plus_ms(5_000))),
    ("32 s", |s| s.handle_timeout(NOW.plus_ms(32_000))),
];
const ACK: fn(&mut Server) = EVENTS[1].1;
const RING: fn(&mut Server) = |s| s.respond(ResponseClass::Provisional, "180", NOW);
const ACCEPT: fn(&mut Server) = EVENTS[3].1;
const REFUSE: fn(&mut Server) = |s| s.respond(ResponseClass::Failure, "486", NOW);
const LAST: fn(&mut Server) = EVENTS[9].1;

const TABLE: &str = "
waiting    | INVITE    | trying                           |
waiting    | ACK       | -                                |
waiting    | 1xx of TU | send 183                         | proceeding
waiting    | 2xx of TU | send 200                         | accepted
waiting    | 6xx of TU | send 603                         | completed
waiting    | transport | -                                |
waiting    | 0.2 s     | trying                           |
waiting    | 0.5 s     | trying                           |
waiting    | 5 s       | trying                           |
waiting    | 32 s      | trying                           |
proceeding | INVITE    | send 180                         |
proceeding | ACK       | -                                |
proceeding | 1xx of TU | send 183                         |
proceeding | 2xx of TU | send 200                         | accepted
proceeding | 6xx of TU | send 603                         | completed
proceeding | transport | transport-failed                 |
proceeding | 0.2 s     | -                                |
proceeding | 0.5 s     | -                                |
proceeding | 5 s       | -                                |
proceeding | 32 s      | -                                |
completed  | INVITE    | send 486                         |
completed  | ACK       | -                                | confirmed
completed  | 1xx of TU | -                                |
completed  | 2xx of TU | -                                |
completed  | 6xx of TU | -                                |
completed  | transport | transport-failed                 |
completed  | 0.2 s     | -                                |
completed  | 0.5 s     | send 486                         |
completed  | 5 s       | send 486                         |
completed  | 32 s      | timed-out, terminated            | terminated
confirmed  | INVITE    | -                                |
confirmed  | ACK       | -                                |
confirmed  | 1xx of TU | -                                |
confirmed  | 2xx of TU | -                                |
confirmed  | 6xx of TU | -                                |
confirmed  | transport | -                                |
confirmed  | 0.2 s     | -                                |
confirmed  | 0.5 s     | -                                |
confirmed  | 5 s       | terminated                       | terminated
confirmed  | 32 s      | terminated                       | terminated
accepted   | INVITE    | -                                |
accepted   | ACK       | deliver                          |
accepted   | 1xx of TU | -                                |
accepted   | 2xx of TU | send 200                         |
accepted   | 6xx of TU | -                                |
accepted   | transport | transport-failed                 |
accepted   | 0.2 s     | -                                |
accepted   | 0.5 s     | -                                |
accepted   | 5 s       | -                                |
accepted   | 32 s      | terminated                       | terminated
terminated | INVITE    | -                                |
terminated | ACK       | -                                |
terminated | 1xx of TU | -                                |
terminated | 2xx of TU | -                                |
terminated | 6xx of TU | -                                |
terminated | transport | -                                |
terminated | 0.2 s     | -                                |
terminated | 0.5 s     | -                                |
terminated | 5 s       | -                                |
terminated | 32 s      | -                                |
";

const TABLE_RELIABLE: &str = "
completed  | INVITE    | send 486                         |
completed  | ACK       | terminated                       | terminated
completed  | 1xx of TU | -                                |
completed  | 2xx of TU | -                                |
completed  | 6xx of TU | -                                |
completed  | transport | transport-failed                 |
completed  | 0.2 s     | -                                |
completed  | 0.5 s     | -                                |
completed  | 5 s       | -                                |
completed  | 32 s      | timed-out, terminated            | terminated
";

#[test]
fn every_state_and_event() {
    let server = server(Reliability::Unreliable);
    let states = [
        after(server.clone(), &[]),
        after(server.clone(), &[RING]),
        after(server.clone(), &[REFUSE]),
        after(server.clone(), &[REFUSE, ACK]),
        after(server.clone(), &[ACCEPT]),
        after(server, &[ACCEPT, LAST]),
    ];
    assert_eq!(table(&states, &EVENTS), TABLE);
}

#[test]
fn completed_on_a_reliable_transport() {
    let states = [after(server(Reliability::Reliable), &[REFUSE])];
    assert_eq!(table(&states, &EVENTS), TABLE_RELIABLE);
}

#[test]
fn a_100_is_asked_for_once_after_200_ms() {
    let mut server = after(server(Reliability::Unreliable), &[]);
    assert_eq!(ticks(&mut server), list(&[(200, "trying")]));
    server.handle_invite();
    assert!(tests::drain(&mut server).is_empty());
}

#[test]
fn an_invite_that_comes_again_brings_the_100_forward() {
    let mut server = after(server(Reliability::Unreliable), &[]);
    server.handle_invite();
    assert_eq!(tests::drain(&mut server), ["trying"]);
    assert_eq!(ticks(&mut server), list(&[]));
}

#[test]
fn a_quick_response_or_a_caller_who_sends_it_spares_the_100() {
    let quick = after(server(Reliability::Unreliable), &[RING]);
    assert_eq!(quick.poll_timeout(), None);
    let (by_caller, timers) = (Trying::ByCaller, Timers::DEFAULT);
    let mut server = Server::new(by_caller, Reliability::Unreliable, timers, NOW);
    server.handle_invite();
    assert!(tests::drain(&mut server).is_empty());
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn timer_g_doubles_up_to_t2_until_timer_h() {
    let mut server = after(server(Reliability::Unreliable), &[REFUSE]);
    let expected = [
        (500, "send 486"),
        (1_500, "send 486"),
        (3_500, "send 486"),
        (7_500, "send 486"),
        (11_500, "send 486"),
        (15_500, "send 486"),
        (19_500, "send 486"),
        (23_500, "send 486"),
        (27_500, "send 486"),
        (31_500, "send 486"),
        (32_000, "timed-out, terminated"),
    ];
    assert_eq!(ticks(&mut server), list(&expected));
}

#[test]
fn timer_h_alone_on_a_reliable_transport() {
    let mut server = after(server(Reliability::Reliable), &[REFUSE]);
    assert_eq!(ticks(&mut server), list(&[(32_000, "timed-out, terminated")]));
}

#[test]
fn timer_i_is_t4_and_zero_on_a_reliable_transport() {
    let mut confirmed = after(server(Reliability::Unreliable), &[REFUSE, ACK]);
    assert_eq!(ticks(&mut confirmed), list(&[(5_000, "terminated")]));
    assert!(after(server(Reliability::Reliable), &[REFUSE, ACK]).is_terminated());
}

#[test]
fn timer_l_is_64_t1_on_any_transport_and_a_repeated_2xx_does_not_restart_it() {
    for reliability in [Reliability::Unreliable, Reliability::Reliable] {
        let mut server = after(server(reliability), &[ACCEPT]);
        server.respond(ResponseClass::Success, "200", NOW.plus_ms(16_000));
        assert_eq!(tests::drain(&mut server), ["send 200"]);
        assert_eq!(ticks(&mut server), list(&[(32_000, "terminated")]));
    }
}

/// The final response that went out, and whether its ACK came.
#[derive(Default)]
struct Seen {
    refused: bool,
    accepted: bool,
    acked: bool,
}

#[test]
fn lives() {
    fn create(dice: &mut Dice) -> (Server, Seen) {
        (server(dice.reliability()), Seen::default())
    }
    fn event(server: &mut Server, dice: &mut Dice, now: Tick) -> &'static str {
        match dice.below(5) {
            0 => server.handle_invite(),
            1 => {
                server.handle_ack(now);
                return "ACK";
            }
            2 => server.handle_transport_error(),
            _ => match dice.class() {
                class @ ResponseClass::Provisional => server.respond(class, "180", now),
                class @ ResponseClass::Success => server.respond(class, "200", now),
                class @ ResponseClass::Failure => server.respond(class, "486", now),
            },
        }
        "other"
    }
    // One kind of final response goes out, and nothing else after it; none of a refusal after its
    // ACK; an ACK comes up only if it is that of a 2xx; no timeout of what was acknowledged.
    fn law(seen: &mut Seen, what: &str, outputs: &[String]) -> bool {
        let said = |text: &str| outputs.iter().any(|output| output == text);
        let legal = (!said("send 180") && !said("trying") || !seen.refused && !seen.accepted)
            && (!said("send 200") || !seen.refused)
            && (!said("send 486") || !(seen.accepted || seen.refused && seen.acked))
            && (!said("deliver") || seen.accepted && what == "ACK")
            && (!said("timed-out") || seen.refused && !seen.acked);
        seen.accepted |= said("send 200");
        seen.refused |= said("send 486");
        seen.acked |= seen.refused && what == "ACK";
        legal
    }
    check_lives(create, event, law);
}
