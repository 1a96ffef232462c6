//! RADIUS servers: who is asked about calls, and who is told of them.

use super::{Draft, Later, Resource};
use crate::codec::{Address, Flag, Ident, Int, List, NAME, Opt, Seconds, Text, words};
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::shape::Components;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use strowger_model::{
    OrganizationId, RADIUS_ATTRIBUTES_MAX, RADIUS_LABEL_MAX, RADIUS_SERVERS_MAX, RadiusAttribute,
    RadiusPurpose, RadiusServer, RadiusServerId, RadiusValue, Sealed, TenantId,
};
use strowger_routing::{Change, RowName};
use strowger_store::{Secret, Writer};

/// Largest vendor's number (RFC 2865 section 5.26): three octets.
const VENDOR_MAX: i64 = 0xff_ffff;

object! {
    /// An attribute that some servers know, as text.
    ATTRIBUTE: RadiusAttribute as "RadiusAttribute", no_attribute();
    /// The vendor's number; 0 is none, the attribute is a standard one.
    vendor: Free Int(0, VENDOR_MAX) => vendor;
    /// Its type.
    number: Need Int(1, 255) => number;
    /// What stands before its value, with `=` between the two, as `h323-credit-time`.
    label: Free Text(0, RADIUS_LABEL_MAX) => label;
    /// Its value. Told: `call-id` (SIP Call-ID), `received` (called number as received), `from`
    /// (user of From), `source` (address), and ids: `tenant`, `account`, `organization`,
    /// `subscriber`, `trunk`; at the end of a call `cause` (Q.850), `price` (with tax, of the
    /// account that pays) and `currency`. Said with an answer: `talk-time` (the longest, seconds),
    /// `status` (of a refusal, 400 to 699).
    holds: Need words::<RadiusValue>() => holds;
}

fn no_attribute() -> RadiusAttribute {
    RadiusAttribute { vendor: 0, number: 1, label: String::new(), holds: RadiusValue::CallId }
}

object! {
    /// A RADIUS server. The enabled servers of a tenant for one purpose are asked in turn; a
    /// tenant that has none has those without a tenant. Calls of whom the setting `fact.radius`
    /// names are asked about at servers for `access`; servers for `accounting` are told of the
    /// beginning and the end of every answered call.
    RADIUS_SERVER: RadiusServer as "RadiusServer", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Whose calls it is for; null is of all tenants without a server of their own.
    tenant: Kept Opt(Ident) => tenant;
    /// `access`: it says whether a call may be made (RFC 2865). `accounting`: it is told of calls
    /// (RFC 2866).
    purpose: Fixed words::<RadiusPurpose>() => purpose;
    /// Shown name.
    name: Need NAME => name;
    /// Address with its port, usually 1812 for access, 1813 for accounting.
    address: Need Address => address;
    /// What it and we know; kept sealed under this host's key.
    secret: NeedSecret SharedSecret => self;
    /// Larger is asked first; equals in order of ids.
    priority: Free Int(i32::MIN as i64, i32::MAX as i64) => priority;
    /// How long it may take before it is asked again.
    again_ms: Free Int(20, 10_000) => again_ms;
    /// How often it is asked before the next one is.
    tries: Free Int(1, 5) => tries;
    /// How long it is passed by after that, as long as another one is there.
    dead_ms: Free Seconds(0, 3_600) => dead_s;
    /// Who we are to it (NAS-Identifier).
    nas_identifier: Free Text(1, 64) => nas_identifier;
    /// What it is told and says beside what all are told and say.
    attributes: Free List(&ATTRIBUTE, RADIUS_ATTRIBUTES_MAX) => attributes;
    /// In use.
    enabled: Free Flag => enabled;
}

