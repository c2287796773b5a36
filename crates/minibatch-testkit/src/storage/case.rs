//! A case, and what it is given.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use minibatch_core::{
    Slot, StreamName,
    storage::{Effect, Partition, Storage},
};

use super::{
    failure::{Failure, Verdict},
    patient::Patient,
    suite::Suite,
};

/// What a case opens: a storage that answers, or says so.
pub(crate) type Client = Arc<dyn Storage>;

/// One case of the suite.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Cx) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
    /// What the suite must have been told for it to run.
    pub(crate) needs: Option<Needs>,
}

/// What not every storage has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A way to damage a record.
    Damage,
    /// Data that outlive all clients.
    Durable,
    /// Effects, and a way to see them.
    Effects,
}

/// Lists cases by the names of their functions, some with what they need.
macro_rules! cases {
    ($($(#[$needs:ident])? $name:ident),* $(,)?) => {
        &[$($crate::storage::case::Case {
            name: stringify!($name),
            run: |cx| Box::pin($name(cx)),
            needs: $crate::storage::case::cases!(@needs $($needs)?),
        }),*]
    };
    (@needs $needs:ident) => { Some($crate::storage::case::Needs::$needs) };
    (@needs) => { None };
}
pub(crate) use cases;

/// A case's world: its namespace, and how to open clients on it.
#[derive(Clone)]
pub(crate) struct Cx {
    suite: Arc<Suite>,
    namespace: Arc<str>,
}

impl Cx {
    pub(crate) fn new(suite: Arc<Suite>, namespace: &str) -> Self {
        Self { suite, namespace: namespace.into() }
    }

    /// How long to ask again for what is promised for later.
    pub(crate) fn patience(&self) -> Duration {
        self.suite.parts().patience
    }

    /// One more client of this case's data.
    pub(crate) async fn client(&self) -> Verdict<Client> {
        Ok(self.patient(self.open().await?))
    }

    /// Two clients of this case's data. The second lies behind a `Box` in an `Arc`, so that what forwards calls is under
    /// test too.
    pub(crate) async fn clients(&self) -> Verdict<(Client, Client)> {
        let (first, second) = (self.open().await?, self.open().await?);
        Ok((self.patient(first), self.patient(Arc::new(Box::new(second)))))
    }

    async fn open(&self) -> Verdict<Client> {
        Ok((self.suite.parts().open)(self.namespace.to_string()).await?)
    }

    fn patient(&self, inner: Client) -> Client {
        Arc::new(Patient::new(inner, self.patience()))
    }

    /// Two clients, and the one partition of a new stream.
    pub(crate) async fn partition(&self) -> Verdict<(Client, Client, Partition)> {
        let (a, b) = self.clients().await?;
        let stream = a.open_stream(&StreamName::new("events")?, 1).await?;
        Ok((a, b, stream.partition(0)))
    }

    /// An effect that leaves this text behind, unless the text is there already: then it is refused.
    pub(crate) fn effect(&self, text: &str) -> Verdict<Effect> {
        Ok((self.suite.parts().effects()?.make)(text))
    }

    /// The texts that effects left, in their order.
    pub(crate) async fn effects(&self) -> Verdict<Vec<String>> {
        match self.suite.parts().effects() {
            Ok(effects) => Ok((effects.seen)(self.namespace.to_string()).await?),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Damages a stored record behind the storage's back.
    pub(crate) async fn damage(&self, partition: &Partition, slot: Slot) -> Verdict {
        let damage =
            self.suite.parts().damage.as_ref().ok_or_else(|| Failure::new("no way to damage a record was given"))?;
        Ok(damage(self.namespace.to_string(), partition.clone(), slot).await?)
    }
}
