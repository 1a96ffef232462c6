use super::*;
use crate::packet::kind;
use crate::packet::tests::reply;

const SECRETS: [&[u8]; 2] = [b"one", b"two"];

fn at(place: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, u8::try_from(place).unwrap()], 1812))
}

fn two() -> Exchanges {
    let server = |place: usize| Server {
        address: at(place),
        secret: Secret::new(SECRETS[place]).unwrap(),
        again_ms: 100,
        tries: 2,
        dead_ms: 5_000,
    };
    Exchanges::new(vec![server(0), server(1)])
}

fn requests() -> Vec<Request> {
    let mut request = Request::access([7; 16]);
    request.put(kind::USER_NAME, b"1001").unwrap();
    vec![request.clone(), request]
}

fn drain(exchanges: &mut Exchanges) -> Vec<Output> {
    core::iter::from_fn(|| exchanges.poll_output()).collect()
}

/// To whom packets went.
fn sent(exchanges: &mut Exchanges) -> Vec<SocketAddr> {
    let all = drain(exchanges).into_iter();
    let to = |output| match output {
        Output::Send(to, _) => to,
        Output::End(..) => panic!("ended"),
    };
    all.map(to).collect()
}

#[test]
fn a_silent_server_is_asked_again_then_the_next_until_the_deadline() {
    let mut exchanges = two();
    assert!(exchanges.begin(1, requests(), 350, 0));
    assert_eq!(sent(&mut exchanges), [at(0)]);
    for (now_ms, expect) in [(99, vec![]), (100, vec![at(0)]), (200, vec![at(1)])] {
        exchanges.handle_timeout(now_ms);
        assert_eq!(sent(&mut exchanges), expect, "{now_ms}");
    }
    assert_eq!(exchanges.poll_timeout(), Some(300));
    exchanges.handle_timeout(300);
    assert_eq!(sent(&mut exchanges), [at(1)]);
    assert_eq!(exchanges.poll_timeout(), Some(350), "the deadline is earlier");
    exchanges.handle_timeout(350);
    assert_eq!(drain(&mut exchanges), [Output::End(1, Ended::Silent)]);
    assert_eq!(exchanges.poll_timeout(), None);
}

#[test]
fn an_answer_ends_it_once_and_only_that_of_its_server() {
    let mut exchanges = two();
    assert!(exchanges.begin(5, requests(), 1_000, 0));
    drain(&mut exchanges);
    let good = reply(2, 0, &[7; 16], &[], true, SECRETS[0]);
    for (from, packet) in [
        (at(1), good.clone()),
        (at(0), reply(2, 1, &[7; 16], &[], true, SECRETS[0])),
        (at(0), reply(2, 0, &[7; 16], &[], true, SECRETS[1])),
        (at(0), reply(5, 0, &[7; 16], &[], true, SECRETS[0])),
        (at(0), Vec::new()),
    ] {
        exchanges.handle_packet(from, &packet);
    }
    assert_eq!((exchanges.dropped, drain(&mut exchanges)), (5, Vec::new()));
    exchanges.handle_packet(at(0), &good);
    let ended = drain(&mut exchanges);
    assert!(matches!(&ended[..], [Output::End(5, Ended::Answered(0, _))]), "{ended:?}");
    exchanges.handle_packet(at(0), &good);
    assert_eq!((exchanges.dropped, drain(&mut exchanges)), (6, Vec::new()));
}

#[test]
fn identifiers_are_used_by_one_at_a_time_and_room_ends() {
    let mut exchanges = two();
    let most = u64::try_from(OPEN_MAX).unwrap();
    assert!((0..most).all(|number| exchanges.begin(number, requests(), 1_000, 0)));
    assert!(!exchanges.begin(most, requests(), 1_000, 0));
    let ids: std::collections::BTreeSet<u8> = drain(&mut exchanges)
        .into_iter()
        .filter_map(|output| match output {
            Output::Send(_, packet) => packet.get(1).copied(),
            Output::End(..) => None,
        })
        .collect();
    assert_eq!(ids.len(), OPEN_MAX);
    exchanges.handle_packet(at(0), &reply(3, 77, &[7; 16], &[], true, SECRETS[0]));
    assert!(exchanges.begin(most, requests(), 1_000, 0), "77 is free again");
    assert!(!Exchanges::new(Vec::new()).begin(1, requests(), 1_000, 0));
}

#[test]
fn a_dead_server_is_passed_by_until_its_time_is_over_or_it_answers() {
    let mut exchanges = two();
    assert!(exchanges.begin(1, requests(), 10_000, 0));
    // Of one that was asked often enough before, a later exchange hears nothing either.
    for now_ms in [100, 200] {
        exchanges.handle_timeout(now_ms);
    }
    assert_eq!(sent(&mut exchanges), [at(0), at(0), at(1)]);
    assert!(exchanges.begin(2, requests(), 10_000, 201));
    assert_eq!(sent(&mut exchanges), [at(1)]);
    // Both are dead: the first is asked, whose time is over first, and then nobody.
    for now_ms in [300, 301, 400, 401] {
        exchanges.handle_timeout(now_ms);
    }
    let ended = drain(&mut exchanges);
    let silent = ended.iter().filter(|out| matches!(out, Output::End(_, Ended::Silent))).count();
    assert_eq!(silent, 2, "{ended:?}");
    assert!(exchanges.is_idle());
    assert!(exchanges.begin(3, requests(), 10_000, 500));
    assert_eq!(sent(&mut exchanges), [at(0)]);
    // Its answer brings it back; the other one's time ends by itself.
    exchanges.handle_packet(at(0), &reply(2, 2, &[7; 16], &[], true, SECRETS[0]));
    assert!(matches!(drain(&mut exchanges)[..], [Output::End(3, Ended::Answered(0, _))]));
    assert!(exchanges.begin(4, requests(), 10_000, 501));
    assert_eq!(sent(&mut exchanges), [at(0)]);
    for now_ms in [601, 701, 801] {
        exchanges.handle_timeout(now_ms);
    }
    let ended = drain(&mut exchanges);
    assert!(matches!(ended[..], [Output::Send(..), Output::End(4, Ended::Silent)]), "{ended:?}");
    assert!(exchanges.begin(5, requests(), 10_000, 5_401));
    assert_eq!(sent(&mut exchanges), [at(1)], "the second is asked again, the first is dead");
}

#[test]
fn a_request_stands_for_each_server() {
    let mut exchanges = two();
    let mut requests = requests();
    requests.pop();
    assert!(!exchanges.begin(1, requests, 1_000, 0));
}
