//! An identity provider that speaks HTTP: discovery, keys, authorization and tokens with PKCE, as OpenID Connect says, for one client. It signs
//! everybody in at once, as whom the test says, and lies where the test says so.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::header::{AUTHORIZATION, LOCATION},
    web::{self, Bytes, Data},
};
use anyhow::{Context as _, Result};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::{
    RsaPrivateKey,
    pkcs1::EncodeRsaPrivateKey as _,
    pkcs8::{EncodePublicKey as _, LineEnding},
    traits::PublicKeyParts as _,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The client's id at the provider.
pub const CLIENT_ID: &str = "regente";
/// The client's secret.
pub const CLIENT_SECRET: &str = "a client secret of a test";
/// Bytes of [`Lie::Huge`], of which nobody should read more than a little.
const HUGE: usize = 1024 * 1024 * 1024;

/// What the provider does wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Lie {
    /// The token has other claims, or without a value none, in the place of the right ones.
    Claims(Vec<(&'static str, Value)>),
    /// The token is signed with a key that only claims to be the provider's.
    ForeignKey,
    /// The token is not signed.
    Unsigned,
    /// The token has a MAC, whose key is the public key that everybody knows.
    PublicKeyAsSecret,
    /// The token has a MAC, whose key is the client's secret.
    ClientSecret,
    /// There is no ID token.
    NoIdToken,
    /// The answer of the token endpoint is none.
    Nonsense,
    /// The token endpoint refuses the code.
    RefusesCode,
    /// Nobody is signed in: `/authorize` sends this error.
    Error(&'static str),
    /// The way back names this issuer.
    Issuer(String),
    /// Discovery tells this issuer.
    Describes(String),
    /// Every answer is 503.
    Away,
    /// No answer comes.
    Silent,
    /// Every answer is endless.
    Huge,
    /// Every answer is a redirect to another server.
    Redirects(String),
}

/// Whom the provider signs in, and how.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Its name for them.
    pub subject: String,
    /// What else it says of them.
    pub claims: Map<String, Value>,
    /// What it does wrong.
    pub lie: Option<Lie>,
}

/// A running provider. Clones are the same one.
#[derive(Clone)]
pub struct IdentityProvider(Arc<Inner>);

struct Inner {
    issuer: String,
    redirect: String,
    answers: Mutex<Answers>,
    keys: Mutex<Key>,
    codes: Mutex<HashMap<String, Code>>,
    hits: Mutex<HashMap<String, u32>>,
    last_token: Mutex<Option<String>>,
}

/// A key that signs.
#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
    public_pem: String,
}

/// What a code is good for.
struct Code {
    nonce: String,
    challenge: String,
}

/// One for each process: it takes long to make.
static RSA: LazyLock<Result<RsaPrivateKey, String>> =
    LazyLock::new(|| RsaPrivateKey::new(&mut rand_core::OsRng, 2048).map_err(|error| error.to_string()));

impl Key {
    fn rsa() -> Result<Self> {
        let key = RSA.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        let encode = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        let id = Uuid::new_v4().to_string();
        Ok(Self {
            algorithm: Algorithm::RS256,
            private: EncodingKey::from_rsa_der(key.to_pkcs1_der()?.as_bytes()),
            public: json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": encode(key.n()), "e": encode(key.e())}),
            public_pem: key.to_public_key().to_public_key_pem(LineEnding::LF)?,
        })
    }

    fn ecdsa() -> Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let point = key.public_key_raw();
        let (x, y) = (point.get(1..33).context("no x")?, point.get(33..65).context("no y")?);
        let (x, y, id) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y), Uuid::new_v4().to_string());
        Ok(Self {
            algorithm: Algorithm::ES256,
            private: EncodingKey::from_ec_der(&key.serialize_der()),
            public: json!({"kty": "EC", "kid": id, "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y}),
            public_pem: key.public_key_pem(),
        })
    }

    fn id(&self) -> Option<String> {
        self.public.get("kid").and_then(Value::as_str).map(str::to_owned)
    }

    fn sign(&self, claims: &Value) -> Result<String> {
        let header = Header { kid: self.id(), ..Header::new(self.algorithm) };
        Ok(jsonwebtoken::encode(&header, claims, &self.private)?)
    }
}

