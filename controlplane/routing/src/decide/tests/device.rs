//! Devices of a subscriber: preferences, flows of one instance, and calls to one of them.

use super::*;

/// Contacts of the stages, by the host of each.
fn stages(switch: &mut Switch, line: &str) -> String {
    let go = switch.go(line);
    let host = |branch: &Branch| branch.target.uri.split('@').nth(1).unwrap_or("?").to_owned();
    let stage = |stage: &strowger_link::Stage| {
        stage.branches.iter().map(host).collect::<Vec<_>>().join("+")
    };
    go.stages.iter().map(stage).collect::<Vec<_>>().join(" then ")
}

fn flow(instance: &str, reg_id: u32) -> impl Fn(&mut RegisterAsk) {
    let params = format!(";+sip.instance=\"<{instance}>\";reg-id={reg_id}");
    move |ask| ask.contacts[0].params = params.clone()
}

fn preferred(q: u16) -> impl Fn(&mut RegisterAsk) {
    move |ask| ask.contacts[0].q = q
}

fn by_q() -> Switch {
    let mut rows = rows();
    let row = setting::setting_row("registration.fork", "by-q", strowger_model::Depth::System, 0);
    rows.settings.push(row);
    let mut switch = Switch::new(rows);
    for (host, q) in [("c1", 500), ("c2", 300), ("c3", 500)] {
        switch.bind(3, &format!("sip:1003@{host}"), "10.0.0.3:5060", preferred(q));
    }
    switch
}

#[test]
fn equal_preferences_ring_together_and_lower_ones_later() {
    let mut switch = by_q();
    assert_eq!(stages(&mut switch, "1001 dials 1003"), "c1+c3 then c2");
    let go = switch.go("1001 dials 1003");
    let [first, second] = go.stages.as_slice() else { panic!("{}", go.stages.len()) };
    assert_eq!(first.next, strowger_link::Next::always(1));
    assert_eq!(second.next, strowger_link::Next::default());
    // Forwards follow the last.
    let mut rows = rows();
    let row = setting::setting_row("registration.fork", "by-q", strowger_model::Depth::System, 0);
    rows.settings.push(row);
    rows.subscribers[2].forwards.push(strowger_model::Forward {
        when: strowger_model::ForwardWhen::NoAnswer,
        to: "1002".into(),
        after_s: 7,
        enabled: true,
    });
    let mut switch = Switch::new(rows);
    switch.bind(3, "sip:1003@c1", "10.0.0.3:5060", preferred(500));
    switch.bind(3, "sip:1003@c2", "10.0.0.3:5060", preferred(300));
    assert_eq!(stages(&mut switch, "1001 dials 1003"), "c1 then c2 then 10.0.0.2:5060");
    let go = switch.go("1001 dials 1003");
    assert_eq!(go.stages[0].next, strowger_link::Next::always(1));
    assert_eq!(go.stages[1].next.no_answer, Some(2));
    assert!(go.stages[..2].iter().all(|stage| stage.branches[0].ring_ms == 7_000));
}

#[test]
fn of_several_flows_of_a_device_one_is_used_and_the_others_are_spare() {
    let mut switch = Switch::new(rows());
    switch.bind(3, "sip:1003@f1", "10.0.0.3:5060", flow("urn:uuid:1", 1));
    switch.bind(3, "sip:1003@f2", "10.0.0.3:5060", flow("urn:uuid:1", 2));
    switch.bind(3, "sip:1003@other", "10.0.0.4:5060", flow("urn:uuid:2", 1));
    assert_eq!(stages(&mut switch, "1001 dials 1003"), "f1+other then f2");
    let go = switch.go("1001 dials 1003");
    let only_unreachable =
        strowger_link::Next { unreachable: Some(1), ..strowger_link::Next::default() };
    assert_eq!(go.stages[0].next, only_unreachable);
    // The same flow again takes the place of what it was.
    switch.bind(3, "sip:1003@moved", "10.0.0.3:5060", flow("urn:uuid:1", 2));
    assert_eq!(stages(&mut switch, "1001 dials 1003"), "f1+other then moved");
}

/// Calls a URI instead of a number.
fn dial(switch: &mut Switch, uri: &str) -> String {
    switch.decide("1001 dials 1003");
    let user = uri.strip_prefix("sip:").and_then(|rest| rest.split('@').next()).unwrap_or(uri);
    let call = switch.call();
    (call.request_uri, call.called) = (uri.to_owned(), user.to_owned());
    switch.count += 1;
    let count = switch.count;
    if let Some(credentials) = &mut switch.call().credentials {
        credentials.nonce_count = format!("{count:08x}");
        let ha1 = crate::digest::ha1_md5("1001", testing::REALM, "demo1001");
        credentials.response = crate::digest::response_md5(credentials, &ha1);
    }
    let decision = switch.again();
    let Verdict::Go(plan) = &decision.verdict else { return words(&decision) };
    let branches = plan.go.stages.iter().flat_map(|stage| &stage.branches);
    branches.map(|branch| branch.target.uri.clone()).collect::<Vec<_>>().join(", ")
}

fn gruus(params: &str) -> (String, String) {
    let value = |name: &str| {
        let (_, rest) = params.split_once(&format!(";{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    (value("pub-gruu"), value("temp-gruu"))
}

#[test]
fn a_gruu_reaches_its_device_only() {
    let mut switch = Switch::new(rows());
    let first = switch.bind(3, "sip:1003@d1", "10.0.0.3:5060", flow("urn:uuid:1", 1));
    let second = switch.bind(3, "sip:1003@d2", "10.0.0.4:5060", flow("urn:uuid:2", 1));
    for (params, contact) in [(&first, "sip:1003@d1"), (&second, "sip:1003@d2")] {
        let (public, temporary) = gruus(params);
        assert_eq!(dial(&mut switch, &public), contact, "{public}");
        assert_eq!(dial(&mut switch, &temporary), contact, "{temporary}");
    }
    assert_eq!(dial(&mut switch, "sip:1003@demo.example"), "sip:1003@d1, sip:1003@d2");
    let gone = "sip:1003@demo.example;gr=urn:uuid:9";
    assert_eq!(dial(&mut switch, gone), "480 Offline cause 20", "a device that is away");
    let forged = format!("sip:tgruu.{:048}@demo.example;gr", 7);
    assert_eq!(dial(&mut switch, &forged), "404 UnknownNumber cause 1");
    // Its user's forwards are not its own.
    let mut rows = rows();
    rows.subscribers[2].forwards.push(strowger_model::Forward {
        when: strowger_model::ForwardWhen::Always,
        to: "1002".into(),
        after_s: 0,
        enabled: true,
    });
    let mut switch = Switch::new(rows);
    let (public, _) = gruus(&switch.bind(3, "sip:1003@d1", "10.0.0.3:5060", flow("urn:uuid:1", 1)));
    assert_eq!(dial(&mut switch, &public), "sip:1003@d1");
    assert_eq!(dial(&mut switch, "sip:1003@demo.example"), "sip:1002@10.0.0.2:5060");
}
