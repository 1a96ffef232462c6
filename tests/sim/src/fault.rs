//! Faults planted on purpose: each must be found by a law, else the simulator is blind.
//!
//! All of these are planted at run time, from outside the product: on the path of datagrams, in the
//! operating system under the shard, in the call table's memory, on the link, or around the calls
//! that join office, journal and store. What they break is what a fault inside the product would
//! break, so the same laws must see it.

/// A planted fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plant {
    /// The switch's ACK of a failure is never sent (datagrams).
    LostAckOfFailure,
    /// The switch's ACK of a 2xx is never sent (datagrams).
    LostAckOfSuccess,
    /// Each BYE is sent again as a new request (datagrams).
    DoubleBye,
    /// A final response of INVITE is followed by another one (datagrams).
    DoubleFinal,
    /// Frames count as durable before they are synced (journal).
    DurableBeforeSync,
    /// A record is lost on its way into the journal (journal).
    LostRecord,
    /// Some media ports are never closed (operating system).
    LeakedPort,
    /// A closed flow sends once more (operating system).
    ClosedFlowRelays,
    /// Grants that are given back never arrive (link).
    LostAbandoned,
    /// Some records never release their holds (intake).
    StaleHold,
    /// A boot charges records again that the books have already (intake).
    SettleTwice,
    /// A boot forgets what was used of free time (intake).
    FreeTimeAgain,
    /// The cursor is committed apart from the records it stands for (intake).
    CursorMovesAlone,
    /// Prices are rounded down at the ledger's scale (billing).
    WrongRounding,
    /// More talk time is promised than is held (office).
    OverGrant,
    /// The table is written after the datagrams of a turn (call table).
    TableAfterNetwork,
    /// A frame goes to the journal before the state that it tells of is in the table (call table).
    JournalBeforeTable,
    /// Slots are freed before their records are durable (journal).
    FreedBeforeDurable,
    /// The hold of a running call is voided (office).
    HoldVoidedEarly,
    /// A gauge is counted once too often (shard).
    StaleGauge,
    /// The switch's CANCEL is never sent (datagrams).
    ForgottenCancel,
    /// A record does not tell how its called leg ended (journal).
    ForgottenLegEnd,
    /// Requests of a call that was taken up use a CSeq that was used before (datagrams).
    AdoptedCseqAgain,
    /// The image of a call is never written again after its answer (call table).
    AdoptedImageStale,
    /// Ports of calls that are taken up are not opened (operating system).
    AdoptedPortUnopened,
    /// A new life of the dataplane voids all holds at once (office).
    AdoptedHoldVoided,
    /// Calls that are taken up are not counted in gauges again (shard).
    AdoptedUncounted,
    /// A call that is taken up gets another record (journal).
    AdoptedRecordRenamed,
    /// A dead dataplane leaves nothing of the legs of ended calls (call table).
    LastWordsForgotten,
    /// A new life acknowledges no failure of an INVITE of the one before (datagrams).
    FormerFailureUnheard,
    /// A new life does not end the forks that the one before was ending (datagrams).
    FormerForkForgotten,
    /// The switch does not see how long datagrams have waited, so nothing is shed (operating
    /// system).
    DelayUnseen,
    /// Requests of running dialogs are shed with the new ones (operating system).
    InDialogShed,
    /// A limit on strangers hits carriers (operating system).
    TrunkLimited,
    /// The switch says BYE twice over a connection, as it would by datagrams (connections).
    StreamRepeats,
    /// Some octets that the switch wrote are lost on their connection (connections).
    StreamOctetLost,
    /// An INVITE is sent again before its time (datagrams).
    EagerTimer,
}

impl Plant {
    /// Those that only a storm of requests can show: [`crate::storm::storm`].
    pub const STORM: [Plant; 3] = [Plant::DelayUnseen, Plant::InDialogShed, Plant::TrunkLimited];

    /// Those that only connections can show: [`crate::script::streams`].
    pub const STREAM: [Plant; 2] = [Plant::StreamRepeats, Plant::StreamOctetLost];

    /// All that scripts of calls and crashes can show.
    pub const ALL: [Plant; 32] = [
        Plant::LostAckOfFailure,
        Plant::LostAckOfSuccess,
        Plant::DoubleBye,
        Plant::DoubleFinal,
        Plant::DurableBeforeSync,
        Plant::LostRecord,
        Plant::LeakedPort,
        Plant::ClosedFlowRelays,
        Plant::LostAbandoned,
        Plant::StaleHold,
        Plant::SettleTwice,
        Plant::FreeTimeAgain,
        Plant::CursorMovesAlone,
        Plant::WrongRounding,
        Plant::OverGrant,
        Plant::TableAfterNetwork,
        Plant::JournalBeforeTable,
        Plant::FreedBeforeDurable,
        Plant::HoldVoidedEarly,
        Plant::StaleGauge,
        Plant::ForgottenCancel,
        Plant::ForgottenLegEnd,
        Plant::AdoptedCseqAgain,
        Plant::AdoptedImageStale,
        Plant::AdoptedPortUnopened,
        Plant::AdoptedHoldVoided,
        Plant::AdoptedUncounted,
        Plant::AdoptedRecordRenamed,
        Plant::LastWordsForgotten,
        Plant::FormerFailureUnheard,
        Plant::FormerForkForgotten,
        Plant::EagerTimer,
    ];
}
