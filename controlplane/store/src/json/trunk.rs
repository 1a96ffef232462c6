//! The facets of a trunk. What an older release did not write has the default of `new`.

use super::dialog::{DialogJson, OPERATIONS};
use super::feature::BarringJson;
use super::header::{
    CALLED_FROM, FORWARD_HEADERS, HeaderRuleJson, SENT_TO, USER_PHONES, rules, rules_json,
};
use super::{BadJson, DIGESTS, PrefixEditJson, digits, ha1_of, hex_of, texts, word};
use crate::column::word_of;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use strowger_model::{
    AccountId, CalledFrom, CauseMap, Commitment, Digits, Egress, EgressTarget, ForwardHeaders,
    HostPort, IdentityHeader, Ingress, IngressAuth, Minutes, OrganizationId, Precedence,
    PrefixEdit, SentTo, SourceMatch, TariffId, Transport, TrunkCredentials, UserPhone,
};

/// Transports by their word.
pub(crate) const TRANSPORTS: [(&str, Transport); 5] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

const IDENTITY_HEADERS: [(&str, IdentityHeader); 4] = [
    ("none", IdentityHeader::None),
    ("asserted", IdentityHeader::Asserted),
    ("preferred", IdentityHeader::Preferred),
    ("remote-party", IdentityHeader::RemoteParty),
];

const AUTHS: [(&str, IngressAuth); 3] =
    [("either", IngressAuth::Either), ("both", IngressAuth::Both), ("nobody", IngressAuth::Nobody)];

#[derive(Serialize, Deserialize)]
struct SourceJson {
    network: IpAddr,
    prefix_len: u8,
    port: u16,
}

#[derive(Serialize, Deserialize)]
struct HostJson {
    name: String,
    port: u16,
}

impl From<&HostPort> for HostJson {
    fn from(host: &HostPort) -> Self {
        HostJson { name: host.name.clone(), port: host.port }
    }
}

impl From<HostJson> for HostPort {
    fn from(json: HostJson) -> Self {
        HostPort { name: json.name, port: json.port }
    }
}

#[derive(Serialize, Deserialize)]
struct CredentialsJson {
    username: String,
    ha1_md5: Option<String>,
    ha1_sha256: Option<String>,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct CauseJson {
    status: u16,
    to_status: u16,
    to_q850: u8,
}

fn causes_json(causes: &[CauseMap]) -> Vec<CauseJson> {
    let json =
        |m: &CauseMap| CauseJson { status: m.status, to_status: m.to_status, to_q850: m.to_q850 };
    causes.iter().map(json).collect()
}

fn causes(json: Vec<CauseJson>) -> Vec<CauseMap> {
    let map =
        |m: CauseJson| CauseMap { status: m.status, to_status: m.to_status, to_q850: m.to_q850 };
    json.into_iter().map(map).collect()
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IngressJson {
    sources: Vec<SourceJson>,
    #[serde(default)]
    hosts: Vec<HostJson>,
    credentials: Option<CredentialsJson>,
    auth: Option<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    by_number: bool,
    account: i64,
    tech_prefix: Option<String>,
    called: Option<PrefixEditJson>,
    #[serde(default)]
    calls_max: u32,
    #[serde(default)]
    cps_max: u32,
    #[serde(default = "yes")]
    trusted: bool,
    #[serde(default)]
    barring: BarringJson,
    #[serde(default)]
    causes: Vec<CauseJson>,
    #[serde(default)]
    reason: bool,
    #[serde(default)]
    listeners: Vec<u8>,
    called_from: Option<String>,
    #[serde(default)]
    header_rules: Vec<HeaderRuleJson>,
    #[serde(default)]
    dialog: DialogJson,
    operation: Option<String>,
}

const fn yes() -> bool {
    true
}

impl From<&TrunkCredentials> for CredentialsJson {
    fn from(credentials: &TrunkCredentials) -> Self {
        CredentialsJson {
            username: credentials.username.clone(),
            ha1_md5: credentials.ha1_md5.map(|h| hex_of(&h.0)),
            ha1_sha256: credentials.ha1_sha256.map(|h| hex_of(&h.0)),
            digest: word_of(&DIGESTS, credentials.digest).to_owned(),
        }
    }
}

impl TryFrom<CredentialsJson> for TrunkCredentials {
    type Error = BadJson;
    fn try_from(json: CredentialsJson) -> Result<Self, BadJson> {
        let md5 = json.ha1_md5.map(|text| ha1_of(&text).ok_or(BadJson));
        let sha256 = json.ha1_sha256.map(|text| ha1_of(&text).ok_or(BadJson));
        Ok(TrunkCredentials {
            username: json.username,
            ha1_md5: md5.transpose()?,
            ha1_sha256: sha256.transpose()?,
            digest: word(&DIGESTS, &json.digest)?,
        })
    }
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
            hosts: ingress.hosts.iter().map(HostJson::from).collect(),
            credentials: ingress.credentials.as_ref().map(CredentialsJson::from),
            auth: Some(word_of(&AUTHS, ingress.auth).to_owned()),
            users: ingress.users.clone(),
            by_number: ingress.by_number,
            account: ingress.account.0,
            tech_prefix: ingress.tech_prefix.map(|p| p.as_str().to_owned()),
            called: Some((&ingress.called).into()),
            calls_max: ingress.calls_max,
            cps_max: ingress.cps_max,
            trusted: ingress.trusted,
            barring: (&ingress.barring).into(),
            causes: causes_json(&ingress.causes),
            reason: ingress.reason,
            listeners: ingress.listeners.clone(),
            called_from: Some(word_of(&CALLED_FROM, ingress.called_from).to_owned()),
            header_rules: rules_json(&ingress.header_rules),
            dialog: (&ingress.dialog).into(),
            operation: ingress.operation.map(|what| word_of(&OPERATIONS, what).to_owned()),
        }
    }
}

