//! Settings as they count: rows of every place, put together once and not on a call.
//!
//! What is set at the switch, a tenant, an account and a subscriber becomes one [`Profile`] for
//! each combination that occurs. Rows of a world carry the number of theirs, so a call reads
//! fields of a structure and looks for no name. A row that this release does not know, or whose
//! value it cannot read, is passed over ([`Settings::unread`]): the wider place or the default
//! counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_model::{
    AccountId, Depth, Profile, SETTINGS, Setting, SettingId, SettingRow, SettingValue,
    SubscriberId, TenantId,
};

/// Most rows of settings.
pub const SETTING_ROWS_MAX: usize = 1_000_000;

/// The number of a profile.
pub(crate) type ProfileId = u32;
/// The profile of the whole switch.
pub(crate) const SYSTEM: ProfileId = 0;

/// What is set at one place: values as texts, by place in the table.
type Layer = BTreeMap<usize, String>;

/// All rows of settings, and the profiles that they make.
#[derive(Clone, Debug)]
pub struct Settings {
    rows: BTreeMap<SettingId, SettingRow>,
    system: Layer,
    tenants: BTreeMap<TenantId, (Layer, ProfileId)>,
    accounts: BTreeMap<AccountId, (Layer, ProfileId)>,
    // Which account a subscriber has is in its own row.
    subscribers: BTreeMap<SubscriberId, Layer>,
    // The first is the switch's; no two are set the same.
    profiles: Vec<Arc<Profile>>,
    interned: BTreeMap<Layer, ProfileId>,
    unread: Vec<SettingId>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::build(Vec::new())
    }
}

impl Settings {
    /// The settings of these rows, of which at most [`SETTING_ROWS_MAX`] count.
    #[must_use]
    pub fn build(rows: Vec<SettingRow>) -> Settings {
        let mut settings = Settings {
            rows: BTreeMap::new(),
            system: Layer::new(),
            tenants: BTreeMap::new(),
            accounts: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            profiles: Vec::new(),
            interned: BTreeMap::new(),
            unread: Vec::new(),
        };
        let mut by_account: BTreeMap<AccountId, (TenantId, Layer)> = BTreeMap::new();
        let mut by_tenant: BTreeMap<TenantId, Layer> = BTreeMap::new();
        for row in rows.into_iter().take(SETTING_ROWS_MAX) {
            let Some((place, value)) = readable(&row) else {
                settings.unread.push(row.id);
                settings.rows.insert(row.id, row);
                continue;
            };
            let layer = match (row.tenant, row.account, row.subscriber) {
                (Some(tenant), Some(account), _) => {
                    &mut by_account.entry(account).or_insert((tenant, Layer::new())).1
                }
                (Some(_), None, Some(subscriber)) => {
                    settings.subscribers.entry(subscriber).or_default()
                }
                (Some(tenant), None, None) => by_tenant.entry(tenant).or_default(),
                (None, _, _) => &mut settings.system,
            };
            layer.insert(place, value);
            settings.rows.insert(row.id, row);
        }
        settings.intern(settings.system.clone());
        for (tenant, layer) in by_tenant {
            let profile = settings.intern(over(&settings.system, &layer));
            settings.tenants.insert(tenant, (layer, profile));
        }
        for (account, (tenant, layer)) in by_account {
            let profile = settings.intern(over(&settings.of_tenant(tenant), &layer));
            settings.accounts.insert(account, (layer, profile));
        }
        settings
    }

    /// All rows, by id.
    pub fn rows(&self) -> impl Iterator<Item = &SettingRow> {
        self.rows.values()
    }

    /// One row.
    #[must_use]
    pub fn row(&self, id: SettingId) -> Option<&SettingRow> {
        self.rows.get(&id)
    }

    /// Rows that do not count: their name or value is not known.
    #[must_use]
    pub fn unread(&self) -> &[SettingId] {
        &self.unread
    }

    /// What counts where nothing narrower is known.
    #[must_use]
    pub fn system(&self) -> &Profile {
        self.profile(SYSTEM)
    }

