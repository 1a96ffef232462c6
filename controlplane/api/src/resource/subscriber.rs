//! Subscribers. Their digest secrets have no place in any view.

use super::password::{self, CHARS_MAX, CHARS_MIN, Password};
use super::tenant::RING_MAX;
use super::{Draft, Resource, body, wrong};
use crate::codec::{
    Flag, Ident, Int, LIMIT, List, NUMBER, Number, Opt, PLAIN, Seconds, Set, Text, words,
};
use crate::dispatch::Context;
use crate::edit::Edit;
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Answer, JSON};
use crate::shape::Components;
use crate::table::{Pending, Responses};
use axum::http::StatusCode;
use serde_json::{Value, json};
use strowger_model::{
    AccountId, Barring, Cli, DigestPolicy, Forward, ForwardWhen, Identity, OrganizationId,
    Subscriber, SubscriberId, TenantId,
};
use strowger_routing::{Change, RowName, World};

/// Most prefixes of a barring.
const BARRED_MAX: usize = 256;
/// Most ways of forwarding.
const FORWARDS_MAX: usize = 16;
/// Longest registration, seconds: a day.
const EXPIRES_MAX: u32 = 86_400;
/// What is dialled: a number, a name or a URI.
pub(super) const DIALLED: Text = Text(1, 128);

object! {
    /// What called parties see of a subscriber.
    IDENTITY: Identity as "Identity", Identity::default();
    /// Whether its number is shown.
    cli: Free words::<Cli>() => cli;
    /// Shown in place of its own first number.
    number: Free Opt(NUMBER) => number;
    /// It may show any number; otherwise only its own.
    any_number: Free Flag => any_number;
}

object! {
    /// Which called numbers are allowed, by prefix of the canonical number; the longest decides.
    BARRING: Barring as "Barring", Barring::default();
    /// Nobody can be called, but emergency numbers.
    all: Free Flag => all;
    /// Only these; empty is all.
    allowed: Free List(Number(1), BARRED_MAX) => allowed;
    /// But not these.
    blocked: Free List(Number(1), BARRED_MAX) => blocked;
}

object! {
    /// Where calls go instead; the subscriber pays for them.
    FORWARD: Forward as "Forward", no_forward();
    /// When.
    when: Need words::<ForwardWhen>() => when;
    /// Whom, as if the subscriber dialled it.
    to: Need DIALLED => to;
    /// With `no-answer`: after so long; 0 is its ring time.
    after_ms: Free Seconds(0, RING_MAX) => after_s;
    /// In force.
    enabled: Free Flag => enabled;
}

fn no_forward() -> Forward {
    Forward { when: ForwardWhen::Always, to: String::new(), after_s: 0, enabled: true }
}

object! {
    /// A SIP identity with its features.
    SUBSCRIBER: Subscriber as "Subscriber", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Account that pays.
    account: Need Ident => account;
    /// Organization that it belongs to.
    organization: Need Ident => organization;
    /// Digest user name and address of record.
    username: Need USERNAME => username;
    /// Kept only as digest secrets. Without one it cannot register; with a new user name a new one
    /// is needed. Setting it ends no registration: the next one needs it.
    password: Secret Password => self;
    /// Numbers that reach it, canonical; the first is shown to the outside.
    numbers: Free Set(NUMBER, 0, 64) => numbers;
    /// Short number inside its organization.
    short: Free Opt(NUMBER) => short;
    /// Display name.
    display: Free Text(0, 100) => display;
    /// Digest algorithms accepted from it.
    digest: Free words::<DigestPolicy>() => digest;
    /// Time it rings; 0 is the tenant's.
    ring_timeout_ms: Free Seconds(0, RING_MAX) => ring_timeout_s;
    /// Most concurrent calls it makes; 0 is no limit.
    calls_max: Free LIMIT => calls_max;
    /// May call and register. Switched off, its registrations end; its running calls go on.
    enabled: Free Flag => enabled;
    /// Shortest registration accepted.
    expires_ms_min: Free Seconds(0, 3_600) => expires_s_min;
    /// Longest registration granted.
    expires_ms_max: Free Seconds(1, EXPIRES_MAX) => expires_s_max;
    /// Most contacts at once.
    contacts_max: Free Int(1, 16) => contacts_max;
    /// What called parties see of it.
    identity: Free &IDENTITY => identity;
    /// What it may call.
    barring: Free &BARRING => barring;
    /// Where its calls go instead.
    forwards: Free List(&FORWARD, FORWARDS_MAX) => forwards;
}