impl IdentityProvider {
    /// Starts one that signs with ES256, and sends browsers back to `redirect` alone.
    ///
    /// # Errors
    /// When it cannot listen or make keys.
    pub fn start(redirect: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let answers = Answers { subject: "subject-1".to_owned(), claims: Map::new(), lie: None };
        let provider = Self(Arc::new(Inner {
            issuer,
            redirect: redirect.to_owned(),
            answers: Mutex::new(answers),
            keys: Mutex::new(Key::ecdsa()?),
            codes: Mutex::default(),
            hits: Mutex::default(),
            last_token: Mutex::default(),
        }));
        let data = Data::new(provider.clone());
        let app = move || App::new().app_data(data.clone()).default_service(web::to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0).listen(listener)?.run();
        tokio::spawn(server);
        Ok(provider)
    }

    /// Its address, as it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Says whom it signs in from now on, with which claims.
    pub fn signs_in(&self, subject: &str, claims: Value) {
        let claims = if let Value::Object(claims) = claims { claims } else { Map::new() };
        *lock(&self.0.answers) = Answers { subject: subject.to_owned(), claims, lie: None };
    }

    /// Says what it does wrong from now on.
    pub fn lies(&self, lie: impl Into<Option<Lie>>) {
        lock(&self.0.answers).lie = lie.into();
    }

    /// Replaces its key by one of ES256.
    ///
    /// # Errors
    /// When there is none.
    pub fn rotate(&self) -> Result<()> {
        *lock(&self.0.keys) = Key::ecdsa()?;
        Ok(())
    }

    /// Replaces its key by one of RS256.
    ///
    /// # Errors
    /// When there is none.
    pub fn rotate_to_rsa(&self) -> Result<()> {
        *lock(&self.0.keys) = Key::rsa()?;
        Ok(())
    }

    /// How often a path was asked for.
    #[must_use]
    pub fn hits(&self, path: &str) -> u32 {
        lock(&self.0.hits).get(path).copied().unwrap_or_default()
    }

    /// The last ID token.
    #[must_use]
    pub fn last_token(&self) -> Option<String> {
        lock(&self.0.last_token).clone()
    }

    fn metadata(&self, lie: Option<&Lie>) -> Value {
        let issuer = match lie {
            Some(Lie::Describes(issuer)) => issuer,
            _ => &self.0.issuer,
        };
        let at = |path: &str| format!("{}{path}", self.0.issuer);
        json!({
            "issuer": issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"), "jwks_uri": at("/jwks"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"], "authorization_response_iss_parameter_supported": true
        })
    }

    /// Signs in, and sends the browser back.
    fn authorize(&self, asked: &HashMap<String, String>, lie: Option<&Lie>) -> Result<HttpResponse> {
        let given = |name: &str| asked.get(name).cloned().with_context(|| format!("{name} is missing"));
        let fixed = [("response_type", "code"), ("client_id", CLIENT_ID), ("code_challenge_method", "S256")];
        for (name, value) in fixed.into_iter().chain([("redirect_uri", self.0.redirect.as_str())]) {
            anyhow::ensure!(given(name)? == value, "{name} is not {value}");
        }
        anyhow::ensure!(given("scope")?.split(' ').any(|scope| scope == "openid"), "scope has no openid");
        let (state, nonce, challenge) = (given("state")?, given("nonce")?, given("code_challenge")?);
        let issuer = match lie {
            Some(Lie::Issuer(issuer)) => issuer.clone(),
            _ => self.0.issuer.clone(),
        };
        let mut back = form_urlencoded::Serializer::new(String::new());
        back.append_pair("state", &state).append_pair("iss", &issuer).append_pair("session_state", "ignored");
        if let Some(Lie::Error(error)) = lie {
            back.append_pair("error", error).append_pair("error_description", "nobody was signed in");
        } else {
            let code = Uuid::new_v4().to_string();
            back.append_pair("code", &code);
            lock(&self.0.codes).insert(code, Code { nonce, challenge });
        }
        let location = format!("{}?{}", self.0.redirect, back.finish());
        Ok(HttpResponse::Found().insert_header((LOCATION, location)).finish())
    }

    /// Gives the tokens of a code, once, to the client that has its verifier.
    fn token(&self, request: &HttpRequest, form: &HashMap<String, String>, answers: &Answers) -> Result<HttpResponse> {
        let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{}", urlencoded(CLIENT_SECRET))));
        let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_client = shown == Some(expected.as_str());
        let given = |name: &str| form.get(name).map(String::as_str);
        let code = given("code").and_then(|code| lock(&self.0.codes).remove(code));
        let challenge = given("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        let code = code.filter(|code| {
            Some(&code.challenge) == challenge.as_ref()
                && given("grant_type") == Some("authorization_code")
                && given("redirect_uri") == Some(&self.0.redirect)
        });
        let refusal = |error: &str| Ok(HttpResponse::BadRequest().json(json!({"error": error})));
        match (is_client, code) {
            (false, _) => refusal("invalid_client"),
            (true, None) => refusal("invalid_grant"),
            (true, Some(_)) if answers.lie == Some(Lie::RefusesCode) => refusal("invalid_grant"),
            (true, Some(_)) if answers.lie == Some(Lie::Nonsense) => Ok(HttpResponse::Ok().body("nonsense")),
            (true, Some(code)) => {
                let mut answer = json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 60});
                if answers.lie != Some(Lie::NoIdToken) {
                    let token = self.id_token(&code.nonce, answers)?;
                    answer["id_token"] = token.clone().into();
                    *lock(&self.0.last_token) = Some(token);
                }
                Ok(HttpResponse::Ok().json(answer))
            }
        }
    }

    fn id_token(&self, nonce: &str, answers: &Answers) -> Result<String> {
        let (key, now) = (lock(&self.0.keys).clone(), chrono::Utc::now().timestamp());
        let mut claims = json!({
            "iss": self.0.issuer, "aud": CLIENT_ID, "sub": answers.subject, "nonce": nonce, "iat": now, "exp": now + 300
        });
        for (name, value) in &answers.claims {
            claims[name] = value.clone();
        }
        if let Some(Lie::Claims(others)) = &answers.lie {
            for (name, value) in others {
                match (value, &mut claims) {
                    (Value::Null, Value::Object(claims)) => drop(claims.remove(*name)),
                    (value, claims) => claims[*name] = value.clone(),
                }
            }
        }
        match answers.lie {
            Some(Lie::ForeignKey) => {
                let foreign = Key { public: key.public.clone(), ..Key::ecdsa()? };
                foreign.sign(&claims)
            }
            Some(Lie::Unsigned) => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                Ok(format!("{}.{}.", part(&json!({"alg": "none", "kid": key.id()})), part(&claims)))
            }
            Some(Lie::PublicKeyAsSecret) => mac(&claims, key.id(), key.public_pem.as_bytes()),
            Some(Lie::ClientSecret) => mac(&claims, None, CLIENT_SECRET.as_bytes()),
            _ => key.sign(&claims),
        }
    }
}

