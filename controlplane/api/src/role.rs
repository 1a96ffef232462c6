//! Roles: fixed sets of permissions.

use crate::dispatch::Context;
use crate::permission::{all, grantable, may};
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use strowger_model::Role;

view! {
    /// A role.
    RoleView {
        /// Its word.
        name: &'static str,
        /// For whom its answers are made: it chooses their views.
        audience: &'static str,
        /// What it may, within the scope of who has it.
        permissions: Vec<&'static str>,
        /// Roles that it may give to users and tokens.
        grants: Vec<&'static str>,
    }
}

fn view(role: Role) -> RoleView {
    RoleView {
        name: role.name(),
        audience: role.audience().name(),
        permissions: all().into_iter().filter(|p| may(role, *p)).map(|p| p.0).collect(),
        grants: grantable(role).iter().map(|role| role.name()).collect(),
    }
}

/// `GET /roles`
pub(crate) async fn list(_: Context) -> Result<Json<Page<RoleView>>, Problem> {
    Ok(Json(Page::whole(Role::ALL.into_iter().map(view).collect())))
}

/// `GET /roles/{name}`
pub(crate) async fn one(cx: Context) -> Result<Json<RoleView>, Problem> {
    Role::parse(cx.word()).map(|role| Json(view(role))).ok_or_else(Problem::not_found)
}
