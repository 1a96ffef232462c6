use strowger_link::{
    BoundContact, Cause, HeaderField, Octets, Reason, Refuse, Registered, Respond,
};

use crate::endpoint::tests::script::{Bench, realm};
use crate::method::Method;

/// A REGISTER with good credentials arrives and is handed up.
fn registering() -> Bench {
    let mut bench = Bench::new();
    bench.keys.challenge = Some(realm());
    bench.run_open("peer> REGISTER\ncount< Challenged");
    let asked = bench.messages().remove(0);
    let value = asked.lines().find_map(|l| l.strip_prefix("WWW-Authenticate: ")).unwrap();
    let challenge = crate::digest::Challenge::parse(value.as_bytes()).unwrap();
    let identity = crate::digest::Identity { username: b"1001", password: b"pw" };
    let request = crate::digest::Request { method: b"REGISTER", uri: b"sip:pbx.example.com" };
    let mut answer = Vec::new();
    challenge.answer(identity, request, b"c", 1, &mut answer);
    let answer = String::from_utf8(answer).unwrap();
    bench.run_open(&format!(
        "peer> REGISTER cseq=8 branch=z9hG4bKr | Expires: 600 | Authorization: {answer} \
         | Contact: <sip:1001@10.0.0.5:5062>;q=0.5, \
         <sip:1001@10.0.0.6>;expires=60;+sip.instance=\"<urn:x>\""
    ));
    bench
}

#[test]
fn a_register_is_handed_up_whole() {
    let mut bench = registering();
    let ask = bench.messages().remove(0);
    for part in [
        "user: \"4420\"",
        "host: \"pbx.example.com\"",
        "username: \"1001\"",
        "method: \"REGISTER\"",
        "uri: \"sip:1001@10.0.0.5:5062\"",
        "expires_s: 600",
        "q: 500",
        "expires_s: 60",
        "cseq: 8",
        "nonce_count: \"00000001\"",
        "algorithm: Sha256",
    ] {
        assert!(ask.contains(part), "no {part} in {ask}");
    }
}

#[test]
fn bindings_are_the_answer_and_it_is_kept_for_retransmissions() {
    let mut bench = registering();
    bench.texts();
    let contacts = vec![BoundContact { uri: "sip:1001@10.0.0.5:5062".into(), expires_s: 600 }];
    let id = bench.requests[0];
    bench.endpoint.registered(id, &Registered { contacts }, bench.now);
    bench.drain();
    bench.run("peer< 200 REGISTER | Contact: <sip:1001@10.0.0.5:5062>;expires=600");
    bench.run("peer> REGISTER cseq=8 branch=z9hG4bKr\npeer< 200 REGISTER\nwait 32000");
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
}

#[test]
fn an_answer_comes_once() {
    let mut bench = registering();
    bench.texts();
    let (id, now) = (bench.requests[0], bench.now);
    bench.endpoint.challenge_request(id, &realm(), now);
    bench.drain();
    bench.run("peer< 401 REGISTER");
    bench.endpoint.registered(id, &Registered { contacts: Vec::new() }, now);
    bench.drain();
    bench.run("count< Misuse");
}

#[test]
fn refusals_and_free_answers() {
    let mut bench = registering();
    bench.texts();
    let refuse = Refuse {
        cause: Cause::new(403, 21),
        reason: Reason::AuthFailed,
        phrase: "No".into(),
        retry_after_s: 30,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
    };
    bench.endpoint.refuse_request(bench.requests[0], &refuse, bench.now);
    bench.drain();
    bench.run("peer< 403 REGISTER | SIP/2.0 403 No | Retry-After: 30");

    let mut bench = registering();
    bench.texts();
    let field = |name: &str, value: &str| HeaderField {
        name: name.into(),
        value: Octets(value.as_bytes().to_vec()),
    };
    let respond = Respond {
        status: 423,
        phrase: String::new(),
        headers: vec![field("Min-Expires", "300"), field("Via", "evil")],
        body: Octets::default(),
    };
    bench.endpoint.respond(bench.requests[0], &respond, bench.now);
    bench.drain();
    bench.run("peer< 423 REGISTER | Min-Expires: 300");
}

#[test]
fn a_request_that_nobody_answers_is_forgotten() {
    let mut bench = registering();
    bench.texts();
    bench.run("wait 32000\ncount< Unanswered");
    assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
}

#[test]
fn a_register_without_credentials_never_passes() {
    super::check("peer> REGISTER\ncount< Barred(403)\npeer< 403 REGISTER");
}

#[test]
fn other_methods_are_handed_up_when_configured() {
    let mut bench = Bench::new();
    let mut config = super::script::config();
    config.outside.push(Method::Message);
    bench.endpoint = crate::endpoint::Endpoint::new(config);
    bench.run_open("peer> MESSAGE outside sdp | Subject: x");
    let ask = bench.messages().remove(0);
    assert!(ask.contains("method: \"MESSAGE\"") && ask.contains("\"Subject\""), "{ask}");
    let accepted = Respond {
        status: 202,
        phrase: "Fine".into(),
        headers: Vec::new(),
        body: Octets::default(),
    };
    bench.endpoint.respond(bench.requests[0], &accepted, bench.now);
    bench.drain();
    bench.run("peer< 202 MESSAGE | SIP/2.0 202 Fine");
}
