//! Requests of a dialog from an address that is none of its party's.

use super::script::{Bench, realm};
use crate::digest::{Challenge, Identity, Request};
use strowger_link::{Cause, Octets, Reason, Refuse, Respond};

/// An outbound leg to subscriber 7 that is up.
const UP: &str = "
    call> Invite sdp subscriber=7
    peer< INVITE sdp
    peer> 200 INVITE sdp
    call< Answered sdp
    peer< ACK
    call< Confirmed
";

fn up() -> Bench {
    let mut bench = Bench::new();
    bench.run_open(UP);
    bench.texts();
    bench
}

/// Where the moved phone sends from.
const MOVED: &str = "203.0.113.9:5060";

/// The value of Authorization that answers the challenge in `asked`.
pub(super) fn answer(asked: &str, method: &str, user: &str) -> String {
    let value = asked.lines().find_map(|l| l.strip_prefix("WWW-Authenticate: ")).unwrap();
    let challenge = Challenge::parse(value.as_bytes()).unwrap();
    let identity = Identity { username: user.as_bytes(), password: b"pw" };
    let request = Request { method: method.as_bytes(), uri: b"sip:pbx.example.com" };
    let mut out = Vec::new();
    challenge.answer(identity, request, b"c", 1, &mut out);
    String::from_utf8(out).unwrap()
}

/// An inbound leg that user `1001` began with credentials.
pub(super) fn began_by_user() -> Bench {
    let mut bench = Bench::new();
    bench.keys.challenge = Some(realm());
    bench.run_open("peer> INVITE\ncount< Challenged");
    let asked = bench.messages().remove(0);
    let answer = answer(&asked, "INVITE", "1001");
    bench.run(&format!(
        "peer> INVITE | Authorization: {answer}
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK
        call< Confirmed"
    ));
    bench
}

/// A challenge of `what`, sent from where the phone is now.
fn asked(bench: &mut Bench, what: &str) -> String {
    let method = what.split(' ').next().unwrap().trim_start_matches("re-");
    bench.run_open(&format!("peer> {what} from={MOVED}\ncount< Elsewhere\ncount< Challenged"));
    let mut messages = bench.messages();
    assert!(messages[0].starts_with("SIP/2.0 401 "), "{method}: {messages:?}");
    messages.remove(0)
}

fn respond(status: u16) -> Respond {
    Respond { status, phrase: String::new(), headers: Vec::new(), body: Octets::default() }
}

