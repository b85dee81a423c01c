//! Delivers a mail by SMTP.
//!
//! What must hold: the connection goes to an address that was checked; credentials and mail are encrypted unless that address is allowed without;
//! a server that hangs is given up; a recipient that is refused keeps the mail from no other.

mod stream;

use std::{net::SocketAddr, time::Duration};

use domain::notification::{
    Fate, Receipt, SendError,
    channel::{Email, SmtpSecurity},
};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::ClientId,
    response::Response,
};
use tokio::time::timeout;

use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{clip, one_line},
};

/// Replies that mean that the credentials are wrong or missing: a person can correct them meanwhile.
const NOT_SIGNED_IN: [&str; 4] = ["530", "534", "535", "538"];
/// Time for a goodbye, which nothing depends on.
const GOODBYE: Duration = Duration::from_secs(2);

impl Senders {
    pub(super) async fn deliver(&self, settings: &Email, secrets: &Opened, mail: &lettre::Message) -> Result<Receipt, SendError> {
        let whole = self.outbound.settings().whole;
        let conversation = timeout(whole, self.converse(settings, secrets, mail)).await;
        let hung = || SendError { fate: Fate::Retry(None), status: None, message: format!("the SMTP server took longer than {whole:?}") };
        let (mut connection, receipt) = conversation.map_err(|_| hung())??;
        // The mail is accepted, whatever comes now.
        let _ = timeout(GOODBYE, connection.quit()).await;
        Ok(receipt)
    }

    async fn converse(
        &self,
        settings: &Email,
        secrets: &Opened,
        mail: &lettre::Message,
    ) -> Result<(AsyncSmtpConnection, Receipt), SendError> {
        let fault = |step: &str, error: &Error| refused(step, error, secrets);
        let mut connection = self.connect(settings, secrets, mail).await?;
        if let Some(username) = &settings.username {
            let credentials = Credentials::new(username.clone(), required(secrets, "password")?.to_owned());
            let signed_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            signed_in.map_err(|error| fault("the sign-in", &error))?;
        }
        let envelope = mail.envelope();
        connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(|error| fault("the sender", &error))?;
        let mut missed = Vec::new();
        let mut last = None;
        for to in envelope.to() {
            match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => {
                    let error = fault("the recipient", &error);
                    missed.push(format!("{to}: {}", error.message));
                    last = Some(error);
                }
                Err(error) => return Err(fault("the recipient", &error)),
            }
        }
        if let Some(error) = last.filter(|_| missed.len() == envelope.to().len()) {
            return Err(error);
        }
        connection.command(Data).await.map_err(|error| fault("the mail", &error))?;
        let accepted = connection.message(&mail.formatted()).await.map_err(|error| fault("the mail", &error))?;
        Ok((connection, receipt(&accepted, &missed, secrets)))
    }

    /// A connection to the first address that answers, encrypted as the settings say.
    async fn connect(&self, settings: &Email, secrets: &Opened, mail: &lettre::Message) -> Result<AsyncSmtpConnection, SendError> {
        let is_plain = settings.security == SmtpSecurity::None;
        let port = settings.port.unwrap_or(settings.security.port());
        let found = self.outbound.resolve(&settings.host, port, is_plain).await;
        let addresses = found.map_err(|error| answer::unsent(&error))?;
        let hello = ClientId::Domain(mail.envelope().from().map_or("localhost", |from| from.domain()).to_owned());
        let host = settings.host.trim_start_matches('[').trim_end_matches(']');
        let mut last = answer::unsendable("the SMTP server has no address");
        for address in addresses {
            match self.greet(address, (host, settings.security), &hello).await {
                Ok(connection) => return Ok(connection),
                Err(Unreached::Io(error)) => last = later(&format!("the connection: {}", secrets.redact(&error.to_string()))),
                Err(Unreached::Smtp(error)) => last = refused("the connection", &error, secrets),
            }
        }
        Err(last)
    }

    async fn greet(
        &self,
        address: SocketAddr,
        (host, security): (&str, SmtpSecurity),
        hello: &ClientId,
    ) -> Result<AsyncSmtpConnection, Unreached> {
        let settings = self.outbound.settings();
        let stream = stream::connect(address, settings.connect).await?;
        if security == SmtpSecurity::Tls {
            let stream = stream::encrypt(stream, host, &settings.roots).await?;
            return Ok(AsyncSmtpConnection::connect_with_transport(stream, hello).await?);
        }
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?;
        if security == SmtpSecurity::Starttls {
            connection.starttls(self.tls(host)?, hello).await?;
        }
        Ok(connection)
    }

    fn tls(&self, host: &str) -> Result<TlsParameters, Error> {
        let roots = &self.outbound.settings().roots;
        let mut builder = TlsParameters::builder(host.to_owned());
        if !roots.is_empty() {
            builder = builder.add_root_certificate(Certificate::from_pem(roots)?);
        }
        builder.build()
    }
}

/// Why there is no conversation.
enum Unreached {
    Io(std::io::Error),
    Smtp(Error),
}

impl From<std::io::Error> for Unreached {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Unreached {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

fn later(what: &str) -> SendError {
    SendError { fate: Fate::Retry(None), status: None, message: format!("the SMTP server: {}", clip(&one_line(what), 500)) }
}

fn receipt(accepted: &Response, missed: &[String], secrets: &Opened) -> Receipt {
    let said = accepted.message().collect::<Vec<_>>().join(" ");
    let missed = if missed.is_empty() { String::new() } else { format!("; not to {}", missed.join("; ")) };
    Receipt {
        status: Some(accepted.code().into()),
        answer: clip(&one_line(&secrets.redact(&format!("{said}{missed}"))), 500),
        reference: None,
    }
}

fn refused(step: &str, error: &Error, secrets: &Opened) -> SendError {
    let code = error.status().map(|code| code.to_string());
    let is_final = error.is_permanent() && !code.as_deref().is_some_and(|code| NOT_SIGNED_IN.contains(&code));
    let fate = if is_final { Fate::Drop } else { Fate::Retry(None) };
    let message = format!("the SMTP server: {step}: {}", clip(&one_line(&secrets.redact(&error.to_string())), 500));
    SendError { fate, status: code.and_then(|code| code.parse().ok()), message }
}
