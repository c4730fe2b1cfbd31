use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessRates, ports::rate::RateStore};
use agent_gateway_testkit::{
    Fixture, rates,
    saboteur::{ChargesLate, MixesKeys},
};
use async_trait::async_trait;

/// Rate limits in this process, each behind the given wrapper.
struct Behind(fn(Arc<dyn RateStore>) -> Arc<dyn RateStore>);

#[async_trait]
impl Fixture<dyn RateStore> for Behind {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn RateStore>, ())> {
        Ok(((self.0)(Arc::new(InProcessRates::default())), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn RateStore>>> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn rates_that_are_charged_late_are_found() {
    let report = rates::conforms(&Behind(|inner| Arc::new(ChargesLate(inner)))).await;
    assert_eq!(report.failed(), ["charges_at_once_use_no_more_than_there_is"], "{report}");
}

#[tokio::test(start_paused = true)]
async fn rates_that_mix_keys_are_found() {
    let report = rates::conforms(&Behind(|inner| Arc::new(MixesKeys(inner)))).await;
    assert_eq!(report.failed(), ["keys_do_not_touch_each_other"], "{report}");
}
