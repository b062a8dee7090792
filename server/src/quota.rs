//! What one member may take: lookups a minute, since a blocklist is pulled, not asked for value by value (HOSTILE.md line
//! 33), and logs that it reads at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use almenara_proto::name::MemberName;

/// Counts values looked up in the current minute.
#[derive(Clone, Debug)]
pub struct LookupQuota {
    per_minute: u64,
    /// Minute and values, by member.
    used: Arc<Mutex<HashMap<MemberName, (u64, u64)>>>,
}

impl LookupQuota {
    /// A quota of `per_minute` values for each member.
    #[must_use]
    pub fn new(per_minute: u64) -> Self {
        Self { per_minute, used: Arc::default() }
    }

    /// Takes `values` at `now` (Unix seconds).
    ///
    /// # Errors
    /// Seconds until the next minute, when the quota is used up; nothing is taken then.
    pub fn take(&self, member: &MemberName, values: u64, now: u64) -> Result<(), u64> {
        let minute = now / 60;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(member.clone()).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        match entry.1.checked_add(values) {
            Some(sum) if sum <= self.per_minute => {
                entry.1 = sum;
                Ok(())
            }
            _ => Err(60 - now % 60),
        }
    }
}

/// How many logs each member's nodes and people read at once.
#[derive(Clone, Debug)]
pub struct Streams {
    most: usize,
    open: Arc<Mutex<HashMap<MemberName, usize>>>,
}

/// One of them; it ends when this is dropped.
#[derive(Debug)]
pub struct Open {
    streams: Streams,
    member: MemberName,
}

impl Streams {
    /// `most` for each member.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Begins one; nothing when as many are open as may be.
    #[must_use]
    pub fn begin(&self, member: &MemberName) -> Option<Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of = open.entry(member.clone()).or_default();
        if *of >= self.most {
            return None;
        }
        *of = of.saturating_add(1);
        Some(Open { streams: self.clone(), member: member.clone() })
    }

    /// How many a member may have.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = open.get_mut(&self.member) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                open.remove(&self.member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_each_members_own_and_make_room_when_they_end() {
        let streams = Streams::new(2);
        let (a, b) = ("a.example".parse().expect("a name"), "b.example".parse().expect("a name"));
        let (one, two) = (streams.begin(&a), streams.begin(&a));
        assert!(one.is_some() && two.is_some() && streams.begin(&a).is_none());
        assert!(streams.begin(&b).is_some());
        drop(one);
        assert!(streams.begin(&a).is_some());
        drop(two);
        assert!(streams.open.lock().expect("sound").is_empty());
    }

    #[test]
    fn a_quota_is_each_members_and_each_minutes_own() {
        let quota = LookupQuota::new(10);
        let (a, b) = ("a.example".parse().expect("a name"), "b.example".parse().expect("a name"));
        assert_eq!(quota.take(&a, 10, 60), Ok(()));
        assert_eq!(quota.take(&a, 1, 65), Err(55));
        assert_eq!(quota.take(&b, 1, 65), Ok(()));
        assert_eq!(quota.take(&a, 1, 120), Ok(()));
        assert_eq!(quota.take(&a, u64::MAX, 120), Err(60));
    }
}
