//! The suites are examined themselves: good backends pass every case, a saboteur fails the case that is about it.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod auth;
    mod lock;
    mod memory;
    mod model;
    mod notification;
    mod persistence;
    mod private;
    mod queue;
    mod rates;
    mod retrieval;
    mod suite;
    mod tool;
}
