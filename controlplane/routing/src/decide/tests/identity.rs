//! Whose number stands where: the precedence of `decide/identity.rs`, row by row.

use super::*;
use strowger_link::IdentityHeader;
use strowger_model::{Cli, Egress, Identity, IdentityHeader as RowHeader, Ingress};

/// What is shown of a call of `sender` to trunk 7: `From header Privacy`.
fn shown(change: impl Fn(&mut Rows), sender: &str, said: impl Fn(&mut CallerIdentity)) -> String {
    let mut rows = rows();
    change(&mut rows);
    let mut switch = Switch::new(rows);
    switch.decide(&format!("{sender} dials 4420"));
    said(&mut switch.call().caller);
    // The nonce count was used by the first.
    let count = "00000009".to_owned();
    if let Some(credentials) = &mut switch.call().credentials {
        credentials.nonce_count = count;
        let ha1 = crate::digest::ha1_md5(sender, testing::REALM, &format!("demo{sender}"));
        credentials.response = crate::digest::response_md5(credentials, &ha1);
    }
    let decision = switch.again();
    let Verdict::Go(plan) = &decision.verdict else { return words(&decision) };
    let branch = &plan.go.stages[0].branches[0];
    let header = branch.asserted.as_ref().map(|user| match branch.manner.identity {
        IdentityHeader::Asserted => format!(" PAI {user}"),
        IdentityHeader::Preferred => format!(" PPI {user}"),
        IdentityHeader::RemoteParty => format!(" RPID {user}"),
    });
    let host = match branch.manner.from_host.as_str() {
        "" => String::new(),
        host => format!("@{host}"),
    };
    let privacy = match branch.manner.privacy.as_str() {
        "" => String::new(),
        privacy => format!(" Privacy {privacy}"),
    };
    let from = if branch.anonymous { "anonymous" } else { branch.from_user.as_str() };
    format!("{from}{host}{}{privacy}", header.unwrap_or_default())
}

fn identity(identity: Identity) -> impl Fn(&mut Rows) {
    move |r| {
        r.subscribers[0].numbers.push(testing::digits("442071009"));
        r.subscribers[0].identity = identity;
    }
}

fn check_subscriber(row: Identity, preferred: Option<&str>, from: &str, expect: &str) {
    let got = shown(identity(row), "1001", |said| {
        said.preferred = preferred.map(str::to_owned);
        said.from_user = from.to_owned();
    });
    assert_eq!(got, expect, "{row:?} preferred {preferred:?} from {from}");
}

#[test]
fn the_number_of_a_subscriber() {
    let own = Identity::default();
    let (first, second) = ("442071001 PAI 442071001", "442071009 PAI 442071009");
    check_subscriber(own, None, "1001", first);
    check_subscriber(own, None, "+442071009", second);
    check_subscriber(own, Some("442071009"), "442071001", second);
    check_subscriber(own, Some("33999"), "442071009", second);
    check_subscriber(own, Some("33999"), "33998", first);
    let any = Identity { any_number: true, ..own };
    check_subscriber(any, Some("+33999"), "33998", "33999 PAI 33999");
    check_subscriber(any, None, "33998", "33998 PAI 33998");
    check_subscriber(any, None, "1001", first);
    check_subscriber(any, Some("bob"), "carol", first);
    let fixed = Identity { number: Some(testing::digits("442000")), ..any };
    check_subscriber(fixed, Some("33999"), "33998", "442000 PAI 442000");
    // Without any number of its own the name is left.
    let bare = |r: &mut Rows| r.subscribers[0].numbers.clear();
    assert_eq!(shown(bare, "1001", |_| {}), "1001 PAI 1001");
}

fn trunk_says(trusted: bool, said: impl Fn(&mut CallerIdentity)) -> String {
    let change = move |r: &mut Rows| {
        if let Some(ingress) = &mut r.trunks[2].ingress {
            *ingress = Ingress { trusted, ..ingress.clone() };
        }
    };
    shown(change, "trunk 8", said)
}

