//! strowger-shard.
