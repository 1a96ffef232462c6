//! Who sees what: the tree of organizations, scopes, users, tokens, sessions, the change log.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use strowger_model::*;
use strowger_store::{Sealed, *};

on_both! {
    the_tree_follows_every_move
    cycles_and_strangers_are_no_parents
    rows_are_seen_within_their_scope
    scopes_contain_each_other
    tokens_are_found_by_hash_with_what_they_may
    a_token_goes_with_its_maker_and_its_parent
    users_have_names_of_their_own_in_each_tenant
    a_user_is_changed_by_who_saw_him_last
    second_factors_and_codes_count_once
    sessions_end
    changes_say_who_and_what_and_stay_in_scope
}

const TENANT: TenantId = TenantId(1);

fn organization(id: i64, parent: Option<i64>) -> Organization {
    Organization {
        id: OrganizationId(id),
        tenant: TENANT,
        parent: parent.map(OrganizationId),
        kind: OrganizationKind::Reseller,
        name: format!("O{id}"),
        withheld: Vec::new(),
    }
}

/// Organizations of the sample: 1 with 2 below. More: 10 with 11 with 12 below, 20 beside; each of
/// them with an account and a subscriber of its number, and a second tenant.
async fn grow(db: &Db) -> Reader {
    let rows = sample();
    write_all(&db.store, &rows).await;
    let mut w = db.store.write().await.unwrap();
    for (id, parent) in [(10, None), (11, Some(10)), (12, Some(11)), (20, None)] {
        w.insert_organization(&organization(id, parent)).await.unwrap();
        let organization = OrganizationId(id);
        let account = Account { id: AccountId(id), organization, ..rows.accounts[0].clone() };
        w.insert_account(&account).await.unwrap();
        let subscriber = Subscriber {
            id: SubscriberId(id),
            account: AccountId(id),
            organization,
            username: format!("s{id}"),
            short: None,
            numbers: Vec::new(),
            ..rows.subscribers[0].clone()
        };
        w.insert_subscriber(&subscriber).await.unwrap();
    }
    let other = Tenant { id: TenantId(2), realm: "other".into(), ..rows.tenants[0].clone() };
    w.insert_tenant(&other).await.unwrap();
    let of_other = Organization { tenant: TenantId(2), ..organization(30, None) };
    w.insert_organization(&of_other).await.unwrap();
    w.commit().await.unwrap();
    db.store.reader()
}

/// Each organization with all below it, as the tree and as the parents have it.
async fn check_tree(db: &Db, expect: &[(i64, &[i64])]) {
    for (top, below) in expect {
        let subtree = db.store.reader().subtree(OrganizationId(*top)).await.unwrap();
        let ids: Vec<i64> = subtree.into_iter().map(|id| id.0).collect();
        assert_eq!(ids, *below, "below {top}");
    }
}

async fn move_to(db: &Db, id: i64, parent: Option<i64>) -> Result<(), StoreError> {
    let mut w = db.store.write().await.unwrap();
    w.move_organization(TENANT, OrganizationId(id), parent.map(OrganizationId)).await?;
    w.commit().await
}

async fn the_tree_follows_every_move(db: &Db) {
    grow(db).await;
    check_tree(db, &[(10, &[10, 11, 12]), (11, &[11, 12]), (12, &[12]), (20, &[20])]).await;
    move_to(db, 11, Some(20)).await.unwrap();
    check_tree(db, &[(10, &[10]), (11, &[11, 12]), (20, &[11, 12, 20])]).await;
    move_to(db, 20, Some(10)).await.unwrap();
    check_tree(db, &[(10, &[10, 11, 12, 20]), (20, &[11, 12, 20])]).await;
    move_to(db, 11, None).await.unwrap();
    check_tree(db, &[(10, &[10, 20]), (11, &[11, 12]), (20, &[20])]).await;
    // To where it is already.
    move_to(db, 11, None).await.unwrap();
    move_to(db, 20, Some(10)).await.unwrap();
    check_tree(db, &[(10, &[10, 20]), (11, &[11, 12]), (20, &[20])]).await;
    let config = db.store.reader().config().await.unwrap();
    let parent = |id| config.organizations.iter().find(|o| o.id.0 == id).unwrap().parent;
    assert_eq!((parent(20), parent(11)), (Some(OrganizationId(10)), None));
}

fn refused(outcome: Result<(), StoreError>) -> (&'static str, &'static str) {
    let error = outcome.unwrap_err();
    let StoreError::Refused { field, why } = error else { panic!("{error}") };
    (field, why)
}

