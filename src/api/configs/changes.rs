//! What both ways of altering configurations share: the checks that the asked broker makes by itself, the controller's
//! answers for what is left, and the fate of each resource put together from the two.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_base::config::alter::{Change, Op, apply, validate_broker, validate_broker_op};
use ottla_base::config::{ConfigError, Scope};
use ottla_metadata::Image;
use ottla_metadata::controller::Problem;
use ottla_metadata::image::{ConfigKind, ConfigResource};

use super::{BROKER_LOGGER, effective, loggers, own};
use crate::api::{Ctx, Reply};

/// One resource of a request, whichever of the two requests it was.
pub(super) struct Asked {
    pub kind: i8,
    pub name: String,
    pub keys: Vec<AskedKey>,
}

pub(super) struct AskedKey {
    pub name: String,
    /// As it came; the other request sets every key.
    pub op: i8,
    pub value: Option<String>,
}

/// How one resource fared.
pub(super) type Fate = Result<(), ConfigError>;

/// A request, whichever of the two it was.
pub(super) struct Alteration {
    pub asked: Vec<Asked>,
    pub validate_only: bool,
    /// The keys are all that the resources will have, and loggers are refused: the older request knows none.
    pub replaces_all: bool,
}

/// Carries out what can be, and answers with one fate for each resource, in their order.
pub(super) fn carry_out<R: Send + 'static>(
    ctx: &Ctx,
    alteration: Alteration,
    response: impl FnOnce(Vec<Fate>) -> R + Send + 'static,
) -> Reply<R> {
    let (validate_only, replaces_all) = (alteration.validate_only, alteration.replaces_all);
    let mut sorted = sort(ctx, alteration);
    if sorted.for_controller.is_empty() {
        return Reply::Now(response(merge(&mut sorted, Ok(Vec::new()))));
    }
    let ctx = ctx.clone();
    Reply::later(async move {
        let answers = match replaces_all {
            true => replace(&ctx, &sorted, validate_only).await,
            false => change_some(&ctx, &sorted, validate_only).await,
        };
        response(merge(&mut sorted, answers))
    })
}

/// A fate as both answers have it.
pub(super) fn told(fate: Fate) -> (i16, Option<StrBytes>) {
    match fate {
        Ok(()) => (0, None),
        Err(error) => (error.code.code(), Some(StrBytes::from_string(error.message))),
    }
}

/// Resources that are left for the controller, by their place in the request, and the fate of the others.
struct Sorted {
    fates: Vec<Option<Fate>>,
    for_controller: Vec<(usize, ConfigResource, Vec<Change>)>,
}

/// Checks every resource on the broker's side.
fn sort(ctx: &Ctx, alteration: Alteration) -> Sorted {
    let Alteration {
        asked,
        validate_only,
        replaces_all,
    } = alteration;
    let image = ctx.image();
    let twice = named_twice(&asked);
    let mut sorted = Sorted {
        fates: Vec::with_capacity(asked.len()),
        for_controller: Vec::new(),
    };
    for (index, resource) in asked.into_iter().enumerate() {
        let fate = match twice.contains(&(resource.kind, resource.name.clone())) {
            true => Err(ConfigError::bad_request(
                "Each resource must appear at most once.",
            )),
            false => check(ctx, &image, &resource, validate_only, replaces_all),
        };
        sorted.fates.push(match fate {
            Ok(Some((name, changes))) => {
                sorted.for_controller.push((index, name, changes));
                None
            }
            Ok(None) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        });
    }
    sorted
}

type Answers = Result<Vec<Result<(), Problem>>, ErrorCode>;

async fn replace(ctx: &Ctx, sorted: &Sorted, validate_only: bool) -> Answers {
    let value = |change: &Change| Some((change.key.clone(), change.value.clone()?));
    let all = |changes: &[Change]| changes.iter().filter_map(value).collect::<BTreeMap<_, _>>();
    let resources: Vec<_> = sorted
        .for_controller
        .iter()
        .map(|(_, name, changes)| (name.clone(), all(changes)))
        .collect();
    let controller = &ctx.node.controller;
    let written = controller
        .write(move |controller, image, _| controller.alter_configs(image, &resources, validate_only));
    Ok(written.await?.into_iter().map(|(_, answer)| answer).collect())
}

