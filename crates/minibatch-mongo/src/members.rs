//! Members: alive until so long after their last heartbeat, by the server's clock. Who is found dead is deleted.
//!
//! That clock may be set back, and a heartbeat then lie far in the future: so it also says from when on it counts.

use std::time::Duration;

use bson::{Bson, Document};
use minibatch_core::{Cause, Error, MemberId};

use crate::{
    client::Client,
    database::{Change, Collection, Filter, Find, Test, Update},
    error::corrupt,
    random,
};

impl Client {
    pub(crate) async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        let member = random::member();
        let filter = Filter::id(member.as_str());
        let sessions: Vec<Bson> = self.database().sessions().into_iter().map(Bson::Document).collect();
        let first = beat(ttl).and_set("sessions", sessions);
        let join = || self.database().find_and_update(Collection::Members, filter.clone(), first.clone(), true);
        self.settle(join).await.map_err(Error::from)?;
        Ok(member)
    }

    pub(crate) async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        let filter = Filter::id(member.as_str());
        let update = || self.database().update(Collection::Members, filter.clone(), beat(ttl));
        match self.settle(update).await.map_err(Error::from)? {
            0 => Err(Cause::MemberDead.into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        let owned = Filter::all().eq("owner", member.as_str());
        let free = || self.database().update(Collection::Groups, owned.clone(), Update::set("owner", Bson::Null));
        self.settle(free).await.map_err(Error::from)?;
        self.delete(Collection::Members, Filter::id(member.as_str())).await?;
        Ok(())
    }

    /// Those that are alive.
    pub(crate) async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        let mut living = Vec::new();
        for member in members {
            if self.lives(member).await? {
                living.push(member.clone());
            }
        }
        Ok(living)
    }

    async fn lives(&self, member: &MemberId) -> Result<bool, Error> {
        let this = Filter::id(member.as_str()).and("seen_from", Test::Past).and("seen_until", Test::Future);
        Ok(self.find_one(Find::one(Collection::Members, this).only(&["_id"])).await?.is_some())
    }

    /// True for a living member. One that is found dead is a member no longer: its next heartbeat says so.
    pub(crate) async fn is_alive(&self, member: &MemberId) -> Result<bool, Error> {
        let this = Filter::id(member.as_str());
        if self.lives(member).await? {
            return Ok(true);
        }
        self.break_off(&this).await?;
        // in one step with looking again: a heartbeat may have come in between
        for over in [("seen_until", Test::Past), ("seen_from", Test::Future)] {
            self.delete(Collection::Members, this.clone().and(over.0, over.1)).await?;
        }
        Ok(self.find_one(Find::one(Collection::Members, this).only(&["_id"])).await?.is_some())
    }

    /// Undoes what a member that seems dead is in the middle of: it may have locked what its heir needs.
    async fn break_off(&self, member: &Filter) -> Result<(), Error> {
        let find = Find::one(Collection::Members, member.clone()).only(&["sessions"]);
        let Some(found) = self.find_one(find).await? else { return Ok(()) };
        // earlier versions name none
        let Ok(sessions) = found.get_array("sessions") else { return Ok(()) };
        let sessions = sessions.into_iter().map(|session| Document::try_from(session.ok()?.as_document()?).ok());
        let sessions = sessions.collect::<Option<Vec<Document>>>().ok_or_else(|| corrupt("member"))?;
        if let Err(failure) = self.database().break_off(sessions).await {
            // without, its heir waits until the server does the same
            tracing::warn!(error = %failure.into_cause(), "transactions of a dead member were not broken off");
        }
        Ok(())
    }
}

/// A heartbeat, good from its time to live before it until as long after it: a small step back of the clock kills nobody.
fn beat(ttl: Duration) -> Update {
    Update::default().and("seen_from", Change::NowMinus(ttl)).and("seen_until", Change::NowPlus(ttl))
}
