//! The product registers at a carrier, answers its challenges on every request, and is called by
//! the contact that it registered there.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use strowger_model::{
    Digits, EgressTarget, HostPort, Ingress, Route, RouteId, RouteTarget, Sealed, Trunk, TrunkId,
    TrunkLogin, TrunkLoginId,
};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::{EndedBy, Gate, Phone, flows};
use strowger_store::{Place, Sealer, Secret, Store};

use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::IN_FORCE;
use crate::talk::{SOON, desk};

/// The carrier's trunk in the demo's data.
const TRUNK: i64 = 2;
/// Numbers that go there.
const PREFIX: &str = "4477";
/// The demo's only tenant and the carrier's account.
const TENANT: i64 = 1;

/// A carrier on a port of its own, with a registrar that knows `us`.
fn carrier(demo: &Demo) -> Carrier {
    let carrier = Carrier::new(SocketAddr::from(([127, 0, 0, 1], 0)), demo.sip).unwrap();
    carrier.phone().set_gate(Some(Gate::new("us", "pw")));
    carrier
}

fn login(id: i64, password: &str) -> (TrunkLogin, String) {
    let login = TrunkLogin {
        id: TrunkLoginId(id),
        tenant: strowger_model::TenantId(TENANT),
        trunk: TrunkId(TRUNK),
        priority: 0,
        username: "us".into(),
        auth_username: None,
        realm: None,
        password: Sealed(Vec::new()),
        register: true,
        registrar: None,
        contact_user: None,
        expires_s: 600,
        caller_number: None,
        subscriber: None,
        enabled: true,
    };
    (login, password.to_owned())
}

/// Writes the trunk, a route to it and logins beside the running product, as another program that
/// changes the configuration would.
fn write(demo: &Demo, target: EgressTarget, logins: Vec<(TrunkLogin, String)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sealer = Sealer::open(&demo.file("host.key")).unwrap();
    let place = Place::parse("sqlite:strowger.db", &demo.file(""), Path::new("")).unwrap();
    runtime.block_on(async {
        let store = Store::open_at(&place).await.unwrap();
        let rows = store.reader().config().await.unwrap();
        let known = rows.trunks.iter().any(|trunk| trunk.id == TrunkId(TRUNK));
        let template = rows.trunks[0].clone();
        let account = template.egress.as_ref().unwrap().account;
        let mut egress = template.egress.clone().unwrap();
        egress.targets = vec![target];
        let trunk = Trunk {
            id: TrunkId(TRUNK),
            name: "registrar".into(),
            ingress: Some(Ingress::new(account)),
            egress: Some(egress),
            ..template
        };
        let mut w = store.write().await.unwrap();
        if !known {
            w.insert_trunk(&trunk).await.unwrap();
            let tenant = strowger_model::TenantId(TENANT);
            w.insert_route(&Route {
                targets: vec![RouteTarget { trunk: TrunkId(TRUNK), priority: 0, weight: 1 }],
                ..Route::new(RouteId(2), tenant, Digits::parse(PREFIX).unwrap())
            })
            .await
            .unwrap();
        }
        for (mut login, password) in logins {
            let place = format!("trunk_logins.password:{}", login.id);
            let sealed = sealer.seal(&place, &Secret::new(password)).unwrap();
            login.password = Sealed(sealed.as_column().as_bytes().to_vec());
            w.insert_trunk_login(&login).await.unwrap();
        }
        w.log_change(Some(TENANT), "test", "trunks", "a carrier", 1).await.unwrap();
        w.commit().await.unwrap();
        store.close().await;
    });
}

fn standing(demo: &Demo) -> Vec<Value> {
    items(demo, "registrations")
}

fn items(demo: &Demo, what: &str) -> Vec<Value> {
    let page = demo.rest.get(&format!("/api/v1/trunks/{TRUNK}/{what}"));
    page["items"].as_array().unwrap().clone()
}

/// Waits until the login of this place in the list is in this state.
fn await_state(demo: &Demo, at: usize, state: &str) -> Value {
    eventually(&format!("login {at} is {state}"), || {
        standing(demo).get(at).filter(|row| text(row, "state") == state).cloned()
    })
}

fn await_bound(phone: &Phone, what: &str) -> strowger_phone::Bound {
    eventually(what, || phone.bound())
}

fn address(carrier: &Carrier) -> EgressTarget {
    EgressTarget::Address(carrier.addr())
}

