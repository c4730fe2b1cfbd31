use std::sync::{Arc, Mutex};

use agent_gateway_core::{
    Error, Result,
    agent::NotificationTarget,
    ports::notification::{Notice, NotificationBackend, Receipt},
};
use agent_gateway_testkit::{
    Fixture,
    notification::{self, Behaviour, Receiver},
};
use async_trait::async_trait;

/// A wall that notices are pinned to.
#[derive(Clone, Debug)]
struct Wall(Arc<Mutex<(Behaviour, Vec<String>)>>);

/// Says that everything was delivered.
#[derive(Debug)]
struct Liar(Wall);

fn target(name: &str) -> NotificationTarget {
    NotificationTarget {
        channel: "wall".to_owned(),
        target: name.to_owned(),
        template: None,
        url: None,
        payload_template: None,
    }
}

#[async_trait]
impl NotificationBackend for Wall {
    fn channel(&self) -> &str {
        "wall"
    }
    fn check(&self, target: &NotificationTarget) -> Result<()> {
        let fits = target.channel == "wall" && !target.target.is_empty();
        if fits { Ok(()) } else { Err(Error::invalid("a wall has a name")) }
    }
    async fn deliver(&self, notice: &Notice, _target: &NotificationTarget) -> Result<Receipt> {
        let mut wall = self.0.lock().unwrap();
        match wall.0 {
            Behaviour::Accept => {
                wall.1.push(notice.id.clone());
                Ok(Receipt::default())
            }
            Behaviour::Refuse => Err(Error::forbidden("this wall is private")),
            Behaviour::Away => Err(Error::unavailable("the wall is being painted")),
        }
    }
}

#[async_trait]
impl NotificationBackend for Liar {
    fn channel(&self) -> &str {
        self.0.channel()
    }
    fn check(&self, target: &NotificationTarget) -> Result<()> {
        self.0.check(target)
    }
    async fn deliver(&self, notice: &Notice, target: &NotificationTarget) -> Result<Receipt> {
        self.0.deliver(notice, target).await.or_else(|_| Ok(Receipt::default()))
    }
}

#[async_trait]
impl Receiver for Wall {
    fn target(&self) -> NotificationTarget {
        target("north")
    }
    fn bad_targets(&self) -> Vec<NotificationTarget> {
        vec![target("")]
    }
    async fn behave(&self, how: Behaviour) {
        self.0.lock().unwrap().0 = how;
    }
    async fn received(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

struct Walls(fn(Wall) -> Arc<dyn NotificationBackend>);

#[async_trait]
impl Fixture<dyn NotificationBackend> for Walls {
    type Guard = Wall;
    async fn fresh(&self) -> Result<(Arc<dyn NotificationBackend>, Wall)> {
        let wall = Wall(Arc::new(Mutex::new((Behaviour::Accept, Vec::new()))));
        Ok(((self.0)(wall.clone()), wall))
    }
    async fn reopen(&self, _guard: &Wall) -> Result<Option<Arc<dyn NotificationBackend>>> {
        Ok(None)
    }
}

agent_gateway_testkit::notification_suite!(Walls(|wall| Arc::new(wall)));

#[tokio::test(start_paused = true)]
async fn a_channel_that_hides_failures_is_found() {
    let report = notification::conforms(&Walls(|wall| Arc::new(Liar(wall)))).await;
    assert_eq!(report.failed(), ["a_refusal_is_final", "an_absent_receiver_is_unavailable"], "{report}");
}
