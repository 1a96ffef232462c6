//! The steps of a call's life, and the crash that is to come at one of them.
//!
//! A step is an effect that outlives the instruction that caused it: a datagram, a word of the call
//! table, a frame of a ring or of the journal, a transaction. Between two of them a crash of either
//! process leaves the same world, so a crash before and after each is a crash everywhere.

/// Which process takes a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plane {
    /// The dataplane, its journal's thread included.
    Data,
    /// The control plane.
    Control,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident: $plane:ident,)*) => {
        /// A step.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Step {
            $($(#[$doc])* $name,)*
        }

        impl Step {
            /// All of them, in the order of a call's life.
            pub const ALL: &'static [Step] = &[$(Step::$name,)*];

            /// Whose step it is.
            #[must_use]
            pub const fn plane(self) -> Plane {
                match self {
                    $(Step::$name => Plane::$plane,)*
                }
            }
        }
    };
}

steps! {
    /// 401 goes to a caller or to a phone that registers.
    ChallengeSent: Data,
    /// A registration is written, not yet durable.
    BindingWritten: Control,
    /// The registration is durable.
    BindingDurable: Control,
    /// A call's slot is written: asked.
    SlotAsked: Data,
    /// Ask for a call goes up.
    AskSent: Data,
    /// The control plane takes it.
    AskTaken: Control,
    /// Its grant goes down.
    GoSent: Control,
    /// The dataplane takes the grant.
    GoTaken: Data,
    /// A call's slot is written: branches are out.
    SlotRinging: Data,
    /// INVITE goes to the called side.
    InviteSent: Data,
    /// 180 goes to the caller.
    RingingSent: Data,
    /// CANCEL goes to the called side.
    CancelSent: Data,
    /// A failure goes to the caller.
    FailureSent: Data,
    /// A call's slot is written: answered.
    SlotAnswered: Data,
    /// Start is handed to the journal.
    StartAppended: Data,
    /// Started goes up.
    StartedSent: Data,
    /// 200 goes to the caller.
    OkSent: Data,
    /// ACK goes to the called side.
    AckSent: Data,
    /// The journal's thread writes Start to its file.
    StartWritten: Data,
    /// Start is durable.
    StartDurable: Data,
    /// The control plane takes Started.
    StartedTaken: Control,
    /// The first audio is sent on.
    Relayed: Data,
    /// A re-INVITE goes on to the other side.
    ReofferSent: Data,
    /// Ask for more talk time goes up.
    ExtendSent: Data,
    /// The control plane takes it.
    ExtendTaken: Control,
    /// More talk time goes down.
    ExtendedSent: Control,
    /// The dataplane takes it.
    ExtendedTaken: Data,
    /// A call's slot is written again: a new grant, another state of its dialogs.
    SlotRewritten: Data,
    /// A call's slot is written: ended.
    SlotEnded: Data,
    /// The record is handed to the journal.
    EndedAppended: Data,
    /// BYE goes to a side.
    ByeSent: Data,
    /// The journal's thread writes the record to its file.
    EndedWritten: Data,
    /// The record is durable.
    EndedDurable: Data,
    /// The doorbell rings.
    Doorbell: Data,
    /// A call's slot is written: over and recorded, and a party is owed a last word.
    SlotLeaving: Data,
    /// The slot is free.
    SlotFreed: Data,
    /// Records are charged in the till.
    Settled: Control,
    /// A transaction with records and cursor begins.
    IngestBegun: Control,
    /// It is committed.
    Committed: Control,
    /// The till is told.
    CommittedTold: Control,
    /// A grant is given back.
    AbandonedSent: Data,
    /// The control plane takes it back.
    AbandonedTaken: Control,
    /// A new session is made.
    Linked: Control,
    /// The dataplane is greeted.
    HelloSent: Control,
    /// A start counts an attempt to thaw a slot.
    ThawBegun: Data,
    /// The slot is thawed, or ended in order.
    ThawEnded: Data,
    /// A boot has charged the records behind the cursor.
    Replayed: Control,
    /// A boot has taken up the calls of the table.
    TakenUp: Control,
}

/// When exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The step does not happen; a slot is left half written.
    Before,
    /// The step has happened, and nothing after it.
    After,
}

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    /// The dataplane's process.
    Switch,
    /// The control plane's process.
    Control,
    /// Both processes.
    Both,
    /// The host loses power: both, and what no disk has.
    Host,
}

impl Victim {
    /// All of them.
    pub const ALL: [Victim; 4] = [Victim::Switch, Victim::Control, Victim::Both, Victim::Host];

    /// This plane's process dies.
    #[must_use]
    pub const fn hits(self, plane: Plane) -> bool {
        match (self, plane) {
            (Victim::Switch, Plane::Control) | (Victim::Control, Plane::Data) => false,
            (Victim::Switch | Victim::Both | Victim::Host, Plane::Data)
            | (Victim::Control | Victim::Both | Victim::Host, Plane::Control) => true,
        }
    }
}

/// A crash at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrashAt {
    /// The step.
    pub step: Step,
    /// Its occurrence, from 1, counted from when this crash is the next one planned.
    pub nth: u32,
    /// Before or after it.
    pub side: Side,
    /// Who dies.
    pub victim: Victim,
    /// The dataplane begins again after so many milliseconds.
    pub switch_back_ms: u64,
    /// The control plane boots after so many milliseconds.
    pub control_back_ms: u64,
}