async fn cycles_and_strangers_are_no_parents(db: &Db) {
    grow(db).await;
    let below = ("parent", "stands below the organization itself");
    for parent in [10, 11, 12] {
        assert_eq!(refused(move_to(db, 10, Some(parent)).await), below, "{parent}");
    }
    let stranger = ("parent", "is no organization of this tenant");
    assert_eq!(refused(move_to(db, 10, Some(30)).await), stranger);
    assert_eq!(refused(move_to(db, 10, Some(99)).await), stranger);
    check_tree(db, &[(10, &[10, 11, 12]), (30, &[30])]).await;
    // A chain as deep as can be, and one more.
    let mut w = db.store.write().await.unwrap();
    for n in 0..ORGANIZATION_DEPTH_MAX {
        let parent = if n == 0 { 20 } else { 99 + n };
        w.insert_organization(&organization(100 + n, Some(parent))).await.unwrap();
    }
    let deeper = organization(200, Some(99 + ORGANIZATION_DEPTH_MAX));
    let too_deep = ("parent", "makes the tree too deep");
    assert_eq!(refused(w.insert_organization(&deeper).await), too_deep);
    drop(w);
}

async fn rows_are_seen_within_their_scope(db: &Db) {
    let reader = grow(db).await;
    let ids = async |scope: Scope| {
        let accounts = reader.accounts(scope, None, 99).await.unwrap();
        let subscribers = reader.subscribers(scope, None, 99).await.unwrap();
        let accounts: Vec<i64> = accounts.iter().map(|a| a.id.0).collect();
        let subscribers: Vec<i64> = subscribers.iter().map(|s| s.id.0).collect();
        (accounts, subscribers)
    };
    let all = vec![1, 10, 11, 12, 20];
    for (scope, accounts, subscribers) in [
        (Scope::All, all.clone(), all.clone()),
        (Scope::Tenant(TENANT), all.clone(), all),
        (Scope::Tenant(TenantId(2)), vec![], vec![]),
        (Scope::Organization(TENANT, OrganizationId(10)), vec![10, 11, 12], vec![10, 11, 12]),
        (Scope::Organization(TENANT, OrganizationId(11)), vec![11, 12], vec![11, 12]),
        (Scope::Organization(TenantId(2), OrganizationId(10)), vec![], vec![]),
        (Scope::Customer(TENANT, AccountId(11)), vec![11], vec![11]),
        (Scope::Supplier(TENANT, AccountId(11)), vec![11], vec![]),
        (Scope::Subscriber(TENANT, SubscriberId(11)), vec![], vec![11]),
        (Scope::Nothing, vec![], vec![]),
    ] {
        assert_eq!(ids(scope).await, (accounts, subscribers), "{scope:?}");
    }
    let inside = Scope::Organization(TENANT, OrganizationId(10));
    let subscriber = async |id| reader.subscriber(inside, SubscriberId(id)).await.unwrap();
    assert!(subscriber(12).await.is_some() && subscriber(20).await.is_none());
    // Records: by organization, by who pays, by who is called, by who is owed.
    let mut records = vec![record(1, 0, 100, Some(1), 11), record(2, 0, 200, Some(1), 20)];
    records[0].caller.organization = Some(OrganizationId(11));
    records[0].caller.subscriber = Some(SubscriberId(11));
    records[0].called.subscriber = Some(SubscriberId(20));
    let mut owed = records[0].customer.unwrap();
    (owed.kind, owed.account) = (ChargeKind::Supplier, AccountId(12));
    records[0].supplier = Some(owed);
    records[0].hops[0].supplier = Some(AccountId(10));
    let to = Position { seq: 2, ..Position::default() };
    db.store.ingest(0, Position::default(), to, &records, 1).await.unwrap();
    for (scope, expect) in [
        (inside, true),
        (Scope::Organization(TENANT, OrganizationId(12)), false),
        (Scope::Customer(TENANT, AccountId(11)), true),
        (Scope::Customer(TENANT, AccountId(12)), false),
        (Scope::Supplier(TENANT, AccountId(12)), true),
        (Scope::Supplier(TENANT, AccountId(10)), true),
        (Scope::Supplier(TENANT, AccountId(11)), false),
        (Scope::Subscriber(TENANT, SubscriberId(11)), true),
        (Scope::Subscriber(TENANT, SubscriberId(20)), true),
        (Scope::Subscriber(TENANT, SubscriberId(10)), false),
        (Scope::Nothing, false),
    ] {
        let one = reader.cdr(scope, CdrId(1)).await.unwrap();
        let filter = CdrFilter { limit: 9, ..CdrFilter::default() };
        let list = reader.cdrs(scope, &filter).await.unwrap();
        let is_listed = list.iter().any(|cdr| cdr.id == CdrId(1));
        assert_eq!((one.is_some(), is_listed), (expect, expect), "{scope:?}");
    }
}

