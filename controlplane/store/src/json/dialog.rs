//! What a trunk says of its dialogs, and the words for it.

use super::{BadJson, word};
use crate::column::word_of;
use serde::{Deserialize, Serialize};
use strowger_model::{
    BodyTerms, DialogTerms, G711, MediaPath, Operation, ProgressMode, ReliableMode, SrtpUse,
    TimerMode, VoiceCodec,
};

const TIMERS: [(&str, TimerMode); 4] = [
    ("never", TimerMode::Never),
    ("answer", TimerMode::Answer),
    ("ask", TimerMode::Ask),
    ("force", TimerMode::Force),
];

const RELIABLES: [(&str, ReliableMode); 4] = [
    ("never", ReliableMode::Never),
    ("media", ReliableMode::Media),
    ("always", ReliableMode::Always),
    ("require", ReliableMode::Require),
];

const MEDIA_PATHS: [(&str, MediaPath); 8] = [
    ("peer", MediaPath::Peer),
    ("direct", MediaPath::Direct),
    ("fixed", MediaPath::Fixed),
    ("both-nated", MediaPath::BothNated),
    ("caller-nated", MediaPath::CallerNated),
    ("called-nated", MediaPath::CalledNated),
    ("either-nated", MediaPath::EitherNated),
    ("relay", MediaPath::Relay),
];

const SRTPS: [(&str, SrtpUse); 7] = [
    ("off", SrtpUse::Off),
    ("pass", SrtpUse::Pass),
    ("accept", SrtpUse::Accept),
    ("offer", SrtpUse::Offer),
    ("require", SrtpUse::Require),
    ("end-to-end", SrtpUse::EndToEnd),
    ("dtls", SrtpUse::Dtls),
];

const G711S: [(&str, G711); 3] = [("keep", G711::Keep), ("spare", G711::Spare), ("bar", G711::Bar)];

const PROGRESSES: [(&str, ProgressMode); 2] =
    [("sent", ProgressMode::Sent), ("ringing", ProgressMode::Ringing)];

pub(super) const OPERATIONS: [(&str, Operation); 2] =
    [("connect", Operation::Connect), ("redirect", Operation::Redirect)];

#[derive(Default, Serialize, Deserialize)]
pub(super) struct DialogJson {
    timer: Option<String>,
    session_s: Option<u32>,
    session_s_min: Option<u32>,
    session_s_max: Option<u32>,
    reliable: Option<String>,
    media: Option<String>,
    #[serde(default)]
    codecs: Option<Vec<String>>,
    #[serde(default)]
    one_codec: Option<bool>,
    #[serde(default)]
    g711: Option<String>,
    #[serde(default)]
    strict_media: bool,
    #[serde(default)]
    end_false_answer: bool,
    #[serde(default)]
    srtp: Option<String>,
    #[serde(default)]
    progress: Option<String>,
    #[serde(default)]
    bodies: Option<BodiesJson>,
}

#[derive(Serialize, Deserialize)]
struct BodiesJson {
    types: Vec<String>,
    len_max: u32,
}

impl From<&DialogTerms> for DialogJson {
    fn from(terms: &DialogTerms) -> Self {
        DialogJson {
            timer: terms.timer.map(|mode| word_of(&TIMERS, mode).to_owned()),
            session_s: terms.session_s,
            session_s_min: terms.session_s_min,
            session_s_max: terms.session_s_max,
            reliable: terms.reliable.map(|mode| word_of(&RELIABLES, mode).to_owned()),
            media: terms.media.map(|path| word_of(&MEDIA_PATHS, path).to_owned()),
            codecs: terms
                .codecs
                .as_ref()
                .map(|list| list.iter().map(|codec| codec.name().to_owned()).collect()),
            one_codec: terms.one_codec,
            g711: terms.g711.map(|plain| word_of(&G711S, plain).to_owned()),
            strict_media: terms.strict_media,
            end_false_answer: terms.end_false_answer,
            srtp: terms.srtp.map(|use_of| word_of(&SRTPS, use_of).to_owned()),
            progress: terms.progress.map(|mode| word_of(&PROGRESSES, mode).to_owned()),
            bodies: terms
                .bodies
                .as_ref()
                .map(|bodies| BodiesJson { types: bodies.types.clone(), len_max: bodies.len_max }),
        }
    }
}

impl TryFrom<DialogJson> for DialogTerms {
    type Error = BadJson;
    fn try_from(json: DialogJson) -> Result<Self, BadJson> {
        Ok(DialogTerms {
            timer: json.timer.as_deref().map(|text| word(&TIMERS, text)).transpose()?,
            session_s: json.session_s,
            session_s_min: json.session_s_min,
            session_s_max: json.session_s_max,
            reliable: json.reliable.as_deref().map(|text| word(&RELIABLES, text)).transpose()?,
            media: json.media.as_deref().map(|text| word(&MEDIA_PATHS, text)).transpose()?,
            codecs: match json.codecs {
                None => None,
                Some(names) => {
                    let codecs = names.iter().map(|name| word(&VoiceCodec::ALL, name));
                    Some(codecs.collect::<Result<_, _>>()?)
                }
            },
            one_codec: json.one_codec,
            g711: json.g711.as_deref().map(|text| word(&G711S, text)).transpose()?,
            strict_media: json.strict_media,
            end_false_answer: json.end_false_answer,
            srtp: json.srtp.as_deref().map(|text| word(&SRTPS, text)).transpose()?,
            progress: json.progress.as_deref().map(|text| word(&PROGRESSES, text)).transpose()?,
            bodies: json.bodies.map(|BodiesJson { types, len_max }| BodyTerms { types, len_max }),
        })
    }
}
