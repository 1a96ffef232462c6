//! The world of the authorisation tests: the same things four times, as a reseller sees them.
//!
//! Things of number 10 are his own, of 11 those of a reseller below him, of 20 those of another
//! beside him, of 30 those of another tenant. "Things" are an organization, an account that buys
//! and sells, a subscriber, a trunk, a record, a running call, a contact, and a user, his login, a
//! token and a change for that subscriber. One user of each role is logged in, bound to number 10.

use crate::rows;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use strowger_api::token_hash;
use strowger_model::*;
use strowger_store::*;

/// Own, child, sibling, other tenant.
pub(crate) const NUMBERS: [i64; 4] = [10, 11, 20, 30];
/// When the tests begin, microseconds since 1970 UTC.
pub(crate) const NOW_US: i64 = 1_700_000_000_000_000;
/// Password of everybody.
pub(crate) const PASSWORD: &str = "correct horse";
/// Its hash, made by the reference implementation of Argon2.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3Ryb3dnZXItdGVzdHMhIQ$\
    jSf9Iy94gnIdPixeO6+pc8VKUI2hhj6rhWQjcKsNJ1c";
const YEAR_US: i64 = 365 * 86_400 * 1_000_000;

/// A database that tests copy, and what stands in it.
pub(crate) struct World {
    pub(crate) file: PathBuf,
    /// Ids by resource, in the order of [`NUMBERS`]; others have the numbers themselves.
    ids: BTreeMap<&'static str, Vec<i64>>,
    /// Users by role.
    pub(crate) users: BTreeMap<Role, UserId>,
}

impl World {
    /// The world, made once.
    pub(crate) fn get() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let dir = std::env::temp_dir().join(format!("strowger-world-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            let file = dir.join("world.db");
            let _old = std::fs::remove_file(&file);
            // A thread of its own, for tests that have a runtime already.
            let make = move || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                builder.enable_all().build().unwrap().block_on(make(&file))
            };
            std::thread::spawn(make).join().unwrap()
        })
    }

    /// The id that stands for the place in [`NUMBERS`].
    pub(crate) fn id(&self, resource: &str, place: usize) -> i64 {
        self.ids.get(resource).map_or(NUMBERS[place], |ids| ids[place])
    }
}

/// The token of a role's session.
pub(crate) fn token(role: Role) -> String {
    format!("sws_{}-session", role.name())
}

/// The scope of the user of a role.
pub(crate) fn grant(role: Role) -> Grant {
    let tenant = TenantId(1);
    let scope = match role {
        Role::Owner => Scope::All,
        Role::Admin | Role::Support => Scope::Tenant(tenant),
        Role::Reseller => Scope::Organization(tenant, OrganizationId(10)),
        Role::Customer => Scope::Customer(tenant, AccountId(10)),
        Role::Supplier => Scope::Supplier(tenant, AccountId(10)),
        Role::Subscriber => Scope::Subscriber(tenant, SubscriberId(10)),
    };
    Grant::new(role, scope)
}

