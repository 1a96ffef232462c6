//! What expressions are, and what they say: a table each, and that nothing makes them fail.

use super::*;
use proptest::prelude::*;

const SCHEMA: Schema = Schema {
    fields: &[
        ("called", Kind::Text),
        ("caller", Kind::Text),
        ("account", Kind::Int),
        ("hour", Kind::Int),
        ("local", Kind::Flag),
        ("trunk", Kind::Int),
    ],
    known: 5,
};

struct Call;

impl Env for Call {
    fn flag(&self, field: Field) -> bool {
        field == 4
    }

    fn int(&self, field: Field) -> i64 {
        if field == 2 { 7 } else { i64::MAX }
    }

    fn text(&self, field: Field) -> &str {
        if field == 0 { "442079460018" } else { "Žižkov" }
    }
}

fn compiled(text: &str, kind: Kind) -> Expression {
    Expression::compile(text, SCHEMA, kind).unwrap_or_else(|bad| panic!("{text}: {bad}"))
}

fn refused(text: &str, kind: Kind) -> String {
    match Expression::compile(text, SCHEMA, kind) {
        Ok(_) => panic!("{text} is an expression"),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn what_holds_of_a_call() {
    for (text, expect) in [
        ("true", Ok(true)),
        ("called.startsWith('44')", Ok(true)),
        ("called.startsWith(\"49\") || account == 7", Ok(true)),
        ("called.endsWith('018') && !called.contains('999')", Ok(true)),
        ("called.matches('^44(20|161)')", Ok(true)),
        ("called.matches(r'^44\\d{10}$')", Ok(true)),
        ("called.matches('^20')", Ok(false)),
        ("called.size() == 12 && size(called) == 12", Ok(true)),
        ("size(caller) == 6", Ok(true)),
        ("called in ['112', '442079460018']", Ok(true)),
        ("account in [1, 2, -7, 7]", Ok(true)),
        ("account in []", Ok(false)),
        ("account > 6 && account <= 7 && account != 8 && account >= 7 && account < 8", Ok(true)),
        ("called < '5' && called.substring(2, 5) == '207'", Ok(true)),
        ("called.substring(2) + 'x' == '2079460018x'", Ok(true)),
        ("local ? account == 7 : false", Ok(true)),
        ("local == !false // a remark", Ok(true)),
        ("-account == -7 && account - 8 == -1 && account + 1 == 8", Ok(true)),
        ("hour + 1 > 0", Err(Trouble::Overflow)),
        ("-(-hour - 1) > 0", Err(Trouble::Overflow)),
        ("hour + 1 > 0 || true", Ok(true)),
        ("hour + 1 > 0 && false", Ok(false)),
        ("hour + 1 > 0 && true", Err(Trouble::Overflow)),
        ("called.substring(13) == ''", Err(Trouble::Outside)),
        ("called.substring(5, 4) == ''", Err(Trouble::Outside)),
        ("called.substring(-1) == ''", Err(Trouble::Outside)),
        ("called.substring(12) == ''", Ok(true)),
        ("account == 7 == true", Ok(true)),
        ("(account == 1 || account == 7) && (hour > 1)", Ok(true)),
    ] {
        assert_eq!(compiled(text, Kind::Flag).flag(&Call), expect, "{text}");
    }
}

#[test]
fn what_a_text_becomes() {
    for (text, expect) in [
        ("'49' + called.substring(2)", Ok("492079460018".to_owned())),
        ("account == 7 ? '1' : '2'", Ok("1".to_owned())),
        ("caller.substring(1, 3)", Ok("iž".to_owned())),
        (r#""a\"\\\n" + 'b\''"#, Ok("a\"\\\nb'".to_owned())),
        ("called.substring(3, 99)", Err(Trouble::Outside)),
    ] {
        assert_eq!(compiled(text, Kind::Text).text(&Call), expect, "{text}");
    }
    let long = vec!["called"; 60].join(" + ");
    assert_eq!(compiled(&long, Kind::Text).text(&Call), Err(Trouble::TooLong));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expect) in [
        ("", "character 1: a value is missing here"),
        ("called.startsWith('44'", "character 23: ) is missing here"),
        ("callee == '44'", "character 1: there is no field \"callee\""),
        ("local && trunk == 3", "character 10: \"trunk\" is not known at this stage"),
        ("called == 44", "character 1: == does not take string and int"),
        ("called", "character 1: this is string, and bool is needed"),
        ("local && called", "character 10: this is string, and bool is needed"),
        ("'ž' == 44", "character 1: == does not take string and int"),
        ("'žž' == caller && account == '1'", "character 19: == does not take int and string"),
        ("account + '1' == 8", "character 1: + does not take int and string"),
        ("account * 2 == 8", "character 1: * is not supported"),
        ("account in [1, 'a']", "character 16: in does not take int and string"),
        ("account in [1, hour]", "character 16: a list holds constants of one kind"),
        ("account in 7", "character 12: [ is missing here"),
        (
            "called.lower() == 'a'",
            "character 8: there is no function \"lower\" of string with 0 arguments",
        ),
        ("now() > 1", "character 1: there is no function \"now\" of nothing with 0 arguments"),
        ("called.matches('(')", "character 16: the pattern is no constant, too long, or wrong"),
        ("called.matches(caller)", "character 16: the pattern is no constant, too long, or wrong"),
        (
            "called.matches('(a{1000}){1000}')",
            "character 16: the pattern is no constant, too long, or wrong",
        ),
        (
            "account == 99999999999999999999",
            "character 12: only integers of 64 bits are numbers here",
        ),
        ("account == 1.5", "character 12: only integers of 64 bits are numbers here"),
        ("called == 'abc", "character 11: the text is not closed"),
        (r"called == '\q'", "character 12: unknown escape"),
        ("account # 1", "character 9: '#' begins nothing"),
        ("account == 1 account", "character 14: the expression is over before this"),
        ("local ? 1 : 'a'", "character 13: this is string, and int is needed"),
        ("account ? local : local", "character 1: this is int, and bool is needed"),
        ("!account", "character 2: this is int, and bool is needed"),
        ("called.startsWith(account)", "character 19: this is int, and string is needed"),
    ] {
        assert_eq!(refused(text, Kind::Flag), expect, "{text}");
    }
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    assert!(refused(&deep, Kind::Flag).ends_with("nested deeper than 24"));
    let nots = format!("{}true", "!".repeat(40));
    assert!(refused(&nots, Kind::Flag).ends_with("nested deeper than 24"));
    let many = vec!["local"; 200].join("&&");
    assert!(refused(&many, Kind::Flag).ends_with("more than 256 parts"));
    let long = format!("called == '{}'", "4".repeat(EXPRESSION_MAX));
    assert!(refused(&long, Kind::Flag).ends_with("longer than 2048 bytes"));
    let list = format!("account in [{}]", vec!["1"; 129].join(","));
    assert!(refused(&list, Kind::Flag).ends_with("more than 128 entries"));
}

#[test]
fn what_must_hold_is_told_for_an_index() {
    let whole =
        compiled("account == 7 && (local || hour > 3) && called.startsWith('44')", Kind::Flag);
    assert_eq!(whole.needs(), [Need::Int(2, 7), Need::Begins(0, "44")]);
    let other = compiled("'1' == caller && !called.startsWith('44')", Kind::Flag);
    assert_eq!(other.needs(), [Need::Text(1, "1")]);
    assert_eq!(compiled("account == 7 || local", Kind::Flag).needs(), []);
}

/// Expressions of all forms.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("local".to_owned()),
        Just("true".to_owned()),
        (0..20i64).prop_map(|n| format!("account == {n}")),
        (0..20i64).prop_map(|n| format!("hour - account > {n}")),
        Just("hour + 1 > 0".to_owned()),
        "[0-9]{0,4}".prop_map(|text| format!("called.startsWith('{text}')")),
        "[0-9]{0,4}".prop_map(|text| format!("called.contains('{text}')")),
        (0..20i64, 0..20i64).prop_map(|(a, b)| format!("called.substring({a}, {b}) < '5'")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// An index must never leave out an expression that holds.
    #[test]
    fn what_must_hold_does_hold_of_what_holds(text in expressions()) {
        let whole = compiled(&text, Kind::Flag);
        if whole.flag(&Call) == Ok(true) {
            for need in whole.needs() {
                let fits = match need {
                    Need::Int(field, value) => Call.int(field) == value,
                    Need::Text(field, value) => Call.text(field) == value,
                    Need::Begins(field, value) => Call.text(field).starts_with(value),
                };
                prop_assert!(fits, "{} of {}", text, whole.needs().len());
            }
        }
    }

    #[test]
    fn no_text_makes_the_compiler_fail(
        text in r#"[ -~]{0,60}|[a-z().&|!?:'"\\0-9 \[\],=<>+-]{0,80}"#
    ) {
        for kind in [Kind::Flag, Kind::Int, Kind::Text] {
            if let Ok(whole) = Expression::compile(&text, SCHEMA, kind) {
                let _flag = whole.flag(&Call);
                let _text = whole.text(&Call);
            }
        }
    }
}
