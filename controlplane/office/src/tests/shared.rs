//! Calls by shared DIDs: noted when they go out, and learned again from records.

use super::*;
use strowger_link::{Algorithm, Credentials};
use strowger_routing::digest;

const SHARED: &str = "497000";

/// A world with a subscriber who shows a shared DID.
fn world() -> World {
    let mut rows = rows();
    rows.dids = vec![Did {
        id: DidId(1),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        number: digits(SHARED),
        target: DidTarget::Pool,
        enabled: true,
        reserved_until_us: None,
        shared: true,
        payer: None,
    }];
    rows.subscribers = vec![Subscriber {
        id: SubscriberId(5),
        tenant: TenantId(1),
        account: PAYER,
        organization: OrganizationId(1),
        username: "50".into(),
        numbers: Vec::new(),
        short: None,
        display: String::new(),
        ha1_md5: Some(digest::ha1_md5("50", "r", "secret")),
        ha1_sha256: None,
        digest: DigestPolicy::Both,
        ring_timeout_s: 0,
        calls_max: 0,
        enabled: true,
        expires_s_min: 60,
        expires_s_max: 3600,
        contacts_max: 4,
        identity: Identity { number: Some(digits(SHARED)), ..Identity::default() },
        barring: Barring::default(),
        forwards: Vec::new(),
    }];
    World::build(rows).unwrap()
}

fn own_ask() -> Ask {
    let mut ask = ask(7, "44123");
    ask.hints.trunk = None;
    let mut shown = Credentials {
        algorithm: Algorithm::Md5,
        username: "50".into(),
        realm: "r".into(),
        nonce: "n".into(),
        uri: "sip:r".into(),
        method: "INVITE".into(),
        qop: Some("auth".into()),
        cnonce: "c".into(),
        nonce_count: "00000001".into(),
        response: String::new(),
    };
    let world = world();
    let row = world.subscriber(SubscriberId(5)).unwrap();
    shown.response = digest::response(&shown, row).unwrap();
    let AskBody::Call(call) = &mut ask.body else { panic!("a call") };
    call.credentials = Some(shown);
    ask
}

fn last(office: &Office, now_us: i64) -> Option<SubscriberId> {
    office.shared_calls().last(DidId(1), digits("44123"), 1_000_000, now_us)
}

#[test]
fn calls_by_shared_dids_are_noted_and_learned_again() {
    let world = Arc::new(world());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = Amount::parse("10", account.currency).unwrap();
        office.load(account, posted, NOW);
    }
    assert_eq!(last(&office, WALL_US), None);
    assert!(matches!(answer_to(&mut office, own_ask()), Some(AnswerBody::Go(_))));
    assert_eq!(last(&office, WALL_US), Some(SubscriberId(5)));
    assert_eq!(last(&office, WALL_US + 1_000_001), None, "long ago");

    let past = |received: &str, from_user: &str| PastCall {
        by: SubscriberId(5),
        number: digits("44123"),
        received: received.into(),
        from_user: from_user.into(),
        started_us: WALL_US,
    };
    let mut again = Office::new(0, Arc::clone(&world));
    again.recall_shared(&[past("44123", "50")]);
    assert_eq!(last(&again, WALL_US), Some(SubscriberId(5)), "by his row");
    let mut shown = (*world).clone();
    let row = world.subscriber(SubscriberId(5)).unwrap().clone();
    let row = Subscriber { identity: Identity::default(), ..row };
    shown = shown.changed(strowger_routing::Change::Subscriber(Box::new(row))).unwrap();
    let shown = Arc::new(shown);
    for (call, expect) in [
        (past("44123", "50"), None),
        (past(SHARED, "50"), Some(SubscriberId(5))),
        (past("44123", SHARED), Some(SubscriberId(5))),
    ] {
        let mut office = Office::new(0, Arc::clone(&shown));
        office.recall_shared(std::slice::from_ref(&call));
        assert_eq!(last(&office, WALL_US), expect, "{call:?}");
    }
}