#[test]
fn a_login_registers_and_a_wrong_password_is_shown_in_words() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    write(&demo, address(&carrier), vec![login(1, "wrong")]);
    let row = await_state(&demo, 0, "refused");
    assert_eq!(text(&row, "cause"), "wrong-password", "{row:#}");
    let words = "the registrar does not accept the password or the user name (401)";
    assert_eq!(text(&row, "reason"), words);
    assert!(row["next_attempt"].is_string() && row["expires"].is_null(), "{row:#}");
    assert_eq!(carrier.phone().gate_counts("REGISTER").2, 1, "shown once");
    let (right, password) = login(2, "pw");
    write(&demo, address(&carrier), vec![(right, password)]);
    let row = await_state(&demo, 1, "registered");
    assert!(row["cause"].is_null() && row["expires"].is_string(), "{row:#}");
    let bound = carrier.phone().bound().unwrap();
    assert_eq!(bound.contact, format!("sip:us@{}", demo.sip));
    eventually("both are counted", || {
        let counted =
            |state: &str| demo.rest.metric(&format!("strowger_upstreams{{state=\"{state}\"}}"));
        ((counted("registered"), counted("refused")) == (1, 1)).then_some(())
    });
    assert!(!demo.log().contains("pw\""), "{}", demo.log());
    demo.stop();
    assert_eq!(carrier.phone().bound(), None, "unregistered at the end");
}

#[test]
fn a_short_grant_and_a_registrar_that_forgets_are_met_by_the_next_refresh() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    let gate = Gate { expires_s_max: 8, ..Gate::new("us", "pw") };
    carrier.phone().set_gate(Some(gate));
    write(&demo, address(&carrier), vec![login(1, "pw")]);
    let first = await_bound(carrier.phone(), "it registers");
    assert_eq!(first.expires_s, 8);
    carrier.phone().forget_contacts();
    let second = await_bound(carrier.phone(), "it registers again");
    assert_eq!(first.register.0, second.register.0, "the same Call-ID");
    assert!(second.register.1 > first.register.1, "a later CSeq");
    let strict = Gate { expires_s_min: 900, expires_s_max: 3_600, ..Gate::new("us", "pw") };
    carrier.phone().set_gate(Some(strict));
    carrier.phone().forget_contacts();
    let third = await_bound(carrier.phone(), "it asks for longer");
    assert_eq!(third.expires_s, 900, "423 says how long at least");
    demo.stop();
}

#[test]
fn every_request_of_a_call_answers_the_carriers_challenge() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    carrier.otherwise(Script::delayed(Duration::ZERO));
    write(&demo, address(&carrier), vec![login(1, "pw")]);
    await_state(&demo, 0, "registered");
    let ada = desk(&demo, flows::ALICE);
    let call = ada.invite("447700900123").unwrap();
    call.wait_answer(SOON).unwrap();
    assert_eq!(carrier.phone().gate_counts("INVITE"), (1, 1, 0));
    call.hold().unwrap();
    call.resume().unwrap();
    assert_eq!(carrier.phone().gate_counts("INVITE"), (3, 3, 0), "hold and resume");
    // The BYE of a call that a new life of the dataplane took up is challenged too.
    demo.replace(demo.planes().switchd);
    call.bye().unwrap();
    let seen = carrier.wait_ended(1, SOON * 2).unwrap();
    assert_eq!(seen[0].ended, Some(EndedBy::RemoteBye), "{}", carrier.phone().ladder());
    assert_eq!(carrier.phone().gate_counts("BYE"), (1, 1, 0));
    assert_eq!(carrier.phone().gate_counts("INVITE").2, 0);
    demo.stop();
}

#[test]
fn a_carrier_calls_the_contact_and_names_the_number_in_to() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    write(&demo, address(&carrier), vec![login(1, "pw")]);
    await_state(&demo, 0, "registered");
    let ada = desk(&demo, flows::ALICE);
    // The edge learns of the carrier's address a moment after the registrar's answer.
    std::thread::sleep(Duration::from_millis(400));
    // To the number in To, and to nobody when the contact is not ours.
    let call = carrier.phone().invite_with("us", &[("To", "<sip:1001@carrier.test>")], true);
    let call = call.unwrap();
    let rings = ada.wait_call(SOON).unwrap();
    rings.answer().unwrap();
    call.wait_answer(SOON).unwrap();
    call.bye().unwrap();
    assert_eq!(rings.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // From elsewhere the same contact is a stranger's.
    let stranger = Carrier::new(SocketAddr::from(([127, 0, 0, 1], 0)), demo.sip).unwrap();
    let call = stranger.phone().invite_with("us", &[("To", "<sip:1001@carrier.test>")], true);
    assert!(call.unwrap().wait_answer(SOON).is_err());
    demo.stop();
}