async fn scopes_contain_each_other(db: &Db) {
    let reader = grow(db).await;
    let scopes = [
        Scope::All,
        Scope::Tenant(TENANT),
        Scope::Organization(TENANT, OrganizationId(10)),
        Scope::Organization(TENANT, OrganizationId(11)),
        Scope::Customer(TENANT, AccountId(11)),
        Scope::Supplier(TENANT, AccountId(11)),
        Scope::Subscriber(TENANT, SubscriberId(11)),
        Scope::Tenant(TenantId(2)),
        Scope::Nothing,
    ];
    // Columns are what contains, rows what is contained, both in the order above.
    let expect = [
        "y........",
        "yy.......",
        "yyy......",
        "yyyy.....",
        "yyyyy....",
        "yyyy.y...",
        "yyyyy.y..",
        "y......y.",
        "yyyyyyyyy",
    ];
    for (inner, expect) in scopes.iter().zip(expect) {
        let mut is = String::new();
        for outer in scopes {
            let within = reader.is_within(*inner, outer).await.unwrap();
            is.push(if within { 'y' } else { '.' });
        }
        assert_eq!(is, expect, "{inner:?}");
        assert!(reader.is_there(*inner).await.unwrap(), "{inner:?}");
    }
    for stray in [
        Scope::Tenant(TenantId(3)),
        Scope::Organization(TENANT, OrganizationId(30)),
        Scope::Customer(TenantId(2), AccountId(11)),
        Scope::Subscriber(TENANT, SubscriberId(99)),
    ] {
        assert!(!reader.is_there(stray).await.unwrap(), "{stray:?}");
    }
}

fn new_token(name: &str, grant: Grant) -> NewToken {
    let hash = format!("hash of {name}");
    let (user, parent, expires_us) = (None, None, None);
    NewToken { name: name.into(), grant, hash, user, parent, at_us: 1, expires_us }
}

async fn tokens_are_found_by_hash_with_what_they_may(db: &Db) {
    let reader = grow(db).await;
    let mut w = db.store.write().await.unwrap();
    let grants = [
        ("host", Grant::new(Role::Owner, Scope::All)),
        ("tenant", Grant::new(Role::Admin, Scope::Tenant(TENANT))),
        ("part", Grant::new(Role::Reseller, Scope::Organization(TENANT, OrganizationId(10)))),
        ("buyer", Grant::new(Role::Customer, Scope::Customer(TENANT, AccountId(11)))),
        ("seller", Grant::new(Role::Supplier, Scope::Supplier(TENANT, AccountId(11)))),
        ("phone", Grant::new(Role::Subscriber, Scope::Subscriber(TENANT, SubscriberId(12)))),
    ];
    for (name, grant) in grants {
        w.insert_token(&new_token(name, grant)).await.unwrap();
    }
    w.commit().await.unwrap();
    for (name, grant) in grants {
        let found = reader.token_by_hash(&format!("hash of {name}")).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.grant), (name, grant));
    }
    assert!(reader.token_by_hash("hash").await.unwrap().is_none());
    let names = async |scope| {
        let list = reader.tokens(scope, None, 99).await.unwrap();
        list.into_iter().map(|t| t.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Scope::All).await, "host tenant part buyer seller phone");
    assert_eq!(names(grants[1].1.scope).await, "tenant part buyer seller phone");
    assert_eq!(names(grants[2].1.scope).await, "part buyer seller phone");
    assert_eq!(names(grants[3].1.scope).await, "buyer");
    assert_eq!(names(grants[4].1.scope).await, "seller");
    assert_eq!(names(grants[5].1.scope).await, "phone");
    let unknown = "UPDATE tokens SET role = 'wizard' WHERE name = 'host'";
    db.execute(unknown).await.unwrap();
    let later = reader.token_by_hash("hash of host").await.unwrap().unwrap();
    assert_eq!(later.grant.role, None, "a role of a later release is no role");
}

fn new_user(name: &str, grant: Grant) -> NewUser {
    let password = Some(Secret::new("hash"));
    NewUser { name: name.into(), display: "D".into(), grant, password, enabled: true, at_us: 5 }
}

