use super::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A zone: lines of `name TYPE data`.
struct Zone(Vec<(String, String, Vec<String>)>);

impl Zone {
    fn parse(text: &str) -> Zone {
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.next()?, words.collect()))
        };
        Zone(text.lines().filter_map(line).collect())
    }

    fn of(&self, name: &str, kind: &str) -> Vec<&[String]> {
        let fits = |(n, k, _): &&(String, String, Vec<String>)| n == name && k == kind;
        self.0.iter().filter(fits).map(|(_, _, data)| data.as_slice()).collect()
    }

    fn answer(&self, question: &Question) -> Records {
        let number = |text: &String| text.parse().unwrap();
        match question {
            Question::Naptr(name) => Records::Naptr(
                self.of(name, "NAPTR")
                    .into_iter()
                    .map(|d| Naptr {
                        order: number(&d[0]),
                        preference: number(&d[1]),
                        flags: d[2].clone(),
                        service: d[3].clone(),
                        regexp: String::new(),
                        replacement: d[4].clone(),
                    })
                    .collect(),
            ),
            Question::Srv(name) => Records::Srv(
                self.of(name, "SRV")
                    .into_iter()
                    .map(|d| Srv {
                        priority: number(&d[0]),
                        weight: number(&d[1]),
                        port: number(&d[2]),
                        target: d[3].clone(),
                    })
                    .collect(),
            ),
            Question::Address(name) => {
                let both = self.of(name, "A").into_iter().chain(self.of(name, "AAAA"));
                Records::Address(both.map(|d| d[0].parse().unwrap()).collect())
            }
        }
    }
}

const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// Asks until all is known: what was asked in each round, and the result.
fn run(zone: &str, wanted: &Wanted, usable: &[Transport]) -> (Vec<String>, Located) {
    let zone = Zone::parse(zone);
    let mut answers = Answers::default();
    let mut rounds = Vec::new();
    loop {
        match locate(wanted, usable, &answers) {
            Step::Found(located) => return (rounds, located),
            Step::Ask(questions) => {
                assert!(rounds.len() < ROUNDS_MAX, "{rounds:?}");
                let mut said = String::new();
                for question in questions {
                    let (kind, name) = match &question {
                        Question::Naptr(name) => ("NAPTR", name),
                        Question::Srv(name) => ("SRV", name),
                        Question::Address(name) => ("A", name),
                    };
                    write!(said, "{kind} {name} ").unwrap();
                    let records = zone.answer(&question);
                    answers.put(question, records, 60);
                }
                rounds.push(said.trim().to_owned());
            }
        }
    }
}

/// `sip:HOST[:PORT][;transport=T]`, or `sips:`.
fn wanted(uri: &str) -> Wanted {
    let (scheme, rest) = uri.split_once(':').unwrap();
    let (place, transport) = match rest.split_once(";transport=") {
        Some((place, "udp")) => (place, Some(Transport::Udp)),
        Some((place, "tcp")) => (place, Some(Transport::Tcp)),
        Some((place, "tls")) => (place, Some(Transport::Tls)),
        Some((_, other)) => panic!("{other}"),
        None => (rest, None),
    };
    let (host, port) = match place.rsplit_once(':').filter(|_| !place.ends_with(']')) {
        Some((host, port)) => (host, port.parse().unwrap()),
        None => (place, 0),
    };
    Wanted { host: host.into(), port, transport, is_secure: scheme == "sips" }
}

fn shown(located: &Located, chance: u64) -> String {
    let mut text = String::new();
    for (transport, address) in located.draw(chance) {
        write!(text, "{transport:?} {address} ").unwrap();
    }
    text.trim().to_owned()
}

fn check(zone: &str, uri: &str, asked: &[&str], expect: &str) {
    let (rounds, located) = run(zone, &wanted(uri), &ALL);
    assert_eq!(rounds, asked, "{uri}");
    assert_eq!(shown(&located, 1), expect, "{uri}");
}

