//! The PostgreSQL backend: the published suites, and what only this backend has.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod conformance;
    mod load;
    mod opening;
    mod recovery;
    mod server;
    mod urls;
    mod world;
}
