use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{Error, Principal};

const ISSUER: &str = "regente";

/// Whom an access token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    #[default]
    User,
    /// A service of the house.
    Service,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who: the name of the user or service.
    pub sub: String,
    /// Which of both.
    #[serde(default)]
    pub kind: Kind,
    /// Who made the token: `regente`.
    pub iss: String,
    /// When it was made, seconds since 1970.
    pub iat: u64,
    /// When it ends, seconds since 1970.
    pub exp: u64,
}

/// Makes and checks access tokens (JWT, HS256).
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl Tokens {
    /// With a secret that all replicas share.
    #[must_use]
    pub fn new(secret: &str, lifetime: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.leeway = 5;
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            lifetime,
        }
    }

    /// How long a token lasts.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token for the user `username`, from `now` on.
    ///
    /// # Errors
    /// [`Error::Token`] when it cannot be signed.
    pub fn issue(&self, username: &str, now: SystemTime) -> Result<String, Error> {
        self.sign(username, Kind::User, now)
    }

    /// A token for the service `name`, from `now` on.
    ///
    /// # Errors
    /// [`Error::Token`] when it cannot be signed.
    pub fn issue_for_service(&self, name: &str, now: SystemTime) -> Result<String, Error> {
        self.sign(name, Kind::Service, now)
    }

    fn sign(&self, name: &str, kind: Kind, now: SystemTime) -> Result<String, Error> {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            sub: name.to_owned(),
            kind,
            iss: ISSUER.to_owned(),
            iat: issued_at.as_secs(),
            exp: (issued_at + self.lifetime).as_secs(),
        };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(|error| Error::Token(error.to_string()))
    }

    /// What `token` says.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it is not one of ours, was changed, or has ended.
    pub fn check(&self, token: &str) -> Result<Claims, Error> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        data.map(|data| data.claims).map_err(|error| Error::InvalidToken(error.to_string()))
    }
}

impl Claims {
    /// Whom they make the bearer. There is one role yet: every user is an administrator.
    #[must_use]
    pub fn principal(self) -> Principal {
        match self.kind {
            Kind::User => Principal::admin(self.sub),
            Kind::Service => Principal::service(self.sub),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_ends_and_only_with_its_secret() {
        let tokens = Tokens::new("secret", Duration::from_secs(60));
        let token = tokens.issue("admin", SystemTime::now()).unwrap();
        assert_eq!(tokens.check(&token).unwrap().sub, "admin");
        assert!(Tokens::new("other", Duration::from_secs(60)).check(&token).is_err());
        let ended = tokens.issue("admin", SystemTime::now() - Duration::from_secs(120)).unwrap();
        assert!(tokens.check(&ended).is_err());
        assert!(tokens.check("x.y.z").is_err());
    }

    #[test]
    fn a_service_is_no_user_of_its_name() {
        let tokens = Tokens::new("secret", Duration::from_secs(60));
        let principal = |token: String| tokens.check(&token).unwrap().principal();
        let user = principal(tokens.issue("scheduler", SystemTime::now()).unwrap());
        let service = principal(tokens.issue_for_service("scheduler", SystemTime::now()).unwrap());
        assert_eq!((user, service), (Principal::admin("scheduler".to_owned()), Principal::service("scheduler".to_owned())));
    }

    #[test]
    fn a_token_of_an_earlier_release_is_a_users() {
        let claims: Claims = serde_json::from_str(r#"{"sub": "ana", "iss": "regente", "iat": 1, "exp": 2}"#).unwrap();
        assert_eq!(claims.principal(), Principal::admin("ana".to_owned()));
    }
}