async fn change_some(ctx: &Ctx, sorted: &Sorted, validate_only: bool) -> Answers {
    let resources: Vec<_> = sorted
        .for_controller
        .iter()
        .map(|(_, name, changes)| (name.clone(), changes.clone()))
        .collect();
    let written = ctx.node.controller.write(move |controller, image, _| {
        controller.incremental_alter_configs(image, &resources, validate_only)
    });
    Ok(written.await?.into_iter().map(|(_, answer)| answer).collect())
}

/// Fills in what the controller said, in the order in which it was asked.
fn merge(sorted: &mut Sorted, answered: Answers) -> Vec<Fate> {
    let places = sorted.for_controller.iter().map(|(index, ..)| *index);
    match answered {
        Ok(answers) => {
            for (place, answer) in places.zip(answers) {
                let fate = answer.map_err(|problem| ConfigError {
                    code: problem.code,
                    message: problem.message,
                });
                if let Some(slot) = sorted.fates.get_mut(place) {
                    *slot = Some(fate);
                }
            }
        }
        Err(code) => {
            let fate = || {
                Err(ConfigError {
                    code,
                    message: code.name().to_owned(),
                })
            };
            sorted
                .fates
                .iter_mut()
                .filter(|fate| fate.is_none())
                .for_each(|slot| *slot = Some(fate()));
        }
    }
    let missing = || {
        let code = ErrorCode::UnknownServerError;
        Err(ConfigError {
            code,
            message: "the controller gave no answer for this resource".to_owned(),
        })
    };
    std::mem::take(&mut sorted.fates)
        .into_iter()
        .map(|fate| fate.unwrap_or_else(missing))
        .collect()
}

fn named_twice(asked: &[Asked]) -> BTreeSet<(i8, String)> {
    let mut seen = BTreeSet::new();
    let again = asked
        .iter()
        .filter(|resource| !seen.insert((resource.kind, resource.name.as_str())));
    again
        .map(|resource| (resource.kind, resource.name.clone()))
        .collect()
}

type ForController = Option<(ConfigResource, Vec<Change>)>;

fn check(
    ctx: &Ctx,
    image: &Image,
    resource: &Asked,
    validate_only: bool,
    replaces_all: bool,
) -> Result<ForController, ConfigError> {
    check_keys(resource)?;
    let kind = match ConfigKind::from_code(resource.kind) {
        Some(kind) => kind,
        None if resource.kind == BROKER_LOGGER && !replaces_all => {
            change_levels(ctx, resource, validate_only)?;
            return Ok(None);
        }
        None => {
            return Err(ConfigError::bad_request(format!(
                "Unknown resource type {}",
                resource.kind
            )));
        }
    };
    let changes = resource.keys.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    let name = ConfigResource::new(kind, resource.name.as_str());
    if kind == ConfigKind::Broker {
        check_broker(ctx, image, &name, &changes, replaces_all)?;
    }
    Ok(Some((name, changes)))
}

fn check_keys(resource: &Asked) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    if !resource.keys.iter().all(|key| seen.insert(key.name.as_str())) {
        return Err(ConfigError::bad_request("Error due to duplicate config keys"));
    }
    let is_null = |key: &&AskedKey| key.value.is_none() && Op::from_code(key.op) != Some(Op::Delete);
    let nulls: Vec<&str> = resource
        .keys
        .iter()
        .filter(is_null)
        .map(|key| key.name.as_str())
        .collect();
    match nulls.is_empty() {
        true => Ok(()),
        false => Err(ConfigError::bad_request(format!(
            "Null value not supported for : {}",
            nulls.join(", ")
        ))),
    }
}