fn blank() -> RadiusServer {
    RadiusServer {
        id: RadiusServerId(0),
        tenant: None,
        purpose: RadiusPurpose::Access,
        name: String::new(),
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        secret: Sealed(Vec::new()),
        priority: 0,
        again_ms: 100,
        tries: 2,
        dead_s: 30,
        nas_identifier: "strowger".to_owned(),
        attributes: Vec::new(),
        enabled: true,
    }
}

/// Any text but the empty one, which RFC 2865 section 3 forbids.
struct SharedSecret;

/// Longest secret, characters.
const SECRET_MAX: usize = 128;

impl Shaped for SharedSecret {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({"type": "string", "minLength": 1, "maxLength": SECRET_MAX, "writeOnly": true})
    }
}

impl Codec<RadiusServer> for SharedSecret {
    fn show(&self, _: &RadiusServer) -> Value {
        Value::Null
    }

    fn take(&self, json: &Value, old: Option<&RadiusServer>) -> Result<RadiusServer, Wrong> {
        let text = crate::codec::text(json)?;
        if !(1..=SECRET_MAX).contains(&text.chars().count()) {
            return Err(Wrong::new(format!("does not have 1 to {SECRET_MAX} characters")));
        }
        old.cloned().ok_or_else(|| Wrong::new("has no place"))
    }
}

/// Where a sealed secret belongs: it opens nowhere else.
#[must_use]
pub fn radius_secret_place(id: RadiusServerId) -> String {
    format!("radius_servers.secret:{id}")
}

impl Resource for RadiusServer {
    type Row = RadiusServer;
    const PATH: &'static str = "radius-servers";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::flag("enabled")];

    fn object() -> &'static Object<Self> {
        &RADIUS_SERVER
    }

    fn of(row: RadiusServer) -> Self {
        row
    }

    fn row(&self) -> &RadiusServer {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = RadiusServerId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (self.tenant, None)
    }

    fn name(&self) -> Option<RowName> {
        None
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if let Some(tenant) = self.tenant.filter(|id| draft.world.tenant(*id).is_none()) {
            return Err(Problem::refused("tenant", format!("tenant {tenant} does not exist")));
        }
        let is_access = self.purpose == RadiusPurpose::Access;
        for (place, attribute) in self.attributes.iter().enumerate() {
            let fits = match attribute.holds {
                RadiusValue::TalkTime | RadiusValue::Status => is_access,
                RadiusValue::Cause | RadiusValue::Price | RadiusValue::Currency => !is_access,
                RadiusValue::CallId
                | RadiusValue::Received
                | RadiusValue::From
                | RadiusValue::Source
                | RadiusValue::Tenant
                | RadiusValue::Account
                | RadiusValue::Organization
                | RadiusValue::Subscriber
                | RadiusValue::Trunk => true,
            };
            if !fits {
                let path = format!("attributes[{place}].holds");
                return Err(Problem::refused(&path, "does not fit the purpose"));
            }
        }
        if let Some(secret) = draft.given.get("secret").and_then(Value::as_str) {
            let place = radius_secret_place(self.id);
            let sealed = draft.sealer.seal(&place, &Secret::new(secret));
            let sealed = sealed.map_err(|_| Problem::internal())?;
            self.secret = Sealed(sealed.as_column().as_bytes().to_vec());
        }
        Ok(())
    }

    /// No decision looks at it, so it is not part of the world; but there is a most of them.
    fn world<'a>(
        w: &'a mut Writer<'static>,
        rows: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            for row in rows.iter().filter(|row| row.enabled && !is_gone) {
                let known = w.all_rows::<RadiusServer>().await?;
                let beside = known.iter().filter(|other| {
                    let same = (other.tenant, other.purpose) == (row.tenant, row.purpose);
                    other.enabled && other.id != row.id && same
                });
                if beside.count() >= RADIUS_SERVERS_MAX {
                    let detail = format!("more than {RADIUS_SERVERS_MAX} servers for one purpose");
                    return Err(Problem::refused("enabled", detail));
                }
            }
            Ok(Vec::new())
        })
    }
}
