//! SCRAM credentials (RFC 5802): what a server keeps of a password, and the text form in which `format --add-scram` takes it.
//!
//! The password itself is never kept: only the keys that are derived from it, from which it cannot be computed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use thiserror::Error;

/// Fewest iterations that Kafka allows, and its default: below it a stolen credential is guessed too fast.
pub const ITERATIONS_MIN: u32 = 4096;
/// Most iterations: above it a login becomes a way to keep the server busy.
pub const ITERATIONS_MAX: u32 = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Sha256,
    Sha512,
}

/// What is stored of one user's password for one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub user: String,
    pub mechanism: Mechanism,
    pub salt: Vec<u8>,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
    pub iterations: u32,
}

/// The text is not named in the messages: it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScramError {
    #[error("a SCRAM credential is MECHANISM=[name=...,password=...]")]
    Form,
    #[error("the SCRAM mechanism is neither SCRAM-SHA-256 nor SCRAM-SHA-512")]
    Mechanism,
    #[error("a SCRAM credential needs {0}")]
    Missing(&'static str),
    #[error("a SCRAM credential has no key '{0}'")]
    UnknownKey(String),
    #[error("{0} is not base64")]
    NotBase64(&'static str),
    #[error("iterations must be from {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
    Iterations,
    #[error("give either password or saltedpassword")]
    TwoPasswords,
    #[error("saltedpassword has {0} bytes, which is not what the mechanism's hash gives")]
    SaltedPasswordLength(usize),
}

impl Mechanism {
    /// The mechanism with Kafka's name for it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Kafka's number of the mechanism, in records and requests.
    pub fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// RFC 5802's `Hi`: the password with its salt, hashed `iterations` times.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec(),
            Self::Sha512 => pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, salt, iterations).to_vec(),
        }
    }

    fn hash_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length; the error exists for other constructions behind the same trait.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

impl Credential {
    /// Derives what is stored from the salted password.
    pub fn derive(
        user: String,
        mechanism: Mechanism,
        salted_password: &[u8],
        salt: Vec<u8>,
        iterations: u32,
    ) -> Self {
        let client_key = mechanism.hmac(salted_password, b"Client Key");
        Self {
            user,
            mechanism,
            salt,
            stored_key: mechanism.hash(&client_key),
            server_key: mechanism.hmac(salted_password, b"Server Key"),
            iterations,
        }
    }

    /// Reads `SCRAM-SHA-256=[name=alice,iterations=8192,salt="..",password=..]`, the form of `format --add-scram`.
    /// `fresh_salt` is used when the text names none.
    pub fn parse(text: &str, fresh_salt: &[u8]) -> Result<Self, ScramError> {
        let (mechanism, rest) = text.split_once('=').ok_or(ScramError::Form)?;
        let mechanism = Mechanism::parse(mechanism.trim()).ok_or(ScramError::Mechanism)?;
        let inner = rest
            .trim()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        Parts::read(inner.ok_or(ScramError::Form)?)?.credential(mechanism, fresh_salt)
    }
}

#[derive(Default)]
struct Parts {
    name: Option<String>,
    password: Option<String>,
    salted_password: Option<String>,
    salt: Option<String>,
    iterations: Option<String>,
}