fn change(key: &AskedKey) -> Result<Change, ConfigError> {
    let fail = || ConfigError::bad_request(format!("Unknown operations type {}", key.op));
    let op = Op::from_code(key.op).ok_or_else(fail)?;
    Ok(Change {
        key: key.name.clone(),
        op,
        value: key.value.clone(),
    })
}

/// Only a broker knows its own file, so it checks what its keys would be.
fn check_broker(
    ctx: &Ctx,
    image: &Image,
    resource: &ConfigResource,
    changes: &[Change],
    replaces_all: bool,
) -> Result<(), ConfigError> {
    let is_per_broker = !resource.name.is_empty();
    if is_per_broker {
        check_is_self("Node", "broker", ctx, &resource.name)?;
    }
    let before = own(image, resource);
    let mut after: Vec<(String, String)> = Vec::new();
    for change in changes {
        validate_broker_op(change)?;
        let current = before.get(change.key.as_str()).copied().filter(|_| !replaces_all);
        after.extend(apply(Scope::Broker, current, change)?.map(|value| (change.key.clone(), value)));
    }
    let is_kept = |key: &str| !replaces_all && !changes.iter().any(|change| change.key == key);
    let kept = before.into_iter().filter(|(key, _)| is_kept(key));
    let pairs = after.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    validate_broker(
        &kept.chain(pairs).collect(),
        is_per_broker,
        &effective(ctx, image),
    )
}

fn check_is_self(id_of: &str, what: &str, ctx: &Ctx, name: &str) -> Result<i32, ConfigError> {
    let expected = ctx.node.config.node_id;
    match name.parse::<i32>() {
        Err(_) => Err(ConfigError::bad_request(format!(
            "{id_of} id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id == expected => Ok(id),
        Ok(_) => Err(ConfigError::bad_request(format!(
            "Unexpected {what} id, expected {expected}, but received {name}"
        ))),
    }
}

/// Levels are changed at once and only in this process; nothing is written.
fn change_levels(ctx: &Ctx, resource: &Asked, validate_only: bool) -> Result<(), ConfigError> {
    check_is_self("Node", "node", ctx, &resource.name)?;
    let changes = resource
        .keys
        .iter()
        .map(level_change)
        .collect::<Result<Vec<_>, _>>()?;
    if !validate_only {
        for (name, level) in changes {
            match loggers::set(name, level) {
                true => tracing::warn!(logger = name, level, "log level changed"),
                false => tracing::error!(logger = name, level, "log level could not be changed"),
            }
        }
    }
    Ok(())
}

fn level_change(key: &AskedKey) -> Result<(&str, Option<&'static str>), ConfigError> {
    let name = key.name.as_str();
    let op = Op::from_code(key.op);
    if matches!(op, Some(Op::Set | Op::Delete)) && !loggers::exists(name) {
        return Err(ConfigError::invalid(format!("Logger {name} does not exist!")));
    }
    match op {
        Some(Op::Set) => {
            let value = key.value.as_deref().unwrap_or_default();
            let known = loggers::LEVELS.iter().copied().find(|level| *level == value);
            let fail = || {
                ConfigError::invalid(format!(
                    "Cannot set the log level of {name} to {value} as it is not a supported log level. Valid log levels \
                     are {}",
                    loggers::LEVELS.join(", ")
                ))
            };
            Ok((name, Some(known.ok_or_else(fail)?)))
        }
        Some(Op::Delete) if name == loggers::ROOT => Err(ConfigError::bad_request(
            "Removing the log level of the root logger is not allowed",
        )),
        Some(Op::Delete) => Ok((name, None)),
        Some(op @ (Op::Append | Op::Subtract)) => Err(ConfigError::bad_request(format!(
            "{} operation is not allowed for the BROKER_LOGGER resource",
            op.name()
        ))),
        None => Err(ConfigError::bad_request(format!(
            "Unknown operation type {} is not allowed for the BROKER_LOGGER resource",
            key.op
        ))),
    }
}