#[test]
fn a_killed_dataplane_registers_again_and_a_killed_control_plane_is_not_missed() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    let gate = Gate { expires_s_max: 10, ..Gate::new("us", "pw") };
    carrier.phone().set_gate(Some(gate));
    write(&demo, address(&carrier), vec![login(1, "pw")]);
    let first = await_bound(carrier.phone(), "it registers");
    let planes = demo.planes();
    demo.signal("KILL", planes.switchd);
    carrier.phone().forget_contacts();
    let second = await_bound(carrier.phone(), "the new life registers");
    assert_ne!(first.register.0, second.register.0, "a new boot, a new Call-ID");
    demo.await_replaced(planes.switchd);
    await_state(&demo, 0, "registered");
    demo.replace(planes.controld);
    await_state(&demo, 0, "registered");
    let third = await_bound(carrier.phone(), "it stays registered");
    assert_eq!(second.register.0, third.register.0, "nobody had to tell it again");
    demo.stop();
}

#[test]
fn a_trunk_may_be_known_by_its_name() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    let host = HostPort { name: "localhost".into(), port: carrier.addr().port() };
    write(&demo, EgressTarget::Host(host), vec![login(1, "pw")]);
    await_state(&demo, 0, "registered");
    let hosts = items(&demo, "hosts");
    assert_eq!(text(&hosts[0], "name"), "localhost");
    let addresses = hosts[0]["addresses"].as_array().unwrap();
    assert!(addresses.contains(&Value::from("127.0.0.1")), "{hosts:#?}");
    let ada = desk(&demo, flows::ALICE);
    let call = ada.invite("447700900123").unwrap();
    call.wait_answer(SOON).unwrap();
    call.bye().unwrap();
    let seen = carrier.wait_ended(1, SOON).unwrap();
    assert!(seen[0].invite.uri().contains("@localhost"), "{}", seen[0].invite.uri());
    demo.stop();
}

/// A subscriber who is known at the carrier by another name and password: registered there while he
/// is here, called there by his number here, and he alone calls by it (spec C-REG-06).
#[test]
fn a_subscribers_own_login_is_registered_while_he_is_here() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = carrier(&demo);
    carrier.otherwise(Script::delayed(Duration::ZERO));
    write(&demo, address(&carrier), vec![]);
    std::thread::sleep(IN_FORCE);
    let path = format!("/api/v1/trunks/{TRUNK}/logins");
    let body = |subscriber: &str| {
        json!({
            "username": "us", "password": "pw", "register": true, "subscriber": subscriber,
        })
    };
    let (status, said) = demo.rest.post(&path, "nobody", &body("99").to_string());
    assert!(status == 422 && said.to_string().contains("subscriber"), "{status} {said}");
    let (status, said) = demo.rest.post(&path, "own", &body("1").to_string());
    assert_eq!(status, 201, "{said}");
    await_state(&demo, 0, "away");
    assert_eq!(carrier.phone().bound(), None, "nobody is here");

    let ada = desk(&demo, flows::ALICE);
    await_state(&demo, 0, "registered");
    let bound = await_bound(carrier.phone(), "his login registers");
    assert_eq!(bound.contact, format!("sip:us@{}", demo.sip), "not his own contact");
    std::thread::sleep(Duration::from_millis(400));
    // He is called there by whatever name.
    let call = carrier.phone().invite_with("us", &[("To", "<sip:+4930123@carrier.test>")], true);
    let call = call.unwrap();
    let rings = ada.wait_call(SOON).unwrap();
    rings.answer().unwrap();
    call.wait_answer(SOON).unwrap();
    call.bye().unwrap();
    assert_eq!(rings.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // He calls by it; somebody else has nothing to show.
    let call = ada.invite("447700900123").unwrap();
    call.wait_answer(SOON).unwrap();
    call.bye().unwrap();
    assert_eq!(carrier.phone().gate_counts("INVITE"), (1, 1, 0));
    let bob = desk(&demo, flows::BOB);
    assert!(bob.invite("447700900123").unwrap().wait_answer(SOON).is_err());
    bob.unregister().unwrap();
    ada.unregister().unwrap();
    await_state(&demo, 0, "away");
    eventually("his login is unregistered", || carrier.phone().bound().is_none().then_some(()));
    demo.stop();
}
