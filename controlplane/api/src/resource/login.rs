//! Logins: the credentials that we show to a carrier.

use super::{Draft, Later, Parent, Resource};
use crate::codec::{Flag, HostAndPort, Ident, Int, NUMBER, Opt, Seconds, Text};
use crate::dispatch::Context;
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::shape::Components;
use crate::table::ROOT;
use serde_json::{Value, json};
use strowger_model::{OrganizationId, Sealed, TenantId, Trunk, TrunkId, TrunkLogin, TrunkLoginId};
use strowger_routing::RowName;
use strowger_store::Secret;

/// A login at a carrier.
pub(crate) type Login = TrunkLogin;

object! {
    /// Credentials that we show to a carrier.
    LOGIN: TrunkLogin as "TrunkLogin", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant of the trunk.
    tenant: Shown Ident => tenant;
    /// The trunk, that of the path.
    trunk: Kept Ident => trunk;
    /// Larger is used first; equals take turns.
    priority: Free Int(i32::MIN as i64, i32::MAX as i64) => priority;
    /// User part of our address of record.
    username: Need Text(1, 64) => username;
    /// User name in credentials; null is `username`.
    auth_username: Free Opt(Text(1, 64)) => auth_username;
    /// Realm that we answer; null is whichever asks.
    realm: Free Opt(Text(1, 128)) => realm;
    /// The carrier's password; kept sealed under this host's key.
    password: NeedSecret CarrierPassword => self;
    /// We register, so that it can reach us.
    register: Free Flag => register;
    /// Where we register; null is the trunk's first target.
    registrar: Free Opt(HostAndPort) => registrar;
    /// User part of our Contact; null is `username`.
    contact_user: Free Opt(Text(1, 64)) => contact_user;
    /// Expiry that we ask for.
    expires_ms: Free Seconds(30, 86_400) => expires_s;
    /// Shown as the caller of calls with this login; null is the real caller.
    caller_number: Free Opt(NUMBER) => caller_number;
    /// The one subscriber that it stands for: registered while he is registered here, shown for
    /// his calls, and who calls it calls him; null is all who call by the trunk.
    subscriber: Free Opt(Ident) => subscriber;
    /// In use.
    enabled: Free Flag => enabled;
}

fn blank() -> TrunkLogin {
    TrunkLogin {
        id: TrunkLoginId(0),
        tenant: TenantId(0),
        trunk: TrunkId(0),
        priority: 0,
        username: String::new(),
        auth_username: None,
        realm: None,
        password: Sealed(Vec::new()),
        register: false,
        registrar: None,
        contact_user: None,
        expires_s: 600,
        caller_number: None,
        subscriber: None,
        enabled: true,
    }
}

/// A carrier chooses its passwords itself: any text is one.
struct CarrierPassword;

impl Shaped for CarrierPassword {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "minLength": 1, "maxLength": 256, "writeOnly": true})
    }
}

impl Codec<TrunkLogin> for CarrierPassword {
    fn show(&self, _: &TrunkLogin) -> Value {
        Value::Null
    }

    fn take(&self, json: &Value, old: Option<&TrunkLogin>) -> Result<TrunkLogin, Wrong> {
        let text = crate::codec::text(json)?;
        if !(1..=256).contains(&text.chars().count()) {
            return Err(Wrong::new("does not have 1 to 256 characters"));
        }
        old.cloned().ok_or_else(|| Wrong::new("has no place"))
    }
}

/// Where a sealed password belongs: it opens nowhere else.
fn place(id: TrunkLoginId) -> String {
    format!("trunk_logins.password:{id}")
}

impl Resource for TrunkLogin {
    type Row = TrunkLogin;
    const PATH: &'static str = "logins";
    const ID: &'static str = "login";
    const FILTERS: &'static [Filter] = &[Filter::text("username"), Filter::flag("enabled")];

    fn object() -> &'static Object<Self> {
        &LOGIN
    }

    fn of(row: TrunkLogin) -> Self {
        row
    }

    fn row(&self) -> &TrunkLogin {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = TrunkLoginId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        None
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if let Some(trunk) = draft.world.trunk(self.trunk) {
            self.tenant = trunk.tenant;
        }
        if let Some(id) = self.subscriber {
            let is_own = draft.world.subscriber(id).is_some_and(|row| row.tenant == self.tenant);
            if !is_own {
                return Err(Problem::refused("subscriber", "is no subscriber of the tenant"));
            }
        }
        match draft.given.get("password").and_then(Value::as_str) {
            Some(password) => {
                let secret = Secret::new(password);
                let sealed = draft.sealer.seal(&place(self.id), &secret);
                let sealed = sealed.map_err(|_| Problem::internal())?;
                self.password = Sealed(sealed.as_column().as_bytes().to_vec());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn parent(cx: &Context) -> Later<'_, Option<Parent>> {
        Box::pin(async {
            let id = cx.id()?;
            let trunk = cx.api.reader.row::<Trunk>(cx.caller.scope, id).await?;
            trunk.ok_or_else(Problem::not_found)?;
            Ok(Some(Parent { column: "trunk_id", member: "trunk", id }))
        })
    }

    fn location(&self) -> String {
        format!("{ROOT}/trunks/{}/logins/{}", self.trunk, self.id)
    }
}
