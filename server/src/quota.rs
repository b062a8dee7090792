//! Lookups a minute for each member: a blocklist is pulled, not asked for value by value (HOSTILE.md line 33).

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

#[cfg(test)]
mod tests {
    use super::*;

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