#[test]
fn the_number_of_a_trunks_caller() {
    let all = |said: &mut CallerIdentity| {
        said.asserted = vec!["+33111".into()];
        said.remote_party = Some("33222".into());
    };
    assert_eq!(trunk_says(true, all), "33111 PAI 33111");
    assert_eq!(trunk_says(true, |s| s.remote_party = Some("33222".into())), "33222 PAI 33222");
    assert_eq!(trunk_says(true, |_| {}), "33123 PAI 33123");
    // What is not trusted is shown as its own word, and not vouched for.
    assert_eq!(trunk_says(false, all), "33123");
    assert_eq!(trunk_says(false, |_| {}), "33123");
    assert_eq!(trunk_says(false, |s| s.privacy = "id".into()), "anonymous Privacy id");
    let hidden = |s: &mut CallerIdentity| {
        all(s);
        s.privacy = "user;id;critical".into();
    };
    assert_eq!(trunk_says(true, hidden), "anonymous PAI 33111 Privacy user;id;critical");
    assert_eq!(trunk_says(true, |s| s.privacy = "none".into()), "33123 PAI 33123 Privacy none");
    let from = |s: &mut CallerIdentity| {
        s.asserted = vec!["33111".into()];
        (s.from_user, s.from_host) = ("anonymous".into(), "anonymous.invalid".into());
    };
    assert_eq!(trunk_says(true, from), "anonymous PAI 33111 Privacy id");
    assert_eq!(trunk_says(false, from), "anonymous Privacy id");
}

fn egress(change: impl Fn(&mut Egress)) -> impl Fn(&mut Rows) {
    move |r| {
        if let Some(egress) = &mut r.trunks[0].egress {
            change(egress);
        }
    }
}

#[test]
fn a_trunk_is_told_as_its_row_says() {
    let check = |change: fn(&mut Egress), privacy: &str, expect: &str| {
        let got = shown(egress(change), "1001", |said| said.privacy = privacy.into());
        assert_eq!(got, expect);
    };
    check(|e| e.identity = RowHeader::None, "", "442071001");
    check(|e| e.identity = RowHeader::Preferred, "", "442071001 PPI 442071001");
    check(|e| e.identity = RowHeader::RemoteParty, "id", "anonymous RPID 442071001 Privacy id");
    check(|e| e.trusted = false, "", "442071001 PAI 442071001");
    check(|e| e.trusted = false, "id", "anonymous Privacy id");
    check(|e| e.caller.add = "+".into(), "", "+442071001 PAI +442071001");
    check(|e| e.caller_number = Some(testing::digits("4420")), "", "4420 PAI 4420");
    check(|e| e.from_host = Some("sip.example".into()), "", "442071001@sip.example PAI 442071001");
}

/// Every `cli` x wish x trust of the peer, as it leaves us.
#[test]
fn all_ways_of_hiding() {
    let (plain, shown_pai) = ("442071001", "442071001 PAI 442071001");
    let (hidden, hidden_pai) = ("anonymous Privacy id", "anonymous PAI 442071001 Privacy id");
    let table = [
        (Cli::Always, [shown_pai, shown_pai, shown_pai, shown_pai]),
        (Cli::Normal, [shown_pai, shown_pai, hidden, hidden_pai]),
        (Cli::Asserted, [shown_pai, shown_pai, hidden_pai, hidden_pai]),
        (Cli::AssertedTrusted, [plain, shown_pai, hidden, hidden_pai]),
        (Cli::Hide, [hidden, hidden_pai, hidden, hidden_pai]),
        (Cli::HideAll, [hidden, hidden, hidden, hidden]),
    ];
    for (cli, expect) in table {
        let cases = [(false, false), (false, true), (true, false), (true, true)];
        for ((hides, trusted), expect) in cases.into_iter().zip(expect) {
            let change = |r: &mut Rows| {
                r.subscribers[0].identity.cli = cli;
                egress(|e| e.trusted = trusted)(r);
            };
            let privacy = if hides { "id" } else { "" };
            let got = shown(change, "1001", |said| said.privacy = privacy.into());
            assert_eq!(got, expect, "{cli:?} hides {hides} trusted {trusted}");
        }
    }
}

#[test]
fn help_sees_who_calls() {
    let change = |r: &mut Rows| {
        r.subscribers[0].identity.cli = Cli::HideAll;
        let (tenant, number, trunks) = (TenantId(1), testing::digits("4420"), vec![TrunkId(7)]);
        r.emergencies.push(Emergency { tenant, number, trunks });
    };
    assert_eq!(shown(change, "1001", |s| s.privacy = "id".into()), "442071001 PAI 442071001");
}
