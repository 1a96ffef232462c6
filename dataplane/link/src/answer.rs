//! Answers of the control plane (design of calls, section 3).

use crate::codec::{Malformed, Octets, Reader, Wire, wire_code, wire_enum, wire_struct};
use crate::{Algorithm, AskId, Cause, HeaderField, Reason, Transport};
use std::net::SocketAddr;

/// Longest settlement, bytes.
pub const SETTLEMENT_MAX: usize = 2048;
/// Most stages of an answer.
pub const STAGES_MAX: usize = 16;
/// Most branches of a stage.
pub const BRANCHES_MAX: usize = 8;
/// In [`Branch::continue_on`]: every failure.
pub const ANY_STATUS: u16 = 0;
/// Most gauges a branch takes.
pub const GAUGES_MAX: usize = 4;
/// Most suppliers' hops a settlement prices.
pub const HOPS_MAX: usize = 8;

wire_struct! {
    /// The answer to one ask.
    pub struct Answer {
        /// The ask.
        pub ask: AskId,
        /// What to do.
        pub body: AnswerBody,
    }
}

wire_enum! {
    /// Kinds of answer.
    pub enum AnswerBody {
        /// No.
        0 => Refuse(Refuse),
        /// Show credentials (again).
        1 => Challenge(Challenge),
        /// A request outside calls goes on to this target, whose answer is the answer.
        2 => Forward(Forward),
        /// Carry the call by these stages.
        3 => Go(Box<Go>),
        /// REGISTER: these are the bindings now.
        4 => Registered(Registered),
        /// More talk time.
        5 => Extended(Extended),
        /// A request outside calls is answered so.
        6 => Respond(Respond),
        /// A resolved name.
        7 => Resolved(Resolved),
    }
}

wire_struct! {
    /// A refusal.
    pub struct Refuse {
        /// SIP status and Q.850 value.
        pub cause: Cause,
        /// Ours.
        pub reason: Reason,
        /// Reason phrase; empty for the standard one.
        pub phrase: String,
        /// Seconds for Retry-After, 0 for none.
        pub retry_after_s: u16,
        /// Prompt to play first, by name.
        pub prompt: Option<String>,
        /// The attempt leaves a record (known senders do, strangers are only counted).
        pub record: bool,
        /// Settlement, so that the record finds its tenant and account.
        pub settlement: Octets,
        /// The refusal says the Q.850 value too (RFC 3326).
        pub explain: bool,
        /// Further fields of the refusal, in order: Min-SE of 422, Contact of 302.
        pub headers: Vec<HeaderField>,
    }
}

wire_struct! {
    /// Which challenge to send.
    pub struct Challenge {
        /// Realm, constant per tenant.
        pub realm: String,
        /// Algorithms in order of preference.
        pub algorithms: Vec<Algorithm>,
        /// The nonce was fine but old.
        pub stale: bool,
    }
}

wire_struct! {
    /// Where a request outside calls goes on to.
    pub struct Forward {
        /// Where.
        pub target: Target,
        /// Listener it leaves by.
        pub listener: u8,
        /// From user, as sent.
        pub from_user: String,
    }
}

wire_struct! {
    /// The whole plan of a call.
    pub struct Go {
        /// What is played to the caller before the first stage.
        pub prelude: Option<Prelude>,
        /// Stages follow each other; branches of one ring together.
        pub stages: Vec<Stage>,
        /// What the caller hears when all stages failed with nothing better to say.
        pub on_exhausted: Refuse,
        /// Talk time.
        pub grant: Grant,
        /// Longest duration from answer, milliseconds; 0 = no limit.
        pub max_ms: u64,
        /// Media policy of the caller's leg.
        pub media: MediaPolicy,
        /// Opaque to the dataplane, at most [`SETTLEMENT_MAX`] bytes, echoed in slot, journal,
        /// facts.
        pub settlement: Octets,
        /// How the caller's leg is spoken to.
        pub manner: Manner,
        /// When somebody else is called after a trunk has answered; `None` = never.
        pub reroute: Option<Reroute>,
    }
}

