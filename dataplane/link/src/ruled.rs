//! Rules about header fields of responses, as both planes work them: the dataplane on what it
//! hears, the control plane on refusals of its own.

use crate::{
    FIELD_RULES_MAX, FieldAction, FieldRule, FieldTest, FieldTestKind, HeaderField, Octets,
};

/// Most fields that rules work on.
const FIELDS_MAX: usize = 48;
/// Most bytes of names and values of them together.
const FIELDS_LEN_MAX: usize = 8 * 1024;

/// A field, and whether a rule wrote it.
struct One {
    field: HeaderField,
    ruled: bool,
}

/// Fields that rules work on, in order.
struct Fields(Vec<One>);

/// Works `rules` one after the other on the fields of a response; gives what they wrote. What came
/// and no rule touched stays here. Fields beyond 48, or 8 KB, are left out.
#[must_use]
pub fn ruled(rules: &[FieldRule], came: Vec<HeaderField>) -> Vec<HeaderField> {
    if rules.is_empty() {
        return Vec::new();
    }
    let mut fields = Fields(Vec::new());
    for field in came {
        fields.push(field, false);
    }
    for rule in rules.iter().take(FIELD_RULES_MAX) {
        if rule.when.iter().all(|test| fields.passes(test)) {
            fields.work(rule);
        }
    }
    fields.0.into_iter().filter(|one| one.ruled).map(|one| one.field).collect()
}

impl Fields {
    fn push(&mut self, field: HeaderField, ruled: bool) {
        let len = |field: &HeaderField| field.name.len().saturating_add(field.value.0.len());
        let used: usize = self.0.iter().map(|one| len(&one.field)).sum();
        if self.0.len() < FIELDS_MAX && used.saturating_add(len(&field)) <= FIELDS_LEN_MAX {
            self.0.push(One { field, ruled });
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Octets> {
        let named = self.0.iter().filter(|one| one.field.name.eq_ignore_ascii_case(name));
        named.map(|one| &one.field.value)
    }

    fn passes(&self, test: &FieldTest) -> bool {
        let mut values = self.values(&test.name);
        match test.test {
            FieldTestKind::Present => values.next().is_some(),
            FieldTestKind::Absent => values.next().is_none(),
            FieldTestKind::Equals => values.any(|value| *value == test.value),
            FieldTestKind::Begins => values.any(|value| value.0.starts_with(&test.value.0)),
        }
    }

    fn work(&mut self, rule: &FieldRule) {
        let name = rule.name.as_str();
        match rule.action {
            FieldAction::Add => self.add(name, rule.text.clone()),
            FieldAction::Remove => self.remove(name),
            FieldAction::Set => {
                let all = self.0.iter_mut();
                for one in all.filter(|one| one.field.name.eq_ignore_ascii_case(name)) {
                    (one.field.value, one.ruled) = (rule.text.clone(), true);
                }
            }
            FieldAction::Copy => {
                let from = String::from_utf8_lossy(&rule.text.0);
                let Some(value) = self.values(&from).next().cloned() else { return };
                self.remove(name);
                self.add(name, value);
            }
        }
    }

    fn add(&mut self, name: &str, value: Octets) {
        self.push(HeaderField { name: name.to_owned(), value }, true);
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|one| !one.field.name.eq_ignore_ascii_case(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> HeaderField {
        let (name, value) = text.split_once(": ").unwrap();
        HeaderField { name: name.to_owned(), value: Octets(value.as_bytes().to_vec()) }
    }

    fn test(name: &str, test: FieldTestKind, value: &str) -> FieldTest {
        FieldTest { name: name.to_owned(), test, value: Octets(value.as_bytes().to_vec()) }
    }

    fn rule(when: &[FieldTest], action: FieldAction, name: &str, text: &str) -> FieldRule {
        let text = Octets(text.as_bytes().to_vec());
        FieldRule { when: when.to_vec(), action, name: name.to_owned(), text }
    }

    fn check(rules: &[FieldRule], came: &[&str], left: &[&str]) {
        let left: Vec<HeaderField> = left.iter().map(|text| field(text)).collect();
        assert_eq!(ruled(rules, came.iter().map(|text| field(text)).collect()), left);
    }

    #[test]
    fn each_action_and_each_test() {
        use FieldAction::{Add, Copy, Remove, Set};
        use FieldTestKind::{Absent, Begins, Equals, Present};
        let came = ["X-A: 1", "x-b: 2;x", "X-B: 3"];
        check(&[], &came, &[]);
        check(&[rule(&[], Add, "X-C", "4")], &came, &["X-C: 4"]);
        check(&[rule(&[], Copy, "X-C", "X-b")], &came, &["X-C: 2;x"]);
        check(&[rule(&[], Copy, "X-C", "X-D")], &came, &[]);
        check(&[rule(&[], Set, "X-B", "5")], &came, &["x-b: 5", "X-B: 5"]);
        check(&[rule(&[], Set, "X-D", "5")], &came, &[]);
        let two = [rule(&[], Add, "X-C", "4"), rule(&[], Remove, "x-c", "")];
        check(&two, &came, &[]);
        for (holds, when) in [
            (true, test("X-A", Present, "")),
            (false, test("X-D", Present, "")),
            (true, test("X-D", Absent, "")),
            (false, test("X-A", Absent, "")),
            (true, test("X-B", Equals, "3")),
            (false, test("X-B", Equals, "2")),
            (true, test("X-B", Begins, "2;")),
            (false, test("X-A", Begins, "2")),
        ] {
            let left: &[&str] = if holds { &["X-C: 4"] } else { &[] };
            check(&[rule(&[when], Add, "X-C", "4")], &came, left);
        }
        let both = [test("X-A", Present, ""), test("X-A", Absent, "")];
        check(&[rule(&both, Add, "X-C", "4")], &came, &[]);
    }

    #[test]
    fn everything_is_bounded() {
        let add = rule(&[], FieldAction::Add, "X-C", "4");
        assert_eq!(ruled(&vec![add.clone(); 100], Vec::new()).len(), FIELDS_MAX);
        let long = rule(&[], FieldAction::Add, "X-C", &"x".repeat(FIELDS_LEN_MAX));
        assert_eq!(ruled(&[long, add], Vec::new()), [field("X-C: 4")]);
    }
}