impl TryFrom<IngressJson> for Ingress {
    type Error = BadJson;
    fn try_from(json: IngressJson) -> Result<Self, BadJson> {
        let sources = json.sources.into_iter().map(|s| SourceMatch {
            network: s.network,
            prefix_len: s.prefix_len,
            port: s.port,
        });
        let operation = json.operation.as_deref().map(|text| word(&OPERATIONS, text));
        let called_from = json.called_from.as_deref().map(|text| word(&CALLED_FROM, text));
        let auth = json.auth.as_deref().map(|text| word(&AUTHS, text));
        Ok(Ingress {
            sources: sources.collect(),
            hosts: json.hosts.into_iter().map(HostPort::from).collect(),
            credentials: json.credentials.map(TrunkCredentials::try_from).transpose()?,
            auth: auth.transpose()?.unwrap_or_default(),
            users: json.users,
            by_number: json.by_number,
            account: AccountId(json.account),
            tech_prefix: json.tech_prefix.as_deref().map(digits).transpose()?,
            called: json.called.map(PrefixEdit::from).unwrap_or_default(),
            calls_max: json.calls_max,
            cps_max: json.cps_max,
            trusted: json.trusted,
            barring: json.barring.try_into()?,
            causes: causes(json.causes),
            reason: json.reason,
            listeners: json.listeners,
            called_from: called_from.transpose()?.unwrap_or(CalledFrom::Auto),
            header_rules: rules(json.header_rules)?,
            dialog: json.dialog.try_into()?,
            operation: operation.transpose()?,
        })
    }
}

/// A bare address is an address; a name or the registered contacts are a structure.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TargetJson {
    Address(SocketAddr),
    Host { host: String, port: u16 },
    Registered { registered: bool },
}

impl From<&EgressTarget> for TargetJson {
    fn from(target: &EgressTarget) -> Self {
        match target {
            EgressTarget::Address(address) => TargetJson::Address(*address),
            EgressTarget::Host(host) => {
                TargetJson::Host { host: host.name.clone(), port: host.port }
            }
            EgressTarget::Registered => TargetJson::Registered { registered: true },
        }
    }
}

impl From<TargetJson> for EgressTarget {
    fn from(json: TargetJson) -> Self {
        match json {
            TargetJson::Address(address) => EgressTarget::Address(address),
            TargetJson::Host { host, port } => EgressTarget::Host(HostPort { name: host, port }),
            TargetJson::Registered { .. } => EgressTarget::Registered,
        }
    }
}

#[derive(Serialize, Deserialize, Default)]
struct CommitmentJson {
    day: MinutesJson,
    month: MinutesJson,
}

