use super::*;
use crate::testing;
use crate::world::Rows;
use strowger_link::{AskId, ContactAsk, HeaderField, LegId};

const WALL: i64 = 1_700_000_000_000_000;

fn world() -> World {
    let mut disabled = testing::subscriber(2, "1002");
    disabled.enabled = false;
    let mut numbered = testing::subscriber(1, "1001");
    numbered.numbers = vec![testing::digits("442071001")];
    World::build(Rows {
        tenants: vec![testing::tenant(1, testing::REALM), testing::tenant(2, "other.example")],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, None)],
        subscribers: vec![numbered, disabled],
        listeners: vec![testing::listener("192.0.2.1:5060")],
        ..Rows::default()
    })
    .unwrap()
}

fn ask(user: &str, password: &str, expires_s: u32) -> Ask {
    let contact = ContactAsk {
        uri: format!("sip:{user}@10.0.0.1"),
        expires_s,
        q: 1000,
        params: String::new(),
    };
    Ask {
        id: AskId(1),
        parent: None,
        leg: LegId::default(),
        hints: testing::hints("10.0.0.1:5060"),
        deadline: Tick::NEVER,
        wall_us: WALL,
        body: AskBody::Register(Box::new(RegisterAsk {
            user: user.into(),
            host: testing::REALM.into(),
            credentials: testing::credentials(user, "REGISTER", password),
            contacts: vec![contact],
            sip_call_id: "c".into(),
            cseq: 1,
            user_agent: String::new(),
            path: Vec::new(),
            flow: 0,
            supported: Vec::new(),
            direct: true,
            nated: false,
        })),
    }
}

/// Registers on a fresh switch after `change` and says what came of it.
fn check(mut ask: Ask, change: impl Fn(&mut Ask, &mut RegisterAsk), expect: &str) {
    let AskBody::Register(mut request) = ask.body.clone() else { panic!() };
    change(&mut ask, &mut request);
    ask.body = AskBody::Register(request);
    let mut locations = Locations::default();
    let decision = register(&world(), &mut locations, &ask, Tick(0), WALL);
    assert_eq!(words(&decision.verdict), expect);
    assert_eq!(locations.is_empty(), !expect.starts_with("bound"), "{expect}");
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Registered(registered) => {
            let list: Vec<String> =
                registered.contacts.iter().map(|c| format!("{} {}", c.uri, c.expires_s)).collect();
            format!("bound {}", list.join(", "))
        }
        Verdict::Refuse(refuse) => {
            assert!(!refuse.record, "a registration is no call");
            format!("{} {:?}", refuse.cause.sip, refuse.reason)
        }
        Verdict::Challenge(c) => format!("challenge {} stale {}", c.realm, c.stale),
        Verdict::Respond(r) => {
            let fields = fields(&r.headers);
            format!("{} {}", r.status, if fields.is_empty() { &r.phrase } else { &fields })
        }
        Verdict::Go(_) | Verdict::Need(_) => panic!("{verdict:?}"),
    }
}

fn fields(headers: &[HeaderField]) -> String {
    let text = |field: &HeaderField| {
        format!("{}: {}", field.name, String::from_utf8(field.value.0.clone()).unwrap())
    };
    headers.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The fields of the 200 to a REGISTER after `change`, or what else came.
fn answer(settings: &[(&str, &str)], change: impl Fn(&mut RegisterAsk)) -> String {
    let mut ask = ask("1001", "demo1001", 600);
    let AskBody::Register(request) = &mut ask.body else { panic!() };
    change(request);
    let row = |(path, value): &(&str, &str)| {
        let (category, name) = path.split_once('.').unwrap();
        strowger_model::SettingRow {
            id: strowger_model::SettingId(1),
            category: category.to_owned(),
            name: name.to_owned(),
            tenant: None,
            account: None,
            subscriber: None,
            value: (*value).to_owned(),
        }
    };
    let world = settings
        .iter()
        .map(row)
        .fold(world(), |world, row| world.changed(crate::world::Change::Setting(row)).unwrap());
    let decision = register(&world, &mut Locations::default(), &ask, Tick(0), WALL);
    if let Verdict::Registered(registered) = &decision.verdict {
        return fields(&registered.headers);
    }
    words(&decision.verdict)
}

const DATE: &str = "Date: Tue, 14 Nov 2023 22:13:20 GMT";
const FLOW: &str = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1";

fn through(path: &str) -> impl Fn(&mut RegisterAsk) {
    let path = vec!["<sip:core.example;lr>".to_owned(), path.to_owned()];
    move |request| (request.direct, request.path) = (false, path.clone())
}

#[test]
fn a_path_is_kept_and_repeated_as_the_policy_says() {
    assert_eq!(answer(&[], |_| {}), DATE);
    let proxied = through("<sip:edge.example;lr>");
    let supported = |request: &mut RegisterAsk| {
        through("<sip:edge.example;lr>")(request);
        request.supported = vec!["Path".into()];
    };
    let echo = format!("Path: <sip:core.example;lr>, Path: <sip:edge.example;lr>, {DATE}");
    assert_eq!(answer(&[], &proxied), DATE, "who does not know of it is not told");
    assert_eq!(answer(&[], supported), echo);
    let require = [("registration.path", "require")];
    assert_eq!(answer(&require, &proxied), "421 Require: path");
    assert_eq!(answer(&require, supported), echo);
    assert_eq!(answer(&require, |_| {}), DATE, "there is none");
    let refuse = [("registration.path", "refuse")];
    assert_eq!(answer(&refuse, supported), "420 Unsupported: path");
    assert_eq!(answer(&refuse, |_| {}), DATE);
}

#[test]
fn outbound_needs_a_first_hop_that_keeps_flows() {
    let flow = |request: &mut RegisterAsk| {
        request.contacts[0].params = FLOW.into();
        request.supported = vec!["outbound".into()];
    };
    let kept = format!("Require: outbound, {DATE}");
    assert_eq!(answer(&[], flow), kept, "we are the first hop");
    let timed = format!("Require: outbound, Flow-Timer: 120, {DATE}");
    assert_eq!(answer(&[("registration.flow_timer_ms", "120000")], flow), timed);
    let by = |path: &'static str, tag: &'static str| {
        move |request: &mut RegisterAsk| {
            flow(request);
            through(path)(request);
            request.supported = vec![tag.into()];
        }
    };
    assert_eq!(answer(&[], by("<sip:edge.example;lr;ob>", "outbound")), kept);
    let lacks = "439 First Hop Lacks Outbound Support";
    assert_eq!(answer(&[], by("<sip:edge.example;lr>", "outbound")), lacks);
    // A client that does not say it knows of 439 is registered without its flow.
    assert_eq!(answer(&[], by("<sip:edge.example;lr>", "gruu")), DATE);
    // Neither half of it is a flow, and a removal is none.
    let half = |params: &'static str, expires_s: u32| {
        move |request: &mut RegisterAsk| {
            by("<sip:edge.example;lr>", "outbound")(request);
            request.contacts[0].params = params.into();
            request.contacts[0].expires_s = expires_s;
        }
    };
    assert_eq!(answer(&[], half(";reg-id=1", 600)), DATE);
    assert_eq!(answer(&[], half(";+sip.instance=\"<urn:uuid:1>\"", 600)), DATE);
    assert_eq!(answer(&[], half(FLOW, 0)), DATE);
}

