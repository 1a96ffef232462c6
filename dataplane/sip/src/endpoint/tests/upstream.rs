//! Registrations of ours through the endpoint: transactions, orders, and the way they end.

use super::check;
use super::script::Bench;

const BOUND: &str = "| Contact: <sip:c1@192.0.2.1:5060>;expires=100";
const ASKED: &str = "| WWW-Authenticate: Digest realm=\"r\",nonce=\"1\",qop=\"auth\"";

#[test]
fn it_registers_answers_and_refreshes() {
    check(&format!(
        "login> Put 7 pw=pw at=192.0.2.20:5080
        login< 7 Trying 0
        peer< REGISTER to=192.0.2.20:5080 | Expires: 600 | CSeq: 1 REGISTER \
            | Contact: <sip:c1@192.0.2.1:5060>
        peer> 100 REGISTER
        peer> 401 REGISTER {ASKED}
        peer< REGISTER to=192.0.2.20:5080 | CSeq: 2 REGISTER
        peer> 200 REGISTER {BOUND}
        login< 7 Registered 200
        wait 69999"
    ));
}

#[test]
fn it_refreshes_before_the_end() {
    let mut bench = Bench::new();
    bench.run_open(&format!("{UP}\nwait 481000"));
    let told = bench.texts();
    assert!(!told.is_empty() && told.iter().all(|told| told == "peer< REGISTER"), "{told:?}");
}

#[test]
fn a_register_that_is_lost_is_sent_again_and_given_up() {
    let mut bench = Bench::new();
    bench.run_open("login> Put 7 pw=pw");
    assert_eq!(bench.texts(), ["login< 7 Trying 0", "peer< REGISTER"]);
    bench.run_open("wait 31999");
    assert_eq!(bench.texts(), ["peer< REGISTER"; 10]);
    bench.run_open("wait 1");
    assert_eq!(bench.texts(), ["login< 7 Failed 0 Silent"]);
    bench.run_open("wait 2000");
    assert_eq!(bench.texts()[..2], ["peer< REGISTER", "login< 7 Failed 0 Silent"]);
}

#[test]
fn a_port_that_nobody_listens_on_is_known_at_once() {
    check(
        "login> Put 7 pw=pw at=192.0.2.20:5060,192.0.2.21:5060
        login< 7 Trying 0
        peer< REGISTER to=192.0.2.20:5060
        unreachable 192.0.2.20:5060
        peer< REGISTER to=192.0.2.21:5060
        login< 7 Failed 0 Unreachable",
    );
}

const UP: &str = "
    login> Put 7 pw=pw
    login< 7 Trying 0
    peer< REGISTER
    peer> 200 REGISTER | Contact: <sip:c1@192.0.2.1:5060>;expires=600
    login< 7 Registered 200
";

#[test]
fn the_same_login_goes_on_and_is_told_again() {
    check(&format!("{UP}\nlogin> Put 7 pw=pw\nlogin< 7 Registered 200"));
}

#[test]
fn another_password_registers_at_once() {
    check(&format!(
        "{UP}
        login> Put 7 pw=other
        peer< REGISTER | CSeq: 2 REGISTER
        login< 7 Registered 200"
    ));
}

#[test]
fn another_contact_leaves_the_old_one() {
    check(&format!(
        "{UP}
        login> Put 7 pw=pw contact=c2
        peer< REGISTER | Contact: <sip:c1@192.0.2.1:5060> | Expires: 0
        login< 7 Trying 0
        wait 10
        peer< REGISTER | Contact: <sip:c2@192.0.2.1:5060> | CSeq: 1 REGISTER"
    ));
}

#[test]
fn removed_ones_unregister_with_a_challenge_if_need_be_and_go() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{UP}
        login> Remove 7
        peer< REGISTER | Expires: 0
        peer> 401 REGISTER {ASKED}
        peer< REGISTER | Expires: 0
        peer> 200 REGISTER"
    ));
    assert_eq!(bench.endpoint.upstreams(), 0);
    bench.run("login> Remove 7\nwait 40000");
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
}

#[test]
fn what_is_not_kept_leaves() {
    let mut bench = Bench::new();
    bench.run(&format!(
        "{UP}
        login> Keep 7 8
        login> Keep 8
        peer< REGISTER | Expires: 0"
    ));
    assert_eq!(bench.endpoint.upstreams(), 1);
}

#[test]
fn a_silent_registrar_does_not_hold_up_the_end() {
    let mut bench = Bench::new();
    bench.run(&format!("{UP}\nlogin> Leave\npeer< REGISTER | Expires: 0"));
    bench.run_open("wait 1999");
    assert_eq!((bench.endpoint.upstreams(), bench.texts().len()), (1, 2));
    bench.run_open("wait 1");
    assert_eq!(bench.endpoint.upstreams(), 0);
}

/// RFC 3261 10.2: never two at once.
#[test]
fn a_leave_waits_for_the_answer_to_what_is_out() {
    check(&format!(
        "login> Put 7 pw=pw
        login< 7 Trying 0
        peer< REGISTER | Expires: 600
        login> Leave
        peer> 200 REGISTER {BOUND}
        peer< REGISTER | Expires: 0 | CSeq: 2 REGISTER
        peer> 200 REGISTER"
    ));
}

#[test]
fn a_name_without_an_address_waits_for_one() {
    check(
        "login> Put 7 pw=pw at=
        login< 7 Trying 0
        login< 7 Failed 0 NoAddress
        wait 1000000
        login> Put 7 pw=pw
        peer< REGISTER
        login< 7 Failed 0 NoAddress",
    );
}

#[test]
fn addresses_of_another_family_are_none_of_this_listener() {
    check(
        "login> Put 7 pw=pw at=[2001:db8::1]:5060,192.0.2.20:5060
        login< 7 Trying 0
        peer< REGISTER to=192.0.2.20:5060",
    );
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    check(
        "login> Put 7 pw=pw listener=9
        count< Misuse
        login< 7 Refused 0 Unwritable",
    );
}

#[test]
fn many_at_once_are_a_stream_and_have_a_bound() {
    let mut bench = Bench::new();
    let mut sent = 0;
    for id in 0..1_024 {
        bench.run_open(&format!("login> Put {id} pw=pw contact=c{id}"));
        sent += bench.texts().iter().filter(|told| told.starts_with("peer<")).count();
    }
    assert_eq!(sent, 1);
    bench.run("login> Put 5000 pw=pw\ncount< Full");
    bench.run_open("wait 400");
    let sent = bench.texts().len();
    assert_eq!(sent, 40, "one each 10 ms");
}
