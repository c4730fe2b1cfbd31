//! What is these backends' own, and whole gateways on both.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod gateway;
    mod guide;
    mod journal;
    mod spool;
}
