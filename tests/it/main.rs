//! Whole nodes over real mTLS. One binary, since each links everything.

mod desk;
mod at_rest;
mod audience;
mod audit;
mod authority;
mod canonical;
mod convergence;
mod cosigning;
mod custody;
mod backup;
mod disputes;
mod documents;
mod erasure;
mod faults;
mod flow;
mod forged;
mod group;
mod lookup;
mod membership;
mod order;
mod quarantine;
mod quota;
mod readers;
mod relay;
mod release;
mod replication;
mod retry;
mod safeguards;
mod tiles;
mod wire;
mod withdrawal;
mod witness;

/// A member of its own.
const ONE: [(&str, &str); 1] = [("police.th.example", "TH")];
/// Two members in two jurisdictions.
const TWO: [(&str, &str); 2] = [("police.th.example", "TH"), ("ngo.nl.example", "NL")];
/// Three members in three jurisdictions.
const THREE: [(&str, &str); 3] =
    [("police.th.example", "TH"), ("ngo.nl.example", "NL"), ("bank.us.example", "US")];
mod pull;
