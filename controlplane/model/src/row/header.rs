//! Rules about header fields of a trunk's calls (spec SIP-HDR-01), and how forwards are told.

/// Most rules of one direction of a trunk.
pub const HEADER_RULES_MAX: usize = 32;
/// Most conditions of one rule.
pub const HEADER_CONDITIONS_MAX: usize = 4;
/// Longest name of a header field in a rule, bytes; compact forms, of one letter, are no names.
pub const HEADER_NAME_MAX: usize = 64;
/// Longest value in a rule, characters.
pub const HEADER_VALUE_MAX: usize = 256;
/// Longest pattern of a rule, characters.
pub const HEADER_PATTERN_MAX: usize = 128;

/// One rule. The rules of a trunk work on the INVITE, or on the responses to it, one after the
/// other, in their order, each on what those before it left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderRule {
    /// All of them must hold; without any the rule always works.
    pub when: Vec<HeaderCondition>,
    /// What it does.
    pub action: HeaderAction,
    /// The field that it writes or takes off.
    pub header: String,
    /// To add: the value. To rewrite: what stands for the found part, `$1` being the first group.
    pub value: String,
    /// To rewrite: the part to find, a regular expression over bytes; `None` = the whole value.
    pub pattern: Option<String>,
    /// To copy: the field whose value is taken.
    pub from: Option<String>,
    /// What it works on.
    pub on: HeaderOn,
}

/// Which messages a rule works on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum HeaderOn {
    /// The INVITE that goes in the direction of its list.
    #[default]
    Request,
    /// The responses to that INVITE, which go the other way.
    Response,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeaderAction {
    /// Adds a field beside those of its name.
    Add,
    /// Takes all fields of the name off.
    Remove,
    /// Changes the value of each field of the name in which the pattern is found.
    Rewrite,
    /// Puts the value of another field, if there is one, in place of all of the name.
    Copy,
}

/// What must hold for a rule to work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderCondition {
    /// The field that is looked at.
    pub header: String,
    /// How.
    pub test: HeaderTest,
    /// What the value is compared with; nothing to a test that compares not.
    pub value: String,
}

/// How a condition looks at a field; of several fields of its name one is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeaderTest {
    /// There is one.
    Present,
    /// There is none.
    Absent,
    /// Its value is the same, byte by byte.
    Equals,
    /// Its value begins so.
    Begins,
}

/// How a trunk is told who forwarded a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum ForwardHeaders {
    /// As the setting `identity.diversion` says: Diversion, or nothing.
    #[default]
    AsSet,
    /// Not at all.
    None,
    /// In Diversion (RFC 5806).
    Diversion,
    /// In History-Info (RFC 7044).
    HistoryInfo,
    /// In both.
    Both,
}

/// Which of a request's numbers is the called one (spec SIP-URI-01).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum CalledFrom {
    /// That of the Request-URI, or of To where the Request-URI has none.
    #[default]
    Auto,
    /// That of the Request-URI.
    RequestUri,
    /// That of To.
    To,
}

/// Where a URI with a number says that it is one, by `user=phone` (spec C-NUM-11).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum UserPhone {
    /// Nowhere.
    #[default]
    Never,
    /// In the Request-URI.
    Request,
    /// In To as well.
    To,
}

/// Which number goes to a trunk in its Request-URI or in To (spec SIP-URI-02).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum SentTo {
    /// The number that is called there.
    #[default]
    Routed,
    /// The caller's called number as it was received.
    Received,
    /// The user of the caller's To as it was received.
    ReceivedTo,
}
