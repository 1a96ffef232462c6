//! Rules about header fields, and the words of a trunk's other choices about them.

use super::{BadJson, word};
use crate::column::word_of;
use serde::{Deserialize, Serialize};
use strowger_model::{
    CalledFrom, ForwardHeaders, HeaderAction, HeaderCondition, HeaderOn, HeaderRule, HeaderTest,
    SentTo, UserPhone,
};

pub(super) const CALLED_FROM: [(&str, CalledFrom); 3] =
    [("auto", CalledFrom::Auto), ("request-uri", CalledFrom::RequestUri), ("to", CalledFrom::To)];

pub(super) const FORWARD_HEADERS: [(&str, ForwardHeaders); 5] = [
    ("as-set", ForwardHeaders::AsSet),
    ("none", ForwardHeaders::None),
    ("diversion", ForwardHeaders::Diversion),
    ("history-info", ForwardHeaders::HistoryInfo),
    ("both", ForwardHeaders::Both),
];

pub(super) const USER_PHONES: [(&str, UserPhone); 3] =
    [("never", UserPhone::Never), ("request", UserPhone::Request), ("to", UserPhone::To)];

pub(super) const SENT_TO: [(&str, SentTo); 3] = [
    ("routed", SentTo::Routed),
    ("received", SentTo::Received),
    ("received-to", SentTo::ReceivedTo),
];

const ACTIONS: [(&str, HeaderAction); 4] = [
    ("add", HeaderAction::Add),
    ("remove", HeaderAction::Remove),
    ("rewrite", HeaderAction::Rewrite),
    ("copy", HeaderAction::Copy),
];

const ON: [(&str, HeaderOn); 2] =
    [("request", HeaderOn::Request), ("response", HeaderOn::Response)];

const TESTS: [(&str, HeaderTest); 4] = [
    ("present", HeaderTest::Present),
    ("absent", HeaderTest::Absent),
    ("equals", HeaderTest::Equals),
    ("begins", HeaderTest::Begins),
];

#[derive(Serialize, Deserialize)]
pub(super) struct HeaderRuleJson {
    when: Vec<HeaderConditionJson>,
    action: String,
    header: String,
    value: String,
    pattern: Option<String>,
    from: Option<String>,
    // Rows of the release before know requests only.
    #[serde(default)]
    on: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct HeaderConditionJson {
    header: String,
    test: String,
    value: String,
}

pub(super) fn rules_json(rules: &[HeaderRule]) -> Vec<HeaderRuleJson> {
    let condition = |condition: &HeaderCondition| HeaderConditionJson {
        header: condition.header.clone(),
        test: word_of(&TESTS, condition.test).to_owned(),
        value: condition.value.clone(),
    };
    let json = |rule: &HeaderRule| HeaderRuleJson {
        when: rule.when.iter().map(condition).collect(),
        action: word_of(&ACTIONS, rule.action).to_owned(),
        header: rule.header.clone(),
        value: rule.value.clone(),
        pattern: rule.pattern.clone(),
        from: rule.from.clone(),
        on: Some(word_of(&ON, rule.on).to_owned()),
    };
    rules.iter().map(json).collect()
}

pub(super) fn rules(json: Vec<HeaderRuleJson>) -> Result<Vec<HeaderRule>, BadJson> {
    let condition = |json: HeaderConditionJson| {
        let test = word(&TESTS, &json.test)?;
        Ok(HeaderCondition { header: json.header, test, value: json.value })
    };
    let rule = |json: HeaderRuleJson| {
        Ok(HeaderRule {
            when: json.when.into_iter().map(condition).collect::<Result<_, BadJson>>()?,
            action: word(&ACTIONS, &json.action)?,
            header: json.header,
            value: json.value,
            pattern: json.pattern,
            from: json.from,
            on: json.on.map_or(Ok(HeaderOn::Request), |on| word(&ON, &on))?,
        })
    };
    json.into_iter().map(rule).collect()
}
