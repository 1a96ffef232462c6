use super::*;
use crate::testing;
use crate::world::{Change, RowName, Rows, World};
use strowger_model::OrganizationId;

fn row(id: i64, path: &str, value: &str, depth: Depth, of: i64) -> SettingRow {
    let (category, name) = path.split_once('.').unwrap();
    SettingRow {
        id: SettingId(id),
        category: category.to_owned(),
        name: name.to_owned(),
        tenant: (depth > Depth::System).then_some(TenantId(1)),
        account: (depth == Depth::Account).then_some(AccountId(of)),
        subscriber: (depth == Depth::Subscriber).then_some(SubscriberId(of)),
        value: value.to_owned(),
    }
}

/// Subscribers 1 and 2 of account 1, and 3 of account 2.
fn rows(settings: Vec<SettingRow>) -> Rows {
    let mut third = testing::subscriber(3, "1003");
    third.account = AccountId(2);
    Rows {
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, None), testing::account(2, None)],
        subscribers: vec![testing::subscriber(1, "1001"), testing::subscriber(2, "1002"), third],
        settings,
        ..Rows::default()
    }
}

const PATH: &str = "call.talk_ms_max";

/// What counts for the three subscribers, the two accounts, the tenant and the switch.
fn seen(world: &World) -> String {
    let subscribers = [1, 2, 3].map(|id| world.subscriber_settings(SubscriberId(id)));
    let accounts = [1, 2].map(|id| world.account_settings(AccountId(id)));
    let wide = [world.settings().tenant(TenantId(1)), world.settings().system()];
    let all = subscribers.into_iter().chain(accounts).chain(wide);
    let words = all.map(|profile| match profile.call.talk_ms_max {
        Some(ms) => (ms / 1000).to_string(),
        None => "-".to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_narrower_place_wins() {
    let [system, tenant, account, subscriber] = [
        row(1, PATH, "1000", Depth::System, 0),
        row(2, PATH, "2000", Depth::Tenant, 0),
        row(3, PATH, "3000", Depth::Account, 1),
        row(4, PATH, "4000", Depth::Subscriber, 1),
    ];
    let check = |settings: &[&SettingRow], expect: &str| {
        let all: Vec<SettingRow> = settings.iter().map(|row| (*row).clone()).collect();
        assert_eq!(seen(&World::build(rows(all.clone())).unwrap()), expect);
        // One after the other, in either order, and taken away again.
        let empty = World::build(rows(Vec::new())).unwrap();
        for order in [all.clone(), all.iter().rev().cloned().collect()] {
            let put = |world: World, row: &SettingRow| {
                world.changed(Change::Setting(row.clone())).unwrap()
            };
            let world = order.iter().fold(empty.clone(), put);
            assert_eq!(seen(&world), expect);
            let gone = order.iter().fold(world, |world, row| {
                world.changed(Change::Remove(RowName::Setting(row.id))).unwrap()
            });
            assert_eq!(seen(&gone), "- - - - - - -");
        }
    };
    check(&[], "- - - - - - -");
    check(&[&system], "1 1 1 1 1 1 1");
    check(&[&tenant], "2 2 2 2 2 2 -");
    check(&[&account], "3 3 - 3 - - -");
    check(&[&subscriber], "4 - - - - - -");
    check(&[&system, &subscriber], "4 1 1 1 1 1 1");
    check(&[&system, &tenant, &account, &subscriber], "4 3 2 3 2 2 1");
    let auto = row(3, PATH, "auto", Depth::Account, 1);
    check(&[&system, &auto], "- - 1 - 1 1 1");
}

#[test]
fn a_subscriber_takes_the_settings_of_its_account() {
    let settings = vec![
        row(1, PATH, "1000", Depth::Account, 1),
        row(2, PATH, "2000", Depth::Account, 2),
        row(3, "call.reasons", "false", Depth::Subscriber, 1),
    ];
    let world = World::build(rows(settings)).unwrap();
    let mut moved = testing::subscriber(1, "1001");
    moved.account = AccountId(2);
    let after = world.changed(Change::Subscriber(Box::new(moved))).unwrap();
    let of = |world: &World| {
        let profile = world.subscriber_settings(SubscriberId(1));
        (profile.call.talk_ms_max, profile.call.reasons)
    };
    assert_eq!(of(&world), (Some(1_000), false));
    assert_eq!(of(&after), (Some(2_000), false));
    let mut other = testing::account(2, None);
    other.organization = OrganizationId(1);
    assert_eq!(of(&after.changed(Change::Account(other)).unwrap()), (Some(2_000), false));
}

#[test]
fn what_is_set_the_same_is_one_profile() {
    let settings: Vec<SettingRow> =
        (1..=3).map(|id| row(id, PATH, "9000", Depth::Subscriber, id)).collect();
    let world = World::build(rows(settings)).unwrap();
    assert_eq!(world.settings().profile_count(), 2, "the switch's, and the three subscribers'");
}

#[test]
fn rows_that_nobody_can_read_do_not_count_and_do_no_harm() {
    let settings = vec![
        row(1, "call.later_release", "5", Depth::System, 0),
        row(2, PATH, "a while", Depth::System, 0),
        row(3, "login.failures_free", "9", Depth::Tenant, 0),
    ];
    let world = World::build(rows(settings)).unwrap();
    assert_eq!(seen(&world), "- - - - - - -");
    assert_eq!(world.settings().unread(), [SettingId(1), SettingId(2), SettingId(3)]);
    assert_eq!(world.settings().tenant(TenantId(1)).login.failures_free, 5);
}

#[test]
fn rows_must_fit_the_others() {
    let problem = |settings: Vec<SettingRow>| {
        let built = World::build(rows(settings.clone())).unwrap_err().to_string();
        let empty = World::build(rows(Vec::new())).unwrap();
        let put = |world: Result<World, _>, row| {
            world.and_then(|world: World| world.changed(Change::Setting(row)))
        };
        let changed = settings.into_iter().fold(Ok(empty), put).unwrap_err().to_string();
        (built, changed)
    };
    let same = |text: &str| (text.to_owned(), text.to_owned());
    let gone = row(1, PATH, "1000", Depth::Account, 9);
    assert_eq!(problem(vec![gone]), same("setting 1: account 9 does not exist"));
    let gone = row(1, PATH, "1000", Depth::Subscriber, 9);
    assert_eq!(problem(vec![gone]), same("setting 1: subscriber 9 does not exist"));
    let twice = |id| row(id, PATH, "1000", Depth::Tenant, 0);
    assert_eq!(
        problem(vec![twice(1), twice(2)]),
        same("setting 2: its name is taken by setting 1")
    );
    let mut nowhere = row(1, PATH, "1000", Depth::Account, 1);
    nowhere.tenant = None;
    assert_eq!(problem(vec![nowhere]), same("setting 1: its tenant is out of range"));
}

#[test]
fn the_row_in_force_is_the_narrowest() {
    let settings = Settings::build(vec![
        row(1, PATH, "1000", Depth::System, 0),
        row(2, PATH, "2000", Depth::Account, 1),
        row(3, "call.reasons", "false", Depth::Tenant, 0),
    ]);
    let setting = Setting::find("call", "talk_ms_max").unwrap();
    let of = |tenant: Option<i64>, account: Option<i64>, subscriber: Option<i64>| {
        let at = (tenant.map(TenantId), account.map(AccountId), subscriber.map(SubscriberId));
        settings.row_in_force(setting, at).map(|row| row.id.0)
    };
    assert_eq!(of(None, None, None), Some(1));
    assert_eq!(of(Some(1), Some(2), None), Some(1));
    assert_eq!(of(Some(1), Some(1), None), Some(2));
    assert_eq!(of(Some(1), Some(1), Some(7)), Some(2));
    let other = Setting::find("call", "ring_ms").unwrap();
    assert!(settings.row_in_force(other, (None, None, None)).is_none());
}
