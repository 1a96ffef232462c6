//! How a party is spoken to as far as settings and its trunk say: session timer and reliable
//! provisional responses (spec C-REG-02, SIP-TIMER-01), whether its media is ours, and whether its
//! calls are (spec SIP-ROLE-01).

use super::sender::{Sender, Who};
use super::way::Way;
use super::{Attempt, Stop};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_link::{
    Bodies, Branch, BranchAuth, Go, HeaderField, Manner, MediaMode, MediaPolicy, Octets, PartyRef,
    Plain, Reliable, STAGES_MAX, SessionTimer, Srtp, Transport, VOICES_MAX, Voices,
};
use strowger_model::{
    BodyTerms, DialogTerms, G711, MediaPath, Operation, Profile, ProgressMode, ReliableMode,
    SrtpUse, SubscriberId, TimerMode, Trunk, TrunkId,
};

/// The preference of the first contact of a redirect, thousandths (RFC 3261 25.1, qvalue).
const Q_MAX: u16 = 1_000;
/// How much less each further stage is preferred.
const Q_STEP: u16 = 60;
const _: () = assert!(Q_STEP as usize * (STAGES_MAX - 1) < Q_MAX as usize);

impl Attempt<'_> {
    /// A session that is shorter than the caller may ask for is refused with the least that it may
    /// (RFC 4028 section 9), before anything is looked for. Nothing holds back a call for help.
    pub(super) fn check_session(&mut self) -> Result<(), Refusal> {
        let (asked_s, least_s) = (self.call.session_s, self.manner.session_s_min);
        if asked_s == 0 || asked_s >= least_s {
            return Ok(());
        }
        self.note(Step::SessionShort { asked_s: asked_s.into(), least_s: least_s.into() });
        Err(Refusal::SessionTooShort(least_s))
    }
}

/// What the caller's own trunk says of its dialogs.
pub(super) fn terms_of<'a>(sender: &Sender<'a>) -> Option<&'a DialogTerms> {
    match sender.who {
        Who::Subscriber(_) => None,
        Who::Trunk(_, ingress) => Some(&ingress.dialog),
    }
}

/// Puts into a manner what is set for a party, and what its trunk says before that.
pub(super) fn speak(manner: &mut Manner, profile: &Profile, own: Option<&DialogTerms>) {
    let set = &profile.session;
    let least = own.and_then(|own| own.session_s_min).unwrap_or(set.expires_ms_min / 1_000);
    let most = own.and_then(|own| own.session_s_max).unwrap_or(set.expires_ms_max / 1_000);
    let asked = own.and_then(|own| own.session_s).unwrap_or(set.expires_ms / 1_000);
    // Rows of different places may disagree: the least counts.
    let most = most.max(least);
    let asked = asked.clamp(least, most);
    manner.session_s_min = least;
    manner.session_s_max = most;
    manner.timer = match own.and_then(|own| own.timer).unwrap_or(set.timer) {
        TimerMode::Never => SessionTimer::Never,
        TimerMode::Answer => SessionTimer::Answer,
        TimerMode::Ask => SessionTimer::Ask(asked),
        TimerMode::Force => SessionTimer::Force(asked),
    };
    manner.reliable = match own.and_then(|own| own.reliable).unwrap_or(set.reliable) {
        ReliableMode::Never => Reliable::Never,
        ReliableMode::Media => Reliable::Media,
        ReliableMode::Always => Reliable::Always,
        ReliableMode::Require => Reliable::Require,
    };
    manner.ringing = own.and_then(|own| own.progress) == Some(ProgressMode::Ringing);
    manner.bodies = own.and_then(|own| own.bodies.as_ref()).map(|bodies| {
        let BodyTerms { types, len_max } = bodies.clone();
        Box::new(Bodies { types, len_max })
    });
}

/// Which way media of a party shall go, by what its trunk says or else by what is set.
fn path(profile: &Profile, own: Option<&DialogTerms>) -> MediaPath {
    own.and_then(|own| own.media).unwrap_or(profile.media.path)
}

