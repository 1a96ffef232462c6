//! Who people are to the switch.

/// What a user or token is for. Roles are fixed; what each may do is a table of the REST crate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Everything.
    Owner,
    /// Runs a tenant or the host, owners excepted.
    Admin,
    /// Looks and helps; changes nothing that costs.
    Support,
    /// Sells to customers of its own: its organization and all below.
    Reseller,
    /// A carrier or company that buys from us.
    Customer,
    /// A carrier that sells to us.
    Supplier,
    /// One SIP identity.
    Subscriber,
}

impl Role {
    /// All roles, most powerful first.
    pub const ALL: [Role; 7] = [
        Role::Owner,
        Role::Admin,
        Role::Support,
        Role::Reseller,
        Role::Customer,
        Role::Supplier,
        Role::Subscriber,
    ];

    /// Its word in the database and in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Support => "support",
            Role::Reseller => "reseller",
            Role::Customer => "customer",
            Role::Supplier => "supplier",
            Role::Subscriber => "subscriber",
        }
    }

    /// The role with this word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// For whom its answers are made.
    #[must_use]
    pub const fn audience(self) -> Audience {
        match self {
            Role::Owner | Role::Admin | Role::Support => Audience::Operator,
            Role::Reseller => Audience::Reseller,
            Role::Customer => Audience::Customer,
            Role::Supplier => Audience::Supplier,
            Role::Subscriber => Audience::Subscriber,
        }
    }
}

/// For whom an answer is made: it chooses the type of the view, so that what an audience must not
/// see has no field to stand in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Audience {
    /// Who runs the switch.
    Operator,
    /// Who sells on.
    Reseller,
    /// Who buys.
    Customer,
    /// Who sells to us.
    Supplier,
    /// Who calls.
    Subscriber,
}

impl Audience {
    /// All audiences.
    pub const ALL: [Audience; 5] = [
        Audience::Operator,
        Audience::Reseller,
        Audience::Customer,
        Audience::Supplier,
        Audience::Subscriber,
    ];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Audience::Operator => "operator",
            Audience::Reseller => "reseller",
            Audience::Customer => "customer",
            Audience::Supplier => "supplier",
            Audience::Subscriber => "subscriber",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_word_of_its_own() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        for name in ["", "Owner", "reader", "root"] {
            assert_eq!(Role::parse(name), None, "{name}");
        }
    }
}