fn mac(claims: &Value, kid: Option<String>, secret: &[u8]) -> Result<String> {
    let header = Header { kid, ..Header::new(Algorithm::HS256) };
    Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))?)
}

async fn answer(request: HttpRequest, body: Bytes, provider: Data<IdentityProvider>) -> HttpResponse {
    let path = request.path().to_owned();
    *lock(&provider.0.hits).entry(path.clone()).or_default() += 1;
    let answers = lock(&provider.0.answers).clone();
    match &answers.lie {
        Some(Lie::Away) => return HttpResponse::ServiceUnavailable().finish(),
        Some(Lie::Silent) => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return HttpResponse::GatewayTimeout().finish();
        }
        Some(Lie::Huge) => return endless(),
        Some(Lie::Redirects(to)) => {
            return HttpResponse::Found().insert_header((LOCATION, format!("{to}{path}"))).finish();
        }
        _ => {}
    }
    let made = match path.as_str() {
        "/.well-known/openid-configuration" => Ok(HttpResponse::Ok().json(provider.metadata(answers.lie.as_ref()))),
        "/jwks" => Ok(HttpResponse::Ok().json(json!({"keys": [lock(&provider.0.keys).public]}))),
        "/authorize" => provider.authorize(&pairs(request.query_string().as_bytes()), answers.lie.as_ref()),
        "/token" => provider.token(&request, &pairs(&body), &answers),
        _ => Ok(HttpResponse::NotFound().finish()),
    };
    made.unwrap_or_else(|error| HttpResponse::BadRequest().body(error.to_string()))
}

/// JSON that begins well.
fn endless() -> HttpResponse {
    let chunk = Bytes::from(vec![b' '; 64 * 1024]);
    let chunks = (0..HUGE / chunk.len()).map(move |_| Ok::<_, actix_web::Error>(chunk.clone()));
    HttpResponse::Ok().content_type("application/json").streaming(futures_util::stream::iter(chunks))
}

fn pairs(form: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(form).into_owned().collect()
}

fn urlencoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