/// Which voice codecs may be spoken with a party, by the same.
pub(super) fn voices(profile: &Profile, own: Option<&DialogTerms>) -> Voices {
    let set = &profile.media;
    let codecs = own.and_then(|own| own.codecs.as_deref()).or(set.codecs.as_deref());
    let mut order = [0; VOICES_MAX];
    for (place, codec) in order.iter_mut().zip(codecs.unwrap_or_default()) {
        *place = Voices::place(codec.name()).unwrap_or_default();
    }
    let plain = match own.and_then(|own| own.g711).unwrap_or(set.g711) {
        G711::Keep => Plain::Kept,
        G711::Spare => Plain::Spare,
        G711::Bar => Plain::Barred,
    };
    Voices { order, single: own.and_then(|own| own.one_codec).unwrap_or(set.one_codec), plain }
}

/// What a party's own terms add to the policy of its media: codecs, SRTP, strict sources,
/// false answers, a packet first.
pub(super) fn own_media(
    media: MediaPolicy,
    profile: &Profile,
    own: Option<&DialogTerms>,
) -> MediaPolicy {
    MediaPolicy {
        voices: voices(profile, own),
        srtp: srtp(profile, own),
        strict: own.is_some_and(|own| own.strict_media),
        ends_false: own.is_some_and(|own| own.end_false_answer),
        first_packet: profile.media.first_packet,
        ..media
    }
}

/// Whether media of a party is encrypted, by the same.
pub(super) fn srtp(profile: &Profile, own: Option<&DialogTerms>) -> Srtp {
    match own.and_then(|own| own.srtp).unwrap_or(profile.media.srtp) {
        SrtpUse::Off => Srtp::Off,
        SrtpUse::Pass => Srtp::Pass,
        SrtpUse::Accept => Srtp::Accept,
        SrtpUse::Offer => Srtp::Offer,
        SrtpUse::Require => Srtp::Require,
        SrtpUse::EndToEnd => Srtp::EndToEnd,
        SrtpUse::Dtls => Srtp::Dtls,
    }
}

/// The same of who is called by a transport: browsers have WebSocket and nothing else, and speak
/// no media but with keys by DTLS (RFC 8827 6.5).
const fn srtp_by(transport: Transport, srtp: Srtp) -> Srtp {
    match (transport, srtp) {
        (Transport::Ws | Transport::Wss, Srtp::Accept | Srtp::Offer | Srtp::Require) => Srtp::Dtls,
        _ => srtp,
    }
}

/// Whether a party is one that is offered SRTP, by whatever keys.
const fn is_offered(srtp: Srtp) -> bool {
    matches!(srtp, Srtp::Offer | Srtp::Require | Srtp::Dtls)
}

/// Whether what a party is sent is encrypted on its first hop.
const fn is_secure(transport: Transport) -> bool {
    match transport {
        Transport::Tls | Transport::Wss => true,
        Transport::Udp | Transport::Tcp | Transport::Ws => false,
    }
}

/// Whether two parties need our hand in their keys: one is offered what the other does not say.
const fn needs_keys(one: Srtp, other: Srtp) -> bool {
    is_offered(one) || is_offered(other)
}

/// What the paths of two parties make together (spec C-MED-02). Relayed wins over all else, and
/// with nothing said by either; past us wins over the rest, of which the stricter counts.
fn merged(one: MediaPath, other: MediaPath) -> MediaPath {
    match (one, other) {
        (MediaPath::Peer, MediaPath::Peer) => MediaPath::Relay,
        (MediaPath::Peer, said) | (said, MediaPath::Peer) => said,
        (MediaPath::Relay, _) | (_, MediaPath::Relay) => MediaPath::Relay,
        (MediaPath::Direct, _) | (_, MediaPath::Direct) => MediaPath::Direct,
        (one, other) => one.max(other),
    }
}