wire_struct! {
    /// When a caller who talks with a trunk is put through to somebody else.
    #[derive(Copy)]
    pub struct Reroute {
        /// Talk from which on that is over, milliseconds.
        pub talk_ms_max: u32,
        /// Whatever the trunk says at its end; else after what is a failure of its own.
        pub any: bool,
    }
}

wire_struct! {
    /// A prompt before the call.
    pub struct Prelude {
        /// Prompt names in order.
        pub prompts: Vec<String>,
        /// The call is answered before the prompt.
        pub connect: bool,
    }
}

wire_struct! {
    /// Branches that ring together, and what follows when none of them answers.
    pub struct Stage {
        /// At most [`BRANCHES_MAX`].
        pub branches: Vec<Branch>,
        /// The stages that may follow.
        pub next: Next,
    }
}

wire_struct! {
    /// What follows a stage that came to nothing, by how it ended: indices of later stages. A stage
    /// ended in one of four ways ([`StageEnd`]); its own entry counts whatever the branches'
    /// statuses say. Without one, `failed` follows if the branches let the hunt go on
    /// ([`Branch::continue_on`], [`Branch::stop_on`]). `None` everywhere ends the hunt. An index
    /// that does not lead forward counts as `None`, so every hunt ends.
    #[derive(Copy, Default)]
    pub struct Next {
        /// The next supplier, or the next member of a group.
        pub failed: Option<u8>,
        /// The called party is busy: forward on busy.
        pub busy: Option<u8>,
        /// It rang and nobody came: forward on no answer.
        pub no_answer: Option<u8>,
        /// None of its contacts could be reached: forward of the offline.
        pub unreachable: Option<u8>,
    }
}

/// How a stage ended that nobody answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StageEnd {
    /// None of what follows.
    Failed,
    /// 486, 600, or the callee's own limit of calls was reached.
    Busy,
    /// A branch rang out, or the user of one that rang said 480 or 408.
    NoAnswer,
    /// Every branch was silent, unknown or broken.
    Unreachable,
}

impl Next {
    /// Only this stage, whatever happens that lets the hunt go on.
    #[must_use]
    pub const fn failed(to: u8) -> Next {
        Next { failed: Some(to), busy: None, no_answer: None, unreachable: None }
    }

    /// This stage, however the one before ended.
    #[must_use]
    pub const fn always(to: u8) -> Next {
        let to = Some(to);
        Next { failed: to, busy: to, no_answer: to, unreachable: to }
    }

    /// The entry of an end.
    #[must_use]
    pub const fn on(&self, end: StageEnd) -> Option<u8> {
        match end {
            StageEnd::Failed => None,
            StageEnd::Busy => self.busy,
            StageEnd::NoAnswer => self.no_answer,
            StageEnd::Unreachable => self.unreachable,
        }
    }
}

impl Stage {
    /// Stages that follow each other as far as their branches let the hunt go on.
    #[must_use]
    pub fn in_turn(stages: Vec<Vec<Branch>>) -> Vec<Stage> {
        let count = stages.len();
        let follow = |(index, branches): (usize, Vec<Branch>)| {
            let to = u8::try_from(index + 1).ok().filter(|to| usize::from(*to) < count);
            Stage { branches, next: to.map_or_else(Next::default, Next::failed) }
        };
        stages.into_iter().enumerate().map(follow).collect()
    }
}

wire_code! {
    /// Headers that carry the caller's identity.
    pub enum IdentityHeader {
        /// P-Asserted-Identity (RFC 3325).
        Asserted = 0,
        /// P-Preferred-Identity (RFC 3325).
        Preferred = 1,
        /// Remote-Party-ID.
        RemoteParty = 2,
    }
}

wire_struct! {
    /// One status read as another, with its Q.850 value.
    #[derive(Copy)]
    pub struct CauseSwap {
        /// SIP status heard, or about to be said.
        pub status: u16,
        /// Instead of it.
        pub instead: Cause,
    }
}