#[test]
fn a_phone_that_moved_proves_itself_and_goes_on() {
    let mut bench = began_by_user();
    let asked = asked(&mut bench, "INFO sdp");
    assert!(asked.contains("realm=\"pbx\""), "{asked}");
    let shown = answer(&asked, "INFO", "1001");
    let info = format!(
        "peer> INFO sdp branch=z9hG4bKmoved cseq=20 from={MOVED} via={MOVED} \
         | Content-Type: text/x | Authorization: {shown}"
    );
    bench.run_open(&format!("{info}\ncount< Elsewhere"));
    let ask = bench.messages().remove(0);
    assert!(ask.contains("username: \"1001\"") && ask.contains("party: Unknown"), "{ask}");
    // One at a time; the same one again is absorbed.
    bench.run(&format!(
        "{info}
        peer> INFO sdp cseq=21 from={MOVED} via={MOVED} | Authorization: {shown}
        count< Elsewhere
        count< Barred(500)
        peer< 500 INFO to={MOVED} | Retry-After: 1"
    ));
    let (id, now) = (bench.requests[0], bench.now);
    bench.endpoint.respond(id, &respond(200), now);
    bench.drain();
    bench.run(&format!(
        "moved< {MOVED}
        peer< 200 INFO to={MOVED}
        call< Info text/x
        peer> INFO cseq=22 from=192.0.2.10:5060
        peer< 200 INFO
        peer> INFO cseq=23 from={MOVED} via={MOVED}
        peer< 200 INFO
        call> Hangup 0/16
        peer< BYE to=192.0.2.10:5060
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

/// Behind a NAT our requests go to where the phone sends from now.
#[test]
fn behind_a_nat_our_requests_follow() {
    let mut bench = began_by_user();
    let shown = answer(&asked(&mut bench, "BYE"), "INFO", "1001");
    bench.run_open(&format!("peer> INFO from={MOVED} | Authorization: {shown}\ncount< Elsewhere"));
    bench.texts();
    bench.endpoint.respond(bench.requests[0], &respond(200), bench.now);
    bench.drain();
    bench.run_open(&format!("moved< {MOVED}"));
    bench.texts();
    bench.run(&format!("call> Hangup 0/16\npeer< BYE to={MOVED}\ncall< Ended 0/16\npeer> 200 BYE"));
}

#[test]
fn who_does_not_prove_it_changes_nothing() {
    let mut bench = began_by_user();
    let nobody = answer(&asked(&mut bench, "BYE"), "BYE", "1002");
    bench.run(&format!(
        "peer> BYE from={MOVED} | Authorization: {nobody}
        count< Elsewhere
        count< Barred(403)
        peer< 403 BYE"
    ));
    let shown = answer(&asked(&mut bench, "BYE"), "BYE", "1001");
    bench.run_open(&format!(
        "peer> BYE from={MOVED} via={MOVED} | Authorization: {shown}\ncount< Elsewhere"
    ));
    bench.texts();
    let refuse = Refuse {
        cause: Cause::new(403, 21),
        reason: Reason::AuthFailed,
        phrase: String::new(),
        retry_after_s: 0,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
        headers: Vec::new(),
    };
    bench.endpoint.refuse_request(bench.requests[0], &refuse, bench.now);
    bench.drain();
    bench.run(&format!(
        "peer< 403 BYE to={MOVED}\npeer> BYE\npeer< 200 BYE\ncall< Ended 0/16 party"
    ));
}

#[test]
fn a_proof_that_comes_too_late_is_for_nobody() {
    let mut bench = began_by_user();
    let shown = answer(&asked(&mut bench, "BYE"), "BYE", "1001");
    let bye = format!("peer> BYE from={MOVED} via={MOVED} | Authorization: {shown}");
    bench.run_open(&format!("{bye}\ncount< Elsewhere"));
    bench.texts();
    bench.run("wait 32000\ncount< Unanswered");
    let (id, now) = (bench.requests[0], bench.now);
    bench.endpoint.respond(id, &respond(200), now);
    bench.drain();
    bench.run("count< Misuse");
    // A call that ended while its party was proved.
    let mut bench = began_by_user();
    let shown = answer(&asked(&mut bench, "INFO"), "INFO", "1001");
    bench.run_open(&format!(
        "peer> INFO from={MOVED} via={MOVED} | Authorization: {shown}\ncount< Elsewhere"
    ));
    bench.texts();
    bench.run("peer> BYE\npeer< 200 BYE\ncall< Ended 0/16 party");
    let (id, now) = (bench.requests[0], bench.now);
    bench.endpoint.respond(id, &respond(200), now);
    bench.drain();
    bench.run(&format!("peer< 481 INFO to={MOVED}"));
    assert_eq!(bench.endpoint.legs(), 0);
}

#[test]
fn whom_we_called_is_asked_by_id_also_after_a_restart() {
    let mut bench = up();
    bench.keys.challenge = Some(realm());
    bench.run("restart\nthaw< Confirmed");
    let tags = "fromtag=b totag=";
    let tag = bench.our_tag();
    let call_id = bench.our_call_id();
    let inside = format!("cseq=90 callid={call_id} {tags}{tag}");
    let shown = answer(&asked(&mut bench, &format!("BYE {inside}")), "BYE", "7");
    bench.run_open(&format!(
        "peer> BYE cseq=91 callid={call_id} {tags}{tag} from={MOVED} via={MOVED} \
         | Authorization: {shown}\ncount< Elsewhere"
    ));
    let ask = bench.messages().remove(0);
    assert!(ask.contains("party: Subscriber"), "{ask}");
    bench.endpoint.respond(bench.requests[0], &respond(200), bench.now);
    bench.drain();
    bench.run(&format!("moved< {MOVED}\npeer< 200 BYE\ncall< Ended 0/16 party"));
}
