//! How dialogs are kept: session timers and reliable provisional responses (spec C-REG-02), and
//! which part of a call is ours: its media (spec MEDIA-ROUTE-01), or not even its signalling (spec
//! SIP-ROLE-01).

/// The shortest session that may be asked for, seconds (RFC 4028 section 4).
pub const SESSION_S_MIN: u32 = 90;
/// The longest session that can be set, seconds.
pub const SESSION_S_MAX: u32 = 86_400;

/// Whether sessions are refreshed (RFC 4028; source: `sessiontimer`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum TimerMode {
    /// Never, whoever asks (source: -1).
    Never,
    /// When the peer asks (source: 0, and RFC 4028 wants no less of who supports timers).
    #[default]
    Answer,
    /// We ask; a peer that knows no timers gets none (source: 2).
    Ask,
    /// We ask, and refresh by ourselves where the peer knows no timers (source: 3).
    Force,
}

/// Which provisional responses are acknowledged (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum ReliableMode {
    /// None, but for a peer that requires it.
    Never,
    /// Those with early media, when the peer supports it.
    #[default]
    Media,
    /// All, when the peer supports it.
    Always,
    /// All; INVITEs of ours require it.
    Require,
}

/// Which way the media of a call goes (spec MEDIA-ROUTE-01), in the order of the source's numbers,
/// the stricter behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum MediaPath {
    /// As the other party is set (source: 0).
    Peer,
    /// Between the parties: their descriptions pass as they are (source: 1).
    Direct,
    /// Between the parties, addresses of private networks replaced (source: 2).
    Fixed,
    /// Through us when both are behind NATs (source: 3); the same applies to the next three, that
    /// it goes between the parties as `Fixed` otherwise, and inside when both are behind one.
    BothNated,
    /// Through us when the caller is behind a NAT (source: 4).
    CallerNated,
    /// Through us when the called party is (source: 5).
    CalledNated,
    /// Through us when one of them is (source: 6).
    EitherNated,
    /// Through us (source: 7).
    #[default]
    Relay,
}

/// Most voice codecs that a party is limited to.
pub const CODECS_MAX: usize = 8;

/// A voice codec.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VoiceCodec {
    /// G.711 u-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// G.729, with and without its annexes.
    G729,
    /// G.723.1.
    G723,
    /// G.728.
    G728,
    /// GSM full rate.
    Gsm,
    /// iLBC.
    Ilbc,
    /// Speex, narrow, wide and wider.
    Speex,
    /// Opus.
    Opus,
    /// AMR.
    Amr,
    /// AMR wideband.
    AmrWb,
    /// G.726 at 16 kbit/s.
    G726At16,
    /// G.726 at 24 kbit/s.
    G726At24,
    /// G.726 at 32 kbit/s.
    G726At32,
    /// G.726 at 40 kbit/s.
    G726At40,
    /// EVS.
    Evs,
    /// Samples of 16 bits.
    L16,
}

impl VoiceCodec {
    /// All, with their names in descriptions.
    pub const ALL: [(&'static str, VoiceCodec); 18] = [
        ("PCMU", VoiceCodec::Pcmu),
        ("PCMA", VoiceCodec::Pcma),
        ("G722", VoiceCodec::G722),
        ("G729", VoiceCodec::G729),
        ("G723", VoiceCodec::G723),
        ("G728", VoiceCodec::G728),
        ("GSM", VoiceCodec::Gsm),
        ("iLBC", VoiceCodec::Ilbc),
        ("speex", VoiceCodec::Speex),
        ("opus", VoiceCodec::Opus),
        ("AMR", VoiceCodec::Amr),
        ("AMR-WB", VoiceCodec::AmrWb),
        ("G726-16", VoiceCodec::G726At16),
        ("G726-24", VoiceCodec::G726At24),
        ("G726-32", VoiceCodec::G726At32),
        ("G726-40", VoiceCodec::G726At40),
        ("EVS", VoiceCodec::Evs),
        ("L16", VoiceCodec::L16),
    ];

    /// Its name in descriptions.
    #[must_use]
    pub fn name(self) -> &'static str {
        VoiceCodec::ALL.iter().find(|(_, codec)| *codec == self).map_or("", |(name, _)| name)
    }
}

