//! The scripts, each of which does one step at once. The server keeps them by their hash; one that lost them gets them again.
use std::sync::LazyLock;

use deadpool_redis::redis::Script;

/// A script is the pieces of one file after the other.
macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("lua/", $file))),+)));)*
    };
}

scripts! {
    PREPARE = "queue.lua" "prepare.lua";
    ENQUEUE = "queue.lua" "enqueue.lua";
    CLAIM = "queue.lua" "claim.lua";
    EXTEND = "queue.lua" "extend.lua";
    COMPLETE = "queue.lua" "complete.lua";
    RELEASE = "queue.lua" "release.lua";
    BURY = "queue.lua" "bury.lua";
    GIVE_BACK = "queue.lua" "give_back.lua";
    ABANDON = "queue.lua" "abandon.lua";
    RING = "queue.lua" "ring.lua";
    DEPTH = "queue.lua" "depth.lua";
    SWEEP = "queue.lua" "sweep.lua";
    LOCK_ACQUIRE = "lock_acquire.lua";
    LOCK_RENEW = "lock_renew.lua";
    LOCK_RELEASE = "lock_release.lua";
    CHARGE = "charge.lua";
}
