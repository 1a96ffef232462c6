//! Bans: networks that we do not talk to.

use super::{Draft, Resource};
use crate::codec::{Flag, Ident, Int, Moment, NO_NETWORK, Network, Opt, Text, parse_network, text};
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::problem::Problem;
use crate::shape::Components;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use strowger_model::{Ban, BanId, OrganizationId, TenantId};
use strowger_routing::{Change, RowName};

/// A ban as REST shows it.
pub(crate) type BanSeen = Ban;

object! {
    /// A network that we do not talk to, or one that is let through.
    BAN: Ban as "Ban", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Network, for example `192.0.2.0/24`.
    network: Fixed BannedNetwork => self;
    /// Only this port of a network that is one address; 0 is all ports.
    port: Kept Int(0, 65_535) => port;
    /// Why, for people.
    reason: Free Text(0, 200) => reason;
    /// When it was made.
    from: Shown Moment => from_us;
    /// When it ends; null is never.
    until: Free Opt(Moment) => until_us;
    /// It is let through instead: an exception of wider bans, and of the setting
    /// `guard.default_deny`.
    allow: Free Flag => allow;
    /// The switch made it by itself; it is forgotten some time after its end.
    automatic: Shown Flag => automatic;
}

fn blank() -> Ban {
    Ban {
        id: BanId(0),
        network: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix_len: 32,
        port: 0,
        reason: String::new(),
        from_us: 0,
        until_us: None,
        automatic: false,
        allow: false,
    }
}

struct BannedNetwork;

impl Shaped for BannedNetwork {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        Network.schema(components, of)
    }
}

impl Codec<Ban> for BannedNetwork {
    fn show(&self, ban: &Ban) -> Value {
        json!(format!("{}/{}", ban.network, ban.prefix_len))
    }

    fn take(&self, json: &Value, old: Option<&Ban>) -> Result<Ban, Wrong> {
        let (network, prefix_len) =
            parse_network(text(json)?).ok_or_else(|| Wrong::unfit(NO_NETWORK))?;
        Ok(Ban { network, prefix_len, ..old.cloned().unwrap_or_else(blank) })
    }
}

impl Resource for Ban {
    type Row = Ban;
    const PATH: &'static str = "bans";

    fn object() -> &'static Object<Self> {
        &BAN
    }

    fn of(row: Ban) -> Self {
        row
    }

    fn row(&self) -> &Ban {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = BanId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (None, None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Ban(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if draft.before.is_none() {
            self.from_us = draft.at_us;
        }
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Ban(self.clone()))
    }
}
