use super::*;
use proptest::prelude::*;
use strowger_model::{HeaderCondition, HeaderOn, HeaderTest};

fn fields(text: &[&str]) -> Fields {
    let mut fields = Fields::default();
    for line in text {
        let (name, value) = line.split_once(": ").unwrap();
        fields.push(name, value.as_bytes().to_vec(), false);
    }
    fields
}

fn rule(action: HeaderAction, header: &str, value: &str) -> HeaderRule {
    let (header, value) = (header.to_owned(), value.to_owned());
    HeaderRule {
        when: Vec::new(),
        action,
        header,
        value,
        pattern: None,
        from: None,
        on: HeaderOn::Request,
    }
}

fn when(header: &str, test: HeaderTest, value: &str) -> HeaderCondition {
    HeaderCondition { header: header.to_owned(), test, value: value.to_owned() }
}

fn compiled(rules: &[HeaderRule]) -> Rules {
    Rules(rules.iter().map(|rule| Compiled::of(rule).unwrap()).collect())
}

/// What rules make of fields: how many worked, and what goes out where nothing else passes.
fn check(before: &[&str], rules: &[HeaderRule], worked: u32, expect: &[&str]) {
    let mut fields = fields(before);
    assert_eq!(fields.apply(&compiled(rules)), worked, "{rules:?}");
    let said = |f: &HeaderField| format!("{}: {}", f.name, String::from_utf8_lossy(&f.value.0));
    let got: Vec<String> = fields.leaving(Pass::NOTHING).iter().map(said).collect();
    assert_eq!(got, expect, "{rules:?}");
}

#[test]
fn each_action() {
    use HeaderAction::{Add, Copy, Remove, Rewrite};
    let came = ["X-A: one", "x-a: two", "X-B: 30;q"];
    check(&came, &[rule(Add, "X-C", "three")], 1, &["X-C: three"]);
    check(&came, &[rule(Add, "X-A", "three")], 1, &["X-A: three"]);
    check(&came, &[rule(Remove, "X-A", "")], 1, &[]);
    check(&came, &[rule(Remove, "X-D", "")], 0, &[]);
    check(&came, &[rule(Rewrite, "X-A", "same")], 1, &["X-A: same", "x-a: same"]);
    let digits = HeaderRule {
        pattern: Some("^([0-9]+);(.)".to_owned()),
        ..rule(Rewrite, "x-b", "+49${1}$$${2}")
    };
    check(&came, std::slice::from_ref(&digits), 1, &["X-B: +4930$q"]);
    check(&["X-B: none"], &[digits], 0, &[]);
    let every = HeaderRule { pattern: Some("o".to_owned()), ..rule(Rewrite, "X-A", "0") };
    check(&came, &[every], 1, &["X-A: 0ne", "x-a: tw0"]);
    let empty = HeaderRule { pattern: Some("z*".to_owned()), ..rule(Rewrite, "X-B", "<") };
    check(&came, &[empty], 1, &["X-B: <30;q"]);
    let copy = |from: &str| HeaderRule { from: Some(from.to_owned()), ..rule(Copy, "X-N", "") };
    check(&came, &[copy("X-B"), copy("X-A")], 2, &["X-N: one"]);
    check(&came, &[copy("X-Z")], 0, &[]);
    // Each works on what those before it left; what one took off another cannot copy.
    check(&came, &[copy("X-B"), rule(Remove, "X-N", "")], 2, &[]);
    check(&came, &[rule(Remove, "X-B", ""), copy("X-B")], 1, &[]);
}

#[test]
fn each_condition() {
    use HeaderTest::{Absent, Begins, Equals, Present};
    let came = ["X-A: one", "X-A: two"];
    for (header, test, value, holds) in [
        ("x-a", Present, "", true),
        ("X-B", Present, "", false),
        ("X-A", Absent, "", false),
        ("X-B", Absent, "", true),
        ("X-A", Equals, "two", true),
        ("X-A", Equals, "Two", false),
        ("X-A", Equals, "tw", false),
        ("X-A", Begins, "tw", true),
        ("X-A", Begins, "wo", false),
        ("X-B", Begins, "", false),
    ] {
        let all = vec![when("X-A", Present, ""), when(header, test, value)];
        let rule = HeaderRule { when: all, ..rule(HeaderAction::Add, "X-C", "c") };
        let expect: &[&str] = if holds { &["X-C: c"] } else { &[] };
        check(&came, &[rule], holds.into(), expect);
    }
}

#[test]
fn what_passes_by_name_and_trust() {
    let came = [
        "From: <sip:a@h>",
        "X-Own: 1",
        "Subject: s",
        "User-Agent: phone",
        "P-Charge-Info: <sip:p@h>",
        "p-access-network-info: DSL",
        "P-Asserted-Identity: <sip:a@h>",
        "Diversion: <sip:d@h>",
        "Contact: <sip:a@h>",
        "y: proof",
    ];
    let names = |own, network| -> String {
        let leaving = fields(&came).leaving(Pass { own, network });
        leaving.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(false, true), "");
    assert_eq!(names(true, false), "X-Own Subject");
    assert_eq!(names(true, true), "X-Own Subject P-Charge-Info p-access-network-info");
}