async fn user(db: &Db, name: &str, grant: Grant) -> User {
    let mut w = db.store.write().await.unwrap();
    let user = w.insert_user(&new_user(name, grant)).await.unwrap();
    w.commit().await.unwrap();
    user
}

async fn a_token_goes_with_its_maker_and_its_parent(db: &Db) {
    let reader = grow(db).await;
    let grant = Grant::new(Role::Admin, Scope::Tenant(TENANT));
    let maker = user(db, "maker", grant).await;
    let mut w = db.store.write().await.unwrap();
    let of_maker = NewToken { user: Some(maker.id), ..new_token("a", grant) };
    let first = w.insert_token(&of_maker).await.unwrap();
    let below = NewToken { parent: Some(first.id), ..new_token("b", grant) };
    let below = w.insert_token(&below).await.unwrap();
    let second = NewToken { user: Some(maker.id), ..new_token("c", grant) };
    w.insert_token(&second).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!(reader.token(Scope::All, below.id).await.unwrap().unwrap().parent, Some(first.id));
    let mut w = db.store.write().await.unwrap();
    assert!(w.remove_token(first.id).await.unwrap());
    assert!(!w.remove_token(first.id).await.unwrap());
    w.commit().await.unwrap();
    assert_eq!(reader.tokens(Scope::All, None, 9).await.unwrap().len(), 1);
    let mut w = db.store.write().await.unwrap();
    assert!(w.remove_user(maker.id).await.unwrap());
    w.commit().await.unwrap();
    assert!(reader.tokens(Scope::All, None, 9).await.unwrap().is_empty());
}

async fn users_have_names_of_their_own_in_each_tenant(db: &Db) {
    let reader = grow(db).await;
    let host = user(db, "ada", Grant::new(Role::Owner, Scope::All)).await;
    let own = user(db, "ada", Grant::new(Role::Admin, Scope::Tenant(TENANT))).await;
    let part = Grant::new(Role::Subscriber, Scope::Subscriber(TENANT, SubscriberId(12)));
    let phone = user(db, "bob", part).await;
    let other = Grant::new(Role::Admin, Scope::Tenant(TenantId(2)));
    user(db, "ada", other).await;
    for grant in [Grant::new(Role::Owner, Scope::All), other] {
        let mut w = db.store.write().await.unwrap();
        let taken = w.insert_user(&new_user("ada", grant)).await.map(|_| ());
        assert_eq!(refused(taken), ("name", "is taken"));
    }
    assert_eq!((host.login().as_str(), own.login().as_str()), ("ada", "ada@own.example"));
    let found = async |realm, name| reader.credentials(realm, name).await.unwrap();
    assert_eq!(found(None, "ada").await.unwrap().user, host);
    let known = found(Some("own.example"), "ada").await.unwrap();
    assert_eq!((known.user, known.totp), (own, TotpState::Off));
    assert_eq!(known.password.unwrap().expose(), "hash");
    assert!(found(None, "bob").await.is_none() && found(Some("x"), "ada").await.is_none());
    let names = async |scope| {
        let list = reader.users(scope, None, 99).await.unwrap();
        list.iter().map(User::login).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Scope::Tenant(TENANT)).await, "ada@own.example bob@own.example");
    for scope in [
        Scope::Organization(TENANT, OrganizationId(11)),
        Scope::Customer(TENANT, AccountId(12)),
        phone.grant.scope,
    ] {
        assert_eq!(names(scope).await, "bob@own.example", "{scope:?}");
    }
    assert_eq!(names(Scope::Organization(TENANT, OrganizationId(20))).await, "");
    assert!(reader.user(Scope::Tenant(TenantId(2)), phone.id).await.unwrap().is_none());
    // What he is bound to takes him along.
    db.execute("DELETE FROM subscribers WHERE id = 12").await.unwrap();
}

async fn a_user_is_changed_by_who_saw_him_last(db: &Db) {
    let reader = grow(db).await;
    let ada = user(db, "ada", Grant::new(Role::Admin, Scope::Tenant(TENANT))).await;
    let grant = Grant::new(Role::Customer, Scope::Customer(TENANT, AccountId(11)));
    let patch = UserPatch { display: "Ada".into(), grant, enabled: false };
    let mut w = db.store.write().await.unwrap();
    let changed = w.update_user(ada.id, ada.revision, &patch).await.unwrap().unwrap();
    assert!(w.update_user(ada.id, ada.revision, &patch).await.unwrap().is_none());
    w.put_password(ada.id, &Secret::new("new"), 9).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!((changed.grant, changed.enabled, changed.revision), (grant, false, 2));
    let known = reader.credentials(Some("own.example"), "ada").await.unwrap().unwrap();
    assert_eq!(known.password.unwrap().expose(), "new");
    assert_eq!((known.user.password_us, known.user.revision), (Some(9), 3));
}

