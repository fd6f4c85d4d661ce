//! `${provider:path:key}` inside the values of the local file, replaced before anything else reads them (KIP-297).
//!
//! Three providers of Kafka's are known: environment variables, a properties file, a directory of files. They are used
//! only where `config.providers` names them, and never for values that come over the network.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

use super::properties;
use super::value::split_list;

/// The process environment, as a parameter.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) struct Providers<'a> {
    by_name: BTreeMap<String, Provider>,
    environment: Environment<'a>,
}

enum Provider {
    Environment { allowed: Option<Regex> },
    File { allowed: Option<Vec<PathBuf>> },
    Directory { allowed: Option<Vec<PathBuf>> },
}

impl<'a> Providers<'a> {
    /// Reads `config.providers` and the settings of each; the error is a sentence for the user.
    pub fn from_settings(
        settings: &BTreeMap<String, String>,
        environment: Environment<'a>,
    ) -> Result<Self, (String, String)> {
        let names = settings
            .get("config.providers")
            .map(|text| split_list(text))
            .unwrap_or_default();
        let mut by_name = BTreeMap::new();
        for name in names {
            let key = format!("config.providers.{name}.class");
            let parameter =
                |parameter: &str| settings.get(&format!("config.providers.{name}.param.{parameter}"));
            let provider = Provider::new(settings.get(&key).map_or("", String::as_str), parameter);
            by_name.insert(name, provider.map_err(|why| (key, why))?);
        }
        Ok(Self { by_name, environment })
    }

    /// The value with every reference of a known provider replaced; one that is not found stays as it is.
    pub fn resolve(&self, value: &str) -> Result<String, String> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, reference, after)) = next_reference(rest) {
            out.push_str(before);
            match self.look_up(reference)? {
                Some(text) => out.push_str(&text),
                None => out.push_str(&format!("${{{reference}}}")),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn look_up(&self, reference: &str) -> Result<Option<String>, String> {
        let Some((name, target)) = reference.split_once(':') else {
            return Ok(None);
        };
        let Some(provider) = self.by_name.get(name) else {
            return Ok(None);
        };
        let (path, key) = target.split_once(':').unwrap_or(("", target));
        match provider {
            Provider::Environment { .. } if !path.is_empty() => Err(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )),
            Provider::Environment { allowed } => {
                let may_read = allowed.as_ref().is_none_or(|pattern| pattern.is_match(key));
                Ok(may_read.then(|| (self.environment)(key)).flatten())
            }
            Provider::File { allowed } => match permitted(path, allowed.as_deref()) {
                Some(path) => property_of(&path, key),
                None => Ok(None),
            },
            Provider::Directory { allowed } => match permitted(path, allowed.as_deref()) {
                Some(path) => content_of(&path, key),
                None => Ok(None),
            },
        }
    }
}

impl Provider {
    fn new<'s>(class: &str, parameter: impl Fn(&str) -> Option<&'s String>) -> Result<Self, String> {
        let paths = || {
            parameter("allowed.paths")
                .map(|text| allowed_paths(text))
                .transpose()
        };
        match class.rsplit('.').next().unwrap_or_default() {
            "EnvVarConfigProvider" => {
                let pattern = parameter("allowlist.pattern").map(|text| Regex::new(&format!("^(?:{text})$")));
                let allowed = pattern
                    .transpose()
                    .map_err(|e| format!("allowlist.pattern is not a pattern: {e}"))?;
                Ok(Self::Environment { allowed })
            }
            "FileConfigProvider" => Ok(Self::File { allowed: paths()? }),
            "DirectoryConfigProvider" => Ok(Self::Directory { allowed: paths()? }),
            _ => Err(format!(
                "'{class}' is not a provider of Ottla's; there are EnvVarConfigProvider, FileConfigProvider and \
                 DirectoryConfigProvider"
            )),
        }
    }
}

/// Text before the next `${..}`, what stands inside, and the text after it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_once("${")?;
    let (inside, after) = from.split_once('}')?;
    Some((before, inside, after))
}

fn allowed_paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let read = |item: &str| {
        let path = normalized(Path::new(item));
        match (path.is_absolute(), path.exists()) {
            (false, _) => Err(format!("Path {} is not absolute", path.display())),
            (true, false) => Err(format!("Path {} does not exist", path.display())),
            (true, true) => Ok(path),
        }
    };
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(read)
        .collect()
}

