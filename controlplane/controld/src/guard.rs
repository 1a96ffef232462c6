//! Bans and blocks of callers that the office asks for become rows, like those that people make:
//! visible in REST, in the change log, and removed there.

use std::time::Duration;
use strowger_model::{Ban, BanId, CallerRule, CallerRuleId, SourceMatch};
use strowger_office::{NewBan, NewBlock, Nuisance};
use strowger_port::clock;
use strowger_store::{Actor, Store, StoreError};
use strowger_tuning::Config;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

/// Bans that may wait for the database; more are earned again.
const WAITING_MAX: usize = 1_024;
/// Most rows of bans; beyond it none is made by itself.
const BANS_MAX: i64 = 100_000;
/// How long company is waited for.
const PAUSE: Duration = Duration::from_millis(100);
/// How long bans that were made by themselves are kept to be looked at after their end,
/// microseconds: 30 days.
const KEEP_US: i64 = 30 * 86_400_000_000;
/// Who makes them, in the change log.
const ACTOR: &str = "guard";

/// Networks that are never banned by themselves.
fn exempt(config: &Config) -> Vec<SourceMatch> {
    let network = |n: &strowger_tuning::Network| SourceMatch {
        network: n.address,
        prefix_len: n.prefix_len,
        port: 0,
    };
    config.overload.exempt.iter().map(network).collect()
}

/// Begins to write bans and blocked callers: where to tell of them.
pub(crate) fn begin(
    store: &Store,
    config: &Config,
    handle: &Handle,
) -> (Sender<NewBan>, Sender<NewBlock>) {
    let (bans, earned) = channel(WAITING_MAX);
    handle.spawn(write(store.clone(), exempt(config), earned));
    let (blocks, blocked) = channel(WAITING_MAX);
    handle.spawn(write_blocks(store.clone(), blocked));
    (bans, blocks)
}

