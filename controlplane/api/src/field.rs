//! Fields of resources: each is declared once (name, words, how it looks in JSON, where it stands
//! in the row, who may set it when), and from that come the view, the forms, the merge patch, the
//! schemas and the texts of errors.

use crate::shape::Components;
use serde_json::{Map, Value, json};

/// A value that cannot be taken: where, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong {
    /// The member, for example `egress.targets[1]`; empty for the value itself.
    pub(crate) path: String,
    /// Words that stand behind the path.
    pub(crate) detail: String,
    pub(crate) why: Why,
}

/// What a wrong value is measured by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// The document: it says that no such value is taken.
    Form,
    /// The same: it says that a value must be there.
    Missing,
    /// What the document cannot say: another member, the clock, the account's currency, what this
    /// host knows.
    Unfit,
}

impl Wrong {
    pub(crate) fn new(detail: impl Into<String>) -> Wrong {
        Wrong { path: String::new(), detail: detail.into(), why: Why::Form }
    }

    /// A value of the form that the document asks for, which cannot be taken for all that.
    pub(crate) fn unfit(detail: impl Into<String>) -> Wrong {
        Wrong { why: Why::Unfit, ..Wrong::new(detail) }
    }

    /// No value, where the document asks for one.
    pub(crate) fn missing() -> Wrong {
        Wrong { why: Why::Missing, ..Wrong::new("is missing") }
    }

    /// The same after a patch, of which the document does not say what it meets.
    pub(crate) fn after_patch(mut self) -> Wrong {
        if self.why == Why::Missing {
            self.why = Why::Unfit;
        }
        self
    }

    /// The same, seen from the object whose member `name` is wrong.
    pub(crate) fn at(mut self, name: &str) -> Wrong {
        let name = plain(name);
        self.path = match self.path.as_str() {
            "" => name.to_owned(),
            rest if rest.starts_with('[') => format!("{name}{rest}"),
            rest => format!("{name}.{rest}"),
        };
        self
    }

    /// The same, seen from the list whose element is wrong.
    pub(crate) fn in_list(mut self, place: usize) -> Wrong {
        self.path = match self.path.as_str() {
            "" => format!("[{place}]"),
            rest => format!("[{place}].{rest}"),
        };
        self
    }
}

/// `r#type` is the member `type`.
fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}

/// What a schema is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// What is shown.
    View,
    /// What a new row is made of.
    Form,
    /// What changes a row (RFC 7396): every member may be missing.
    Patch,
}

/// A form of values in JSON, known without a value.
pub(crate) trait Shaped {
    /// Its JSON schema.
    fn schema(&self, components: &mut Components, of: Use) -> Value;
}

/// A form of values in JSON, both ways.
pub(crate) trait Codec<T>: Shaped {
    /// The JSON of a value.
    fn show(&self, value: &T) -> Value;
    /// The value of some JSON; `old` is what stands in its place.
    ///
    /// # Errors
    /// [`Wrong`].
    fn take(&self, json: &Value, old: Option<&T>) -> Result<T, Wrong>;
}

/// Who may set a field, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Must be given; can be changed.
    Need,
    /// Has a default; can be changed.
    Free,
    /// Must be given; is never changed.
    Fixed,
    /// Has a default; is never changed.
    Kept,
    /// Is never shown; what becomes of it is the resource's own.
    Secret,
    /// The same, and a new row must have it.
    NeedSecret,
    /// Is only shown.
    Shown,
}

impl Mode {
    /// It stands in the document that a client sends and gets back.
    const fn is_document(self) -> bool {
        match self {
            Mode::Need | Mode::Free | Mode::Fixed | Mode::Kept => true,
            Mode::Secret | Mode::NeedSecret | Mode::Shown => false,
        }
    }

    const fn is_needed(self) -> bool {
        matches!(self, Mode::Need | Mode::Fixed | Mode::NeedSecret)
    }

    /// It is never shown.
    pub(crate) const fn is_secret(self) -> bool {
        matches!(self, Mode::Secret | Mode::NeedSecret)
    }