async fn make(file: &Path) -> World {
    let store = Store::open(file).await.unwrap();
    let mut w = store.write().await.unwrap();
    for id in [1, 2] {
        w.insert_tenant(&rows::tenant(id)).await.unwrap();
    }
    for (id, parent) in [(10, None), (11, Some(10)), (20, None), (30, None)] {
        things(&mut w, id, parent).await;
    }
    tenant_things(&mut w).await;
    let mut ids: BTreeMap<&'static str, Vec<i64>> = BTreeMap::new();
    ids.insert("tenants", NUMBERS.map(|number| tenant_of(number).0).to_vec());
    ids.insert("rerates", vec![rerate(&mut w).await; NUMBERS.len()]);
    for number in NUMBERS {
        let scope = Scope::Subscriber(tenant_of(number), SubscriberId(number));
        let grant = Grant::new(Role::Subscriber, scope);
        let user = user(&mut w, &format!("u{number}"), grant, Some(HASH)).await;
        let session = session(&mut w, user, &format!("sws_u{number}")).await;
        let new = NewToken {
            name: format!("t{number}"),
            grant,
            hash: token_hash(&format!("swt_t{number}")),
            user: None,
            parent: None,
            at_us: NOW_US,
            expires_us: None,
        };
        let token = w.insert_token(&new).await.unwrap();
        let organization = Some(OrganizationId(number));
        let change = Change::new("things", number, None, Some(&json!({"n": number})), NOW_US)
            .of(Some(tenant_of(number)), organization);
        let change = w.record_change(&Actor::system("test"), &change).await.unwrap();
        for (resource, id) in [
            ("users", user.0),
            ("sessions", session.0),
            ("tokens", token.id.0),
            ("changes", change),
        ] {
            ids.entry(resource).or_default().push(id);
        }
    }
    let traces = NUMBERS.map(|number| CallTrace {
        call: number.unsigned_abs(),
        at_us: NOW_US,
        tenant: tenant_of(number),
        snapshot: 1,
        steps: vec![1, 200].into(),
        headers: Vec::new(),
    });
    w.insert_traces(&traces).await.unwrap();
    let mut users = BTreeMap::new();
    for role in Role::ALL {
        let id = user(&mut w, role.name(), grant(role), Some(HASH)).await;
        session(&mut w, id, &token(role)).await;
        users.insert(role, id);
    }
    w.commit().await.unwrap();
    let records: Vec<Cdr> = NUMBERS.iter().map(|number| record(*number)).collect();
    let to = Position { seq: 4, ..Position::default() };
    store.ingest(0, Position::default(), to, &records, 1).await.unwrap();
    store.close().await;
    World { file: file.to_owned(), ids, users }
}

pub(crate) fn tenant_of(number: i64) -> TenantId {
    TenantId(if number == 30 { 2 } else { 1 })
}

async fn things(w: &mut Writer<'_>, number: i64, parent: Option<i64>) {
    let (tenant, organization) = (tenant_of(number), OrganizationId(number));
    let row = Organization {
        id: organization,
        tenant,
        parent: parent.map(OrganizationId),
        kind: OrganizationKind::Reseller,
        name: format!("O{number}"),
        withheld: Vec::new(),
    };
    w.insert_organization(&row).await.unwrap();
    let account = Account { organization, ..rows::account(number, tenant.0) };
    w.insert_account(&account).await.unwrap();
    let subscriber = Subscriber {
        account: AccountId(number),
        organization,
        ..rows::subscriber(number, tenant.0)
    };
    w.insert_subscriber(&subscriber).await.unwrap();
    let mut trunk = Trunk { organization, ..rows::trunk(number, tenant.0) };
    let (ingress, egress) = (trunk.ingress.as_mut().unwrap(), trunk.egress.as_mut().unwrap());
    (ingress.account, egress.account) = (AccountId(number), AccountId(number));
    w.insert_trunk(&trunk).await.unwrap();
    feature_things(w, number).await;
}

/// What a trunk and a subscriber have beside them.
async fn feature_things(w: &mut Writer<'_>, number: i64) {
    let (tenant, organization) = (tenant_of(number), OrganizationId(number));
    let login = TrunkLogin {
        id: TrunkLoginId(number),
        tenant,
        trunk: TrunkId(number),
        priority: 0,
        username: "us".to_owned(),
        auth_username: None,
        realm: None,
        password: strowger_model::Sealed(vec![1]),
        register: false,
        registrar: None,
        contact_user: None,
        expires_s: 600,
        caller_number: None,
        subscriber: None,
        enabled: true,
    };
    w.insert_trunk_login(&login).await.unwrap();
    let group = RingGroup {
        id: RingGroupId(number),
        tenant,
        organization,
        account: AccountId(number),
        name: format!("G{number}"),
        numbers: Vec::new(),
        short: None,
        mode: RingMode::Parallel,
        members: Vec::new(),
        overflow: None,
        enabled: true,
    };
    w.insert_ring_group(&group).await.unwrap();
    let did = Did {
        id: DidId(number),
        tenant,
        organization,
        number: Digits::parse(&format!("88{number}")).unwrap(),
        target: DidTarget::RingGroup(RingGroupId(number)),
        reserved_until_us: None,
        enabled: true,
        shared: false,
        payer: None,
    };
    w.insert_did(&did).await.unwrap();
}

