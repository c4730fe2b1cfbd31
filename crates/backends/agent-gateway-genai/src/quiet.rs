//! Runs the library without its log: some of its lines print the bodies of requests and answers.
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, stream::BoxStream};
use tracing::{Dispatch, dispatcher};

/// What runs with nobody listening to its log.
pub(crate) struct Quiet<T>(T);

impl<F> Quiet<Pin<Box<F>>> {
    /// A future of the library's.
    pub(crate) fn future(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Quiet<BoxStream<'static, T>> {
    /// A stream of the library's.
    pub(crate) fn stream(stream: impl Stream<Item = T> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl<F: Future> Future for Quiet<Pin<Box<F>>> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        dispatcher::with_default(&Dispatch::none(), || self.0.as_mut().poll(context))
    }
}

impl<T> Stream for Quiet<BoxStream<'static, T>> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        dispatcher::with_default(&Dispatch::none(), || self.0.as_mut().poll_next(context))
    }
}