    const fn stands_in(self, of: Use) -> bool {
        match of {
            Use::View => !self.is_secret(),
            Use::Form => !matches!(self, Mode::Shown),
            Use::Patch => matches!(self, Mode::Need | Mode::Free) || self.is_secret(),
        }
    }
}

/// One field of rows of type `R`.
pub(crate) struct Field<R: 'static> {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) mode: Mode,
    pub(crate) schema: fn(&mut Components, Use) -> Value,
    pub(crate) show: fn(&R) -> Value,
    pub(crate) take: fn(&mut R, &Value) -> Result<(), Wrong>,
    /// Puts the default back.
    pub(crate) reset: fn(&mut R, &R),
}

/// All fields of a kind of row.
pub(crate) struct Object<R: 'static> {
    /// Name of its schema.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// A row with every default.
    pub(crate) blank: fn() -> R,
    pub(crate) fields: &'static [Field<R>],
}

impl<R: Clone> Object<R> {
    /// What is shown of a row.
    pub(crate) fn view(&self, row: &R) -> Map<String, Value> {
        self.show_fields(row, |mode| !mode.is_secret())
    }

    /// What a client can set of a row, secrets apart: what a merge patch is applied to.
    pub(crate) fn document(&self, row: &R) -> Map<String, Value> {
        self.show_fields(row, Mode::is_document)
    }

    fn show_fields(&self, row: &R, is_shown: impl Fn(Mode) -> bool) -> Map<String, Value> {
        let fields = self.fields.iter().filter(|field| is_shown(field.mode));
        fields.map(|field| (plain(field.name).to_owned(), (field.show)(row))).collect()
    }

    /// Whether all members may be given.
    ///
    /// # Errors
    /// [`Wrong`] names the one that may not.
    pub(crate) fn check_names(&self, given: &Map<String, Value>) -> Result<(), Wrong> {
        let known = |name: &str| self.fields.iter().find(|field| plain(field.name) == name);
        for name in given.keys() {
            let detail = match known(name).map(|field| field.mode) {
                None => NO_MEMBER,
                Some(Mode::Shown) => "is only shown and cannot be set",
                Some(_) => continue,
            };
            return Err(Wrong::new(detail).at(name));
        }
        Ok(())
    }

    /// The row of a whole document; `old` keeps what the document does not have.
    ///
    /// # Errors
    /// [`Wrong`] names the member.
    pub(crate) fn take(&self, given: &Map<String, Value>, old: Option<&R>) -> Result<R, Wrong> {
        self.check_names(given)?;
        let blank = (self.blank)();
        let mut row = old.cloned().unwrap_or_else(|| blank.clone());
        for field in self.fields {
            match given.get(plain(field.name)) {
                Some(value) => (field.take)(&mut row, value).map_err(|w| w.at(field.name))?,
                // A row that is there has its secrets.
                None if field.mode.is_needed() && !(field.mode.is_secret() && old.is_some()) => {
                    return Err(Wrong::missing().at(field.name));
                }
                None if field.mode.is_document() => (field.reset)(&mut row, &blank),
                None => {}
            }
        }
        Ok(row)
    }

    /// The row after a merge patch (RFC 7396).
    ///
    /// # Errors
    /// [`Wrong`] names the member, also one that is never changed.
    pub(crate) fn patch(&self, patch: &Map<String, Value>, old: &R) -> Result<R, Wrong> {
        for (name, value) in patch {
            let field = self.fields.iter().find(|field| plain(field.name) == name);
            let checked = match field {
                Some(field) if field.mode.stands_in(Use::Patch) => {
                    let mut all = Components::default();
                    let shape = (field.schema)(&mut all, Use::Patch);
                    check_members(value, &shape, &all)
                }
                Some(field) if matches!(field.mode, Mode::Shown) => {
                    Err(Wrong::new("is only shown and cannot be set"))
                }
                Some(_) => Err(Wrong::new("cannot be changed")),
                None => Err(Wrong::new(NO_MEMBER)),
            };
            checked.map_err(|wrong| wrong.at(name))?;
        }
        let mut after = Value::Object(self.document(old));
        patch_known(&mut after, &Value::Object(patch.clone()));
        let Value::Object(after) = after else { return Err(Wrong::new("is no JSON object")) };
        self.take(&after, Some(old)).map_err(Wrong::after_patch)
    }

