use super::*;
use std::collections::BTreeSet;

fn parse(path: &str, text: &str) -> Result<String, String> {
    let (category, name) = path.split_once('.').unwrap();
    let setting = Setting::find(category, name).unwrap();
    let value = setting.parse(text).map_err(|bad| bad.to_string())?;
    Ok(print_setting(value.as_ref()))
}

#[test]
fn values_have_one_text() {
    for (path, text, expect) in [
        ("call.talk_ms_min", "0", Ok("0")),
        ("call.talk_ms_min", "600001", Err("is not milliseconds from 0 to 600000")),
        ("call.talk_ms_min", "+5", Err("is not milliseconds from 0 to 600000")),
        ("call.talk_ms_min", "05", Err("is not milliseconds from 0 to 600000")),
        ("call.talk_ms_min", "auto", Err("is not milliseconds from 0 to 600000")),
        ("call.ring_ms", "auto", Ok("auto")),
        (
            "call.ring_ms",
            "1500",
            Err("is not milliseconds from 1000 to 600000, a multiple of 1000, nor auto"),
        ),
        ("call.send_back", "true", Ok("true")),
        ("call.send_back", "1", Err("is not true or false")),
        ("call.hops_max", "9", Err("is not a whole number from 1 to 8")),
        ("failover.continue_on", "603, 486,486", Ok("486,603")),
        ("failover.continue_on", "none", Ok("none")),
        (
            "failover.continue_on",
            "299",
            Err("is not SIP statuses of 300 to 699 like 486,603, or none"),
        ),
        ("media.codecs", "G729, opus", Ok("G729,opus")),
        ("media.codecs", "G729,G729", Err("is not 1 to 8 voice codecs like G729,PCMA, nor auto")),
        ("media.codecs", "g729", Err("is not 1 to 8 voice codecs like G729,PCMA, nor auto")),
        ("media.codecs", "", Err("is not 1 to 8 voice codecs like G729,PCMA, nor auto")),
        ("call.kinds_denied", "premium, satellite,premium", Ok("satellite,premium")),
        ("call.kinds_denied", "none", Ok("none")),
        (
            "call.kinds_denied",
            "premium,dear",
            Err("is not some of ordinary,mobile,satellite,premium,free,shared,personal,pager,\
                 network, or none"),
        ),
        ("media.nat", "always", Ok("always")),
        ("media.nat", "Always", Err("is not one of by-contact, always, never")),
        ("identity.number", "4420*1", Ok("4420*1")),
        ("identity.number", "", Err("is not a number of 0-9, * and #, nor auto")),
        ("price.customer_default", "0.05", Ok("0.050000000")),
        ("price.customer_default", "-1", Err("is not a price per minute like 0.05, nor auto")),
    ] {
        let is = parse(path, text);
        assert_eq!(is.as_deref().map_err(String::as_str), expect, "{path} = {text}");
    }
    assert!(parse("failover.stop_on", &"486,".repeat(200)).is_err(), "longer than a value may be");
}

#[test]
fn names_are_found_whatever_their_case() {
    assert_eq!(
        Setting::find("CALL", "Ring_MS").map(Setting::path).as_deref(),
        Some("call.ring_ms")
    );
    assert!(Setting::find("call", "rings").is_none());
    assert!(Setting::find("", "").is_none());
}

#[test]
fn every_row_of_the_table_is_whole() {
    let mut seen = BTreeSet::new();
    for setting in SETTINGS {
        let path = setting.path();
        assert!(seen.insert(path.clone()), "{path} stands twice");
        assert!(setting.doc.trim().ends_with('.'), "{path}");
        // Its default is a value of its own, and stands in the default profile.
        let default = setting.default();
        assert_eq!(setting.of(&Profile::default()), default, "{path}");
        assert_eq!(setting.parse(&print_setting(default.as_ref())), Ok(default), "{path}");
        let may_be_auto = setting.parse(AUTO).is_ok();
        assert_eq!(may_be_auto, setting.auto, "{path}");
        // The words of `auto` say what it means.
        assert_eq!(setting.doc.contains("`auto`"), setting.auto, "{path}");
        // Units stand last, and times have one.
        let is_time = matches!(setting.kind, SettingKind::Millis(..));
        assert_eq!(setting.name.split('_').any(|part| part == "ms"), is_time, "{path}");
    }
}

