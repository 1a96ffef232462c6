//! Who sends on a media line, RFC 3264 sections 5.1 and 8.4.

/// The direction of a media line as one party states it: what *that party* wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Sends and receives.
    #[default]
    SendRecv,
    /// Sends only: the other party is on hold.
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction of a party that does these two.
    #[must_use]
    pub const fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The direction an attribute names, if it names one.
    #[must_use]
    pub fn parse(attribute: &[u8]) -> Option<Direction> {
        let all =
            [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        all.into_iter()
            .find(|direction| direction.name().as_bytes().eq_ignore_ascii_case(attribute))
    }

    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Whether the party sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the party receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The most that the other party can answer (RFC 3264 section 6.1).
    #[must_use]
    pub const fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What both want.
    #[must_use]
    pub const fn and(self, other: Direction) -> Direction {
        Direction::new(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn the_table_of_directions() {
        for (direction, name, sends, receives, reversed) in [
            (SendRecv, "sendrecv", true, true, SendRecv),
            (SendOnly, "sendonly", true, false, RecvOnly),
            (RecvOnly, "recvonly", false, true, SendOnly),
            (Inactive, "inactive", false, false, Inactive),
        ] {
            assert_eq!(direction.name(), name);
            assert_eq!(Direction::parse(name.as_bytes()), Some(direction));
            assert_eq!((direction.sends(), direction.receives()), (sends, receives));
            assert_eq!(direction.reversed(), reversed);
            assert_eq!(direction.and(SendRecv), direction);
            assert_eq!(direction.and(Inactive), Inactive);
        }
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(Direction::parse(b"sendrec"), None);
    }
}