fn blank() -> Subscriber {
    Subscriber {
        id: SubscriberId(0),
        tenant: TenantId(0),
        account: AccountId(0),
        organization: OrganizationId(0),
        username: String::new(),
        numbers: Vec::new(),
        short: None,
        display: String::new(),
        ha1_md5: None,
        ha1_sha256: None,
        digest: DigestPolicy::Both,
        ring_timeout_s: 0,
        calls_max: 0,
        enabled: true,
        expires_s_min: 60,
        expires_s_max: 3_600,
        contacts_max: 5,
        identity: Identity::default(),
        barring: Barring::default(),
        forwards: Vec::new(),
    }
}

/// A user name, which stands in URIs and in digests.
pub(super) struct Username;

/// Longest user name, characters.
const USERNAME_MAX: usize = 64;
/// The user name of a subscriber or trunk.
pub(super) const USERNAME: Username = Username;

impl Shaped for Username {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({
            "type": "string", "minLength": 1, "maxLength": USERNAME_MAX,
            "pattern": "^[A-Za-z0-9_.!~*'()&=+$,;?/#-]+$",
        })
    }
}

impl Codec<String> for Username {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let name: String = Text(1, USERNAME_MAX).take(json, None)?;
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/#".contains(&b);
        match name.bytes().all(is_fine) {
            true => Ok(name),
            false => Err(Wrong::new("has characters that no user of a SIP URI has")),
        }
    }
}

/// Contacts are written behind the registrar's memory, and taken away when they end.
const REGISTERED: &str =
    "EXISTS (SELECT 1 FROM bindings b WHERE b.subscriber_id = subscribers.id) = (? = 1)";
/// Records have an index by who pays.
const CALLED_SINCE: &str = "EXISTS (SELECT 1 FROM cdrs c \
    WHERE c.caller_account_id = subscribers.account_id \
    AND c.caller_subscriber_id = subscribers.id AND c.ended_us >= ?)";

impl Resource for Subscriber {
    type Row = Subscriber;
    const PATH: &'static str = "subscribers";
    const OWN: &'static [&'static str] = &["username", "numbers", "short"];
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::id("account", "account_id"),
        Filter::text("username"),
        Filter::number_in("number", "numbers"),
        Filter::number("short"),
        Filter::flag("enabled"),
        Filter::since("made_since", "made_us")
            .about("Only those that were made at this time or later."),
        Filter::flag_when("registered", REGISTERED)
            .about("Only those that are registered somewhere, or nowhere; some seconds late."),
        Filter::since_when("called_since", CALLED_SINCE)
            .about("Only those that made a call which ended at this time or later."),
    ];

    fn object() -> &'static Object<Self> {
        &SUBSCRIBER
    }

    fn of(row: Subscriber) -> Self {
        row
    }

    fn row(&self) -> &Subscriber {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = SubscriberId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), Some(self.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Subscriber(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if self.expires_s_min > self.expires_s_max {
            return Err(Problem::refused("expires_ms_min", "is longer than the longest"));
        }
        let renamed = draft.before.is_some_and(|before| before.username != self.username);
        let least = draft.world.settings().tenant(self.tenant).subscriber.username_chars_min;
        let is_short = u32::try_from(self.username.chars().count()).is_ok_and(|n| n < least);
        if is_short && (renamed || draft.before.is_none()) {
            return Err(Problem::refused("username", format!("has fewer than {least} characters")));
        }
        match draft.given.get("password").and_then(Value::as_str) {
            Some(password) => self.set_password(password, draft.world),
            None if renamed && (self.ha1_md5.is_some() || self.ha1_sha256.is_some()) => {
                Err(Problem::refused("password", "must be set with a new user name"))
            }
            None => Ok(()),
        }
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Subscriber(Box::new(self.clone())))
    }
}

