//! How both sides of a call are spoken to: session timers and reliable responses by settings and by
//! what trunks say themselves.

use super::*;
use strowger_link::{Manner, MediaMode, MediaPolicy, Plain, Reliable, SessionTimer, Srtp, Voices};
use strowger_model::{
    BodyTerms, DialogTerms, G711, MediaPath, Operation, ProgressMode, ReliableMode, SettingId,
    SettingRow, SrtpUse, SubscriberId, TimerMode, VoiceCodec,
};

fn set(rows: &mut Rows, name: &str, value: &str, subscriber: Option<i64>) {
    let id = i64::try_from(rows.settings.len()).unwrap() + 1;
    rows.settings.push(SettingRow {
        id: SettingId(id),
        category: "session".into(),
        name: name.into(),
        tenant: subscriber.map(|_| TenantId(1)),
        account: None,
        subscriber: subscriber.map(SubscriberId),
        value: value.into(),
    });
}

/// Timers and reliable responses of caller and first branch.
fn manners(rows: Rows, line: &str) -> [(SessionTimer, Reliable); 2] {
    let go = Switch::new(rows).go(line);
    let own = |manner: &strowger_link::Manner| (manner.timer, manner.reliable);
    [own(&go.manner), own(&go.stages[0].branches[0].manner)]
}

#[test]
fn each_side_has_what_is_set_for_it() {
    let usual = (SessionTimer::Answer, Reliable::Media);
    assert_eq!(manners(rows(), "1001 dials 1002"), [usual, usual]);
    let mut one = rows();
    set(&mut one, "timer", "ask", Some(2));
    set(&mut one, "reliable", "always", Some(2));
    set(&mut one, "timer", "never", Some(1));
    let asked = (SessionTimer::Ask(1_800), Reliable::Always);
    let never = (SessionTimer::Never, Reliable::Media);
    assert_eq!(manners(one.clone(), "1001 dials 1002"), [never, asked]);
    // What is set for a subscriber says nothing of a carrier.
    assert_eq!(manners(one, "1001 dials 4420"), [never, usual]);
}

#[test]
fn what_a_trunk_says_itself_stands_before_the_settings() {
    let mut all = rows();
    set(&mut all, "timer", "ask", None);
    set(&mut all, "reliable", "require", None);
    let egress = all.trunks[0].egress.as_mut().unwrap();
    egress.dialog = DialogTerms {
        timer: Some(TimerMode::Force),
        session_s: Some(600),
        reliable: Some(ReliableMode::Never),
        ..DialogTerms::default()
    };
    let asked = (SessionTimer::Ask(1_800), Reliable::Require);
    let own = (SessionTimer::Force(600), Reliable::Never);
    assert_eq!(manners(all.clone(), "trunk 8 dials 4420"), [asked, own]);
    let ingress = all.trunks[2].ingress.as_mut().unwrap();
    ingress.dialog.timer = Some(TimerMode::Never);
    let never = (SessionTimer::Never, Reliable::Require);
    assert_eq!(manners(all, "trunk 8 dials 4420"), [never, own]);
}

#[test]
fn intervals_that_disagree_give_way_to_the_least() {
    let mut all = rows();
    set(&mut all, "timer", "ask", None);
    set(&mut all, "expires_ms_min", "3600000", None);
    set(&mut all, "expires_ms_max", "900000", None);
    let go = Switch::new(all).go("1001 dials 4420");
    assert_eq!(go.manner.timer, SessionTimer::Ask(3_600));
    assert_eq!((go.manner.session_s_min, go.manner.session_s_max), (3_600, 3_600));
}

#[test]
fn a_session_too_short_is_refused_with_the_least_but_never_a_call_for_help() {
    let mut all = rows();
    set(&mut all, "expires_ms_min", "600000", None);
    let (tenant, number) = (TenantId(1), testing::digits("112"));
    all.emergencies = vec![Emergency { tenant, number, trunks: vec![TrunkId(7)] }];
    let mut switch = Switch::new(all);
    let mut asks = |line: &str, seconds: u32| {
        switch.decide(line);
        switch.call().session_s = seconds;
        switch.again()
    };
    let decision = asks("trunk 8 dials 4420", 599);
    assert_eq!(words(&decision), "422 BadRequest cause 127");
    let Verdict::Refuse(refuse) = &decision.verdict else { panic!("no refusal") };
    let [field] = refuse.headers.as_slice() else { panic!("{:?}", refuse.headers) };
    assert_eq!((field.name.as_str(), field.value.0.as_slice()), ("Min-SE", &b"600"[..]));
    assert!(refuse.record);
    let short = Step::SessionShort { asked_s: 599, least_s: 600 };
    assert!(decision.trace.steps().any(|step| step == short));
    for (called, seconds) in [("4420", 600), ("4420", 0), ("112", 90)] {
        let verdict = asks(&format!("trunk 8 dials {called}"), seconds).verdict;
        assert!(matches!(verdict, Verdict::Go(_)), "{called} {seconds}");
    }
}