fn permitted(path: &str, allowed: Option<&[PathBuf]>) -> Option<PathBuf> {
    if path.is_empty() {
        return None;
    }
    let Some(allowed) = allowed else {
        return Some(PathBuf::from(path));
    };
    let path = normalized(Path::new(path));
    allowed
        .iter()
        .any(|prefix| path.starts_with(prefix))
        .then_some(path)
}

/// `.` and `..` taken out without asking the file system.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn property_of(path: &Path, key: &str) -> Result<Option<String>, String> {
    let fail = |why: String| format!("Could not read properties from file {}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    let entries = properties::parse(&text).map_err(|e| fail(e.to_string()))?;
    Ok(entries
        .into_iter()
        .rev()
        .find(|entry| entry.key == key)
        .map(|entry| entry.value))
}

fn content_of(directory: &Path, key: &str) -> Result<Option<String>, String> {
    let file = directory.join(key);
    // A key is the name of a file in the directory, not a way out of it.
    if file.parent() != Some(directory) || !file.is_file() {
        return Ok(None);
    }
    let fail = |e: std::io::Error| format!("Could not read file {}: {e}", file.display());
    std::fs::read_to_string(&file).map(Some).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn environment(name: &str) -> Option<String> {
        (name == "OTTLA_PORT").then(|| "9192".to_owned())
    }

    #[test]
    fn environment_variables_are_read_where_the_file_says_so() {
        let known = settings(&[
            ("config.providers", "env"),
            (
                "config.providers.env.class",
                "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            ),
        ]);
        let providers = Providers::from_settings(&known, &environment).expect("providers");
        let resolve = |text: &str| providers.resolve(text).expect("resolved");
        assert_eq!(resolve("PLAINTEXT://:${env:OTTLA_PORT}!"), "PLAINTEXT://:9192!");
        assert_eq!(
            resolve("${env:NOT_SET} ${vault:a:b} ${open"),
            "${env:NOT_SET} ${vault:a:b} ${open"
        );
        assert!(providers.resolve("${env:a/path:OTTLA_PORT}").is_err());

        let none = Providers::from_settings(&settings(&[]), &environment).expect("no providers");
        assert_eq!(
            none.resolve("${env:OTTLA_PORT}").expect("resolved"),
            "${env:OTTLA_PORT}"
        );
    }

    #[test]
    fn an_allowlist_keeps_other_variables_out() {
        let known = settings(&[
            ("config.providers", "env"),
            ("config.providers.env.class", "EnvVarConfigProvider"),
            ("config.providers.env.param.allowlist.pattern", "KAFKA_.*"),
        ]);
        let providers = Providers::from_settings(&known, &environment).expect("providers");
        assert_eq!(
            providers.resolve("${env:OTTLA_PORT}").expect("resolved"),
            "${env:OTTLA_PORT}"
        );
    }

    #[test]
    fn files_and_directories_within_the_allowed_paths() {
        let dir = std::env::temp_dir().join(format!("ottla-providers-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("secrets"), "password = hidden\n").expect("a file");
        let here = dir.to_str().expect("utf-8");
        let known = settings(&[
            ("config.providers", "file, dir"),
            ("config.providers.file.class", "FileConfigProvider"),
            ("config.providers.file.param.allowed.paths", here),
            ("config.providers.dir.class", "DirectoryConfigProvider"),
        ]);
        let providers = Providers::from_settings(&known, &environment).expect("providers");
        let resolve = |text: &str| providers.resolve(text).expect("resolved");
        assert_eq!(resolve(&format!("${{file:{here}/secrets:password}}")), "hidden");
        assert_eq!(resolve("${file:/etc/passwd:root}"), "${file:/etc/passwd:root}");
        let escape = format!("${{file:{here}/../../etc/passwd:root}}");
        assert_eq!(resolve(&escape), escape);
        assert_eq!(
            resolve(&format!("${{dir:{here}:secrets}}")),
            "password = hidden\n"
        );
        assert_eq!(
            resolve(&format!("${{dir:{here}:../x}}")),
            format!("${{dir:{here}:../x}}")
        );
        std::fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn unknown_providers_are_refused() {
        let known = settings(&[
            ("config.providers", "vault"),
            ("config.providers.vault.class", "com.example.Vault"),
        ]);
        let refusal = Providers::from_settings(&known, &environment)
            .err()
            .expect("a refusal");
        assert_eq!(refusal.0, "config.providers.vault.class");
    }
}