/// The example of RFC 3263 section 5, with a second server for UDP.
const EXAMPLE: &str = "\
example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
example.com NAPTR 100 50 S sip+d2u _sip._udp.example.com.
example.com NAPTR 10 1 u E2U+sip !x!y!
_sips._tcp.example.com SRV 0 1 5061 server1.example.com.
_sip._tcp.example.com SRV 0 1 5060 Server1.example.com
_sip._tcp.example.com SRV 1 2 5070 server2.example.com
_sip._udp.example.com SRV 2 1 5060 server1.example.com
_sip._udp.example.com SRV 1 1 5080 server2.example.com
server1.example.com A 192.0.2.1
server2.example.com A 192.0.2.2
server2.example.com AAAA 2001:db8::2
bare.example A 192.0.2.9
srv.example A 192.0.2.100
_sip._udp.srv.example SRV 0 0 5062 a.srv.example
a.srv.example A 192.0.2.11
none.example A 192.0.2.50
_sip._udp.none.example SRV 0 0 0 .
half.example SRV 0 0 0 .
_sip._udp.half.example SRV 5 0 5060 gone.example
_sip._udp.half.example SRV 6 0 5060 server1.example.com";

#[test]
fn what_a_uri_says_decides_what_is_asked() {
    let tcp = "Tcp 192.0.2.1:5060 Tcp 192.0.2.2:5070 Tcp [2001:db8::2]:5070";
    let udp = "Udp 192.0.2.2:5080 Udp [2001:db8::2]:5080 Udp 192.0.2.1:5060";
    let hosts = "A server1.example.com A server2.example.com";
    // Addresses and ports leave nothing to ask for.
    check("", "sip:192.0.2.5", &[], "Udp 192.0.2.5:5060");
    check("", "sip:192.0.2.5:5070;transport=tcp", &[], "Tcp 192.0.2.5:5070");
    check("", "sips:192.0.2.5", &[], "Tls 192.0.2.5:5061");
    check("", "sip:[2001:db8::5]", &[], "Udp [2001:db8::5]:5060");
    check(EXAMPLE, "sip:bare.example:5080", &["A bare.example"], "Udp 192.0.2.9:5080");
    check(EXAMPLE, "sips:bare.example:5080", &["A bare.example"], "Tls 192.0.2.9:5080");
    // A named transport: no NAPTR.
    check(EXAMPLE, "sip:example.com;transport=udp", &["SRV _sip._udp.example.com", hosts], udp);
    check(EXAMPLE, "sip:example.com;transport=tcp", &["SRV _sip._tcp.example.com", hosts], tcp);
    check(
        EXAMPLE,
        "sip:bare.example;transport=tls",
        &["SRV _sips._tcp.bare.example", "A bare.example"],
        "Tls 192.0.2.9:5061",
    );
    // The domain's own preference.
    let naptr = "NAPTR example.com";
    let all = "SRV _sips._tcp.example.com SRV _sip._tcp.example.com SRV _sip._udp.example.com";
    let expect = format!("Tls 192.0.2.1:5061 {tcp} {udp}");
    check(EXAMPLE, "sip:example.com", &[naptr, all, hosts], &expect);
    let one = [naptr, "SRV _sips._tcp.example.com", "A server1.example.com"];
    check(EXAMPLE, "sips:example.com", &one, "Tls 192.0.2.1:5061");
}

#[test]
fn without_naptr_records_ours_is_the_preference() {
    let guess = "SRV _sip._udp.srv.example SRV _sip._tcp.srv.example SRV _sips._tcp.srv.example";
    let rounds = ["NAPTR srv.example", guess, "A a.srv.example"];
    check(EXAMPLE, "sip:srv.example", &rounds, "Udp 192.0.2.11:5062");
    let guess = guess.replace("srv.example", "bare.example");
    let rounds = ["NAPTR bare.example", &guess, "A bare.example"];
    check(EXAMPLE, "sip:bare.example", &rounds, "Udp 192.0.2.9:5060");
}

#[test]
fn what_we_cannot_speak_is_passed_over() {
    let (_, located) = run(EXAMPLE, &wanted("sip:example.com"), &[Transport::Udp]);
    assert!(located.draw(9).iter().all(|(transport, _)| *transport == Transport::Udp));
    let (rounds, located) = run(EXAMPLE, &wanted("sips:example.com"), &[Transport::Udp]);
    assert_eq!(rounds, ["NAPTR example.com", "A example.com"]);
    assert_eq!(located.draw(0), []);
    let ws = Wanted { transport: Some(Transport::Wss), ..wanted("sip:bare.example") };
    assert_eq!(run(EXAMPLE, &ws, &ALL).0, ["A bare.example"]);
}