/// Who of a call is behind a NAT.
#[derive(Clone, Copy)]
struct Nats {
    caller: bool,
    called: bool,
    /// Both come from one address: they reach each other inside.
    one: bool,
}

/// Where media goes by a path.
const fn mode(path: MediaPath, nats: Nats) -> MediaMode {
    let Nats { caller, called, one } = nats;
    let is_relayed = match path {
        // A party behind a NAT cannot be reached by what it describes.
        MediaPath::Direct if caller || called => return MediaMode::Relay,
        MediaPath::Direct => return MediaMode::Direct,
        MediaPath::Peer | MediaPath::Relay => return MediaMode::Relay,
        MediaPath::Fixed => return MediaMode::Fixed,
        MediaPath::BothNated => caller && called,
        MediaPath::CallerNated => caller,
        MediaPath::CalledNated => called,
        MediaPath::EitherNated => caller || called,
    };
    match (is_relayed, caller && called && one) {
        (_, true) => MediaMode::Direct,
        (true, false) => MediaMode::Relay,
        (false, false) => MediaMode::Fixed,
    }
}

impl<'a> Attempt<'a> {
    /// Chooses the keys of who is called by its transport; says who is offered SRTP, and whose keys
    /// everybody on the way can read.
    pub(super) fn choose_keys(&mut self, go: &mut Go) {
        let (mut all, mut clear, mut shaken) = (0, 0, 0);
        for branch in go.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            let transport = branch.target.transport;
            branch.media.srtp = srtp_by(transport, branch.media.srtp);
            if branch.media.srtp == Srtp::Dtls {
                shaken += 1;
            } else if is_offered(branch.media.srtp) {
                all += 1;
                clear += i64::from(!is_secure(transport));
            }
        }
        if shaken > 0 {
            self.note(Step::KeysByDtls { branches: shaken });
        }
        if all > 0 {
            self.note(Step::KeysOffered { branches: all });
        }
        if clear > 0 {
            self.note(Step::KeysInClear { branches: clear });
        }
    }

    /// Media goes by what both sides are set to (spec MEDIA-ROUTE-01), unless something asks for
    /// our hand in it: one that hides does not show where it is, a call for help depends on
    /// nobody's network but ours, and two families of addresses do not reach each other.
    pub(super) fn choose_paths(&mut self, sender: &Sender<'a>, go: &mut Go) {
        let own = path(sender.settings, terms_of(sender));
        if own == MediaPath::Relay {
            return;
        }
        let may = !self.is_emergency && !self.hides_address();
        let (source, transport) = (self.ask.hints.source, self.ask.hints.transport);
        let (mut direct, mut fixed, mut relayed) = (0i64, 0i64, 0i64);
        for branch in go.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            let path = merged(own, self.far_path(branch));
            if path == MediaPath::Relay {
                continue;
            }
            let nats = Nats {
                caller: go.media.nated,
                called: branch.media.nated,
                one: branch.target.address.ip() == source.ip(),
            };
            let plain = !branch.anonymous && !branch.record && branch.app.is_none();
            let one_family = branch.target.address.is_ipv4() == source.is_ipv4();
            let ours = needs_keys(go.media.srtp, branch.media.srtp)
                || srtp_by(transport, go.media.srtp) != go.media.srtp;
            if may && plain && one_family && !ours {
                branch.media.mode = mode(path, nats);
            }
            match branch.media.mode {
                MediaMode::Relay => relayed += 1,
                MediaMode::Direct => direct += 1,
                MediaMode::Fixed => fixed += 1,
            }
        }
        // The branch says which of both; the caller's side has nothing against either.
        if direct + fixed > 0 {
            go.media.mode = MediaMode::Direct;
        }
        for (branches, step) in [
            (direct, Step::MediaDirect { branches: direct }),
            (fixed, Step::MediaFixed { branches: fixed }),
            (relayed, Step::MediaRelayed { branches: relayed }),
        ] {
            if branches > 0 {
                self.note(step);
            }
        }
    }

    /// The path of who is called.
    fn far_path(&self, branch: &Branch) -> MediaPath {
        match branch.party {
            PartyRef::Unknown => MediaPath::Relay,
            PartyRef::Subscriber(id) => {
                path(self.world.subscriber_settings(SubscriberId(id)), None)
            }
            PartyRef::Trunk(id) => {
                let egress = self.world.trunk(TrunkId(id)).and_then(|row| row.egress.as_ref());
                egress.map_or(MediaPath::Relay, |egress| {
                    path(self.world.account_settings(egress.account), Some(&egress.dialog))
                })
            }
        }
    }

    /// The caller answers the challenges of a branch: it goes where it was to go, and is sent what
    /// the caller's credentials were made for.
    pub(super) fn pass_digest(&mut self, branch: &mut Branch, trunk: &Trunk) {
        branch.auth = BranchAuth::Pass;
        branch.target.uri.clone_from(&self.call.request_uri);
        self.note(Step::DigestPasses { trunk: trunk.id.0 });
    }

    /// The caller wants its session to say nothing of it (RFC 3323 section 4.2).
    fn hides_address(&self) -> bool {
        let words = ["session", "user", "header", "id"];
        let mut asked = self.call.caller.privacy.split([';', ',']).map(str::trim);
        asked.any(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
    }

    /// Where the caller is to call instead, if its calls are not ours to connect (spec
    /// SIP-ROLE-01): what would have been tried, the first the best.
    pub(super) fn send_elsewhere(&mut self, sender: &Sender<'a>, way: &Way) -> Result<(), Stop> {
        let own = match sender.who {
            Who::Subscriber(_) => None,
            Who::Trunk(_, ingress) => ingress.operation,
        };
        match own.unwrap_or(sender.settings.call.operation) {
            Operation::Connect => return Ok(()),
            Operation::Redirect => {}
        }
        let contacts = contacts(way);
        if contacts.is_empty() {
            return Err(way.on_exhausted.into());
        }
        self.note(Step::RedirectedCaller {
            contacts: i64::try_from(contacts.len()).unwrap_or_default(),
        });
        Err(Stop::Redirect(contacts))
    }
}