wire_enum! {
    /// Session timer of a leg (RFC 4028; C-REG-02). Times in seconds, no less than 90.
    #[derive(Copy)]
    pub enum SessionTimer {
        /// Not spoken: who requires it is refused nothing, but gets none.
        0 => Never,
        /// None is asked for; a peer that asks gets it.
        1 => Answer,
        /// Asked for with this interval; there is none when the peer does not speak it.
        2 => Ask(u32),
        /// As `Ask`; we refresh by ourselves when the peer does not speak it.
        3 => Force(u32),
    }
}

wire_code! {
    /// Reliable provisional responses of a leg (RFC 3262).
    pub enum Reliable {
        /// Neither offered nor used, but with a peer that requires them.
        Never = 0,
        /// Offered; used for early media when the peer speaks them, for all when it requires them.
        Media = 1,
        /// Offered, and used whenever the peer speaks them.
        Always = 2,
        /// As `Always`, and our INVITEs require them.
        Require = 3,
    }
}

wire_struct! {
    /// How one peer is spoken to.
    pub struct Manner {
        /// Header that [`Branch::asserted`] stands in.
        pub identity: IdentityHeader,
        /// Host in From and in the identity header; empty = ours.
        pub from_host: String,
        /// Value of Privacy (RFC 3323); empty = none is sent.
        pub privacy: String,
        /// What we end or refuse says why in Reason (RFC 3326).
        pub explain: bool,
        /// Of a branch: what its final answers mean, looked at before anything else. Of the caller:
        /// what it is told instead.
        pub causes: Vec<CauseSwap>,
        /// Session timer.
        pub timer: SessionTimer,
        /// Reliable provisional responses.
        pub reliable: Reliable,
        /// Shortest session that it may ask for, seconds: Min-SE.
        pub session_s_min: u32,
        /// Longest session that it gets, seconds, unless it takes none as short.
        pub session_s_max: u32,
        /// A 183 goes from and to it as a 180, without its description.
        pub ringing: bool,
        /// Bodies beside session descriptions that it may send and be sent; `None` = those within
        /// its calls pass whatever they are, and those of an INVITE stay here.
        pub bodies: Option<Box<Bodies>>,
    }
}

/// Most media types of [`Bodies`].
pub const BODY_TYPES_MAX: usize = 16;

wire_struct! {
    /// Which bodies pass.
    pub struct Bodies {
        /// Media types without parameters, lower case; `type/*` is all of a type. At most
        /// [`BODY_TYPES_MAX`].
        pub types: Vec<String>,
        /// The longest of them, bytes.
        pub len_max: u32,
    }
}

impl Bodies {
    /// Whether a body of this media type, with or without parameters, and this length passes.
    #[must_use]
    pub fn takes(&self, kind: &str, len: usize) -> bool {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is = |known: &String| match known.strip_suffix("/*") {
            Some(of) => kind.split('/').next().is_some_and(|main| main.eq_ignore_ascii_case(of)),
            None => known.eq_ignore_ascii_case(kind),
        };
        u32::try_from(len).is_ok_and(|len| len <= self.len_max) && self.types.iter().any(is)
    }
}

/// The least session interval that anybody may ask for, seconds (RFC 4028 section 4).
pub const SESSION_S_MIN: u32 = 90;
/// The longest that we agree to unless told otherwise, seconds.
pub const SESSION_S_MAX: u32 = 86_400;

impl Default for Manner {
    /// P-Asserted-Identity with our host, reasons given, causes as they are, a session timer for
    /// who asks for one, of any length there may be, early media reliably.
    fn default() -> Manner {
        Manner {
            identity: IdentityHeader::Asserted,
            from_host: String::new(),
            privacy: String::new(),
            explain: true,
            causes: Vec::new(),
            timer: SessionTimer::Answer,
            reliable: Reliable::Media,
            session_s_min: SESSION_S_MIN,
            session_s_max: SESSION_S_MAX,
            ringing: false,
            bodies: None,
        }
    }
}