async fn second_factors_and_codes_count_once(db: &Db) {
    let reader = grow(db).await;
    let ada = user(db, "ada", Grant::new(Role::Admin, Scope::Tenant(TENANT))).await;
    let sealed = Sealed::from_column("1.00".into());
    let state = async || reader.credentials_of(Scope::All, ada.id).await.unwrap().unwrap().totp;
    for totp in [TotpState::Enrolled(sealed.clone()), TotpState::On(sealed, 100), TotpState::Off] {
        let mut w = db.store.write().await.unwrap();
        w.put_totp(ada.id, &totp).await.unwrap();
        if let TotpState::On(..) = totp {
            assert!(!w.use_totp_step(ada.id, 100).await.unwrap());
            assert!(w.use_totp_step(ada.id, 101).await.unwrap());
            assert!(!w.use_totp_step(ada.id, 101).await.unwrap());
            w.put_totp(ada.id, &totp).await.unwrap();
        }
        w.commit().await.unwrap();
        assert_eq!(state().await, totp);
    }
    let mut w = db.store.write().await.unwrap();
    w.put_recovery_codes(ada.id, &["old".into()]).await.unwrap();
    w.put_recovery_codes(ada.id, &["a".into(), "b".into()]).await.unwrap();
    assert!(!w.use_recovery_code(ada.id, "old").await.unwrap());
    assert!(w.use_recovery_code(ada.id, "a").await.unwrap());
    assert!(!w.use_recovery_code(ada.id, "a").await.unwrap());
    w.commit().await.unwrap();
    assert_eq!(reader.recovery_codes(ada.id).await.unwrap(), 1);
}

fn new_session(user: UserId, hash: &str, at_us: i64) -> NewSession {
    NewSession {
        user,
        actor: None,
        hash: hash.into(),
        source: "192.0.2.1".into(),
        agent: "a\0b".into(),
        at_us,
        idle_us: 100,
        expires_us: at_us + 1000,
    }
}

async fn sessions_end(db: &Db) {
    let reader = grow(db).await;
    let ada = user(db, "ada", Grant::new(Role::Admin, Scope::Tenant(TENANT))).await;
    let own = Grant::new(Role::Subscriber, Scope::Subscriber(TENANT, SubscriberId(12)));
    let bob = user(db, "bob", own).await;
    let mut w = db.store.write().await.unwrap();
    let first = w.insert_session(&new_session(ada.id, "x", 1000)).await.unwrap();
    let second = w.insert_session(&new_session(bob.id, "y", 1000)).await.unwrap();
    let acting = NewSession { actor: Some(ada.id), ..new_session(bob.id, "z", 1000) };
    let third = w.insert_session(&acting).await.unwrap();
    w.touch_session(first, 1050).await.unwrap();
    w.commit().await.unwrap();
    let found = reader.session_by_hash("x").await.unwrap().unwrap();
    assert_eq!((found.id, found.user.id, found.ends_us()), (first, ada.id, 1150));
    assert_eq!(found.agent, "a\u{fffd}b");
    let ids = async |scope, now_us| {
        let list = reader.sessions(scope, now_us, None, 9).await.unwrap();
        list.iter().map(|s| s.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Scope::All, 1099).await, [first, second, third]);
    assert_eq!(ids(Scope::All, 1100).await, [first]);
    assert_eq!(ids(own.scope, 1000).await, [second, third]);
    assert!(reader.session(own.scope, first).await.unwrap().is_none());
    // A new one clears away what has ended; ended by hand; all of a user and all that he acts in.
    let mut w = db.store.write().await.unwrap();
    let fourth = w.insert_session(&new_session(ada.id, "v", 1120)).await.unwrap();
    assert!(!w.remove_session(second).await.unwrap());
    let acting = NewSession { actor: Some(ada.id), ..new_session(bob.id, "w", 1120) };
    w.insert_session(&acting).await.unwrap();
    w.remove_sessions(ada.id, Some(fourth)).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!(ids(Scope::All, 1120).await, [fourth]);
    // Too many end the oldest of the same user.
    let mut w = db.store.write().await.unwrap();
    w.insert_session(&new_session(bob.id, "b", 1120)).await.unwrap();
    for n in 0..SESSIONS_MAX {
        w.insert_session(&new_session(ada.id, &format!("n{n}"), 1120)).await.unwrap();
    }
    w.commit().await.unwrap();
    let left = reader.sessions(Scope::All, 1120, None, 99).await.unwrap();
    let of_ada = left.iter().filter(|s| s.user.id == ada.id).count();
    assert_eq!(i64::try_from(of_ada).unwrap(), SESSIONS_MAX);
    assert!(left.len() == of_ada + 1 && left.iter().all(|s| s.id != fourth));
}

