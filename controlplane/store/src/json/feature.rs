//! What subscribers and ring groups have.

use super::{BadJson, digits, numbers, texts, word};
use crate::column::word_of;
use serde::{Deserialize, Serialize};
use strowger_model::{
    Barring, Cli, Discount, Forward, ForwardWhen, Identity, RingMember, RingParty, SubscriberId,
};

const CLIS: [(&str, Cli); 6] = [
    ("always", Cli::Always),
    ("normal", Cli::Normal),
    ("asserted", Cli::Asserted),
    ("asserted-trusted", Cli::AssertedTrusted),
    ("hide", Cli::Hide),
    ("hide-all", Cli::HideAll),
];

const WHENS: [(&str, ForwardWhen); 4] = [
    ("always", ForwardWhen::Always),
    ("busy", ForwardWhen::Busy),
    ("no-answer", ForwardWhen::NoAnswer),
    ("offline", ForwardWhen::Offline),
];

#[derive(Serialize, Deserialize)]
pub(crate) struct DiscountJson {
    prefix: String,
    share_bp: u16,
}

impl From<&Discount> for DiscountJson {
    fn from(discount: &Discount) -> Self {
        let Discount { prefix, share_bp } = *discount;
        DiscountJson { prefix: prefix.as_str().to_owned(), share_bp }
    }
}

impl TryFrom<DiscountJson> for Discount {
    type Error = BadJson;
    fn try_from(json: DiscountJson) -> Result<Self, BadJson> {
        Ok(Discount { prefix: digits(&json.prefix)?, share_bp: json.share_bp })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IdentityJson {
    cli: String,
    number: Option<String>,
    any_number: bool,
}

impl From<&Identity> for IdentityJson {
    fn from(identity: &Identity) -> Self {
        IdentityJson {
            cli: word_of(&CLIS, identity.cli).to_owned(),
            number: identity.number.map(|number| number.as_str().to_owned()),
            any_number: identity.any_number,
        }
    }
}

impl TryFrom<IdentityJson> for Identity {
    type Error = BadJson;
    fn try_from(json: IdentityJson) -> Result<Self, BadJson> {
        Ok(Identity {
            cli: word(&CLIS, &json.cli)?,
            number: json.number.as_deref().map(digits).transpose()?,
            any_number: json.any_number,
        })
    }
}

#[derive(Serialize, Deserialize, Default)]
pub(crate) struct BarringJson {
    all: bool,
    allowed: Vec<String>,
    blocked: Vec<String>,
}

impl From<&Barring> for BarringJson {
    fn from(barring: &Barring) -> Self {
        BarringJson {
            all: barring.all,
            allowed: texts(&barring.allowed),
            blocked: texts(&barring.blocked),
        }
    }
}

impl TryFrom<BarringJson> for Barring {
    type Error = BadJson;
    fn try_from(json: BarringJson) -> Result<Self, BadJson> {
        let (allowed, blocked) = (numbers(&json.allowed)?, numbers(&json.blocked)?);
        Ok(Barring { all: json.all, allowed, blocked })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ForwardJson {
    when: String,
    to: String,
    after_s: u32,
    enabled: bool,
}

impl From<&Forward> for ForwardJson {
    fn from(forward: &Forward) -> Self {
        ForwardJson {
            when: word_of(&WHENS, forward.when).to_owned(),
            to: forward.to.clone(),
            after_s: forward.after_s,
            enabled: forward.enabled,
        }
    }
}

impl TryFrom<ForwardJson> for Forward {
    type Error = BadJson;
    fn try_from(json: ForwardJson) -> Result<Self, BadJson> {
        let when = word(&WHENS, &json.when)?;
        Ok(Forward { when, to: json.to, after_s: json.after_s, enabled: json.enabled })
    }
}

/// One of both.
#[derive(Serialize, Deserialize)]
pub(crate) struct MemberJson {
    subscriber: Option<i64>,
    number: Option<String>,
    ring_s: u32,
}

impl From<&RingMember> for MemberJson {
    fn from(member: &RingMember) -> Self {
        let (subscriber, number) = match member.party {
            RingParty::Subscriber(id) => (Some(id.0), None),
            RingParty::Number(number) => (None, Some(number.as_str().to_owned())),
        };
        MemberJson { subscriber, number, ring_s: member.ring_s }
    }
}

impl TryFrom<MemberJson> for RingMember {
    type Error = BadJson;
    fn try_from(json: MemberJson) -> Result<Self, BadJson> {
        let party = match (json.subscriber, json.number) {
            (Some(id), None) => RingParty::Subscriber(SubscriberId(id)),
            (None, Some(text)) => RingParty::Number(digits(&text)?),
            (Some(_), Some(_)) | (None, None) => return Err(BadJson),
        };
        Ok(RingMember { party, ring_s: json.ring_s })
    }
}
