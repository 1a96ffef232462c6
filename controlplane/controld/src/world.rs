//! From rows to the world in force: boot, change and recovery share this one path.

use crate::calendar;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use strowger_api::world_rows;
use strowger_model::{TrunkId, TrunkLogin};
use strowger_routing::{BuildError, Listener, Logins, Perimeter, Rows, World};
use strowger_store::{ConfigRows, Reader, Sealed, Sealer, StoreError};
use tracing::{error, warn};

/// How often the change log is looked at: a change is in force within a second.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// A world and the change it is up to.
#[derive(Clone)]
pub(crate) struct Compiled {
    /// The snapshot.
    pub(crate) world: Arc<World>,
    /// Number of the newest change in it.
    pub(crate) change: i64,
}

/// Why there is no new world; the old one stays in force.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The rows cannot be read.
    Store(StoreError),
    /// A row does not fit.
    Build(BuildError),
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CompileError::Store(e) => e.fmt(f),
            CompileError::Build(e) => e.fmt(f),
        }
    }
}

impl From<StoreError> for CompileError {
    fn from(e: StoreError) -> CompileError {
        CompileError::Store(e)
    }
}

/// What the process configuration says of a world.
#[derive(Clone, Default, Debug)]
pub(crate) struct Site {
    /// The listeners, by index.
    pub(crate) listeners: Vec<Listener>,
    /// Which addresses calls may be sent to.
    pub(crate) perimeter: Perimeter,
}

/// The rows in routing's own form.
pub(crate) fn routing_rows(rows: ConfigRows, site: &Site) -> Rows {
    let Site { listeners, perimeter } = site.clone();
    let zones = calendar::zones(rows.tenants.iter().map(|tenant| tenant.timezone.as_str()));
    Rows { listeners, perimeter, zones, ..world_rows(rows) }
}

/// Reads all rows and builds the world.
///
/// # Errors
/// [`CompileError`].
pub(crate) async fn compile(
    reader: &Reader,
    site: &Site,
    sealer: &Sealer,
) -> Result<Compiled, CompileError> {
    let newer = reader.newer_config(0, &BTreeSet::new()).await?;
    let (rows, logins) = opened(newer.rows, site, sealer);
    let world = World::build(rows).map_err(CompileError::Build)?.with_logins(logins);
    warn_unread(&world);
    warn_open(&world, &BTreeSet::new());
    Ok(Compiled { world: Arc::new(world), change: newer.change })
}

/// The world after the changes behind `old`. Price lists of which nothing has changed are taken
/// over from it, so a change of something else costs the same whatever prices there are.
///
/// # Errors
/// [`CompileError`].
pub(crate) async fn caught_up(
    old: &Compiled,
    reader: &Reader,
    site: &Site,
    sealer: &Sealer,
) -> Result<Compiled, CompileError> {
    let held = old.world.tariffs().map(|tariff| tariff.id).collect();
    let newer = reader.newer_config(old.change, &held).await?;
    let (rows, logins) = opened(newer.rows, site, sealer);
    match old.world.rebuilt(rows, &newer.kept) {
        Ok(world) => {
            warn_unread(&world);
            warn_open(&world, &old.world.open_trunks().map(|trunk| trunk.id).collect());
            Ok(Compiled { world: Arc::new(world.with_logins(logins)), change: newer.change })
        }
        // Rows that were written by hand, without the change log, or a dictionary that is full of
        // prefixes nobody uses any more: from the beginning.
        Err(_) => compile(reader, site, sealer).await,
    }
}

/// Settings of a later release, or that were written by hand, do not count; somebody must know.
fn warn_unread(world: &World) {
    for id in world.settings().unread() {
        if let Some(row) = world.settings().row(*id) {
            let (setting, category, name) = (id.0, &row.category, &row.name);
            warn!(setting, category, name, "a setting is not known here and does not count");
        }
    }
}

/// By these trunks everybody may call; of those that are new somebody must know.
fn warn_open(world: &World, known: &BTreeSet<TrunkId>) {
    for trunk in world.open_trunks().filter(|trunk| !known.contains(&trunk.id)) {
        let (id, name) = (trunk.id.0, &trunk.name);
        warn!(trunk = id, name, "everybody may call out by a trunk: it asks for no authentication");
    }
}

/// The rows for a world, and the logins with their passwords in clear.
fn opened(mut rows: ConfigRows, site: &Site, sealer: &Sealer) -> (Rows, Logins) {
    let logins = core::mem::take(&mut rows.trunk_logins);
    let logins = Logins::build(logins, |login| open(sealer, login));
    (routing_rows(rows, site), logins)
}

/// The place that a login's password is sealed for, so that it opens nowhere else.
pub(crate) fn password_place(login: &TrunkLogin) -> String {
    format!("trunk_logins.password:{}", login.id)
}

/// The password of a login in clear. One that does not open (another host's key, a changed row) is
/// none: its registration says so, and its calls are refused by the carrier.
fn open(sealer: &Sealer, login: &TrunkLogin) -> Option<String> {
    let text = String::from_utf8(login.password.0.clone()).ok();
    let sealed = text.map(Sealed::from_column);
    let opened = sealed.and_then(|s| sealer.open_sealed(&password_place(login), &s).ok());
    if opened.is_none() {
        let (login, trunk) = (login.id.0, login.trunk.0);
        error!(login, trunk, "the password of a login does not open with this host's key");
    }
    opened.map(|secret| secret.expose().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::{Sealed as Bytes, TenantId, TrunkId, TrunkLoginId};
    use strowger_store::Secret;

    #[test]
    fn a_password_opens_at_its_place_under_its_key_only() {
        let mut login = TrunkLogin {
            id: TrunkLoginId(7),
            tenant: TenantId(1),
            trunk: TrunkId(2),
            priority: 0,
            username: "u".into(),
            auth_username: None,
            realm: None,
            password: Bytes(Vec::new()),
            register: true,
            registrar: None,
            contact_user: None,
            expires_s: 600,
            caller_number: None,
            subscriber: None,
            enabled: true,
        };
        let sealer = Sealer::new(&[1; 32]).unwrap();
        let sealed = sealer.seal(&password_place(&login), &Secret::new("pw")).unwrap();
        login.password = Bytes(sealed.as_column().as_bytes().to_vec());
        assert_eq!(open(&sealer, &login).as_deref(), Some("pw"));
        assert_eq!(open(&Sealer::new(&[2; 32]).unwrap(), &login), None);
        assert_eq!(open(&sealer, &TrunkLogin { id: TrunkLoginId(8), ..login.clone() }), None);
        login.password.0.truncate(9);
        assert_eq!(open(&sealer, &login), None);
    }
}
