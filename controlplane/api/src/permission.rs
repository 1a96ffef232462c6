//! Who may do what: permissions are `resource:verb`, roles are sets of them.

/// A permission, `resource:verb`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Permission(pub(crate) &'static str);

/// A role of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Everything in its scope.
    Owner,
}

impl Role {
    /// The role with this name; one of a later release is unknown and may nothing.
    pub(crate) fn parse(name: &str) -> Option<Role> {
        match name {
            "owner" => Some(Role::Owner),
            _ => None,
        }
    }

    /// Whether the role has `permission`.
    pub(crate) fn may(self, _permission: Permission) -> bool {
        match self {
            Role::Owner => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_role_is_no_role() {
        assert_eq!(Role::parse("owner"), Some(Role::Owner));
        for name in ["", "Owner", "reader"] {
            assert_eq!(Role::parse(name), None);
        }
    }

    #[test]
    fn an_owner_has_every_permission_of_the_table() {
        for endpoint in crate::endpoints() {
            let Some(permission) = endpoint.permission else { continue };
            assert!(Role::Owner.may(Permission(permission)), "{permission}");
            let (resource, verb) = permission.split_once(':').unwrap();
            assert!(!resource.is_empty() && !verb.is_empty(), "{permission}");
        }
    }
}
