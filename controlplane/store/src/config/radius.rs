//! RADIUS servers, with their further attributes as JSON.

use super::{json_text, list};
use crate::column::{Columns, word_of};
use crate::json::{BadJson, bytes_of, hex_of, word};
use crate::{Cell, ConfigRow, StoreError};
use serde::{Deserialize, Serialize};
use strowger_model::{
    RadiusAttribute, RadiusPurpose, RadiusServer, RadiusServerId, RadiusValue, Sealed, TenantId,
};

const PURPOSES: [(&str, RadiusPurpose); 2] =
    [("access", RadiusPurpose::Access), ("accounting", RadiusPurpose::Accounting)];

const VALUES: [(&str, RadiusValue); 14] = [
    ("call-id", RadiusValue::CallId),
    ("received", RadiusValue::Received),
    ("from", RadiusValue::From),
    ("source", RadiusValue::Source),
    ("tenant", RadiusValue::Tenant),
    ("account", RadiusValue::Account),
    ("organization", RadiusValue::Organization),
    ("subscriber", RadiusValue::Subscriber),
    ("trunk", RadiusValue::Trunk),
    ("cause", RadiusValue::Cause),
    ("price", RadiusValue::Price),
    ("currency", RadiusValue::Currency),
    ("talk-time", RadiusValue::TalkTime),
    ("status", RadiusValue::Status),
];

#[derive(Serialize, Deserialize)]
struct AttributeJson {
    vendor: u32,
    number: u8,
    label: String,
    holds: String,
}

impl From<&RadiusAttribute> for AttributeJson {
    fn from(attribute: &RadiusAttribute) -> Self {
        let RadiusAttribute { vendor, number, label, holds } = attribute;
        let holds = word_of(&VALUES, *holds).to_owned();
        AttributeJson { vendor: *vendor, number: *number, label: label.clone(), holds }
    }
}

impl TryFrom<AttributeJson> for RadiusAttribute {
    type Error = BadJson;
    fn try_from(json: AttributeJson) -> Result<Self, BadJson> {
        let holds = word(&VALUES, &json.holds)?;
        Ok(RadiusAttribute { vendor: json.vendor, number: json.number, label: json.label, holds })
    }
}

impl ConfigRow for RadiusServer {
    const TABLE: &'static str = "radius_servers";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "purpose",
        "name",
        "address",
        "secret",
        "priority",
        "again_ms",
        "tries",
        "dead_s",
        "nas_identifier",
        "attributes",
        "enabled",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let attributes: Vec<_> = self.attributes.iter().map(AttributeJson::from).collect();
        vec![
            self.id.0.into(),
            self.tenant.map(|id| id.0).into(),
            word_of(&PURPOSES, self.purpose).into(),
            self.name.as_str().into(),
            self.address.to_string().into(),
            hex_of(&self.secret.0).into(),
            self.priority.into(),
            self.again_ms.into(),
            self.tries.into(),
            self.dead_s.into(),
            self.nas_identifier.as_str().into(),
            json_text(&attributes).into(),
            self.enabled.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<RadiusServer, StoreError> {
        let secret = bytes_of(&c.text("secret")?);
        Ok(RadiusServer {
            id: RadiusServerId(c.int("id")?),
            tenant: c.int_or_null("tenant_id")?.map(TenantId),
            purpose: c.word("purpose", &PURPOSES)?,
            name: c.text("name")?,
            address: c.parsed("address", "address with its port")?,
            secret: secret.map(Sealed).ok_or_else(|| c.unfit("secret", "sealed secret"))?,
            priority: c.small("priority")?,
            again_ms: c.small("again_ms")?,
            tries: c.small("tries")?,
            dead_s: c.small("dead_s")?,
            nas_identifier: c.text("nas_identifier")?,
            attributes: list::<AttributeJson, _>(c, "attributes")?,
            enabled: c.flag("enabled")?,
        })
    }
}