/// Media of the caller and of each branch, after `change`, for a caller who asks for `privacy`.
fn paths(change: impl Fn(&mut Rows), line: &str, privacy: &str) -> Vec<MediaMode> {
    let mut all = rows();
    all.trunks[0].egress.as_mut().unwrap().dialog.media = Some(MediaPath::Direct);
    all.trunks[2].ingress.as_mut().unwrap().dialog.media = Some(MediaPath::Direct);
    change(&mut all);
    let mut switch = Switch::new(all);
    switch.call().caller.privacy = privacy.into();
    let go = switch.go(line);
    let branches = go.stages.iter().flat_map(|stage| &stage.branches);
    [go.media.mode].into_iter().chain(branches.map(|branch| branch.media.mode)).collect()
}

#[test]
fn media_goes_past_us_only_where_both_sides_may_and_nothing_asks_for_our_hand() {
    use MediaMode::{Direct, Relay};
    let trunks = "trunk 8 dials 4420";
    assert_eq!(paths(|_| {}, trunks, ""), [Direct, Direct]);
    // One of both says nothing of it.
    let one = |rows: &mut Rows| rows.trunks[2].ingress.as_mut().unwrap().dialog.media = None;
    assert_eq!(paths(one, trunks, ""), [Relay, Relay]);
    // The second trunk of the route relays, the first does not.
    let two = |rows: &mut Rows| {
        rows.routes[0] = testing::route(1, "44", &[(7, 1, 1), (6, 0, 1)]);
    };
    assert_eq!(paths(two, "trunk 8 dials 447", ""), [Direct, Direct, Relay, Relay]);
    // Who hides does not show where its media is.
    assert_eq!(paths(|_| {}, trunks, "session"), [Relay, Relay]);
    assert_eq!(paths(|_| {}, trunks, "none"), [Direct, Direct]);
    // Behind a NAT nobody is where it says.
    let nat = |value: &'static str| {
        move |rows: &mut Rows| {
            for (id, name, value) in [(1, "path", "direct"), (2, "nat", value)] {
                rows.settings.push(SettingRow {
                    id: SettingId(id),
                    category: "media".into(),
                    name: name.into(),
                    tenant: None,
                    account: None,
                    subscriber: None,
                    value: value.into(),
                });
            }
        }
    };
    assert_eq!(paths(nat("never"), "1001 dials 1002", ""), [Direct, Direct]);
    assert_eq!(paths(nat("always"), "1001 dials 1002", ""), [Relay, Relay]);
    // A call for help depends on nobody's network but ours.
    let help = |rows: &mut Rows| {
        let (tenant, number) = (TenantId(1), testing::digits("112"));
        rows.emergencies = vec![Emergency { tenant, number, trunks: vec![TrunkId(7)] }];
    };
    assert_eq!(paths(help, "trunk 8 dials 112", ""), [Relay, Relay]);
}

#[test]
fn a_trunk_is_strict_and_ends_false_answers_where_it_is_set_so() {
    let flags = |media: &MediaPolicy| (media.strict, media.ends_false);
    let go = Switch::new(rows()).go("1001 dials 4420");
    let trunk = &go.stages[0].branches[0].media;
    assert_eq!((flags(&go.media), flags(trunk)), ((false, false), (false, false)));
    for (strict, ends_false) in [(true, false), (false, true)] {
        let mut all = rows();
        let egress = all.trunks[0].egress.as_mut().unwrap();
        (egress.dialog.strict_media, egress.dialog.end_false_answer) = (strict, ends_false);
        let go = Switch::new(all).go("1001 dials 4420");
        let trunk = &go.stages[0].branches[0].media;
        assert_eq!((flags(&go.media), flags(trunk)), ((false, false), (strict, ends_false)));
    }
    // Who sends us calls is held to his own words.
    let mut all = rows();
    let sender = all.trunks.iter_mut().find(|trunk| trunk.id == TrunkId(8)).unwrap();
    sender.ingress.as_mut().unwrap().dialog.strict_media = true;
    let go = Switch::new(all).go("trunk 8 dials 4420");
    assert!(go.media.strict && !go.stages[0].branches[0].media.strict);
}