impl Manner {
    /// Whether a caller's leg needs not to be told of it: session timer, provisional responses and
    /// bodies are as by default.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        let usual = Manner::default();
        (self.timer, self.reliable) == (usual.timer, usual.reliable)
            && !self.ringing
            && self.bodies.is_none()
            && (self.session_s_min, self.session_s_max)
                == (usual.session_s_min, usual.session_s_max)
    }

    /// The cause that stands for `cause`, by its SIP status.
    #[must_use]
    pub fn read(&self, cause: Cause) -> Cause {
        let swap = self.causes.iter().find(|swap| swap.status == cause.sip);
        swap.map_or(cause, |swap| swap.instead)
    }
}

wire_struct! {
    /// Leased talk time (design of calls, section 4).
    #[derive(Copy)]
    pub struct Grant {
        /// From answer, milliseconds; `u64::MAX` = no lease.
        pub ms: u64,
        /// So much of it, from answer, an allowance pays, milliseconds. It never falls.
        pub free_ms: u64,
        /// Nothing will be added: cut at the end, no Extend is asked.
        pub last: bool,
        /// At the end without an answer: go on instead of cutting (a setting of the account).
        pub go_on: bool,
    }
}

wire_struct! {
    /// Where a request goes.
    pub struct Target {
        /// Request-URI.
        pub uri: String,
        /// Resolved address.
        pub address: SocketAddr,
        /// Transport.
        pub transport: Transport,
        /// Flow token of the connection that the request must go by
        /// ([`FlowToken`](crate::FlowToken)); 0 = by any way to `address`.
        pub flow: u64,
        /// Route set to preload (Path, outbound proxy).
        pub routes: Vec<String>,
    }
}

wire_struct! {
    /// One attempt at one target.
    pub struct Branch {
        /// Where.
        pub target: Target,
        /// URI in To; empty = the target's.
        pub to_uri: String,
        /// Listener it leaves by.
        pub listener: u8,
        /// The dialled number, as sent.
        pub dialed: String,
        /// From user, as sent.
        pub from_user: String,
        /// From display name, as sent.
        pub display: String,
        /// User of the identity header ([`Manner::identity`]), when one is sent.
        pub asserted: Option<String>,
        /// Privacy: hide the caller.
        pub anonymous: bool,
        /// Headers to add, in order; those that keep the protocol right are left out.
        pub headers: Vec<HeaderField>,
        /// Media policy of this leg.
        pub media: MediaPolicy,
        /// Time to a final answer, milliseconds (ring timeout).
        pub ring_ms: u32,
        /// Time to the first provisional answer, milliseconds; 0 = transaction time-out.
        pub first_ms: u32,
        /// Recording wanted.
        pub record: bool,
        /// Application instead of a target.
        pub app: Option<String>,
        /// Credentials policy.
        pub auth: BranchAuth,
        /// Gauges taken while this branch lives.
        pub gauges: Vec<Gauge>,
        /// Statuses after which the next stage is tried; empty = the default set, [`ANY_STATUS`]
        /// = all.
        pub continue_on: Vec<u16>,
        /// Statuses that end the hunt whatever follows.
        pub stop_on: Vec<u16>,
        /// Names this branch's price in the settlement; nothing to the dataplane.
        pub hop: u8,
        /// Called by a trunk or by a subscriber: id, for facts and REST.
        pub party: PartyRef,
        /// How it is spoken to.
        pub manner: Manner,
        /// What follows when it says that the call is to go elsewhere (3xx).
        pub redirect: OnRedirect,
        /// What of its responses' fields the caller is told: those that a rule wrote, worked one
        /// after the other; at most [`FIELD_RULES_MAX`].
        pub replies: Vec<FieldRule>,
    }
}

/// Most rules about the responses of one branch: those of two trunks.
pub const FIELD_RULES_MAX: usize = 64;

wire_struct! {
    /// A rule about one header field of a response.
    pub struct FieldRule {
        /// All of them must hold.
        pub when: Vec<FieldTest>,
        /// What it does.
        pub action: FieldAction,
        /// The field that it writes or takes off.
        pub name: String,
        /// To add or to set: the value. To copy: the name of the field whose value is taken.
        pub text: Octets,
    }
}