#[test]
fn bytes_above_127_stay_as_they_are() {
    let mut fields = Fields::default();
    let value = vec![b'a', 0xff, 0xc3, 0x28, b'b'];
    fields.push("X-A", value.clone(), false);
    let leaving = fields.leaving(Pass { own: true, network: false });
    assert_eq!(leaving[0].value.0, value);
    let pattern = Some("^a.".to_owned());
    let rule = HeaderRule { pattern, ..rule(HeaderAction::Rewrite, "X-A", "\u{e9}") };
    assert_eq!(fields.apply(&compiled(&[rule])), 1);
    let leaving = fields.leaving(Pass::NOTHING);
    assert_eq!(leaving[0].value.0, [0xc3, 0xa9, 0xc3, 0x28, b'b']);
}

/// What is refused, and why.
fn refused(rule: &HeaderRule, member: &str, why: &str) {
    let wrong = Compiled::of(rule).map(|_| ()).unwrap_err();
    assert_eq!(wrong.member, member, "{rule:?}");
    assert!(wrong.why.contains(why), "{rule:?}: {wrong}");
}

#[test]
fn bad_rules_are_refused_with_their_reason() {
    use HeaderAction::{Add, Copy, Remove, Rewrite};
    for name in GUARDED.iter().chain(&["via", "MAX-FORWARDS", "cseq"]) {
        refused(&rule(Add, name, "x"), "header", "keeps the protocol right");
        refused(&rule(Remove, name, ""), "header", "keeps the protocol right");
    }
    for name in OWNED {
        refused(&rule(Add, name, "x"), "header", "identities and forwards");
    }
    for name in ["", "X", "X A", "X:", "X\u{e9}", &"x".repeat(65)] {
        refused(&rule(Add, name, "x"), "header", "no name");
    }
    refused(&rule(Add, "X-A", " "), "value", "missing");
    refused(&rule(Add, "X-A", "a\rb"), "value", "control");
    refused(&rule(Add, "X-A", &"x".repeat(257)), "value", "more than");
    refused(&rule(Remove, "X-A", "x"), "value", "goes with");
    refused(&rule(Copy, "X-A", ""), "from", "missing");
    let from = |action| HeaderRule { from: Some("X-B".into()), ..rule(action, "X-A", "x") };
    refused(&from(Add), "from", "goes with");
    let pattern =
        |text: &str| HeaderRule { pattern: Some(text.to_owned()), ..rule(Rewrite, "X-A", "x") };
    refused(&HeaderRule { action: Remove, ..pattern("x") }, "pattern", "goes with");
    for text in ["(", "a(?=b)", "(a)\\1", "((((((((((a))))))))))"] {
        refused(&pattern(text), "pattern", "no regular expression");
    }
    refused(&pattern("((a{1,200}){1,200}){1,200}"), "pattern", "too large");
    refused(&pattern(""), "pattern", "characters");
    let mut many = rule(Add, "X-A", "x");
    many.when = vec![when("X-B", HeaderTest::Present, ""); 5];
    refused(&many, "when", "more than 4");
    many.when = vec![when("X-B", HeaderTest::Absent, "x")];
    refused(&many, "when[0].value", "compares nothing");
    // Whatever may not be written may be read.
    many.when = vec![when("From", HeaderTest::Begins, "<sip:+49")];
    assert!(Compiled::of(&many).is_ok());
}

#[test]
fn everything_is_bounded() {
    let add = rule(HeaderAction::Add, "X-A", &"x".repeat(HEADER_VALUE_MAX));
    let rules = compiled(&vec![add; FIELDS_MAX + 5]);
    let mut fields = Fields::default();
    fields.apply(&rules);
    fields.apply(&rules);
    let len = |f: &HeaderField| f.name.len() + f.value.0.len();
    assert!(fields.leaving(Pass::NOTHING).iter().map(len).sum::<usize>() <= FIELDS_LEN_MAX);
    assert!(fields.is_cut);
    let mut fields = Fields::default();
    for _ in 0..100 {
        fields.push("X", Vec::new(), true);
    }
    assert_eq!(fields.leaving(Pass::NOTHING).len(), FIELDS_MAX);
    // A value that would grow too long stays as it was.
    let pattern = Some("a".to_owned());
    let grow = HeaderRule { pattern, ..rule(HeaderAction::Rewrite, "X-A", &"b".repeat(256)) };
    let before = format!("X-A: {}", "a".repeat(10));
    check(&[&before], &[grow], 0, &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever an operator writes and a caller sends: no panic, and nothing grows beyond bounds.
    #[test]
    fn any_rule_on_any_value(pattern in "\\PC{1,40}", by in "\\PC{0,40}", value: Vec<u8>) {
        let pattern = Some(pattern);
        let rule = HeaderRule { pattern, ..rule(HeaderAction::Rewrite, "X-A", &by) };
        let Ok(rule) = Compiled::of(&rule) else { return Ok(()) };
        let mut fields = Fields::default();
        fields.push("X-A", value, false);
        fields.apply(&Rules(vec![rule]));
        prop_assert!(fields.list.iter().all(|one| one.value.len() <= FIELDS_LEN_MAX));
    }
}
