//! Small structures that no query looks into, as JSON text.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use strowger_model::{
    AccountId, Digits, Egress, Ingress, Normalisation, PrefixEdit, SourceMatch, TariffId, Transport,
};

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

#[derive(Serialize, Deserialize)]
struct SourceJson {
    network: IpAddr,
    prefix_len: u8,
    port: u16,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IngressJson {
    sources: Vec<SourceJson>,
    account: i64,
    tech_prefix: Option<String>,
}

impl From<&Ingress> for IngressJson {
    fn from(ingress: &Ingress) -> Self {
        let sources = ingress.sources.iter().map(|s| SourceJson {
            network: s.network,
            prefix_len: s.prefix_len,
            port: s.port,
        });
        IngressJson {
            sources: sources.collect(),
            account: ingress.account.0,
            tech_prefix: ingress.tech_prefix.map(|p| p.as_str().to_owned()),
        }
    }
}

fn digits(text: &str) -> Result<Digits, BadJson> {
    Digits::parse(text).map_err(|_| BadJson)
}

impl TryFrom<IngressJson> for Ingress {
    type Error = BadJson;
    fn try_from(json: IngressJson) -> Result<Self, BadJson> {
        let sources = json.sources.into_iter().map(|s| SourceMatch {
            network: s.network,
            prefix_len: s.prefix_len,
            port: s.port,
        });
        Ok(Ingress {
            sources: sources.collect(),
            account: AccountId(json.account),
            tech_prefix: json.tech_prefix.as_deref().map(digits).transpose()?,
        })
    }
}

/// Transports by their word.
pub(crate) const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

#[derive(Serialize, Deserialize)]
pub(crate) struct EgressJson {
    targets: Vec<SocketAddr>,
    transport: String,
    account: i64,
    tariff: Option<i64>,
    called: PrefixEditJson,
    caller: PrefixEditJson,
    calls_max: u32,
    cps_max: u32,
    ring_timeout_s: u32,
    first_timeout_s: u32,
    q: u16,
}

impl From<&Egress> for EgressJson {
    fn from(egress: &Egress) -> Self {
        EgressJson {
            targets: egress.targets.clone(),
            transport: crate::column::word_of(&TRANSPORTS, egress.transport).to_owned(),
            account: egress.account.0,
            tariff: egress.tariff.map(|t| t.0),
            called: (&egress.called).into(),
            caller: (&egress.caller).into(),
            calls_max: egress.calls_max,
            cps_max: egress.cps_max,
            ring_timeout_s: egress.ring_timeout_s,
            first_timeout_s: egress.first_timeout_s,
            q: egress.q,
        }
    }
}

impl TryFrom<EgressJson> for Egress {
    type Error = BadJson;
    fn try_from(json: EgressJson) -> Result<Self, BadJson> {
        let transport = TRANSPORTS.iter().find(|(word, _)| *word == json.transport);
        Ok(Egress {
            targets: json.targets,
            transport: transport.map(|(_, t)| *t).ok_or(BadJson)?,
            account: AccountId(json.account),
            tariff: json.tariff.map(TariffId),
            called: json.called.into(),
            caller: json.caller.into(),
            calls_max: json.calls_max,
            cps_max: json.cps_max,
            ring_timeout_s: json.ring_timeout_s,
            first_timeout_s: json.first_timeout_s,
            q: json.q,
        })
    }
}