#[derive(Serialize, Deserialize, Default)]
struct MinutesJson {
    min: u32,
    desired: u32,
    max: u32,
}

impl From<&Commitment> for CommitmentJson {
    fn from(commitment: &Commitment) -> Self {
        let json = |minutes: Minutes| MinutesJson {
            min: minutes.minutes_min,
            desired: minutes.minutes_desired,
            max: minutes.minutes_max,
        };
        CommitmentJson { day: json(commitment.day), month: json(commitment.month) }
    }
}

impl From<CommitmentJson> for Commitment {
    fn from(json: CommitmentJson) -> Self {
        let minutes = |json: MinutesJson| Minutes {
            minutes_min: json.min,
            minutes_desired: json.desired,
            minutes_max: json.max,
        };
        Commitment { day: minutes(json.day), month: minutes(json.month) }
    }
}

#[derive(Serialize, Deserialize)]
struct PrecedenceJson {
    absolute: u8,
    called: Vec<String>,
    callers: Vec<String>,
    organizations: Vec<i64>,
}

impl From<&Precedence> for PrecedenceJson {
    fn from(first: &Precedence) -> Self {
        PrecedenceJson {
            absolute: first.absolute,
            called: texts(&first.called),
            callers: texts(&first.callers),
            organizations: first.organizations.iter().map(|id| id.0).collect(),
        }
    }
}

impl TryFrom<PrecedenceJson> for Precedence {
    type Error = BadJson;

