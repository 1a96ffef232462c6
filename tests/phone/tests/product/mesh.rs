//! Two shards in one dataplane: calls of both, by datagrams and by connections, limits and figures
//! that they share, and what dies with them.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use strowger_phone::EndedBy;
use strowger_phone::digest::{Challenge, Secret, Use};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::new_cleo;
use crate::talk::{SOON, Talk, desk};
use crate::tls::next_message;
use crate::transfer::{hear_each_other, join_calls};

const TWO: &str = "cores.count = 2\nlog.level = \"info\"\n";
/// Calls after which both shards have had some: of so many, all fall to one in 1 of 8,000 runs.
const CALLS_MAX: usize = 14;

/// What each of the two shards has counted.
fn each(demo: &Demo, name: &str) -> [u64; 2] {
    let of = |shard: u8| demo.rest.try_shard(shard, name).unwrap_or(0);
    [of(0), of(1)]
}

/// Calls one after the other until both shards have had some; ends each, says how many there were.
fn call_on_both(demo: &Demo, mut one: impl FnMut(usize)) -> usize {
    for number in 0..CALLS_MAX {
        one(number);
        demo.rest.fresh_counters();
        if each(demo, "media_packets_received").iter().all(|packets| *packets > 0) {
            return number + 1;
        }
    }
    panic!("of {CALLS_MAX} calls none fell to one of the shards");
}

#[test]
fn calls_fall_to_both_shards_and_their_figures_are_summed() {
    let home = Home::new();
    let demo = Demo::start_with(&home, TWO);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    assert_eq!(demo.rest.list("/api/v1/registrations").len(), 2);
    let count = call_on_both(&demo, |number| {
        // Each hangs up in turn, each holds.
        let talk = Talk::new(&ada, "1002", &bob);
        talk.held_by_both();
        if number % 2 == 0 {
            talk.end_after(Duration::from_millis(300));
        } else {
            assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
            assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        }
    });
    let cdrs = demo.rest.cdrs(count);
    for cdr in &cdrs {
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
        // The messages of a call are on its shard's tape, whichever that is.
        let found = demo.rest.get(&format!("/api/v1/cdrs/{}/messages", text(cdr, "id")));
        let messages = found["items"].as_array().unwrap().len();
        assert!(messages >= 10, "{messages} messages of {cdr:#}");
    }
    let [sent, back] = each(&demo, "mesh_sent");
    assert!(sent > 0, "the door hands on");
    assert_eq!(back, 0, "datagrams leave by the shard of their call");
    assert_eq!(demo.rest.shard("mesh_full"), 0);
    // Refused, cancelled, answered by nobody: on either shard.
    for _ in 0..4 {
        let out = ada.invite("1002").unwrap();
        let inc = bob.wait_call(SOON).unwrap();
        inc.ring().unwrap();
        out.wait_ringing(SOON).unwrap();
        assert_eq!(out.cancel().unwrap(), EndedBy::LocalCancel);
        assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
        let out = ada.invite("1002").unwrap();
        bob.wait_call(SOON).unwrap().reject(486).unwrap();
        assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(486));
    }
    assert_tidy(&demo);
    demo.stop();
}

/// A party behind a TCP connection of its own.
struct Party {
    stream: TcpStream,
    rest: Vec<u8>,
    contact: String,
}

impl Party {
    fn register(to: SocketAddr, (user, password): (&str, &str)) -> Party {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let at = stream.local_addr().unwrap();
        let contact = format!("sip:{user}@{at};transport=tcp");
        let mut party = Party { stream, rest: Vec::new(), contact };
        let mut register = Message::request("REGISTER", "sip:127.0.0.1");
        let via = format!("SIP/2.0/TCP {at};branch=z9hG4bKreg1;rport");
        register.push("Via", &via);
        register.push("Max-Forwards", "70");
        register.push("From", &format!("<sip:{user}@127.0.0.1>;tag=r"));
        register.push("To", &format!("<sip:{user}@127.0.0.1>"));
        register.push("Call-ID", "register-by-connection");
        register.push("CSeq", "1 REGISTER");
        register.push("Contact", &format!("<{}>;expires=300", party.contact));
        party.send(&register);
        let asked = party.message();
        assert_eq!(asked.code(), Some(401));
        let challenge = asked.lines("WWW-Authenticate");
        let challenge = challenge.iter().find_map(|value| Challenge::parse(value)).unwrap();
        let used = Use { method: "REGISTER", uri: "sip:127.0.0.1", count: 1, cnonce: "c" };
        register.set("Via", &via.replace("reg1", "reg2"));
        register.set("CSeq", "2 REGISTER");
        register.push("Authorization", &challenge.authorization(Secret { user, password }, used));
        party.send(&register);
        assert_eq!(party.message().code(), Some(200));
        party
    }

