use super::*;
use crate::testing;
use crate::world::Rows;
use strowger_link::{AskId, ContactAsk, LegId};

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
            let header = r.headers.first().unwrap();
            let value = String::from_utf8(header.value.0.clone()).unwrap();
            format!("{} {}: {value}", r.status, header.name)
        }
        Verdict::Go(_) | Verdict::Need(_) => panic!("{verdict:?}"),
    }
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