/// A value of the kind that is not the default.
fn another(setting: &Setting) -> SettingValue {
    let numbers = ["1", "7", "8", "32", "60000", "120000", "600000"];
    let words = [
        "always", "price", "hide", "refuse", "by-q", "source", "options", "middle", "never",
        "continue", "direct", "redirect", "fault", "PCMA", "spare", "premium", "received",
    ];
    let tries = ["true", "false", "44", "486", "1.5", "pass"].into_iter().chain(words);
    let mut values =
        numbers.into_iter().chain(tries).filter_map(|text| setting.parse(text).ok().flatten());
    values.find(|value| Some(value) != setting.default().as_ref()).unwrap()
}

#[test]
fn a_value_reaches_its_field_and_no_other() {
    for setting in SETTINGS {
        let mut profile = Profile::default();
        let value = another(setting);
        assert!(setting.put(&mut profile, Some(&value)), "{}", setting.path());
        for other in SETTINGS {
            let expect =
                if other.path() == setting.path() { Some(value.clone()) } else { other.default() };
            assert_eq!(other.of(&profile), expect, "{} by {}", other.path(), setting.path());
        }
        // A value of another type changes nothing.
        let before = profile.clone();
        let wrong = match setting.kind {
            SettingKind::Flag => SettingValue::Whole(1),
            SettingKind::Whole(..)
            | SettingKind::Millis(..)
            | SettingKind::Word(_)
            | SettingKind::Number
            | SettingKind::Statuses
            | SettingKind::Words(_)
            | SettingKind::Price
            | SettingKind::Sum
            | SettingKind::Codecs
            | SettingKind::Programs => SettingValue::Flag(true),
        };
        assert!(!setting.put(&mut profile, Some(&wrong)), "{}", setting.path());
        assert_eq!(profile, before);
    }
}

#[test]
fn a_row_names_its_place_or_none() {
    let row = |tenant: Option<i64>, account: Option<i64>, subscriber: Option<i64>| SettingRow {
        id: SettingId(1),
        category: "call".to_owned(),
        name: "ring_ms".to_owned(),
        tenant: tenant.map(TenantId),
        account: account.map(AccountId),
        subscriber: subscriber.map(SubscriberId),
        value: AUTO.to_owned(),
    };
    let depth = |tenant, account, subscriber| row(tenant, account, subscriber).depth();
    assert_eq!(depth(None, None, None), Some(Depth::System));
    assert_eq!(depth(Some(1), None, None), Some(Depth::Tenant));
    assert_eq!(depth(Some(1), Some(1), None), Some(Depth::Account));
    assert_eq!(depth(Some(1), None, Some(1)), Some(Depth::Subscriber));
    assert_eq!(depth(Some(1), Some(1), Some(1)), None);
    assert_eq!(depth(None, Some(1), None), None);
    assert_eq!(depth(None, None, Some(1)), None);
}

/// Names of the source in the table of settings are the same that its list maps to them.
#[test]
fn the_table_and_the_list_of_the_source_agree() {
    let mut mapped = BTreeSet::new();
    for entry in source_names() {
        if let SourceTarget::Setting(path) = entry.target {
            let (category, name) = path.split_once('.').unwrap();
            assert!(Setting::find(category, name).is_some(), "{}: {path}", entry.name);
            mapped.insert((entry.name.to_ascii_lowercase(), path.to_owned()));
        }
    }
    let declared: BTreeSet<_> = SETTINGS
        .iter()
        .flat_map(|s| s.source.iter().map(|name| (name.to_ascii_lowercase(), s.path())))
        .collect();
    assert_eq!(mapped, declared);
}

#[test]
fn every_name_of_the_source_stands_once_and_has_what_its_disposition_needs() {
    let mut seen = BTreeSet::new();
    for entry in source_names() {
        let key = (entry.category, entry.name.to_ascii_lowercase());
        assert!(seen.insert(key), "{} {} stands twice", entry.category, entry.name);
        let is_mapped = entry.target != SourceTarget::None;
        assert_eq!(entry.disposition == Disposition::Mapped, is_mapped, "{}", entry.name);
        assert!(is_mapped || entry.reason.len() >= 8, "{}: says not why", entry.name);
        let is_plain = entry.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        assert!(is_plain, "{}", entry.name);
    }
    let unread = source::unreadable();
    assert!(unread.is_empty(), "{unread:?}");
}
