//! Trunks, the credentials that we show to them, and networks that we do not talk to.

use super::{facet, json_text};
use crate::column::Columns;
use crate::json::{EgressJson, IngressJson, bytes_of, hex_of};
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{
    AccountId, Ban, BanId, CallerRule, CallerRuleId, HostPort, OrganizationId, Sealed,
    SubscriberId, TenantId, Trunk, TrunkId, TrunkLogin, TrunkLoginId,
};

impl ConfigRow for Trunk {
    const TABLE: &'static str = "trunks";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "organization_id", "name", "enabled", "ingress", "egress"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.organization.0.into(),
            self.name.as_str().into(),
            self.enabled.into(),
            self.ingress.as_ref().map(|i| json_text(&IngressJson::from(i))).into(),
            self.egress.as_ref().map(|e| json_text(&EgressJson::from(e))).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Trunk, StoreError> {
        Ok(Trunk {
            id: TrunkId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            organization: OrganizationId(c.int("organization_id")?),
            name: c.text("name")?,
            enabled: c.flag("enabled")?,
            ingress: facet::<IngressJson, _>(c, "ingress")?,
            egress: facet::<EgressJson, _>(c, "egress")?,
        })
    }
}

impl ConfigRow for TrunkLogin {
    const TABLE: &'static str = "trunk_logins";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "trunk_id",
        "priority",
        "username",
        "auth_username",
        "realm",
        "password",
        "register",
        "registrar_host",
        "registrar_port",
        "contact_user",
        "expires_s",
        "caller_number",
        "enabled",
        "subscriber_id",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.trunk.0.into(),
            self.priority.into(),
            self.username.as_str().into(),
            (&self.auth_username).into(),
            (&self.realm).into(),
            hex_of(&self.password.0).into(),
            self.register.into(),
            self.registrar.as_ref().map(|host| host.name.clone()).into(),
            self.registrar.as_ref().map(|host| i64::from(host.port)).into(),
            (&self.contact_user).into(),
            self.expires_s.into(),
            self.caller_number.map(|n| n.as_str().to_owned()).into(),
            self.enabled.into(),
            self.subscriber.map(|id| id.0).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<TrunkLogin, StoreError> {
        let host = (c.text_or_null("registrar_host")?, c.small_or_null("registrar_port")?);
        let registrar = match host {
            (Some(name), Some(port)) => Some(HostPort { name, port }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(c.unfit("registrar_host", "host with its port"));
            }
        };
        let password = bytes_of(&c.text("password")?);
        Ok(TrunkLogin {
            id: TrunkLoginId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            trunk: TrunkId(c.int("trunk_id")?),
            priority: c.small("priority")?,
            username: c.text("username")?,
            auth_username: c.text_or_null("auth_username")?,
            realm: c.text_or_null("realm")?,
            password: password.map(Sealed).ok_or_else(|| c.unfit("password", "sealed secret"))?,
            register: c.flag("register")?,
            registrar,
            contact_user: c.text_or_null("contact_user")?,
            expires_s: c.small("expires_s")?,
            caller_number: c.digits_or_null("caller_number")?,
            subscriber: c.int_or_null("subscriber_id")?.map(SubscriberId),
            enabled: c.flag("enabled")?,
        })
    }
}

impl ConfigRow for Ban {
    const TABLE: &'static str = "bans";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "network",
        "prefix_len",
        "reason",
        "from_us",
        "until_us",
        "automatic",
        "allow",
        "port",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.network.to_string().into(),
            self.prefix_len.into(),
            self.reason.as_str().into(),
            self.from_us.into(),
            self.until_us.into(),
            self.automatic.into(),
            self.allow.into(),
            self.port.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Ban, StoreError> {
        Ok(Ban {
            id: BanId(c.int("id")?),
            network: c.parsed("network", "address")?,
            prefix_len: c.small("prefix_len")?,
            port: c.small("port")?,
            reason: c.text("reason")?,
            from_us: c.int("from_us")?,
            until_us: c.int_or_null("until_us")?,
            automatic: c.flag("automatic")?,
            allow: c.flag("allow")?,
        })
    }
}

impl ConfigRow for CallerRule {
    const TABLE: &'static str = "caller_rules";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "account_id",
        "prefix",
        "allow",
        "reason",
        "from_us",
        "until_us",
        "automatic",
        "subscriber_id",
        "called",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.account.map(|id| id.0).into(),
            self.prefix.as_str().into(),
            self.allow.into(),
            self.reason.as_str().into(),
            self.from_us.into(),
            self.until_us.into(),
            self.automatic.into(),
            self.subscriber.map(|id| id.0).into(),
            self.called.as_str().into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<CallerRule, StoreError> {
        Ok(CallerRule {
            id: CallerRuleId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            account: c.int_or_null("account_id")?.map(AccountId),
            prefix: c.digits("prefix")?,
            allow: c.flag("allow")?,
            reason: c.text("reason")?,
            from_us: c.int("from_us")?,
            until_us: c.int_or_null("until_us")?,
            automatic: c.flag("automatic")?,
            subscriber: c.int_or_null("subscriber_id")?.map(SubscriberId),
            called: c.digits("called")?,
        })
    }
}