/// A Contact for each target, best first. Those that only a route or a connection of ours leads to
/// are nothing to anybody else.
fn contacts(way: &Way) -> Vec<HeaderField> {
    let mut seen = Vec::new();
    let mut fields = Vec::new();
    for (place, stage) in (0u16..).zip(&way.stages) {
        let q = Q_MAX.saturating_sub(place.saturating_mul(Q_STEP));
        for target in stage.branches.iter().map(|branch| &branch.target) {
            let is_ours = !target.routes.is_empty() || target.flow != 0;
            if is_ours || seen.contains(&target.uri.as_str()) {
                continue;
            }
            seen.push(target.uri.as_str());
            let value = format!("<{}>;q={}.{:03}", target.uri, q / 1_000, q % 1_000);
            let value = Octets(value.into_bytes());
            fields.push(HeaderField { name: "Contact".to_owned(), value });
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is called by WebSocket is offered keys by DTLS, unless it is set to be offered nothing,
    /// or what the other side has.
    #[test]
    fn browsers_are_known_by_their_transport() {
        use Srtp::{Accept, Dtls, EndToEnd, Off, Offer, Pass, Require};
        let set = [Off, Pass, Accept, Offer, Require, EndToEnd, Dtls];
        for transport in [Transport::Ws, Transport::Wss] {
            let told = set.map(|srtp| srtp_by(transport, srtp));
            assert_eq!(told, [Off, Pass, Dtls, Dtls, Dtls, EndToEnd, Dtls], "{transport:?}");
        }
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            assert_eq!(set.map(|srtp| srtp_by(transport, srtp)), set, "{transport:?}");
        }
    }
}