    /// The schema of what a copy has of its own: every member that a new row may have, none needed,
    /// and null for the default.
    pub(crate) fn overrides(&'static self, components: &mut Components) -> Value {
        let mut properties = Map::new();
        for field in self.fields.iter().filter(|field| field.mode.stands_in(Use::Form)) {
            let mut shape = (field.schema)(components, Use::Patch);
            if matches!(field.mode, Mode::Free | Mode::Kept) {
                shape = nullable(shape);
            }
            if let Value::Object(keywords) = &mut shape {
                keywords.insert("description".to_owned(), json!(field.doc.trim()));
            }
            properties.insert(plain(field.name).to_owned(), shape);
        }
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }

    fn component(&self, of: Use) -> String {
        match of {
            Use::View => self.name.to_owned(),
            Use::Form => format!("New{}", self.name),
            Use::Patch => format!("{}Patch", self.name),
        }
    }

    /// The default of a field, for its schema; what is null by default needs no words.
    fn default_of(&self, field: &Field<R>) -> Option<Value> {
        let is_default = matches!(field.mode, Mode::Free | Mode::Kept);
        let value = is_default.then(|| (field.show)(&(self.blank)()));
        value.filter(|value| !value.is_null())
    }
}

impl<R: Clone> Shaped for &'static Object<R> {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        let name = self.component(of);
        if !components.has(&name) {
            // Its place is taken first: no structure of ours contains itself.
            let (mut properties, mut required) = (Map::new(), Vec::new());
            for field in self.fields.iter().filter(|field| field.mode.stands_in(of)) {
                let mut shape = (field.schema)(components, of);
                if of == Use::Patch && matches!(field.mode, Mode::Free) {
                    shape = nullable(shape);
                }
                if let Value::Object(keywords) = &mut shape {
                    keywords.insert("description".to_owned(), json!(field.doc.trim()));
                    if let (Use::Form, Some(value)) = (of, self.default_of(field)) {
                        keywords.insert("default".to_owned(), value);
                    }
                }
                properties.insert(plain(field.name).to_owned(), shape);
                if of == Use::View || (of == Use::Form && field.mode.is_needed()) {
                    required.push(json!(plain(field.name)));
                }
            }
            let mut shape = json!({
                "type": "object",
                "description": self.doc.trim(),
                "properties": properties,
                "required": required,
            });
            if let (Value::Object(keywords), Use::Form | Use::Patch) = (&mut shape, of) {
                keywords.insert("additionalProperties".to_owned(), json!(false));
            }
            components.put(&name, shape);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
}

impl<R: Clone> Codec<R> for &'static Object<R> {
    fn show(&self, value: &R) -> Value {
        Value::Object(self.view(value))
    }

    fn take(&self, json: &Value, old: Option<&R>) -> Result<R, Wrong> {
        match json {
            Value::Object(given) => Object::take(self, given, old),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Wrong::new("is no JSON object")),
        }
    }
}

/// The schema of the same, or null.
pub(crate) fn nullable(shape: Value) -> Value {
    let nothing = json!({"type": "null"});
    let kinds = shape.get("anyOf").and_then(Value::as_array);
    match kinds.is_some_and(|kinds| kinds.contains(&nothing)) {
        true => shape,
        false => json!({"anyOf": [shape, nothing]}),
    }
}

/// What is said of a member that nothing has.
const NO_MEMBER: &str = "is not a member of this body";

/// Whether objects in a patch have none but members of the schema; also where they meet nothing, so
/// that nothing would be taken away.
fn check_members(patch: &Value, shape: &Value, all: &Components) -> Result<(), Wrong> {
    let (Value::Object(members), Some(known)) = (patch, all.properties(shape)) else {
        return Ok(());
    };
    for (name, value) in members {
        let shape = known.get(name).ok_or_else(|| Wrong::new(NO_MEMBER).at(name))?;
        check_members(value, shape, all).map_err(|wrong| wrong.at(name))?;
    }
    Ok(())
}