trait SetPassword {
    fn set_password(&mut self, password: &str, world: &World) -> Result<(), Problem>;
}

impl SetPassword for Subscriber {
    fn set_password(&mut self, password: &str, world: &World) -> Result<(), Problem> {
        // A tenant that is not there is told by the world, in its own words.
        let Some(tenant) = world.tenant(self.tenant) else { return Ok(()) };
        let set = &world.settings().tenant(self.tenant).subscriber;
        let hashes = password::hashes("password", &self.username, &tenant.realm, password, set)?;
        (self.ha1_md5, self.ha1_sha256) = hashes;
        Ok(())
    }
}

/// `POST /subscribers/{id}/credentials`: sets a password, or makes one and shows it this once.
pub(crate) fn credentials(cx: Context) -> Pending {
    Box::pin(async move {
        let given = body(&cx)?;
        if let Some(name) = given.keys().find(|name| *name != "password") {
            return Err(Problem::field(name, "is not a member of this body"));
        }
        let mut edit = Edit::begin(&cx.api).await?;
        let row = edit.w.row::<Subscriber>(cx.caller.scope, cx.id()?).await?;
        let before = row.ok_or_else(Problem::not_found)?;
        let (password, is_made) = match given.get("password") {
            Some(json) => {
                Codec::take(&Password, json, Some(&())).map_err(|w| wrong(w.at("password"), ""))?;
                (json.as_str().unwrap_or_default().to_owned(), false)
            }
            None => {
                let set = &edit.world.settings().tenant(before.tenant).subscriber;
                (password::make(set.password_chars_made.max(set.password_chars_min))?, true)
            }
        };
        let mut row = before.clone();
        row.set_password(&password, &edit.world)?;
        let realm = edit.world.tenant(row.tenant).map(|t| t.realm.clone()).unwrap_or_default();
        let change = Change::Subscriber(Box::new(row.clone()));
        edit.apply(change).map_err(|e| Problem::conflict("id", e.to_string()))?;
        edit.w.update(&row).await?;
        let view = SUBSCRIBER.view(&before);
        let mut after = view.clone();
        after.insert("password".to_owned(), json!(strowger_store::Secret::default()));
        let entry = edit.entry(
            Subscriber::PATH,
            Some(row.id.0),
            row.owner(),
            Some(view.into()),
            Some(after.into()),
        );
        edit.commit(&cx.actor(), &[entry]).await?;
        let made = is_made.then_some(password);
        let shown = json!({"username": row.username, "realm": realm, "password": made});
        let (status, body) = (StatusCode::OK, shown.to_string().into());
        Ok(Answer { status, media: JSON, body, headers: Vec::new() })
    })
}

/// What credentials are set with.
pub(crate) fn credentials_form(_: &mut Components) -> Value {
    let what = "The password; without one we make one.";
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"password": {
            "type": "string", "minLength": CHARS_MIN, "maxLength": CHARS_MAX, "writeOnly": true,
            "pattern": PLAIN, "description": what,
        }},
    })
}

/// What credentials are shown as.
pub(crate) fn credentials_responses(_: &mut Components) -> Responses {
    let text = |what: &str| json!({"type": "string", "description": what});
    let shape = json!({
        "type": "object",
        "required": ["username", "realm", "password"],
        "properties": {
            "username": text("Digest user name."),
            "realm": text("Digest realm."),
            "password": {
                "type": ["string", "null"],
                "description": "The password that was made, this once; null for a given one.",
            },
        },
    });
    vec![(200, "The password is set.", JSON, shape)]
}
