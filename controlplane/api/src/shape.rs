//! Schemas of views (JSON Schema, as OpenAPI 3.1 has it), made from the views themselves.

use crate::table::Views;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A type that knows its JSON schema.
pub(crate) trait Shape {
    /// Audiences with their views, where they differ.
    const VIEWS: Views = &[];
    /// The schema; structures are put into `components` and referred to.
    fn shape(components: &mut Components) -> Value;
}

/// Schemas by name.
#[derive(Default)]
pub(crate) struct Components(BTreeMap<String, Value>);

/// The members of a structure while it is described.
pub(crate) struct Members {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Members {
    /// A member that is always there.
    pub(crate) fn add(&mut self, name: &str, doc: &str, mut shape: Value) {
        // `r#type` is the member `type`.
        let name = name.trim_start_matches("r#");
        if let Value::Object(keywords) = &mut shape {
            keywords.insert("description".to_owned(), json!(doc.trim()));
        }
        self.properties.insert(name.to_owned(), shape);
        self.required.push(json!(name));
    }
}

impl Components {
    /// Describes a structure once and refers to it. Its name loses the ending `View`.
    pub(crate) fn object(
        &mut self,
        name: &str,
        doc: &str,
        describe: impl FnOnce(&mut Components, &mut Members),
    ) -> Value {
        let name = name.trim_end_matches("View");
        if !self.0.contains_key(name) {
            let mut members = Members { properties: Map::new(), required: Vec::new() };
            describe(self, &mut members);
            let shape = json!({
                "type": "object",
                "description": doc.trim(),
                "required": members.required,
                "properties": members.properties,
            });
            self.put(name, shape);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Whether a schema with this name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The members that a schema of an object names, by reference or as one of several, too.
    pub(crate) fn properties<'a>(&'a self, shape: &'a Value) -> Option<&'a Map<String, Value>> {
        if let Some(name) = shape.get("$ref").and_then(Value::as_str) {
            let name = name.strip_prefix("#/components/schemas/")?;
            // No structure of ours contains itself.
            return self.properties(self.0.get(name)?);
        }
        if let Some(kinds) = shape.get("anyOf").and_then(Value::as_array) {
            return kinds.iter().find_map(|kind| self.properties(kind));
        }
        shape.get("properties")?.as_object()
    }

    /// Puts a schema under a name.
    pub(crate) fn put(&mut self, name: &str, shape: Value) {
        self.0.insert(name.to_owned(), shape);
    }

    /// All schemas.
    pub(crate) fn into_value(self) -> Value {
        json!(self.0)
    }
}

macro_rules! plain {
    ($($shape:expr => $($type:ty)+;)+) => {$($(
        impl Shape for $type {
            fn shape(_: &mut Components) -> Value {
                $shape
            }
        }
    )+)+};
}

plain! {
    json!({"type": "boolean"}) => bool;
    json!({"type": "string"}) => String &'static str;
    json!({"type": "integer", "minimum": 0}) => u8 u16 u32 u64;
    json!({"type": "integer"}) => i32;
    json!({"type": "object"}) => Value;
}

impl<T: Shape> Shape for Option<T> {
    fn shape(components: &mut Components) -> Value {
        json!({"anyOf": [T::shape(components), {"type": "null"}]})
    }
}

impl Shape for std::collections::BTreeMap<&'static str, String> {
    fn shape(_: &mut Components) -> Value {
        json!({"type": "object", "additionalProperties": {"type": "string"}})
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn shape(components: &mut Components) -> Value {
        json!({"type": "array", "items": T::shape(components)})
    }
}

/// Declares a view: a structure that serialises, and whose comments are its schema's descriptions.
macro_rules! view {
    ($(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $member_doc:literal])+ $member:ident: $type:ty,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(serde::Serialize)]
        pub(crate) struct $name {
            $($(#[doc = $member_doc])+ pub(crate) $member: $type,)+
        }

        impl $crate::shape::Shape for $name {
            fn shape(components: &mut $crate::shape::Components) -> serde_json::Value {
                let doc = concat!($($doc),+);
                components.object(stringify!($name), doc, |components, members| {
                    $(
                        let shape = <$type as $crate::shape::Shape>::shape(components);
                        members.add(stringify!($member), concat!($($member_doc),+), shape);
                    )+
                })
            }
        }
    };
}

/// Declares what each audience is shown of one thing: a view of its own, so that what it must not
/// see
/// has no field.
macro_rules! shown {
    ($(#[doc = $doc:literal])+ $name:ident { $($audience:ident: $view:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(serde::Serialize)]
        #[serde(untagged)]
        pub(crate) enum $name {
            $(
                #[doc = concat!("For the audience ", stringify!($audience), ".")]
                $audience(Box<$view>),
            )+
        }

        impl $crate::shape::Shape for $name {
            const VIEWS: $crate::table::Views = &[
                $((strowger_model::Audience::$audience.name(), stringify!($view)),)+
            ];

            fn shape(components: &mut $crate::shape::Components) -> serde_json::Value {
                let shapes = [$(<$view as $crate::shape::Shape>::shape(components)),+];
                serde_json::json!({"anyOf": shapes})
            }
        }
    };
}

pub(crate) use {shown, view};