    fn send(&mut self, message: &Message) {
        std::io::Write::write_all(&mut self.stream, &message.to_bytes()).unwrap();
    }

    fn message(&mut self) -> Message {
        next_message(&mut self.stream, &mut self.rest).expect("a message")
    }

    /// Answers a call that comes; the INVITE and the answer.
    fn answer(&mut self) -> (Message, Message) {
        let invite = self.message();
        assert_eq!(invite.method(), "INVITE");
        self.send(&Message::response(180, &invite, Some("callee")));
        let mut ok = Message::response(200, &invite, Some("callee"));
        ok.push("Contact", &format!("<{}>", self.contact));
        ok.set_body(
            "application/sdp",
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
              m=audio 40000 RTP/AVP 0\r\n",
        );
        self.send(&ok);
        assert_eq!(self.message().method(), "ACK");
        (invite, ok)
    }

    /// Hangs up a call that it answered so.
    fn bye(&mut self, (invite, ok): &(Message, Message)) {
        let target = strowger_phone::message::address_uri(invite.header("Contact").unwrap());
        let mut bye = Message::request("BYE", target);
        let at = self.stream.local_addr().unwrap();
        let unique = invite.header("Call-ID").unwrap();
        bye.push("Via", &format!("SIP/2.0/TCP {at};branch=z9hG4bKbye{unique};rport"));
        bye.push("Max-Forwards", "70");
        bye.push("From", ok.header("To").unwrap());
        bye.push("To", ok.header("From").unwrap());
        bye.push("Call-ID", unique);
        bye.push("CSeq", "1 BYE");
        self.send(&bye);
        assert_eq!(self.message().code(), Some(200));
    }
}