wire_code! {
    /// What a rule does.
    pub enum FieldAction {
        /// Adds a field beside those of its name.
        Add = 0,
        /// Takes all fields of the name off.
        Remove = 1,
        /// Changes the value of each field of the name.
        Set = 2,
        /// Puts the value of another field, if there is one, in place of all of the name.
        Copy = 3,
    }
}

wire_struct! {
    /// What must hold for a rule to work; of several fields of the name one is enough.
    pub struct FieldTest {
        /// The field.
        pub name: String,
        /// How.
        pub test: FieldTestKind,
        /// What it is compared with.
        pub value: Octets,
    }
}

wire_code! {
    /// How a field is looked at.
    pub enum FieldTestKind {
        /// There is one.
        Present = 0,
        /// There is none.
        Absent = 1,
        /// Its value is the same, byte by byte.
        Equals = 2,
        /// Its value begins so.
        Begins = 3,
    }
}

wire_code! {
    /// What a 3xx of a branch means (spec SIP-REDIR-01).
    pub enum OnRedirect {
        /// A failure, like any other.
        Fail = 0,
        /// The caller is told it, with its contacts, unless something better is heard.
        Pass = 1,
        /// The control plane says where it leads ([`RedirectedAsk`](crate::RedirectedAsk)); a
        /// failure when that is nowhere.
        Ask = 2,
    }
}

wire_enum! {
    /// Who is at the far end of a branch.
    pub enum PartyRef {
        /// Not known.
        0 => Unknown,
        /// A trunk, by id.
        1 => Trunk(i64),
        /// A subscriber, by id.
        2 => Subscriber(i64),
    }
}

wire_enum! {
    /// Whose credentials a branch shows.
    pub enum BranchAuth {
        /// Ours: none are passed on.
        0 => Ours,
        /// Request-URI, body, realm and digest pass as sent (SBC operation).
        1 => Pass,
        /// These, when the peer challenges.
        2 => Mapped(Secret),
    }
}

/// A user name and password that we show to a peer; `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// The only realm whose challenges it answers; empty = any.
    pub realm: String,
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({}, ..)", self.username)
    }
}

impl crate::codec::Wire for Secret {
    fn put(&self, out: &mut Vec<u8>) {
        self.username.put(out);
        self.password.put(out);
        self.realm.put(out);
    }
    fn take(input: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::Malformed> {
        Ok(Secret {
            username: String::take(input)?,
            password: String::take(input)?,
            realm: String::take(input)?,
        })
    }
}

wire_struct! {
    /// A counted resource in shared memory, taken before a branch is tried and given back after.
    #[derive(Copy)]
    pub struct Gauge {
        /// Index of the gauge.
        pub id: u32,
        /// Most in use at once; 0 = no limit.
        pub in_use_max: u32,
        /// Most starts per second; 0 = no limit.
        pub per_second_max: u32,
    }
}

impl Gauge {
    /// Bit of the ids of callees: such a gauge counts a call once, however many of its branches
    /// ring there. All others count each branch.
    pub const CALLEE: u32 = 1 << 31;

    /// Whether `id` is a callee's.
    #[must_use]
    pub const fn is_callee(id: u32) -> bool {
        id & Gauge::CALLEE != 0
    }
}

wire_code! {
    /// Whether media goes through us (spec MEDIA-ROUTE-01, in our words).
    pub enum MediaMode {
        /// Always relayed.
        Relay = 0,
        /// Session descriptions untouched, media direct.
        Direct = 1,
        /// Media direct; an address in a description that means nothing outside its own network
        /// becomes the one that the description came from.
        Fixed = 2,
    }
}

/// Media policy of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPolicy {
    /// Path of media.
    pub mode: MediaMode,
    /// The party is behind a NAT: its media source is learned, on the signalling's address.
    pub nated: bool,
    /// No media after answer for so long ends the call, milliseconds; 0 = never.
    pub start_timeout_ms: u32,
    /// Media gone for so long ends the call, milliseconds; 0 = never.
    pub timeout_ms: u32,
    /// Voice codecs that may be spoken with the party.
    pub voices: Voices,
    /// Its media comes from the address that it describes, or from strangers.
    pub strict: bool,
    /// An answer of it that is false ends the call.
    pub ends_false: bool,
    /// It is sent a packet of ours when the call is answered, before anybody speaks.
    pub first_packet: bool,
    /// Whether its media is encrypted.
    pub srtp: Srtp,
}