#[test]
fn a_service_route_names_the_listener() {
    let on = [("registration.service_route", "true")];
    assert_eq!(answer(&on, |_| {}), format!("Service-Route: <sip:192.0.2.1:5060;lr>, {DATE}"));
}

#[test]
fn push_parameters_are_kept_as_they_are() {
    let uri = "sip:1001@10.0.0.1;pn-provider=fcm;pn-param=proj;pn-prid=dev:1-a%3B";
    check(
        ask("1001", "demo1001", 600),
        |_, r| r.contacts[0].uri = uri.into(),
        &format!("bound {uri} 600"),
    );
}

#[test]
fn registrations() {
    let good = || ask("1001", "demo1001", 600);
    check(good(), |_, _| {}, "bound sip:1001@10.0.0.1 600");
    check(good(), |_, r| r.user = "442071001".into(), "bound sip:1001@10.0.0.1 600");
    check(good(), |_, r| r.host = "192.0.2.1".into(), "bound sip:1001@10.0.0.1 600");
    check(good(), |_, r| r.host = "Other.Example".into(), "404 UnknownNumber");
    check(good(), |_, r| r.user = "1002".into(), "403 Denied");
    check(ask("1001", "guess", 600), |_, _| {}, "403 AuthFailed");
    check(ask("9999", "guess", 600), |_, _| {}, "403 AuthFailed");
    check(ask("1002", "demo1002", 600), |_, _| {}, "403 Denied");
    check(ask("1001", "demo1001", 30), |_, _| {}, "423 Min-Expires: 60");
    check(good(), |_, r| r.contacts[0].uri = "*".into(), "400 BadRequest");
    check(good(), |_, r| r.contacts[0].uri = "x".into(), "400 BadRequest");
    let elsewhere = "challenge demo.example stale false";
    check(good(), |_, r| r.credentials.realm = "nobody.example".into(), elsewhere);
    let by_host = "challenge other.example stale false";
    check(
        good(),
        |a, r| {
            a.hints.host = "other.example".into();
            r.credentials.realm = "nobody.example".into();
        },
        by_host,
    );
    // Whoever comes by TLS says it before: several tenants may share an address.
    check(
        good(),
        |a, r| {
            a.hints.sni = Some("Other.Example".into());
            a.hints.host = "demo.example".into();
            r.credentials.realm = "nobody.example".into();
        },
        by_host,
    );
}

#[test]
fn a_replayed_registration_is_stale() {
    let (world, mut locations) = (world(), Locations::default());
    let ask = ask("1001", "demo1001", 600);
    let first = register(&world, &mut locations, &ask, Tick(0), WALL);
    assert_eq!(words(&first.verdict), "bound sip:1001@10.0.0.1 600");
    let again = register(&world, &mut locations, &ask, Tick(0), WALL);
    assert_eq!(words(&again.verdict), "challenge demo.example stale true");
}

#[test]
fn other_asks_are_not_registrations() {
    let mut ask = ask("1001", "demo1001", 600);
    ask.body = AskBody::App(strowger_link::AppAsk { app: "x".into(), data: Octets::default() });
    let decision = register(&world(), &mut Locations::default(), &ask, Tick(0), WALL);
    assert_eq!(words(&decision.verdict), "501 BadRequest");
}