    fn try_from(json: PrecedenceJson) -> Result<Self, BadJson> {
        let list = |texts: Vec<String>| -> Result<Vec<Digits>, BadJson> {
            texts.iter().map(|text| digits(text)).collect()
        };
        Ok(Precedence {
            absolute: json.absolute,
            called: list(json.called)?,
            callers: list(json.callers)?,
            organizations: json.organizations.into_iter().map(OrganizationId).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EgressJson {
    targets: Vec<TargetJson>,
    transport: String,
    listener: Option<u8>,
    #[serde(default)]
    allow_private: bool,
    account: i64,
    tariff: Option<i64>,
    called: PrefixEditJson,
    caller: PrefixEditJson,
    calls_max: u32,
    #[serde(default)]
    calls_reserved: u32,
    cps_max: u32,
    #[serde(default)]
    commitment: CommitmentJson,
    #[serde(default)]
    precedence: Option<PrecedenceJson>,
    test_prefix: Option<String>,
    #[serde(default)]
    test_only: bool,
    #[serde(default)]
    probe_s: u32,
    ring_timeout_s: u32,
    first_timeout_s: u32,
    q: u16,
    identity: Option<String>,
    #[serde(default = "yes")]
    trusted: bool,
    caller_number: Option<String>,
    from_host: Option<String>,
    #[serde(default)]
    barring: BarringJson,
    #[serde(default)]
    partners: Vec<i64>,
    #[serde(default)]
    continue_on: Vec<u16>,
    #[serde(default)]
    stop_on: Vec<u16>,
    #[serde(default)]
    causes: Vec<CauseJson>,
    #[serde(default)]
    reason: bool,
    identity_number: Option<PrefixEditJson>,
    forward_headers: Option<String>,
    sent_to: Option<String>,
    #[serde(default)]
    sent_request: Option<String>,
    #[serde(default)]
    user_phone: Option<String>,
    #[serde(default)]
    pass_headers: bool,
    #[serde(default)]
    header_rules: Vec<HeaderRuleJson>,
    #[serde(default)]
    dialog: DialogJson,
    #[serde(default)]
    pass_digest: bool,
}

impl From<&Egress> for EgressJson {
    fn from(egress: &Egress) -> Self {
        EgressJson {
            targets: egress.targets.iter().map(TargetJson::from).collect(),
            transport: word_of(&TRANSPORTS, egress.transport).to_owned(),
            listener: egress.listener,
            allow_private: egress.allow_private,
            account: egress.account.0,
            tariff: egress.tariff.map(|t| t.0),
            called: (&egress.called).into(),
            caller: (&egress.caller).into(),
            calls_max: egress.calls_max,
            calls_reserved: egress.calls_reserved,
            cps_max: egress.cps_max,
            commitment: (&egress.commitment).into(),
            precedence: egress.precedence.as_ref().map(PrecedenceJson::from),
            test_prefix: egress.test_prefix.map(|prefix| prefix.as_str().to_owned()),
            test_only: egress.test_only,
            probe_s: egress.probe_s,
            ring_timeout_s: egress.ring_timeout_s,
            first_timeout_s: egress.first_timeout_s,
            q: egress.q,
            identity: Some(word_of(&IDENTITY_HEADERS, egress.identity).to_owned()),
            trusted: egress.trusted,
            caller_number: egress.caller_number.map(|n| n.as_str().to_owned()),
            from_host: egress.from_host.clone(),
            barring: (&egress.barring).into(),
            partners: egress.partners.iter().map(|id| id.0).collect(),
            continue_on: egress.continue_on.clone(),
            stop_on: egress.stop_on.clone(),
            causes: causes_json(&egress.causes),
            reason: egress.reason,
            identity_number: egress.identity_number.as_ref().map(PrefixEditJson::from),
            forward_headers: Some(word_of(&FORWARD_HEADERS, egress.forward_headers).to_owned()),
            sent_to: Some(word_of(&SENT_TO, egress.sent_to).to_owned()),
            sent_request: Some(word_of(&SENT_TO, egress.sent_request).to_owned()),
            user_phone: Some(word_of(&USER_PHONES, egress.user_phone).to_owned()),
            pass_headers: egress.pass_headers,
            header_rules: rules_json(&egress.header_rules),
            dialog: (&egress.dialog).into(),
            pass_digest: egress.pass_digest,
        }
    }
}

impl TryFrom<EgressJson> for Egress {
    type Error = BadJson;
    fn try_from(json: EgressJson) -> Result<Self, BadJson> {
        let identity = json.identity.as_deref().map(|text| word(&IDENTITY_HEADERS, text));
        let forward_headers =
            json.forward_headers.as_deref().map(|text| word(&FORWARD_HEADERS, text));
        let sent_to = json.sent_to.as_deref().map(|text| word(&SENT_TO, text));
        let sent_request = json.sent_request.as_deref().map(|text| word(&SENT_TO, text));
        let user_phone = json.user_phone.as_deref().map(|text| word(&USER_PHONES, text));
        Ok(Egress {
            targets: json.targets.into_iter().map(EgressTarget::from).collect(),
            transport: word(&TRANSPORTS, &json.transport)?,
            listener: json.listener,
            allow_private: json.allow_private,
            account: AccountId(json.account),
            tariff: json.tariff.map(TariffId),
            called: json.called.into(),
            caller: json.caller.into(),
            calls_max: json.calls_max,
            calls_reserved: json.calls_reserved,
            cps_max: json.cps_max,
            commitment: json.commitment.into(),
            precedence: json.precedence.map(Precedence::try_from).transpose()?,
            test_prefix: json.test_prefix.as_deref().map(digits).transpose()?,
            test_only: json.test_only,
            probe_s: json.probe_s,
            ring_timeout_s: json.ring_timeout_s,
            first_timeout_s: json.first_timeout_s,
            q: json.q,
            identity: identity.transpose()?.unwrap_or(IdentityHeader::Asserted),
            trusted: json.trusted,
            caller_number: json.caller_number.as_deref().map(digits).transpose()?,
            from_host: json.from_host,
            barring: json.barring.try_into()?,
            partners: json.partners.into_iter().map(OrganizationId).collect(),
            continue_on: json.continue_on,
            stop_on: json.stop_on,
            causes: causes(json.causes),
            reason: json.reason,
            identity_number: json.identity_number.map(PrefixEdit::from),
            forward_headers: forward_headers.transpose()?.unwrap_or(ForwardHeaders::AsSet),
            sent_to: sent_to.transpose()?.unwrap_or(SentTo::Routed),
            sent_request: sent_request.transpose()?.unwrap_or(SentTo::Routed),
            user_phone: user_phone.transpose()?.unwrap_or(UserPhone::Never),
            pass_headers: json.pass_headers,
            header_rules: rules(json.header_rules)?,
            dialog: json.dialog.try_into()?,
            pass_digest: json.pass_digest,
        })
    }
}
