use super::*;
use crate::nonce::NonceUse;
use crate::testing;
use crate::world::Rows;
use strowger_link::{AskId, CallerIdentity, SlotRef, Tick};

fn world() -> World {
    let mut disabled = testing::subscriber(2, "1002");
    disabled.enabled = false;
    World::build(Rows {
        tenants: vec![testing::tenant(1, testing::REALM), testing::tenant(2, "other.example")],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, None)],
        subscribers: vec![testing::subscriber(1, "1001"), disabled],
        ..Rows::default()
    })
    .unwrap()
}

/// BYE of somebody's dialog, from elsewhere.
fn ask(user: &str, password: &str, party: PartyRef) -> Ask {
    let caller = CallerIdentity {
        from_user: user.into(),
        from_host: String::new(),
        display: String::new(),
        asserted: Vec::new(),
        preferred: None,
        remote_party: None,
        privacy: String::new(),
    };
    Ask {
        id: AskId(1),
        parent: None,
        leg: LegId { slot: SlotRef { seg: 0, idx: 3, r#gen: 1 }, leg: 0 },
        hints: testing::hints("203.0.113.9:5060"),
        deadline: Tick::NEVER,
        wall_us: 0,
        body: AskBody::Request(Box::new(RequestAsk {
            method: "BYE".into(),
            request_uri: "sip:x".into(),
            caller,
            credentials: Some(testing::credentials(user, "BYE", password)),
            headers: Vec::new(),
            body: Octets::default(),
            party,
        })),
    }
}

fn judge(ask: &Ask) -> (String, Option<NonceUse>) {
    let decision = request(&world(), &Locations::default(), ask);
    let words = match &decision.verdict {
        Verdict::Respond(respond) => respond.status.to_string(),
        Verdict::Refuse(refuse) => format!("{} {:?}", refuse.cause.sip, refuse.reason),
        Verdict::Challenge(challenge) => format!("challenge {}", challenge.realm),
        Verdict::Go(_) | Verdict::Registered(_) | Verdict::Need(_) => panic!("{decision:?}"),
    };
    (words, decision.nonce)
}

fn check(ask: &Ask, expect: &str) {
    assert_eq!(judge(ask).0, expect);
}

#[test]
fn whose_dialog_it_is_shows_by_credentials() {
    let own = PartyRef::Subscriber;
    let (words, nonce) = judge(&ask("1001", "demo1001", PartyRef::Unknown));
    assert_eq!(words, "200");
    assert!(nonce.is_some(), "the count is spent");
    check(&ask("1001", "demo1001", own(1)), "200");
    check(&ask("1001", "guess", PartyRef::Unknown), "403 AuthFailed");
    check(&ask("9999", "guess", PartyRef::Unknown), "403 AuthFailed");
    check(&ask("1001", "demo1001", own(2)), "403 AuthFailed");
    check(&ask("1001", "demo1001", own(77)), "403 AuthFailed");
    check(&ask("1001", "demo1001", PartyRef::Trunk(1)), "403 Denied");
    check(&ask("1002", "demo1002", own(2)), "403 Denied");
}

#[test]
fn whom_we_called_is_asked_for_its_own_realm() {
    let mut other = ask("1001", "demo1001", PartyRef::Subscriber(1));
    if let AskBody::Request(request) = &mut other.body
        && let Some(credentials) = &mut request.credentials
    {
        credentials.realm = "other.example".into();
    }
    check(&other, "challenge demo.example");
}

#[test]
fn a_request_outside_dialogs_is_not_answered_here() {
    let mut outside = ask("1001", "demo1001", PartyRef::Unknown);
    outside.leg = LegId::default();
    check(&outside, "501 BadRequest");
}