/// What becomes of G.711 in descriptions (source: `cutg711`, `block711`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum G711 {
    /// It stays.
    #[default]
    Keep,
    /// It goes where there is another voice.
    Spare,
    /// It goes.
    Bar,
}

/// Whether media between a party and us is encrypted, with keys in descriptions or by DTLS (source:
/// `srtp`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum SrtpUse {
    /// Never (-2, 0).
    Off,
    /// It passes as it is where the other side is set so too (1, -1).
    Pass,
    /// Where it or the other side speaks it (2).
    #[default]
    Accept,
    /// It is always offered (3).
    Offer,
    /// RTP in the clear is refused (4).
    Require,
    /// It passes as it is, and RTP in the clear is refused (5).
    EndToEnd,
    /// It is offered keys by DTLS, and RTP in the clear is refused.
    Dtls,
}

/// What becomes of a call that has somewhere to go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Operation {
    /// It is connected.
    #[default]
    Connect,
    /// The caller is told where to call instead (302).
    Redirect,
}

/// How far side's progress is told (source: `changesptoring`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum ProgressMode {
    /// As it is.
    #[default]
    Sent,
    /// A 183 as a 180, without its description: early media is left out.
    Ringing,
}

/// Most media types of [`BodyTerms`].
pub const BODY_TYPES_MAX: usize = 16;
/// Longest media type.
pub const BODY_TYPE_LEN_MAX: usize = 100;
/// Most bytes of the bodies that pass.
pub const BODY_LEN_MAX: u32 = 16_384;

/// Which bodies beside session descriptions pass, from a trunk and to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyTerms {
    /// Media types without parameters, in lower case; `type/*` is all of a type.
    pub types: Vec<String>,
    /// Longest body, bytes.
    pub len_max: u32,
}

impl Default for BodyTerms {
    fn default() -> BodyTerms {
        BodyTerms { types: Vec::new(), len_max: BODY_LEN_MAX }
    }
}

/// Whether this is a media type as [`BodyTerms`] has them.
#[must_use]
pub fn is_body_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let fits =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(fits)
    };
    let parts = text.split_once('/').filter(|_| text.len() <= BODY_TYPE_LEN_MAX);
    parts.is_some_and(|(kind, of)| is_token(kind) && (of == "*" || is_token(of)))
}

/// What a trunk says of its dialogs itself; `None` = as is set for the account that pays, or that
/// is owed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct DialogTerms {
    /// Whether sessions are refreshed.
    pub timer: Option<TimerMode>,
    /// The interval that we ask for, seconds.
    pub session_s: Option<u32>,
    /// The shortest that it may ask for, seconds.
    pub session_s_min: Option<u32>,
    /// The longest that it gets, seconds.
    pub session_s_max: Option<u32>,
    /// Which provisional responses are acknowledged.
    pub reliable: Option<ReliableMode>,
    /// Which way media goes.
    pub media: Option<MediaPath>,
    /// Voice codecs, the best first.
    pub codecs: Option<Vec<VoiceCodec>>,
    /// Only the first voice codec stays.
    pub one_codec: Option<bool>,
    /// What becomes of G.711.
    pub g711: Option<G711>,
    /// Its media comes from the address that it describes, or is not heard (spec SEC-DOS-05).
    pub strict_media: bool,
    /// A call whose answer was false is ended.
    pub end_false_answer: bool,
    /// Whether media is encrypted.
    pub srtp: Option<SrtpUse>,
    /// How progress of its calls is told, to it and from it; `None` = as it is.
    pub progress: Option<ProgressMode>,
    /// Which bodies beside session descriptions pass; `None` = those of INFO and MESSAGE, and
    /// nothing beside a description.
    pub bodies: Option<BodyTerms>,
}