/// Writes bans as long as anybody may ask for one.
async fn write(store: Store, exempt: Vec<SourceMatch>, mut earned: Receiver<NewBan>) {
    let mut waiting: Vec<NewBan> = Vec::new();
    while earned.recv_many(&mut waiting, WAITING_MAX).await > 0 {
        waiting.retain(|ban| !is_exempt(ban, &exempt));
        if !waiting.is_empty()
            && let Err(e) = write_all(&store, &waiting).await
        {
            // They are earned again.
            warn!("bans could not be written: {}", crate::run::chain(&e));
        }
        waiting.clear();
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_exempt(ban: &NewBan, exempt: &[SourceMatch]) -> bool {
    let banned = SourceMatch { network: ban.network, prefix_len: ban.prefix_len, port: 0 };
    exempt.iter().any(|network| {
        network.matches((ban.network, 0).into()) || banned.matches((network.network, 0).into())
    })
}

async fn write_all(store: &Store, bans: &[NewBan]) -> Result<(), StoreError> {
    let (actor, now_us) = (Actor::system(ACTOR), clock::wall_us());
    let mut w = store.write().await?;
    w.forget_bans(&actor, now_us.saturating_sub(KEEP_US), now_us).await?;
    let mut room = BANS_MAX.saturating_sub(w.count_bans().await?);
    for ban in bans {
        if room <= 0 {
            warn!("no room for another ban: {BANS_MAX} stand");
            break;
        }
        room -= 1;
        let (network, prefix_len, reason) = (ban.network, ban.prefix_len, ban.offence.reason());
        let row = Ban {
            id: BanId(0),
            network,
            prefix_len,
            port: ban.port,
            reason: format!("{reason} ({})", ban.count),
            from_us: ban.from_us,
            until_us: Some(ban.until_us),
            automatic: true,
            allow: false,
        };
        if w.ban(&actor, &row).await? {
            info!(%network, prefix_len, port = ban.port, reason, count = ban.count, "banned");
        }
    }
    w.commit().await
}

/// Writes rules about callers as long as anybody may ask for one.
async fn write_blocks(store: Store, mut earned: Receiver<NewBlock>) {
    let mut waiting: Vec<NewBlock> = Vec::new();
    while earned.recv_many(&mut waiting, WAITING_MAX).await > 0 {
        if let Err(e) = block_all(&store, &waiting).await {
            // They are earned again.
            warn!("callers could not be blocked: {}", crate::run::chain(&e));
        }
        waiting.clear();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn block_all(store: &Store, blocks: &[NewBlock]) -> Result<(), StoreError> {
    let (actor, now_us) = (Actor::system(ACTOR), clock::wall_us());
    let mut w = store.write().await?;
    w.forget_blocked(&actor, now_us.saturating_sub(KEEP_US), now_us).await?;
    let mut room = BANS_MAX.saturating_sub(w.count_blocked().await?);
    for block in blocks {
        if room <= 0 {
            warn!("no room for another blocked caller: {BANS_MAX} are");
            break;
        }
        room -= 1;
        let reason = why(block);
        let rule = CallerRule {
            id: CallerRuleId(0),
            tenant: block.tenant,
            account: block.account,
            prefix: block.number,
            subscriber: None,
            called: block.called,
            allow: false,
            reason: reason.clone(),
            from_us: block.from_us,
            until_us: Some(block.until_us),
            automatic: true,
        };
        if w.block_caller(&actor, &rule).await? {
            let account = block.account.map(|account| account.0);
            info!(account, reason, "caller blocked");
        }
    }
    w.commit().await
}

/// Why a caller is blocked, for people.
fn why(block: &NewBlock) -> String {
    let count = block.count;
    match block.why {
        Nuisance::Scanning => format!("seeks numbers: calls to neighbours score {count}"),
        Nuisance::Fruitless => format!("{count} numbers called one after the other, and no talk"),
        Nuisance::Judged { asr_percent, acd_s } => {
            format!("of {count} calls {asr_percent} % answered, {acd_s} s of talk on average")
        }
        Nuisance::Unreached { asr_percent, acd_s } => {
            let talk = format!("{asr_percent} % answered, {acd_s} s of talk on average");
            format!("of {count} calls to the number {talk}")
        }
        Nuisance::Nobody => format!("{count} calls to the number, and no such number there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_office::Offence;

    fn ban(network: &str, prefix_len: u8, until_us: i64) -> NewBan {
        NewBan {
            network: network.parse().unwrap(),
            prefix_len,
            port: 0,
            offence: Offence::Scanner,
            count: 3,
            from_us: clock::wall_us(),
            until_us,
        }
    }

    #[test]
    fn exempt_networks_are_never_banned() {
        let text = "overload.exempt = [\"10.0.0.0/8\", \"2001:db8::7/128\"]";
        let exempt = exempt(&Config::parse(text).unwrap());
        for (network, prefix_len, expect) in [
            ("10.9.9.9", 32, true),
            ("192.0.2.1", 32, false),
            ("2001:db8::", 64, true),
            ("2001:db8:1::", 64, false),
        ] {
            assert_eq!(is_exempt(&ban(network, prefix_len, 0), &exempt), expect, "{network}");
        }
    }

    #[tokio::test]
    async fn a_ban_becomes_a_row_once_and_is_forgotten_after_its_time() {
        let dir = std::env::temp_dir().join(format!("strowger-guard-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("bans.db")).await.unwrap();
        let rows = async || {
            let bans = store.reader().config().await.unwrap().bans;
            let shown = |b: &Ban| (b.network.to_string(), b.reason.clone(), b.automatic);
            bans.iter().map(shown).collect::<Vec<_>>()
        };
        let later = clock::wall_us() + 1_000_000_000;
        write_all(&store, &[ban("192.0.2.1", 32, later)]).await.unwrap();
        let one = || ("192.0.2.1".to_owned(), "a scanner by its User-Agent (3)".to_owned(), true);
        assert_eq!(rows().await, [one()]);
        let change = store.reader().newest_change().await.unwrap();
        write_all(&store, &[ban("192.0.2.1", 32, later)]).await.unwrap();
        assert_eq!(store.reader().newest_change().await.unwrap(), change, "nothing new");
        // One whose time is over long ago goes with the next.
        let past = clock::wall_us() - KEEP_US - 1;
        write_all(&store, &[ban("192.0.2.2", 32, past)]).await.unwrap();
        assert_eq!(rows().await.len(), 2);
        write_all(&store, &[ban("192.0.2.1", 32, later + 1)]).await.unwrap();
        assert_eq!(rows().await, [one()]);
        // A port of it is another ban.
        let port = NewBan { port: 4_001, ..ban("192.0.2.1", 32, later) };
        write_all(&store, &[port.clone(), port]).await.unwrap();
        assert_eq!(rows().await, [one(), one()]);
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// A store with tenant 1 and account 1.
    async fn store_at(dir: &std::path::Path) -> Store {
        use strowger_model::{
            Account, AccountId, Currency, DigestAlgorithm, Digits, Normalisation, Organization,
            OrganizationId, OrganizationKind, Price, Tenant, TenantId,
        };
        std::fs::create_dir_all(dir).unwrap();
        let store = Store::open(&dir.join("rules.db")).await.unwrap();
        let (tenant, account) = (TenantId(1), AccountId(1));
        let digits = |text: &str| Digits::parse(text).unwrap();
        let row = Tenant {
            id: tenant,
            name: "t".into(),
            realm: "r".into(),
            domains: vec![],
            currency: Currency::EUR,
            timezone: "UTC".into(),
            algorithms: vec![DigestAlgorithm::Md5],
            country_prefix: digits("49"),
            normalisation: Normalisation::default(),
            internal_price: Price(0),
            ring_timeout_s: 60,
            talk_s_max: 0,
            media_start_timeout_s: 0,
            media_timeout_s: 0,
            subscriber_day_max: None,
            trunk_day_max: None,
        };
        let (id, kind) = (OrganizationId(1), OrganizationKind::Owner);
        let organization =
            Organization { id, tenant, parent: None, kind, name: "o".into(), withheld: Vec::new() };
        let payer = Account::new(account, tenant, id, Currency::EUR);
        let mut w = store.write().await.unwrap();
        w.insert_tenant(&row).await.unwrap();
        w.insert_organization(&organization).await.unwrap();
        w.insert_account(&payer).await.unwrap();
        w.commit().await.unwrap();
        store
    }

    #[tokio::test]
    async fn a_blocked_caller_is_a_rule_and_a_person_s_word_stands() {
        use strowger_model::{AccountId, Digits, TenantId};
        let dir = std::env::temp_dir().join(format!("strowger-block-{}", std::process::id()));
        let store = store_at(&dir).await;
        let (tenant, account) = (TenantId(1), AccountId(1));
        let digits = |text: &str| Digits::parse(text).unwrap();
        let rules = async || store.reader().config().await.unwrap().caller_rules;
        let now_us = clock::wall_us();
        let block = |number: &str, until_us| NewBlock {
            tenant,
            account: Some(account),
            number: digits(number),
            called: Digits::EMPTY,
            why: Nuisance::Fruitless,
            count: 20,
            from_us: now_us,
            until_us,
        };
        block_all(&store, &[block("1001", now_us + 9)]).await.unwrap();
        let rule = rules().await.remove(0);
        assert_eq!((rule.account, rule.prefix, rule.allow), (Some(account), digits("1001"), false));
        assert_eq!((rule.automatic, rule.until_us), (true, Some(now_us + 9)));
        assert_eq!(rule.reason, "20 numbers called one after the other, and no talk");
        // Longer is another word, shorter and the same are none.
        block_all(&store, &[block("1001", now_us + 20)]).await.unwrap();
        let change = store.reader().newest_change().await.unwrap();
        block_all(&store, &[block("1001", now_us + 20)]).await.unwrap();
        assert_eq!(store.reader().newest_change().await.unwrap(), change);
        assert_eq!(rules().await, [CallerRule { until_us: Some(now_us + 20), ..rule.clone() }]);
        // Whom a person lets through, or blocks by himself, stays as he says.
        let mut w = store.write().await.unwrap();
        w.update(&CallerRule { allow: true, until_us: None, ..rule.clone() }).await.unwrap();
        let by_hand = CallerRule {
            id: CallerRuleId(90),
            prefix: digits("1002"),
            automatic: false,
            ..rule.clone()
        };
        w.insert_caller_rule(&by_hand).await.unwrap();
        w.commit().await.unwrap();
        let both = [block("1001", now_us + 99), block("1002", now_us + 99)];
        block_all(&store, &both).await.unwrap();
        let all = rules().await;
        assert_eq!((all.len(), all[0].allow, all[1].until_us), (2, true, by_hand.until_us));
        // One whose time is over long ago goes with the next.
        block_all(&store, &[block("1003", now_us - KEEP_US - 1)]).await.unwrap();
        assert_eq!(rules().await.len(), 3);
        block_all(&store, &[block("1004", now_us + 1)]).await.unwrap();
        let left: Vec<String> = rules().await.iter().map(|r| r.prefix.to_string()).collect();
        assert_eq!(left, ["1001", "1002", "1004"]);
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// For all or for one account, and each lasts as long as its last word says.
    #[tokio::test]
    async fn a_number_that_nobody_is_reached_at_is_a_row_of_its_own() {
        use strowger_model::{AccountId, Digits, TenantId};
        let dir = std::env::temp_dir().join(format!("strowger-target-{}", std::process::id()));
        let store = store_at(&dir).await;
        let digits = |text: &str| Digits::parse(text).unwrap();
        let now_us = clock::wall_us();
        let block = |account: Option<i64>, until_us| NewBlock {
            tenant: TenantId(1),
            account: account.map(AccountId),
            number: Digits::EMPTY,
            called: digits("4490"),
            why: Nuisance::Unreached { asr_percent: 2, acd_s: 3 },
            count: 20,
            from_us: now_us,
            until_us,
        };
        let all = [block(None, now_us + 9), block(Some(1), now_us + 9), block(None, now_us + 10)];
        block_all(&store, &all).await.unwrap();
        let rules = store.reader().config().await.unwrap().caller_rules;
        let about: Vec<_> = rules.iter().map(|r| (r.account, r.until_us, r.called)).collect();
        let (nine, ten) = (Some(now_us + 9), Some(now_us + 10));
        let called = digits("4490");
        assert_eq!(about, [(None, ten, called), (Some(AccountId(1)), nine, called)]);
        let reason = "of 20 calls to the number 2 % answered, 3 s of talk on average";
        assert!(rules.iter().all(|r| r.automatic && r.reason == reason), "{rules:?}");
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