/// What is a whole tenant's or the host's.
async fn tenant_things(w: &mut Writer<'_>) {
    let (id, tenant, prefix) = (10, TenantId(1), Digits::parse("49").unwrap());
    let trunks = vec![TrunkId(10)];
    let route = Route::new(RouteId(id), tenant, prefix);
    w.insert_route(&route).await.unwrap();
    let row = SettingRow {
        id: SettingId(id),
        category: "call".to_owned(),
        name: "hops_max".to_owned(),
        tenant: Some(tenant),
        account: None,
        subscriber: None,
        value: "4".to_owned(),
    };
    w.insert_setting(&row).await.unwrap();
    let row = Destination { tenant, prefix, name: "Germany".to_owned() };
    w.insert(&Numbered { id, row }).await.unwrap();
    let row = Emergency { tenant, number: Digits::parse("110").unwrap(), trunks };
    w.insert(&Numbered { id, row }).await.unwrap();
    let ban = Ban {
        id: BanId(id),
        network: "192.0.2.99".parse().unwrap(),
        prefix_len: 32,
        port: 0,
        reason: String::new(),
        from_us: NOW_US,
        until_us: None,
        automatic: false,
        allow: false,
    };
    w.insert_ban(&ban).await.unwrap();
    w.insert(&radius_server(id, tenant)).await.unwrap();
    times_and_currencies(w, id, tenant).await;
    let rule = CallerRule {
        id: CallerRuleId(id),
        tenant,
        account: None,
        prefix,
        subscriber: None,
        called: Digits::EMPTY,
        allow: false,
        reason: String::new(),
        from_us: NOW_US,
        until_us: None,
        automatic: false,
    };
    w.insert_caller_rule(&rule).await.unwrap();
    numbers_known(w, id, tenant).await;
    let rule = Rule {
        id: RuleId(id),
        tenant,
        name: "R".to_owned(),
        stage: RuleStage::Routing,
        position: 0,
        condition: "called == '1'".to_owned(),
        actions: Vec::new(),
        last: false,
        enabled: true,
    };
    w.insert_rule(&rule).await.unwrap();
    rows::insert_tariff(w, id).await;
    rows::insert_import(w, id).await;
}

fn radius_server(id: i64, tenant: TenantId) -> RadiusServer {
    RadiusServer {
        id: RadiusServerId(id),
        tenant: Some(tenant),
        purpose: RadiusPurpose::Access,
        name: "AAA".to_owned(),
        address: "192.0.2.9:1812".parse().unwrap(),
        secret: Sealed(b"1.00".to_vec()),
        priority: 0,
        again_ms: 100,
        tries: 2,
        dead_s: 30,
        nas_identifier: "strowger".to_owned(),
        attributes: Vec::new(),
        enabled: true,
    }
}

/// A phone book's entry, and a list of numbers.
async fn numbers_known(w: &mut Writer<'_>, id: i64, tenant: TenantId) {
    let entry = PhonebookEntry {
        id: PhonebookEntryId(id),
        tenant,
        subscriber: SubscriberId(id),
        number: Digits::parse("49").unwrap(),
        name: String::new(),
        did: None,
    };
    w.insert_phonebook_entry(&entry).await.unwrap();
    let list = NumberList {
        id: NumberListId(id),
        tenant: Some(tenant),
        account: None,
        trunk: None,
        name: "L".to_owned(),
        side: NumberSide::Called,
        effect: ListEffect::Deny,
        enabled: true,
    };
    w.insert_number_list(&list).await.unwrap();
}