#[test]
fn a_service_that_is_decidedly_not_there_has_no_address() {
    let rounds = ["SRV _sip._udp.none.example"];
    check(EXAMPLE, "sip:none.example;transport=udp", &rounds, "");
    let rounds = ["SRV _sip._udp.half.example", "A gone.example A server1.example.com"];
    check(EXAMPLE, "sip:half.example;transport=udp", &rounds, "Udp 192.0.2.1:5060");
}

/// 10,000 draws keep the weights, and each draw holds everybody once.
#[test]
fn weights_are_shares() {
    let zone = "\
_sip._udp.w.example SRV 10 70 5060 a.example
_sip._udp.w.example SRV 10 20 5060 b.example
_sip._udp.w.example SRV 10 10 5060 c.example
_sip._udp.w.example SRV 10 0 5060 d.example
_sip._udp.w.example SRV 20 65535 5060 e.example
a.example A 192.0.2.1
b.example A 192.0.2.2
c.example A 192.0.2.3
d.example A 192.0.2.4
e.example A 192.0.2.5";
    let (_, located) = run(zone, &wanted("sip:w.example;transport=udp"), &ALL);
    let mut first: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for chance in 0..10_000 {
        let order: Vec<IpAddr> = located.draw(chance).iter().map(|(_, at)| at.ip()).collect();
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 5, "{order:?}");
        assert_eq!(order[4], IpAddr::from([192, 0, 2, 5]), "a larger priority comes last");
        assert_eq!(located.draw(chance), located.draw(chance));
        *first.entry(order[0]).or_default() += 1;
    }
    // Of 101 numbers 70, 20 and 10 belong to a weight, and 0 to the one without.
    for (host, share) in [(1, 70), (2, 20), (3, 10), (4, 1)] {
        let (is, should) = (first[&IpAddr::from([192, 0, 2, host])], share * 10_000 / 101);
        let off = is.abs_diff(should);
        assert!(off * off < 16 * should, "{host}: {is}, not {should}");
    }
}

#[test]
fn equals_without_weights_keep_their_order() {
    let zone = "\
_sip._udp.w.example SRV 1 0 5060 b.example
_sip._udp.w.example SRV 1 0 5060 a.example
a.example A 192.0.2.1
b.example A 192.0.2.2";
    let (_, located) = run(zone, &wanted("sip:w.example;transport=udp"), &ALL);
    for chance in 0..100 {
        assert_eq!(shown(&located, chance), "Udp 192.0.2.2:5060 Udp 192.0.2.1:5060");
    }
}

#[test]
fn the_shortest_time_counts_and_lists_have_bounds() {
    let wanted = wanted("sip:w.example;transport=udp");
    let srv = Question::Srv("_sip._udp.w.example".into());
    let record = |n: usize| Srv {
        priority: 1,
        weight: 1,
        port: 5060,
        target: format!("h{}.example", n % 3),
    };
    let mut answers = Answers::default();
    answers.put(srv, Records::Srv((0..99).map(record).collect()), 300);
    let Step::Ask(hosts) = locate(&wanted, &ALL, &answers) else { panic!() };
    assert_eq!(hosts.len(), 3, "each host once");
    let many: Vec<IpAddr> = (0..99).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    for (host, ttl_s) in hosts.into_iter().zip([30, 7, 3_600]) {
        answers.put(host, Records::Address(many.clone()), ttl_s);
    }
    let Step::Found(located) = locate(&wanted, &ALL, &answers) else { panic!() };
    assert_eq!(located.ttl_s(), 7);
    assert!(located.is_service());
    assert_eq!(located.places().len(), PLACES_MAX);
    assert_eq!(located.draw(0).len(), PLACES_MAX * ADDRESSES_MAX);
}

/// Answers of another kind than asked for are no records, and no panic.
#[test]
fn strange_answers_are_none() {
    let wanted = wanted("sip:w.example");
    let mut answers = Answers::default();
    for _ in 0..ROUNDS_MAX + 1 {
        match locate(&wanted, &ALL, &answers) {
            Step::Found(located) => {
                assert_eq!(located.draw(0), []);
                return;
            }
            Step::Ask(questions) => questions.into_iter().for_each(|question| {
                let strange = match question {
                    Question::Naptr(_) => Records::Address(vec![IpAddr::from([192, 0, 2, 1])]),
                    Question::Srv(_) | Question::Address(_) => Records::Naptr(Vec::new()),
                };
                answers.put(question, strange, 1);
            }),
        }
    }
    panic!("it asks for ever");
}