impl Parts {
    fn read(text: &str) -> Result<Self, ScramError> {
        let mut parts = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (key, value) = part.split_once('=').ok_or(ScramError::Form)?;
            let value = unquoted(value.trim()).to_owned();
            let slot = match key.trim() {
                "name" => &mut parts.name,
                "password" => &mut parts.password,
                "saltedpassword" => &mut parts.salted_password,
                "salt" => &mut parts.salt,
                "iterations" => &mut parts.iterations,
                other => return Err(ScramError::UnknownKey(other.to_owned())),
            };
            *slot = Some(value);
        }
        Ok(parts)
    }

    fn credential(self, mechanism: Mechanism, fresh_salt: &[u8]) -> Result<Credential, ScramError> {
        let name = self
            .name
            .filter(|name| !name.is_empty())
            .ok_or(ScramError::Missing("name"))?;
        let iterations = match self.iterations {
            Some(text) => text.parse().map_err(|_| ScramError::Iterations)?,
            None => ITERATIONS_MIN,
        };
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(ScramError::Iterations);
        }
        let salt = self
            .salt
            .map(|text| BASE64.decode(text).map_err(|_| ScramError::NotBase64("salt")));
        let salt = salt.transpose()?;
        let (salted_password, salt) = match (self.password, self.salted_password) {
            (Some(_), Some(_)) => return Err(ScramError::TwoPasswords),
            (None, None) => return Err(ScramError::Missing("password or saltedpassword")),
            (Some(password), None) => {
                let salt = salt.unwrap_or_else(|| fresh_salt.to_vec());
                (
                    mechanism.salted_password(password.as_bytes(), &salt, iterations),
                    salt,
                )
            }
            (None, Some(salted)) => {
                let salt = salt.ok_or(ScramError::Missing("salt, since saltedpassword is given"))?;
                (
                    BASE64
                        .decode(salted)
                        .map_err(|_| ScramError::NotBase64("saltedpassword"))?,
                    salt,
                )
            }
        };
        if salted_password.len() != mechanism.hash_bytes() {
            return Err(ScramError::SaltedPasswordLength(salted_password.len()));
        }
        Ok(Credential::derive(
            name,
            mechanism,
            &salted_password,
            salt,
            iterations,
        ))
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: user "user", password "pencil".
    #[test]
    fn keys_are_those_of_the_rfc() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = Mechanism::Sha256.salted_password(b"pencil", &salt, 4096);
        let credential = Credential::derive("user".into(), Mechanism::Sha256, &salted, salt, 4096);
        let auth_message =
            b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = Mechanism::Sha256.hmac(&credential.server_key, auth_message);
        assert_eq!(
            BASE64.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn the_text_form_is_read() {
        let text =
            "SCRAM-SHA-256=[name=alice,salt=\"MTdwMjBvNzM1cnVhaWtiZ2E=\",iterations=8192,password=secret]";
        let credential = Credential::parse(text, b"").unwrap();
        assert_eq!((credential.user.as_str(), credential.iterations), ("alice", 8192));
        assert_eq!(credential.salt, b"17p20o735ruaikbga");
        assert_eq!(credential.stored_key.len(), 32);
        let fresh = Credential::parse("SCRAM-SHA-512=[name=bob,password=\"x\"]", b"fresh").unwrap();
        assert_eq!(
            (fresh.salt.as_slice(), fresh.iterations, fresh.stored_key.len()),
            (&b"fresh"[..], 4096, 64)
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let cases = [
            ("SCRAM-SHA-256", ScramError::Form),
            ("SCRAM-SHA-1=[name=a,password=hush]", ScramError::Mechanism),
            ("SCRAM-SHA-256=name=a,password=hush", ScramError::Form),
            ("SCRAM-SHA-256=[password=hush]", ScramError::Missing("name")),
            (
                "SCRAM-SHA-256=[name=a]",
                ScramError::Missing("password or saltedpassword"),
            ),
            (
                "SCRAM-SHA-256=[name=a,password=hush,iterations=4095]",
                ScramError::Iterations,
            ),
            (
                "SCRAM-SHA-256=[name=a,password=hush,salt=***]",
                ScramError::NotBase64("salt"),
            ),
            (
                "SCRAM-SHA-256=[name=a,password=hush,colour=red]",
                ScramError::UnknownKey("colour".into()),
            ),
            (
                "SCRAM-SHA-256=[name=a,saltedpassword=aGk=,salt=aGk=]",
                ScramError::SaltedPasswordLength(2),
            ),
        ];
        for (text, error) in cases {
            let got = Credential::parse(text, b"salt").err();
            assert_eq!(got.as_ref(), Some(&error), "{text}");
            assert!(!error.to_string().contains("hush"));
        }
    }
}
