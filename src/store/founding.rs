//! When a conversation that is made by hand begins: behind every deletion that would take it.

use super::{
    NewConversation, UnixMillis, Whose,
    deletion::{Found, Mark},
};

impl NewConversation {
    /// The marks that deletions of it or of its user leave.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let (tenant, user) = (&self.tenant, &self.user_identifier);
        let whose = [Whose::Bearing, Whose::Named].into_iter();
        let whose = whose.filter(|whose| whose.has(tenant, user, &self.session_id, self.id));
        let owner = whose.map(|whose| whose.mark(tenant, user));
        owner.chain([*self.id.as_bytes()]).collect()
    }

    /// Its begin where these of its marks are there.
    pub(super) fn begins(&self, deleted: &Found) -> UnixMillis {
        let behind = deleted.iter().map(|(_, at)| at.saturating_add(1));
        behind.fold(self.created_at, UnixMillis::max)
    }
}