/// Applies a merge patch to a document that has every member it may have. To take away what is no
/// member is a mistake like any other: it is left standing, to be refused.
fn patch_known(target: &mut Value, patch: &Value) {
    let (Value::Object(members), Value::Object(changes)) = (&mut *target, patch) else {
        return merge(target, patch);
    };
    for (name, value) in changes {
        match members.get_mut(name) {
            Some(_) if value.is_null() => {
                members.remove(name);
            }
            Some(member) => patch_known(member, value),
            None => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Applies a merge patch (RFC 7396 section 2).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

/// Declares the fields of a kind of row: `name: Mode CODEC => place`, where the place is a path in
/// the row, or `self` for a codec that looks at the whole row.
macro_rules! object {
    ($(#[doc = $doc:literal])+ $name:ident: $row:ty as $title:literal, $blank:expr;
     $($(#[doc = $field_doc:literal])+ $field:ident: $mode:ident $codec:expr => $($place:tt).+;)+
    ) => {
        $(#[doc = $doc])+
        pub(crate) static $name: $crate::field::Object<$row> = $crate::field::Object {
            name: $title,
            doc: concat!($($doc),+),
            blank: || $blank,
            fields: &[$($crate::field::Field {
                name: stringify!($field),
                doc: concat!($($field_doc),+),
                mode: $crate::field::Mode::$mode,
                schema: |components, of| {
                    $crate::field::Shaped::schema(&$codec, components, of)
                },
                show: |row: &$row| $crate::field::place!(show, $codec, row, $($place).+),
                take: |row: &mut $row, json| {
                    $crate::field::place!(take, $codec, row, json, $($place).+)
                },
                reset: |row: &mut $row, blank: &$row| {
                    $crate::field::place!(reset, $codec, row, blank, $($place).+)
                },
            }),+],
        };
    };
}

/// What is done at the place of a field.
macro_rules! place {
    (show, $codec:expr, $row:ident, self) => {
        $crate::field::Codec::show(&$codec, $row)
    };
    (show, $codec:expr, $row:ident, $($place:tt).+) => {
        $crate::field::Codec::show(&$codec, &$row.$($place).+)
    };
    (take, $codec:expr, $row:ident, $json:ident, self) => {{
        *$row = $crate::field::Codec::take(&$codec, $json, Some(&*$row))?;
        Ok(())
    }};
    (take, $codec:expr, $row:ident, $json:ident, $($place:tt).+) => {{
        let taken = $crate::field::Codec::take(&$codec, $json, Some(&$row.$($place).+))?;
        $row.$($place).+ = taken;
        Ok(())
    }};
    (reset, $codec:expr, $row:ident, $blank:ident, self) => {{
        // What looks at the whole row takes a missing member as null.
        let _none = $blank;
        let null = serde_json::Value::Null;
        if let Ok(taken) = $crate::field::Codec::take(&$codec, &null, Some(&*$row)) {
            *$row = taken;
        }
    }};
    (reset, $codec:expr, $row:ident, $blank:ident, $($place:tt).+) => {
        $row.$($place).+ = $blank.$($place).+.clone()
    };
}

pub(crate) use {object, place};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn merge_patches_are_those_of_the_rfc() {
        // RFC 7396 appendix A.
        for (target, patch, expect) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut value: Value = serde_json::from_str(target).unwrap();
            merge(&mut value, &serde_json::from_str(patch).unwrap());
            let expect: Value = serde_json::from_str(expect).unwrap();
            assert_eq!(value, expect, "{target} {patch}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn paths_read_like_the_document(names: Vec<(u8, usize)>) {
            let mut wrong = Wrong::new("x");
            let mut expect = String::new();
            for (kind, place) in names.into_iter().take(5) {
                if kind % 2 == 0 {
                    wrong = wrong.at("a");
                    let point = if expect.is_empty() || expect.starts_with('[') { "" } else { "." };
                    expect = format!("a{point}{expect}");
                } else {
                    wrong = wrong.in_list(place);
                    let point = if expect.is_empty() { "" } else { "." };
                    expect = format!("[{place}]{point}{expect}");
                }
            }
            prop_assert_eq!(wrong.path, expect);
        }
    }
}