/// A run that rates records of tenant 1 again.
async fn rerate(w: &mut Writer<'_>) -> i64 {
    let new = NewRerate {
        tenant: TenantId(1),
        key: "k".to_owned(),
        from_us: 0,
        until_us: NOW_US,
        account: None,
        tariff: None,
        trunk: None,
        kind: None,
        new_tariff: None,
        prices_us: None,
        reason: "r".to_owned(),
        actor: "test".to_owned(),
        at_us: NOW_US,
    };
    w.insert_rerate(&new).await.unwrap().id
}

async fn times_and_currencies(w: &mut Writer<'_>, id: i64, tenant: TenantId) {
    let holiday = Holiday {
        id: HolidayId(id),
        tenant,
        name: "Christmas".to_owned(),
        from_day: 20_812,
        until_day: 20_813,
        working: false,
        prefixes: Vec::new(),
    };
    w.insert_holiday(&holiday).await.unwrap();
    let rate = ExchangeRate {
        id: ExchangeRateId(id),
        tenant,
        currency: Currency::new("GBP", 2).unwrap(),
        rate: 1_150_000_000,
        from_us: NOW_US,
    };
    w.insert_exchange_rate(&rate).await.unwrap();
    let rule = PriceRule {
        id: PriceRuleId(id),
        tenant,
        name: "evenings".to_owned(),
        enabled: true,
        priority: 0,
        organization: None,
        callers: Vec::new(),
        called: Vec::new(),
        trunks: Vec::new(),
        tech_prefixes: Vec::new(),
        times: Vec::new(),
        except_times: Vec::new(),
        from_us: None,
        until_us: None,
        tariff: None,
    };
    w.insert_price_rule(&rule).await.unwrap();
}

async fn user(w: &mut Writer<'_>, name: &str, grant: Grant, hash: Option<&str>) -> UserId {
    let (name, display) = (name.to_owned(), "D".to_owned());
    let password = hash.map(Secret::new);
    let new = NewUser { name, display, grant, password, enabled: true, at_us: NOW_US };
    w.insert_user(&new).await.unwrap().id
}

async fn session(w: &mut Writer<'_>, user: UserId, token: &str) -> SessionId {
    let new = NewSession {
        user,
        actor: None,
        hash: token_hash(token),
        source: "192.0.2.1".to_owned(),
        agent: "test".to_owned(),
        at_us: NOW_US,
        idle_us: YEAR_US,
        expires_us: NOW_US + YEAR_US,
    };
    w.insert_session(&new).await.unwrap()
}

/// A record of a call of subscriber and account `number`, carried by a supplier with that account;
/// what only the operator may see of it has marks of its own.
fn record(number: i64) -> Cdr {
    let mut cdr = rows::rich_cdr();
    cdr.id = CdrId(number);
    cdr.tenant = Some(tenant_of(number));
    cdr.caller.account = Some(AccountId(number));
    cdr.caller.organization = Some(OrganizationId(number));
    cdr.caller.subscriber = Some(SubscriberId(number));
    cdr.called.trunk = Some(TrunkId(7777));
    let customer = cdr.customer.as_mut().unwrap();
    (customer.account, customer.organization) = (AccountId(number), OrganizationId(number));
    customer.net = Amount(55_550_000);
    let mut above = *customer;
    // What the root, above every reseller, pays.
    (above.kind, above.organization) = (ChargeKind::Reseller, OrganizationId(8888));
    above.net = Amount(44_440_000);
    let mut own = above;
    (own.organization, own.net) = (OrganizationId(number), Amount(33_330_000));
    cdr.levels = vec![own, above];
    let supplier = cdr.supplier.as_mut().unwrap();
    (supplier.account, supplier.net) = (AccountId(number), Amount(66_660_000));
    cdr.hops[0].supplier = Some(AccountId(9999));
    cdr.hops[0].dialled = "99999944123".to_owned();
    cdr
}
