//! Rules about calls, with their actions as JSON.

use super::{json_text, list};
use crate::column::{Columns, word_of};
use crate::json::{BadJson, word};
use crate::{Cell, ConfigRow, StoreError};
use serde::{Deserialize, Serialize};
use strowger_model::{Rule, RuleAction, RuleDeed, RuleId, RuleStage, TenantId};

const STAGES: [(&str, RuleStage); 4] = [
    ("received", RuleStage::Received),
    ("known", RuleStage::Known),
    ("routing", RuleStage::Routing),
    ("routed", RuleStage::Routed),
];

const DEEDS: [(&str, RuleDeed); 6] = [
    ("refuse", RuleDeed::Refuse),
    ("set-called", RuleDeed::SetCalled),
    ("set-dialled", RuleDeed::SetDialled),
    ("set-caller", RuleDeed::SetCaller),
    ("skip", RuleDeed::Skip),
    ("redirect", RuleDeed::Redirect),
];

#[derive(Serialize, Deserialize)]
struct ActionJson {
    does: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    status: u16,
}

impl From<&RuleAction> for ActionJson {
    fn from(action: &RuleAction) -> Self {
        let does = word_of(&DEEDS, action.does).to_owned();
        ActionJson { does, value: action.value.clone(), status: action.status }
    }
}

impl TryFrom<ActionJson> for RuleAction {
    type Error = BadJson;
    fn try_from(json: ActionJson) -> Result<Self, BadJson> {
        let does = word(&DEEDS, &json.does)?;
        Ok(RuleAction { does, value: json.value, status: json.status })
    }
}

impl ConfigRow for Rule {
    const TABLE: &'static str = "rules";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "name",
        "stage",
        "position",
        "condition",
        "actions",
        "last",
        "enabled",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let actions: Vec<ActionJson> = self.actions.iter().map(ActionJson::from).collect();
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.name.as_str().into(),
            word_of(&STAGES, self.stage).into(),
            self.position.into(),
            self.condition.as_str().into(),
            json_text(&actions).into(),
            self.last.into(),
            self.enabled.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Rule, StoreError> {
        Ok(Rule {
            id: RuleId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            name: c.text("name")?,
            stage: c.word("stage", &STAGES)?,
            position: c.small("position")?,
            condition: c.text("condition")?,
            actions: list::<ActionJson, _>(c, "actions")?,
            last: c.flag("last")?,
            enabled: c.flag("enabled")?,
        })
    }
}
