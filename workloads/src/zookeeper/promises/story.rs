//! A history, read: what the promises are judged by.

use super::ZooKeeper;
use crate::promises::story;
use crate::zookeeper::dialect::{Asked, Ended};
use stormglass_impls::zookeeper::words::{Op, SessionId, ZxidNumber};

/// A history as operations that can be asked what they mean.
pub type Story = story::Story<ZooKeeper>;

/// An operation.
pub type Deed = story::Deed<ZooKeeper>;

impl Deed {
    /// What it changed or tried to change, if it goes through the log.
    pub fn op(&self) -> Option<&Op> {
        match &self.asked {
            Asked::Write(op) => Some(op),
            _ => None,
        }
    }

    /// The session in which it was answered.
    pub fn session(&self) -> Option<SessionId> {
        let ended = self.ended.as_ref()?;
        Some(ended.session).filter(|session| *session != SessionId::NONE)
    }

    /// The zxid that a write took, whether it changed anything or not.
    pub fn own_zxid(&self) -> Option<ZxidNumber> {
        let ended = self.ended.as_ref().filter(|_| self.asked.is_write())?;
        Some(ended.zxid)
    }
}

/// Zxids lie below this. No cluster lives that long, and those who reckon with them need some room.
const ZXID_END: ZxidNumber = 1 << 62;

pub(super) fn in_bounds(ended: Ended) -> Result<Ended, String> {
    match ended.zxid.max(ended.session.0) < ZXID_END {
        true => Ok(ended),
        false => Err(format!("{} is no zxid", ended.zxid.max(ended.session.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create};
    use super::*;
    use stormglass_impls::zookeeper::words::Mode;

    #[test]
    fn a_zxid_that_no_cluster_lives_to_see_is_refused() {
        let mut service = Service::new(1, &[]);
        service
            .write(0, create("/a", "", Mode::Persistent))
            .unwrap();
        assert!(Story::read(&service.history).is_ok());
        service.lie(0, |ended| ended.session = SessionId(u64::MAX));
        let error = Story::read(&service.history).err();
        let error = error.expect("a number too large").to_string();
        assert!(error.contains("is no zxid"), "{error}");
    }
}