/// Added to the mode of a policy whose voices follow: those of all others take no room.
const VOICES_FOLLOW: u8 = 0x80;
/// Added to the mode of a strict party, and of one whose false answers end calls.
const STRICT: u8 = 0x20;
const ENDS_FALSE: u8 = 0x10;
/// The same of a party that is sent a packet first.
const FIRST_PACKET: u8 = 0x08;
/// The same of a policy whose SRTP follows, behind the voices.
const SRTP_FOLLOWS: u8 = 0x40;
const FLAGS: u8 = VOICES_FOLLOW | SRTP_FOLLOWS | STRICT | ENDS_FALSE | FIRST_PACKET;

impl Wire for MediaPolicy {
    fn put(&self, out: &mut Vec<u8>) {
        let MediaPolicy { mode, nated, start_timeout_ms, timeout_ms, voices, srtp, .. } = self;
        let follow = *voices != Voices::ALL;
        let srtp_follows = *srtp != Srtp::Accept;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(follow, VOICES_FOLLOW)
            | flag(srtp_follows, SRTP_FOLLOWS)
            | flag(self.strict, STRICT)
            | flag(self.ends_false, ENDS_FALSE)
            | flag(self.first_packet, FIRST_PACKET);
        out.push(*mode as u8 | flags);
        nated.put(out);
        start_timeout_ms.put(out);
        timeout_ms.put(out);
        if follow {
            voices.put(out);
        }
        if srtp_follows {
            srtp.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mode = u8::take(input)?;
        Ok(MediaPolicy {
            mode: MediaMode::from_code(mode & !FLAGS).ok_or(Malformed)?,
            nated: bool::take(input)?,
            start_timeout_ms: u32::take(input)?,
            timeout_ms: u32::take(input)?,
            voices: match mode & VOICES_FOLLOW {
                0 => Voices::ALL,
                _ => Voices::take(input)?,
            },
            strict: mode & STRICT != 0,
            ends_false: mode & ENDS_FALSE != 0,
            first_packet: mode & FIRST_PACKET != 0,
            srtp: match mode & SRTP_FOLLOWS {
                0 => Srtp::Accept,
                _ => Srtp::take(input)?,
            },
        })
    }
}

wire_code! {
    /// Whether media between a party and us is encrypted, with keys in descriptions (RFC 4568) or
    /// by DTLS (RFC 5763; spec C-MED-08, in our words).
    pub enum Srtp {
        /// Never: what it offers is refused, and it is offered none.
        Off = 0,
        /// It passes as it is between two parties that are both set so, or to end to end; with
        /// others as [`Srtp::Accept`].
        Pass = 1,
        /// What it offers is taken. It is offered SRTP beside RTP where the other side speaks it.
        Accept = 2,
        /// It is offered SRTP beside RTP, whatever the other side speaks.
        Offer = 3,
        /// It is offered SRTP only, and RTP from it is refused.
        Require = 4,
        /// It passes as it is between both parties, and RTP from it is refused.
        EndToEnd = 5,
        /// It is offered SRTP with keys by DTLS only, as browsers want it, and RTP from it is
        /// refused.
        Dtls = 6,
    }
}

impl Srtp {
    /// Whether the party's own keys may go to the other side.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Srtp::Pass | Srtp::EndToEnd)
    }

    /// Whether RTP in the clear is refused.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Srtp::Require | Srtp::EndToEnd | Srtp::Dtls)
    }
}