/// A trunk's own word stands before what is set for its account, and both sides have theirs.
#[test]
fn codecs_are_those_of_each_side() {
    let mut all = rows();
    for (id, name, value) in [(1, "codecs", "opus"), (2, "one_codec", "true")] {
        all.settings.push(SettingRow {
            id: SettingId(id),
            category: "media".into(),
            name: name.into(),
            tenant: None,
            account: None,
            subscriber: None,
            value: value.into(),
        });
    }
    let egress = all.trunks[0].egress.as_mut().unwrap();
    egress.dialog.codecs = Some(vec![VoiceCodec::G729, VoiceCodec::Pcma]);
    egress.dialog.one_codec = Some(false);
    egress.dialog.g711 = Some(G711::Bar);
    let go = Switch::new(all).go("1001 dials 4420");
    let voices = |media: &MediaPolicy| {
        let Voices { single, plain, .. } = media.voices;
        (media.voices.names().collect::<Vec<_>>(), single, plain)
    };
    assert_eq!(voices(&go.media), (vec!["opus"], true, Plain::Kept));
    let trunk = &go.stages[0].branches[0].media;
    assert_eq!(voices(trunk), (vec!["G729", "PCMA"], false, Plain::Barred));
    for (name, codec) in VoiceCodec::ALL {
        assert!(Voices::place(name).is_some() && codec.name() == name, "{name}");
    }
}

/// A trunk's own word stands before what is set; who offers keys says so, and has media relayed.
#[test]
fn srtp_is_that_of_each_side() {
    let mut all = rows();
    for (name, value) in [("path", "direct"), ("srtp", "pass")] {
        set(&mut all, name, value, None);
        all.settings.last_mut().unwrap().category = "media".into();
    }
    let plain = Switch::new(all.clone()).go("1001 dials 4420");
    let branch = &plain.stages[0].branches[0];
    assert_eq!((plain.media.srtp, branch.media.srtp), (Srtp::Pass, Srtp::Pass));
    assert_eq!(branch.media.mode, MediaMode::Direct);
    for (used, told) in [
        (SrtpUse::Off, Srtp::Off),
        (SrtpUse::Pass, Srtp::Pass),
        (SrtpUse::Accept, Srtp::Accept),
        (SrtpUse::Offer, Srtp::Offer),
        (SrtpUse::Require, Srtp::Require),
        (SrtpUse::EndToEnd, Srtp::EndToEnd),
        (SrtpUse::Dtls, Srtp::Dtls),
    ] {
        let mut all = all.clone();
        all.trunks[0].egress.as_mut().unwrap().dialog.srtp = Some(used);
        let go = Switch::new(all).go("1001 dials 4420");
        let media = go.stages[0].branches[0].media;
        assert_eq!((go.media.srtp, media.srtp), (Srtp::Pass, told));
        let needs_us = matches!(used, SrtpUse::Offer | SrtpUse::Require | SrtpUse::Dtls);
        let mode = if needs_us { MediaMode::Relay } else { MediaMode::Direct };
        assert_eq!(media.mode, mode, "{used:?}");
    }
}

/// Bodies and progress of each side are what its own trunk says, and nothing of a subscriber's.
#[test]
fn bodies_and_progress_are_each_trunks_own() {
    let mut all = rows();
    let bodies = |kind: &str| Some(BodyTerms { types: vec![kind.to_owned()], len_max: 512 });
    let egress = all.trunks[0].egress.as_mut().unwrap();
    (egress.dialog.bodies, egress.dialog.progress) =
        (bodies("text/*"), Some(ProgressMode::Ringing));
    let ingress = all.trunks[2].ingress.as_mut().unwrap();
    ingress.dialog.bodies = bodies("application/isup");
    let said = |line: &str| {
        let go = Switch::new(all.clone()).go(line);
        let words = |manner: &Manner| {
            let bodies = manner.bodies.as_ref();
            let bodies = bodies.map(|b| format!("{} {}", b.types.join(","), b.len_max));
            (bodies.unwrap_or_default(), manner.ringing)
        };
        [words(&go.manner), words(&go.stages[0].branches[0].manner)]
    };
    let (isup, text) =
        (("application/isup 512".to_owned(), false), ("text/* 512".to_owned(), true));
    assert_eq!(said("trunk 8 dials 4420"), [isup, text.clone()]);
    assert_eq!(said("1001 dials 4420"), [(String::new(), false), text]);
    assert_eq!(said("1001 dials 1002"), [(String::new(), false), (String::new(), false)]);
}

/// Where media goes of 1001, who is set to `own`, calling 1002, who is set to `far`; who of both is
/// behind a NAT.
fn between(own: &str, far: &str, (caller, called): (bool, bool)) -> MediaMode {
    let nat = |is: bool| if is { "always" } else { "never" };
    let rows = |rows: &mut Rows| {
        let set = [(1, "path", own), (1, "nat", nat(caller))];
        let set = set.into_iter().chain([(2, "path", far), (2, "nat", nat(called))]);
        for (id, (subscriber, name, value)) in (1i64..).zip(set) {
            rows.settings.push(SettingRow {
                id: SettingId(id),
                category: "media".into(),
                name: name.into(),
                tenant: Some(TenantId(1)),
                account: None,
                subscriber: Some(SubscriberId(subscriber)),
                value: value.into(),
            });
        }
    };
    paths(rows, "1001 dials 1002", "")[1]
}

