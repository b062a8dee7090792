//! The benchmark: two nodes as processes of their own, and everything that a user waits for, in one run.

pub mod audit;
pub mod decisions;
pub mod federation;
pub mod load;
pub mod machine;
pub mod measure;
pub mod pull;
pub mod report;
pub mod wide;
