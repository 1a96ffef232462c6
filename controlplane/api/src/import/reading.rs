//! How a file is read: what is remembered of one for the next.

use crate::dispatch::Context;
use crate::form::{Form, make_integers};
use crate::problem::Problem;
use crate::shape::Components;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strowger_import::limits::{COLUMNS_MAX, INTERVAL_S_MAX, VAT_PPM_MAX};
use strowger_import::{Column, Field, Mapping, Mode};
use strowger_model::Import;

/// How the files of one list are read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Reading {
    /// Which column is what.
    pub(crate) mapping: Mapping,
    /// Whether what a file does not have ends.
    pub(crate) mode: Mode,
    /// Minimum where the file has none, milliseconds.
    minimum_ms: u32,
    /// Billing step where the file has none, milliseconds.
    step_ms: u32,
}

impl Default for Reading {
    fn default() -> Reading {
        let mapping = Mapping::default();
        Reading { mapping, mode: Mode::default(), minimum_ms: 1_000, step_ms: 1_000 }
    }
}

impl Reading {
    /// That of a row; the default one for what a later release wrote.
    pub(crate) fn of(import: &Import) -> Reading {
        serde_json::from_str(&import.reading).unwrap_or_default()
    }

    /// As it stands in a row.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same with other columns.
    pub(crate) fn with_mapping(&self, mapping: Mapping) -> Reading {
        Reading { mapping, ..self.clone() }
    }

    /// Minimum and step, seconds.
    pub(crate) const fn increments(&self) -> (u32, u32) {
        (self.minimum_ms / 1_000, self.step_ms / 1_000)
    }
}

impl Form for Reading {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let wrong = |error: serde_json::Error| Problem::field("body", error.to_string());
        let mut body: Value = serde_json::from_slice(cx.body()).map_err(wrong)?;
        make_integers(&mut body);
        let reading: Reading = serde_json::from_value(body).map_err(wrong)?;
        let is_place = |column: &Column| match column {
            Column::Place(place) => (1..=COLUMNS_MAX).contains(&(*place as usize)),
            Column::Name(_) => true,
        };
        if !reading.mapping.columns.values().all(is_place) {
            let what = format!("has a column that is none from 1 to {COLUMNS_MAX}");
            return Err(Problem::field("mapping", what));
        }
        if reading.mapping.vat_ppm > VAT_PPM_MAX {
            let what = format!("has more than {VAT_PPM_MAX} millionths of tax in its prices");
            return Err(Problem::field("mapping", what));
        }
        let most_ms = INTERVAL_S_MAX.saturating_mul(1_000);
        let is_whole = |ms: u32| ms <= most_ms && ms.is_multiple_of(1_000);
        if !is_whole(reading.minimum_ms) {
            return Err(Problem::field("minimum_ms", "is no whole seconds up to an hour"));
        }
        if reading.step_ms == 0 || !is_whole(reading.step_ms) {
            return Err(Problem::field("step_ms", "is no whole seconds from one to an hour"));
        }
        Ok(reading)
    }

    fn describe(_: &mut Components) -> Value {
        let column = json!({
            "description": "A column by its name in the head, or by its place from 1.",
            "oneOf": [
                {"type": "string"},
                {"type": "integer", "minimum": 1, "maximum": COLUMNS_MAX},
            ],
        });
        let fields = Field::ALL.map(|field| (field.label().to_owned(), column.clone()));
        let columns: Map<String, Value> = fields.into_iter().collect();
        let ms = |least: u32, what: &str| {
            json!({
                "type": "integer", "minimum": least, "multipleOf": 1_000, "description": what,
                "maximum": u64::from(INTERVAL_S_MAX) * 1_000,
            })
        };
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "mapping": mapping(&columns),
                "mode": {
                    "type": "string", "enum": ["full", "partial"],
                    "description": "Whether codes that the file does not have end.",
                },
                "minimum_ms": ms(0, "Minimum where the file has none."),
                "step_ms": ms(1_000, "Billing step where the file has none."),
            },
        })
    }
}

fn mapping(columns: &Map<String, Value>) -> Value {
    let word = |words: &[&str], what: &str| {
        let words: Vec<_> = words.iter().copied().map(Some).chain([None]).collect();
        json!({"type": ["string", "null"], "enum": words, "description": what})
    };
    let text = |what: &str| json!({"type": ["string", "null"], "description": what});
    json!({
        "type": "object",
        "additionalProperties": false,
        "description": "Which column is what; what is not told is found by its name.",
        "properties": {
            "sheet": text("Sheet of a workbook."),
            "delimiter": {
                "type": ["string", "null"], "minLength": 1, "maxLength": 1,
                "description": "What stands between cells of a file of text.",
            },
            "header": {
                "description": "Where the names of columns stand; by default they are looked for.",
                "oneOf": [
                    {"type": "string", "enum": ["find", "none"]},
                    {
                        "type": "object", "additionalProperties": false, "required": ["line"],
                        "properties": {
                            "line": {"type": "integer", "minimum": 0, "maximum": u32::MAX},
                        },
                    },
                ],
            },
            "columns": {
                "type": "object", "additionalProperties": false, "properties": columns,
                "description": "Columns by what they hold.",
            },
            "without": {
                "type": "array",
                "items": {"type": "string", "enum": Field::ALL.map(Field::label)},
                "description": "What is not to be read, whatever a column is called.",
            },
            "dates": word(&["day", "month"], "What stands first in dates of numbers."),
            "decimal": word(&["point", "comma"], "What stands before fractions."),
            "unit": {
                "type": "string", "enum": ["whole", "hundredth"],
                "description": "What prices are of: the currency, or its hundredths.",
            },
            "vat_ppm": {
                "type": "integer", "minimum": 0, "maximum": VAT_PPM_MAX,
                "description": "Tax that prices contain, millionths: it is taken off.",
            },
        },
    })
}
