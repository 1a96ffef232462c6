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
         <sip:1001@10.0.0.6>;expires=60;+sip.instance=\"<urn:x>\" \
         | Require: path, gruu | Supported: path, outbound | Supported: gruu \
         | Path: <sip:edge.example;lr;ob>, <sip:core.example;lr>"
    ));
    bench
}

fn field(name: &str, value: &str) -> HeaderField {
    HeaderField { name: name.into(), value: Octets(value.as_bytes().to_vec()) }
}

#[test]
fn a_register_may_require_what_registrars_speak_and_nothing_else() {
    super::check(
        "peer> REGISTER | Require: path, foo
        count< Barred(420)
        peer< 420 REGISTER | Unsupported: foo
        peer> REGISTER | Require: Path, outbound | Require: gruu
        count< Barred(403)
        peer< 403 REGISTER
        peer> INVITE | Require: path
        count< Barred(420)
        peer< 420 INVITE | Unsupported: path",
    );
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
        "\"<sip:edge.example;lr;ob>\",\n        \"<sip:core.example;lr>\"",
        "\"path\",\n        \"outbound\",\n        \"gruu\"",
        "direct: true",
    ] {
        assert!(ask.contains(part), "no {part} in {ask}");
    }
}

#[test]
fn bindings_are_the_answer_and_it_is_kept_for_retransmissions() {
    let mut bench = registering();
    bench.texts();
    let params = ";q=0.5;reg-id=1".into();
    let uri = "sip:1001@10.0.0.5:5062".into();
    let contacts = vec![BoundContact { uri, expires_s: 600, params }];
    let headers = vec![field("Path", "<sip:p;lr>"), field("To", "<sip:evil@example.com>")];
    let id = bench.requests[0];
    bench.endpoint.registered(id, &Registered { contacts, headers }, bench.now);
    bench.drain();
    bench.run(
        "peer< 200 REGISTER | Contact: <sip:1001@10.0.0.5:5062>;expires=600;q=0.5;reg-id=1 \
         | Path: <sip:p;lr>",
    );
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
    bench.endpoint.registered(id, &Registered { contacts: Vec::new(), headers: Vec::new() }, now);
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
        headers: Vec::new(),
    };
    bench.endpoint.refuse_request(bench.requests[0], &refuse, bench.now);
    bench.drain();
    bench.run("peer< 403 REGISTER | SIP/2.0 403 No | Retry-After: 30");

    let mut bench = registering();
    bench.texts();
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
    config.outside.push(Method::Publish);
    bench.endpoint = crate::endpoint::Endpoint::new(config);
    bench.run_open("peer> PUBLISH outside sdp | Subject: x");
    let ask = bench.messages().remove(0);
    assert!(ask.contains("method: \"PUBLISH\"") && ask.contains("\"Subject\""), "{ask}");
    let accepted = Respond {
        status: 202,
        phrase: "Fine".into(),
        headers: Vec::new(),
        body: Octets::default(),
    };
    bench.endpoint.respond(bench.requests[0], &accepted, bench.now);
    bench.drain();
    bench.run("peer< 202 PUBLISH | SIP/2.0 202 Fine");
}

/// A MESSAGE goes on to a target, and what that says is the answer.
mod page {
    use super::*;
    use strowger_link::{Forward, Target, Transport};

    fn forward() -> Forward {
        Forward {
            target: Target {
                uri: "sip:1002@192.0.2.20:5070".into(),
                address: "192.0.2.20:5070".parse().unwrap(),
                transport: Transport::Udp,
                flow: 0,
                routes: vec!["<sip:192.0.2.30;lr>".into()],
            },
            listener: 0,
            from_user: "1001".into(),
        }
    }

    /// It has come, and the control plane has said where it goes.
    fn passed_on() -> Bench {
        let mut bench = Bench::new();
        bench.run_open("peer> MESSAGE outside sdp | Content-Type: text/plain | Max-Forwards: 10");
        bench.texts();
        let (id, now) = (bench.requests[0], bench.now);
        bench.endpoint.forward_request(id, &forward(), now);
        bench.drain();
        bench.run(
            "peer< MESSAGE sdp to=192.0.2.20:5070 | MESSAGE sip:1002@192.0.2.20:5070 SIP/2.0 \
                | To: <sip:1002@192.0.2.20:5070> | Max-Forwards: 9 | Route: <sip:192.0.2.30;lr> \
                | Content-Type: text/plain | CSeq: 1 MESSAGE",
        );
        bench
    }

    #[test]
    fn what_the_target_says_is_the_answer() {
        for (said, told) in [(200, 200), (202, 202), (486, 486), (503, 500), (401, 480), (302, 480)]
        {
            let mut bench = passed_on();
            bench.run(&format!(
                "peer> {said} MESSAGE
                peer< {told} MESSAGE to=192.0.2.10:5060
                wait 64000"
            ));
            assert_eq!((bench.endpoint.transactions(), bench.endpoint.alarms()), (0, 0));
        }
    }

    #[test]
    fn a_target_that_cannot_be_had() {
        passed_on().run(
            "unreachable 192.0.2.20:5070
            peer< 480 MESSAGE to=192.0.2.10:5060",
        );
        // No listener of its family.
        let mut bench = Bench::new();
        bench.run_open("peer> MESSAGE outside sdp");
        bench.texts();
        let mut wrong = forward();
        wrong.listener = 1;
        bench.endpoint.forward_request(bench.requests[0], &wrong, bench.now);
        bench.drain();
        bench.run("peer< 480 MESSAGE");
    }

    #[test]
    fn a_word_too_long_for_a_datagram_or_without_hops() {
        let long = "x".repeat(1_300);
        super::super::check(&format!(
            "peer> MESSAGE outside | Subject: {long}
            count< Barred(413)
            peer< 413 MESSAGE
            peer> MESSAGE outside | Max-Forwards: 0
            count< Barred(483)
            peer< 483 MESSAGE"
        ));
    }
}
