//! What a handler hands back.

use futures::FutureExt;
use futures::future::BoxFuture;

/// A handler's answer: there, on its way, or none.
pub enum Reply<R> {
    Now(R),
    /// Produce and fetch wait side by side with the requests behind them; the others behind are started after the answer.
    Later(BoxFuture<'static, R>),
    /// No answer goes out (produce with acks = 0).
    Nothing,
    /// No answer goes out and the connection is closed (produce with acks = 0 that failed); the text says why.
    Close(&'static str),
    /// For what is known only later whether it is answered.
    Eventually(BoxFuture<'static, Answered<R>>),
    /// As [`Self::Eventually`], and nothing behind it is started before it is answered: what follows may depend on an append
    /// that is yet to come.
    Alone(BoxFuture<'static, Answered<R>>),
}

/// How a request ends.
pub enum Answered<R> {
    With(R),
    Nothing,
    Close(&'static str),
}

impl<R: Send + 'static> Reply<R> {
    pub fn later(future: impl Future<Output = R> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }

    pub fn eventually(future: impl Future<Output = Answered<R>> + Send + 'static) -> Self {
        Self::Eventually(Box::pin(future))
    }

    pub fn alone(future: impl Future<Output = Answered<R>> + Send + 'static) -> Self {
        Self::Alone(Box::pin(future))
    }

    pub fn map<S: 'static>(self, f: impl FnOnce(R) -> S + Send + 'static) -> Reply<S> {
        match self {
            Self::Now(response) => Reply::Now(f(response)),
            Self::Later(future) => Reply::Later(future.map(f).boxed()),
            Self::Nothing => Reply::Nothing,
            Self::Close(reason) => Reply::Close(reason),
            Self::Eventually(future) => Reply::Eventually(future.map(|answered| answered.map(f)).boxed()),
            Self::Alone(future) => Reply::Alone(future.map(|answered| answered.map(f)).boxed()),
        }
    }
}

impl<R> Answered<R> {
    fn map<S>(self, f: impl FnOnce(R) -> S) -> Answered<S> {
        match self {
            Self::With(response) => Answered::With(f(response)),
            Self::Nothing => Answered::Nothing,
            Self::Close(reason) => Answered::Close(reason),
        }
    }
}
