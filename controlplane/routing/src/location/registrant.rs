//! Who registers, and what it may.

use crate::world::Holder;
use strowger_model::{ContactsFull, RegistrationSettings, Subscriber, TrunkId};

/// Who registers, and what it may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registrant {
    /// A subscriber or a trunk.
    pub who: Holder,
    /// Shortest registration accepted, seconds.
    pub expires_s_min: u32,
    /// Longest registration granted, seconds.
    pub expires_s_max: u32,
    /// Most contacts at once.
    pub contacts_max: u8,
    /// What one more does.
    pub full: ContactsFull,
    /// By how much a long lifetime may be granted shorter, percent.
    pub spread_percent: u8,
    /// `reg-id` counts: flows are told apart (RFC 5626).
    pub outbound: bool,
    /// `user@host` that GRUUs are made of, if they are wanted.
    pub aor: Option<String>,
}

impl From<&Subscriber> for Registrant {
    fn from(row: &Subscriber) -> Registrant {
        Registrant {
            who: Holder::Subscriber(row.id),
            expires_s_min: row.expires_s_min,
            expires_s_max: row.expires_s_max,
            contacts_max: row.contacts_max,
            full: ContactsFull::Replace,
            spread_percent: 0,
            outbound: true,
            aor: None,
        }
    }
}

impl From<TrunkId> for Registrant {
    fn from(id: TrunkId) -> Registrant {
        Registrant {
            who: Holder::Trunk(id),
            expires_s_min: 0,
            expires_s_max: u32::MAX,
            contacts_max: u8::MAX,
            full: ContactsFull::Replace,
            spread_percent: 0,
            outbound: true,
            aor: None,
        }
    }
}

impl Registrant {
    /// The same within what is set: a row's own bounds count where they are narrower.
    #[must_use]
    pub fn within(self, settings: &RegistrationSettings) -> Registrant {
        let (least_ms, most_ms, contacts) = match self.who {
            Holder::Trunk(_) => (
                settings.trunk_expires_ms_min,
                settings.trunk_expires_ms_max,
                settings.trunk_contacts_max,
            ),
            Holder::Subscriber(_) | Holder::RingGroup(_) | Holder::Did(_) => {
                (settings.expires_ms_min, settings.expires_ms_max, settings.contacts_max)
            }
        };
        let expires_s_max = self.expires_s_max.min(most_ms / 1_000);
        Registrant {
            who: self.who,
            // What is granted at most is never too brief.
            expires_s_min: self.expires_s_min.max(least_ms / 1_000).min(expires_s_max),
            expires_s_max,
            contacts_max: self.contacts_max.min(contacts),
            full: settings.contacts_full,
            spread_percent: settings.spread_percent,
            ..self
        }
    }
}
