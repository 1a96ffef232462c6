//! Small structures that no query looks into, as JSON text.

mod dialog;
mod feature;
mod header;
mod trunk;

pub(crate) use feature::{BarringJson, DiscountJson, ForwardJson, IdentityJson, MemberJson};
pub(crate) use trunk::{EgressJson, IngressJson, TRANSPORTS};

use serde::{Deserialize, Serialize};
use strowger_model::{DigestPolicy, Digits, Ha1, Normalisation, PrefixEdit};

/// A number that is not one was stored.
pub(crate) struct BadJson;

#[derive(Serialize, Deserialize)]
pub(crate) struct PrefixEditJson {
    remove: Vec<String>,
    remove_length_min: u8,
    remove_length_max: u8,
    add_length_min: u8,
    add_length_below: u8,
    if_begins: Vec<String>,
    if_not_begins: Vec<String>,
    remove_then: String,
    add: String,
}

impl From<&PrefixEdit> for PrefixEditJson {
    fn from(edit: &PrefixEdit) -> Self {
        let edit = edit.clone();
        PrefixEditJson {
            remove: edit.remove,
            remove_length_min: edit.remove_length_min,
            remove_length_max: edit.remove_length_max,
            add_length_min: edit.add_length_min,
            add_length_below: edit.add_length_below,
            if_begins: edit.if_begins,
            if_not_begins: edit.if_not_begins,
            remove_then: edit.remove_then,
            add: edit.add,
        }
    }
}

impl From<PrefixEditJson> for PrefixEdit {
    fn from(json: PrefixEditJson) -> Self {
        PrefixEdit {
            remove: json.remove,
            remove_length_min: json.remove_length_min,
            remove_length_max: json.remove_length_max,
            add_length_min: json.add_length_min,
            add_length_below: json.add_length_below,
            if_begins: json.if_begins,
            if_not_begins: json.if_not_begins,
            remove_then: json.remove_then,
            add: json.add,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NormalisationJson {
    international: Vec<String>,
    incoming: PrefixEditJson,
    strip_trailing_hash: bool,
    length_min: u8,
    length_max: u8,
}

impl From<&Normalisation> for NormalisationJson {
    fn from(rules: &Normalisation) -> Self {
        NormalisationJson {
            international: rules.international.clone(),
            incoming: (&rules.incoming).into(),
            strip_trailing_hash: rules.strip_trailing_hash,
            length_min: rules.length_min,
            length_max: rules.length_max,
        }
    }
}

impl From<NormalisationJson> for Normalisation {
    fn from(json: NormalisationJson) -> Self {
        Normalisation {
            international: json.international,
            incoming: json.incoming.into(),
            strip_trailing_hash: json.strip_trailing_hash,
            length_min: json.length_min,
            length_max: json.length_max,
        }
    }
}

fn digits(text: &str) -> Result<Digits, BadJson> {
    Digits::parse(text).map_err(|_| BadJson)
}

fn texts(numbers: &[Digits]) -> Vec<String> {
    numbers.iter().map(|number| number.as_str().to_owned()).collect()
}

fn numbers(texts: &[String]) -> Result<Vec<Digits>, BadJson> {
    texts.iter().map(|text| digits(text)).collect()
}

/// A value by its word.
pub(crate) fn word<T: Copy>(words: &[(&'static str, T)], text: &str) -> Result<T, BadJson> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or(BadJson)
}

/// Digest policies by their words.
pub(crate) const DIGESTS: [(&str, DigestPolicy); 3] = [
    ("both", DigestPolicy::Both),
    ("sha256-only", DigestPolicy::Sha256Only),
    ("md5-only", DigestPolicy::Md5Only),
];

/// A stored digest secret of its text.
pub(crate) fn ha1_of<const N: usize>(text: &str) -> Option<Ha1<N>> {
    let mut bytes = [0u8; N];
    if text.len() != 2 * N {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(Ha1(bytes))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