/// Names of voice codecs as descriptions have them; [`Voices::order`] names them by their places
/// here, from 1. Places never change their meaning.
pub const VOICE_NAMES: [&str; 18] = [
    "PCMU", "PCMA", "G722", "G729", "G723", "G728", "GSM", "iLBC", "speex", "opus", "AMR",
    "AMR-WB", "G726-16", "G726-24", "G726-32", "G726-40", "EVS", "L16",
];
/// Most voice codecs that one party is limited to.
pub const VOICES_MAX: usize = 8;

wire_struct! {
    /// Voice codecs that may be spoken with a party (spec MEDIA-CODEC-03, -04).
    #[derive(Copy)]
    pub struct Voices {
        /// Places in [`VOICE_NAMES`] from 1, the best first, then 0; all 0 = whatever it wants.
        pub order: [u8; VOICES_MAX],
        /// Only the first of them.
        pub single: bool,
        /// What becomes of G.711.
        pub plain: Plain,
    }
}

wire_code! {
    /// What becomes of G.711 in a description.
    pub enum Plain {
        /// It stays.
        Kept = 0,
        /// It goes where there is another voice.
        Spare = 1,
        /// It goes.
        Barred = 2,
    }
}

impl Voices {
    /// Whatever the party wants.
    pub const ALL: Voices = Voices { order: [0; VOICES_MAX], single: false, plain: Plain::Kept };

    /// The place of a name in [`VOICE_NAMES`] from 1; `None` of a name that is not there.
    #[must_use]
    pub fn place(name: &str) -> Option<u8> {
        let at = VOICE_NAMES.iter().position(|known| *known == name)?;
        u8::try_from(at.checked_add(1)?).ok()
    }

    /// The names of the order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let name = |place: u8| VOICE_NAMES.get(usize::from(place).checked_sub(1)?).copied();
        self.order.into_iter().map_while(name)
    }
}

wire_struct! {
    /// Bindings after a REGISTER.
    pub struct Registered {
        /// URI and remaining seconds.
        pub contacts: Vec<BoundContact>,
        /// Further fields of the answer: Path, Service-Route, Require, Date and such.
        pub headers: Vec<HeaderField>,
    }
}

wire_struct! {
    /// One binding.
    pub struct BoundContact {
        /// Contact URI as registered.
        pub uri: String,
        /// Remaining seconds.
        pub expires_s: u32,
        /// Its other parameters as they stand behind it, each with its semicolon.
        pub params: String,
    }
}

wire_struct! {
    /// More talk time.
    pub struct Extended {
        /// New total from answer, with its flags.
        pub grant: Grant,
    }
}

wire_struct! {
    /// An answer to a request outside calls.
    pub struct Respond {
        /// SIP status.
        pub status: u16,
        /// Reason phrase; empty for the standard one.
        pub phrase: String,
        /// Headers.
        pub headers: Vec<HeaderField>,
        /// Body.
        pub body: Octets,
    }
}

wire_struct! {
    /// A resolved name.
    pub struct Resolved {
        /// Addresses in the order to try.
        pub addresses: Vec<SocketAddr>,
        /// Transports beside them.
        pub transports: Vec<Transport>,
        /// Validity, seconds.
        pub ttl_s: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_pass_by_type_and_length() {
        let types = ["application/isup", "text/*"].map(str::to_owned).into();
        let bodies = Bodies { types, len_max: 4 };
        for (kind, len, expect) in [
            ("application/isup", 4, true),
            ("Application/ISUP;version=itu-t92+", 0, true),
            ("application/isup", 5, false),
            ("application/isup-x", 1, false),
            ("text/plain", 1, true),
            ("TEXT/html ; charset=utf-8", 1, true),
            ("texts/plain", 1, false),
            ("text", 1, true),
            ("", 1, false),
        ] {
            assert_eq!(bodies.takes(kind, len), expect, "{kind} {len}");
        }
    }

    #[test]
    fn what_is_set_for_bodies_or_progress_is_told_a_callers_leg() {
        assert!(Manner::default().is_usual());
        assert!(!Manner { ringing: true, ..Manner::default() }.is_usual());
        let bodies = Some(Box::new(Bodies { types: Vec::new(), len_max: 1 }));
        assert!(!Manner { bodies, ..Manner::default() }.is_usual());
    }
}