#[test]
fn who_registered_by_a_connection_is_called_from_either_shard() {
    let home = Home::new();
    let demo = Demo::start_with(&home, TWO);
    let ada = desk(&demo, ALICE);
    let mut bob = Party::register(demo.sip, BOB);
    for number in 0..CALLS_MAX {
        let out = ada.invite("1002").unwrap();
        let dialog = bob.answer();
        out.wait_answer(SOON).unwrap();
        if number % 2 == 0 {
            bob.bye(&dialog);
            assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        } else {
            let hung_up = std::thread::spawn(move || out.bye().unwrap());
            let bye = bob.message();
            assert_eq!(bye.method(), "BYE");
            bob.send(&Message::response(200, &bye, Some("callee")));
            assert_eq!(hung_up.join().unwrap(), EndedBy::LocalBye);
        }
    }
    demo.rest.fresh_counters();
    let [sent, back] = each(&demo, "mesh_sent");
    assert!(sent > 0 && back > 0, "{sent} handed on, {back} brought back");
    assert_eq!(demo.rest.cdrs(CALLS_MAX).len(), CALLS_MAX);
    // The connection goes: a call that needs it fails at once, on either shard, and then nobody is
    // registered any more.
    drop(bob);
    for _ in 0..4 {
        let end = ada.invite("1002").unwrap().wait_end(2 * SOON).unwrap();
        assert!(matches!(end, EndedBy::Refused(_)), "{end:?}");
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn calls_of_both_shards_outlive_the_dataplane_and_end_in_order() {
    let home = Home::new();
    let demo = Demo::start_with(&home, TWO);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let mut talks: Vec<Talk> = Vec::new();
    call_on_both(&demo, |_| talks.push(Talk::new(&ada, "1002", &bob)));
    let count = talks.len();
    assert!(count >= 2, "{count}");
    assert_eq!(demo.rest.list("/api/v1/calls").len(), count);
    for _ in 0..2 {
        let killed = demo.planes().switchd;
        demo.signal("KILL", killed);
        demo.await_replaced(killed);
        for talk in &talks {
            talk.heard_again(25, Duration::from_secs(2));
            talk.held_by_both();
        }
    }
    demo.replace(demo.planes().controld);
    assert_eq!(demo.rest.list("/api/v1/calls").len(), count);
    demo.rest.fresh_counters();
    assert_eq!(demo.rest.shard("calls_in_use"), count as u64);
    let both = each(&demo, "calls_in_use");
    assert!(both.iter().all(|calls| *calls > 0), "{both:?}");
    for (number, talk) in talks.iter().enumerate() {
        if number % 2 == 0 {
            talk.end_after(Duration::from_millis(500));
        } else {
            assert_eq!(talk.inc.bye().unwrap(), EndedBy::LocalBye);
            assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        }
    }
    for cdr in demo.rest.cdrs(count) {
        assert_eq!(text(&cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    assert_tidy(&demo);
    // And whoever talks when it ends hears the end.
    let talks: Vec<Talk> = (0..4).map(|_| Talk::new(&ada, "1002", &bob)).collect();
    demo.begin_to_stop();
    for talk in &talks {
        assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    }
    demo.stop();
    let demo = Demo::start_with(&home, TWO);
    assert_eq!(demo.rest.cdrs(count + 4).len(), count + 4);
    demo.stop();
}

#[test]
fn another_number_of_shards_waits_until_calls_have_ended() {
    let home = Home::new();
    let demo = Demo::start_with(&home, TWO);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.stop();
    // None is up: one shard takes over, and three.
    for config in ["", "cores.count = 3\n"] {
        let demo = Demo::start_with(&home, config);
        let again = [ALICE, BOB].map(|who| desk(&demo, who));
        Talk::new(&again[0], "1002", &again[1]).end_after(Duration::from_millis(300));
        demo.stop();
    }
    let demo = Demo::start_with(&home, TWO);
    assert_eq!(demo.rest.cdrs(3).len(), 3);
    eventually("both shards are there", || demo.rest.try_shard(1, "turns"));
    demo.stop();
}

/// Nothing but a dialog between the shards makes one that is not the door speak to it here.
fn ties(demo: &Demo) -> u64 {
    demo.rest.fresh_counters();
    let [_, back] = each(demo, "mesh_sent");
    back
}

/// Two calls of one asker become one, whichever shards they are on, and stay it through a crash.
#[test]
fn an_attended_transfer_joins_calls_of_two_shards() {
    let home = Home::new();
    let demo = Demo::start_with(&home, TWO);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (_, cleo) = new_cleo(&demo);
    let (mut tied, mut before, mut calls) = (0, 0, 0);
    while tied < 2 && calls < 2 * CALLS_MAX {
        let talk = Talk::new(&ada, "1002", &bob);
        talk.out.hold().unwrap();
        talk.inc.wait_held(SOON).unwrap();
        let second = Talk::new(&ada, "1003", &cleo);
        calls += 2;
        join_calls(&talk.out, &second.out);
        hear_each_other(&talk.inc, &second.inc);
        talk.inc.hold().unwrap();
        second.inc.wait_held(SOON).unwrap();
        talk.inc.resume().unwrap();
        hear_each_other(&talk.inc, &second.inc);
        let now = ties(&demo);
        let is_tied = now > before;
        before = now;
        if is_tied && tied == 0 {
            demo.replace(demo.planes().switchd);
            hear_each_other(&talk.inc, &second.inc);
            second.inc.hold().unwrap();
            talk.inc.wait_held(SOON).unwrap();
            second.inc.resume().unwrap();
            hear_each_other(&talk.inc, &second.inc);
            before = ties(&demo);
        }
        tied += usize::from(is_tied);
        let [one, other] = if tied == 1 { [&talk, &second] } else { [&second, &talk] };
        assert_eq!(one.inc.bye().unwrap(), EndedBy::LocalBye);
        assert_eq!(other.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    }
    assert_eq!(tied, 2, "of {calls} calls none were on two shards");
    for cdr in demo.rest.cdrs(calls) {
        assert_eq!(text(&cdr, "caller.number"), "1001", "{cdr:#}");
        assert_eq!(text(&cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    assert_tidy(&demo);
    demo.stop();
}