async fn changes_say_who_and_what_and_stay_in_scope(db: &Db) {
    let reader = grow(db).await;
    let actor = Actor { name: "ada".into(), on_behalf: Some("bob".into()), request: "7-1".into() };
    #[derive(serde::Serialize)]
    struct Row {
        name: &'static str,
        password: Secret,
    }
    let row = |name| Row { name, password: Secret::new("sesame") };
    let mut w = db.store.write().await.unwrap();
    let created = Change::new("things", 4, None, Some(&row("a")), 50)
        .of(Some(TENANT), Some(OrganizationId(11)));
    let seq = w.record_change(&actor, &created).await.unwrap();
    let changed = Change::new("things", 4, Some(&row("a")), Some(&row("b")), 60)
        .of(Some(TENANT), Some(OrganizationId(20)));
    w.record_change(&Actor::system("import"), &changed).await.unwrap();
    let removed = Change::new("things", 5, Some(&row("b")), None, 70);
    w.record_change(&actor, &removed).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!(reader.newest_change().await.unwrap(), seq + 2);
    let list = async |scope, filter: ChangeFilter| {
        let filter = ChangeFilter { limit: 9, ..filter };
        let entries = reader.changes(scope, &filter).await.unwrap();
        entries.iter().map(|e| e.seq - seq).collect::<Vec<_>>()
    };
    let any = ChangeFilter::default;
    // The sample wrote one before.
    assert_eq!(list(Scope::All, any()).await, [2, 1, 0, -1]);
    assert_eq!(list(Scope::Tenant(TENANT), any()).await, [1, 0, -1]);
    assert_eq!(list(Scope::Organization(TENANT, OrganizationId(10)), any()).await, [0]);
    assert_eq!(list(Scope::Customer(TENANT, AccountId(11)), any()).await, [0i64; 0]);
    let of = |resource: &str| Some(resource.to_owned());
    for (filter, expect) in [
        (ChangeFilter { resource: of("things"), ..any() }, vec![2, 1, 0]),
        (ChangeFilter { resource: of("things"), id: Some(4), ..any() }, vec![1, 0]),
        (ChangeFilter { actor: of("ada"), ..any() }, vec![2, 0]),
        (ChangeFilter { actor: of("ada"), resource: of("x"), ..any() }, vec![]),
        (ChangeFilter { from_us: Some(50), until_us: Some(60), ..any() }, vec![0]),
        (ChangeFilter { before: Some(seq + 1), from_us: Some(8), ..any() }, vec![0]),
    ] {
        assert_eq!(list(Scope::All, filter.clone()).await, expect, "{filter:?}");
    }
    let entries = reader.changes(Scope::All, &ChangeFilter { limit: 3, ..any() }).await.unwrap();
    let what: Vec<_> = entries.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(what, ["removed", "changed", "created"]);
    let first = &entries[2];
    assert_eq!((first.actor.as_str(), first.on_behalf.as_deref()), ("ada", Some("bob")));
    assert_eq!((first.request.as_deref(), first.id), (Some("7-1"), Some(4)));
    let after = serde_json::json!({"name": "a", "password": "(secret)"});
    assert_eq!((&first.before, &first.after), (&None, &Some(after)));
    let stored = db.rows("SELECT before || after AS text FROM changes WHERE what = 'changed'");
    let text: String = sqlx::Row::get(&stored.await[0], "text");
    assert!(!text.contains("sesame"), "{text}");
    // A login changes nothing for calls.
    let mut w = db.store.write().await.unwrap();
    let login = Change::new("sessions", 1, None, Some(&row("c")), 80);
    assert_eq!(w.record_change(&actor, &login).await.unwrap(), seq + 3);
    w.commit().await.unwrap();
    assert_eq!(reader.newest_change().await.unwrap(), seq + 2);
}
