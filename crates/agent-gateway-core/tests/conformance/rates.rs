use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessRates, ports::rate::RateStore};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

struct Fresh;

#[async_trait]
impl Fixture<dyn RateStore> for Fresh {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn RateStore>, ())> {
        Ok((Arc::new(InProcessRates::default()), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn RateStore>>> {
        Ok(None)
    }
}

agent_gateway_testkit::rates_suite!(Fresh);
