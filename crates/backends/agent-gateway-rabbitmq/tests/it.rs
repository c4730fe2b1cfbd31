//! The RabbitMQ backend: the published suite, and what only this backend has.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod conformance;
    mod load;
    mod opening;
    mod relay;
    mod restarting;
    mod restoring;
    mod sharing;
    mod strangers;
    mod world;
}