    /// What counts for a tenant.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> &Profile {
        self.profile(self.tenants.get(&id).map_or(SYSTEM, |(_, profile)| *profile))
    }

    /// The row by which a setting has its value at a place; `None` when it has its default.
    #[must_use]
    pub fn row_in_force(
        &self,
        setting: &Setting,
        (tenant, account, subscriber): (Option<TenantId>, Option<AccountId>, Option<SubscriberId>),
    ) -> Option<&SettingRow> {
        let is_at = |row: &&SettingRow| match row.depth() {
            Some(Depth::System) => true,
            Some(Depth::Tenant) => row.tenant == tenant,
            Some(Depth::Account) => row.tenant == tenant && row.account == account,
            Some(Depth::Subscriber) => row.tenant == tenant && row.subscriber == subscriber,
            None => false,
        };
        let named = |row: &&SettingRow| {
            row.category == setting.category && row.name == setting.name && readable(row).is_some()
        };
        self.rows.values().filter(named).filter(is_at).max_by_key(|row| row.depth())
    }

    /// Whether something holds for the settings of anybody.
    #[must_use]
    pub fn any(&self, holds: impl Fn(&Profile) -> bool) -> bool {
        self.profiles.iter().any(|profile| holds(profile))
    }

    /// How many profiles there are.
    #[must_use]
    pub fn profile_count(&self) -> usize {
        self.profiles.len()
    }

    pub(crate) fn profile(&self, id: ProfileId) -> &Profile {
        let at = usize::try_from(id).unwrap_or_default();
        // A number that is none of ours reads the switch's; there is always one.
        static BLANK: std::sync::LazyLock<Profile> = std::sync::LazyLock::new(Profile::default);
        self.profiles.get(at).or(self.profiles.first()).map_or(&BLANK, Arc::as_ref)
    }

    pub(crate) fn account(&self, tenant: TenantId, id: AccountId) -> ProfileId {
        match self.accounts.get(&id) {
            Some((_, profile)) => *profile,
            None => self.tenants.get(&tenant).map_or(SYSTEM, |(_, profile)| *profile),
        }
    }

    /// The profile of a subscriber, or what must be interned to have one.
    pub(crate) fn subscriber(
        &self,
        tenant: TenantId,
        account: AccountId,
        id: SubscriberId,
    ) -> Result<ProfileId, Unplaced> {
        let Some(layer) = self.subscribers.get(&id) else {
            return Ok(self.account(tenant, account));
        };
        let above = match self.accounts.get(&account) {
            Some((layer, _)) => over(&self.of_tenant(tenant), layer),
            None => self.of_tenant(tenant),
        };
        let whole = over(&above, layer);
        self.interned.get(&whole).copied().ok_or(Unplaced(whole))
    }

    pub(crate) fn place(&mut self, unplaced: Unplaced) -> ProfileId {
        self.intern(unplaced.0)
    }

    fn of_tenant(&self, id: TenantId) -> Layer {
        match self.tenants.get(&id) {
            Some((layer, _)) => over(&self.system, layer),
            None => self.system.clone(),
        }
    }

    fn intern(&mut self, layer: Layer) -> ProfileId {
        if let Some(known) = self.interned.get(&layer) {
            return *known;
        }
        let mut profile = Profile::default();
        for (place, text) in &layer {
            if let Some(setting) = SETTINGS.get(*place)
                && let Ok(value) = setting.parse(text)
            {
                setting.put(&mut profile, value.as_ref());
            }
        }
        // Fewer profiles than rows, which are bounded.
        let id = ProfileId::try_from(self.profiles.len()).unwrap_or(SYSTEM);
        self.profiles.push(Arc::new(profile));
        self.interned.insert(layer, id);
        id
    }
}

/// A combination that no profile stands for yet.
pub(crate) struct Unplaced(Layer);

/// Where a row's setting stands in the table, and its value; `None` when it does not count.
fn readable(row: &SettingRow) -> Option<(usize, String)> {
    let place = Setting::place(&row.category, &row.name)?;
    let setting = SETTINGS.get(place)?;
    row.depth().filter(|depth| *depth <= setting.depth)?;
    let value: Option<SettingValue> = setting.parse(&row.value).ok()?;
    Some((place, strowger_model::print_setting(value.as_ref())))
}

fn over(wide: &Layer, narrow: &Layer) -> Layer {
    let mut both = wide.clone();
    both.extend(narrow.iter().map(|(place, value)| (*place, value.clone())));
    both
}

#[cfg(test)]
mod tests;