/// The merge of the spec (C-MED-02), and what it leaves open: 1 against 7 and 0 on both sides.
#[test]
fn of_two_sides_relay_wins_then_past_us_then_the_stricter() {
    use MediaMode::{Direct, Fixed, Relay};
    let none = (false, false);
    for (one, other, expected) in [
        ("relay", "direct", Relay),
        ("relay", "peer", Relay),
        ("relay", "fixed", Relay),
        ("peer", "peer", Relay),
        ("peer", "direct", Direct),
        ("peer", "fixed", Fixed),
        ("direct", "fixed", Direct),
        ("direct", "either-nated", Direct),
        ("fixed", "fixed", Fixed),
        ("fixed", "both-nated", Fixed),
    ] {
        assert_eq!(between(one, other, none), expected, "{one} {other}");
        assert_eq!(between(other, one, none), expected, "{other} {one}");
    }
    // The stricter of both, whichever side says it.
    let called = (false, true);
    assert_eq!(between("caller-nated", "called-nated", called), Relay);
    assert_eq!(between("called-nated", "caller-nated", called), Relay);
    assert_eq!(between("caller-nated", "both-nated", called), Fixed);
}

#[test]
fn nats_decide_where_a_side_wants_it_so() {
    use MediaMode::{Direct, Fixed, Relay};
    // Nobody, the caller, the called party, and both behind NATs.
    let all = [(false, false), (true, false), (false, true), (true, true)];
    for (path, expected) in [
        ("fixed", [Fixed, Fixed, Fixed, Fixed]),
        ("both-nated", [Fixed, Fixed, Fixed, Relay]),
        ("caller-nated", [Fixed, Relay, Fixed, Relay]),
        ("called-nated", [Fixed, Fixed, Relay, Relay]),
        ("either-nated", [Fixed, Relay, Relay, Relay]),
        ("direct", [Direct, Relay, Relay, Relay]),
    ] {
        assert_eq!(all.map(|nats| between(path, path, nats)), expected, "{path}");
    }
}

#[test]
fn who_is_redirected_is_told_all_targets_in_their_order_and_pays_nothing() {
    let mut all = rows();
    all.routes[0] = testing::route(1, "44", &[(6, 1, 1), (7, 0, 1)]);
    all.trunks[2].ingress.as_mut().unwrap().operation = Some(Operation::Redirect);
    let mut switch = Switch::new(all);
    let decision = switch.decide("trunk 8 dials 447");
    let Verdict::Refuse(refuse) = &decision.verdict else { panic!("{}", words(&decision)) };
    let told: Vec<String> = refuse
        .headers
        .iter()
        .map(|field| format!("{}: {}", field.name, String::from_utf8_lossy(&field.value.0)))
        .collect();
    assert_eq!(
        told,
        [
            "Contact: <sip:00447@192.0.2.61:5060>;q=1.000",
            "Contact: <sip:00447@192.0.2.62:5070>;q=0.940",
            "Contact: <sip:447@192.0.2.7:5060>;q=0.880",
        ]
    );
    assert_eq!(words(&decision), "302 Redirected cause 23");
    let settlement = Settlement::decode(&refuse.settlement.0).unwrap();
    assert!(settlement.levels.is_empty() && settlement.hold == 0);
    let step = Step::RedirectedCaller { contacts: 3 };
    assert!(decision.trace.steps().any(|noted| noted == step));
    // Where nothing leads, there is nothing to tell; and others are connected.
    assert_eq!(switch.say("trunk 8 dials 33"), "404 UnknownNumber cause 1");
    assert!(switch.say("1001 dials 4420").contains("account 1 pays"));
}

#[test]
fn what_the_callers_credentials_were_made_for_goes_on_as_it_came() {
    use strowger_link::BranchAuth;
    let mut all = rows();
    let egress = all.trunks[0].egress.as_mut().unwrap();
    egress.pass_digest = true;
    egress.called.add = "00".into();
    let mut switch = Switch::new(all);
    switch.decide("trunk 8 dials 4420");
    switch.call().request_uri = "sip:4420@pbx.example;user=phone".into();
    let Verdict::Go(plan) = switch.again().verdict else { panic!("no plan") };
    let branch = &plan.go.stages[0].branches[0];
    assert_eq!(branch.auth, BranchAuth::Pass);
    assert_eq!(branch.target.uri, "sip:4420@pbx.example;user=phone");
    assert_eq!(branch.target.address.to_string(), "192.0.2.7:5060");
}
