//! Why no server was found: what its heartbeats failed of, and whether it is in another replica set than the URL's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::doc;
use minibatch_core::Cause;
use mongodb::{
    Client,
    error::{Error, ErrorKind},
    event::{EventHandler, sdam::SdamEvent},
    options::ClientOptions,
};
use rustls::CertificateError;
use tokio::time::timeout;

use super::super::Failure;

/// How long to look for the reason.
const DIAGNOSIS_TIME: Duration = Duration::from_secs(1);

/// What was wrong with a server's certificate when it was last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificate(Arc<Mutex<Option<&'static str>>>);

impl Certificate {
    /// Listens to what becomes of the driver's heartbeats.
    pub(super) fn watch(&self) -> EventHandler<SdamEvent> {
        let this = self.clone();
        EventHandler::callback(move |event| {
            let refused = match event {
                SdamEvent::ServerHeartbeatFailed(event) => refused_certificate(&event.failure),
                SdamEvent::ServerHeartbeatSucceeded(_) => None,
                _ => return,
            };
            *this.0.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        })
    }

    fn refused(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with the certificate, if it is that.
fn refused_certificate(error: &Error) -> Option<&'static str> {
    let ErrorKind::Io(io) = &*error.kind else { return None };
    match io.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired: renew it",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet: check this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another host: use the host's name as the certificate has it"
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "nobody trusted has signed it: name its authority by tlsCAFile"
            }
            CertificateError::Revoked => "it was revoked: renew it",
            _ => "it cannot be checked: renew it",
        }),
        _ => None,
    }
}

/// Why no server was found that can be written to.
pub(super) async fn diagnosis(options: ClientOptions, certificate: &Certificate, failure: Failure) -> Cause {
    if let Failure::NotApplied(_) = &failure {
        if let Some(refused) = certificate.refused() {
            return Cause::misconfigured(format!("the server's tls certificate is refused, {refused}"));
        }
        if let Some(cause) = wrong_replica_set(options).await {
            return cause;
        }
    }
    failure.into_cause()
}

async fn wrong_replica_set(mut options: ClientOptions) -> Option<Cause> {
    let asked = options.repl_set_name.take()?;
    options.hosts.truncate(1);
    options.direct_connection = Some(true);
    options.server_selection_timeout = Some(DIAGNOSIS_TIME);
    let database = Client::with_options(options).ok()?.database("admin");
    let hello = tokio::spawn(async move { database.run_command(doc! { "hello": 1 }).await });
    let hello = timeout(DIAGNOSIS_TIME * 2, hello).await.ok()?.ok()?.ok()?;
    match hello.get_str("setName") {
        Ok(name) if name == asked => None,
        Ok(name) => Some(Cause::misconfigured(format!(
            "replicaSet of the url is wrong, correct it: replicaSet=`{asked}` server=`{name}`"
        ))),
        Err(_) => Some(Cause::misconfigured(format!(
            "replicaSet of the url is wrong, the server is in none: replicaSet=`{asked}`"
        ))),
    }
}
