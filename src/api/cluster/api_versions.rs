//! ApiVersions (18), versions 0-4: what this node answers, and the features of the cluster.
//!
//! A version above 4 is answered in the form of version 0 with UNSUPPORTED_VERSION and the range for ApiVersions itself,
//! so that any client can read it and ask again. Version 3 and newer name the client's library; names that no library
//! would have are refused with INVALID_REQUEST, since they end up in metrics and logs.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_base::config::Listener;
use ottla_metadata::{Image, features};

use crate::api::table::{self, Row};
use crate::api::{Ctx, Reply};
use crate::wire::{self, Body, WireError};

pub fn handle(ctx: &Ctx, request: ApiVersionsRequest) -> Reply<ApiVersionsResponse> {
    if ctx.api_version >= 3 {
        let (name, version) = (&*request.client_software_name, &*request.client_software_version);
        if !is_software_name(name) || !is_software_name(version) {
            return Reply::Now(
                ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code()),
            );
        }
        // The first one stands: a connection has one client.
        let _ = ctx
            .connection
            .client_software
            .set((name.to_owned(), version.to_owned()));
    }
    Reply::Now(response(&ctx.image(), &ctx.listener, ctx.api_version))
}

fn response(image: &Image, listener: &Listener, version: i16) -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_api_keys(advertised(listener))
        .with_supported_features(supported_features(version))
        .with_finalized_features_epoch(image.offset)
        .with_finalized_features(finalized_features(image))
}

/// The answer to a version of `key` that is not served: ApiVersions is answered, everything else is not.
pub fn unsupported_version(key: i16) -> Option<Result<Body, WireError>> {
    if key != ApiKey::ApiVersions as i16 {
        return None;
    }
    let own = table::row(key).and_then(api_version);
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(own.into_iter().collect());
    Some(wire::encode(key, 0, response))
}

fn advertised(listener: &Listener) -> Vec<ApiVersion> {
    table::rows()
        .iter()
        .filter(|row| row.scope.is_served_on(listener) && !is_quiet(row))
        .filter_map(api_version)
        .collect()
}

/// Kafka answers these two, but offers them only when it has a plugin that takes the metrics.
fn is_quiet(row: &Row) -> bool {
    row.key == ApiKey::GetTelemetrySubscriptions as i16 || row.key == ApiKey::PushTelemetry as i16
}

fn api_version(row: &Row) -> Option<ApiVersion> {
    let versions = row.works()?;
    // Produce 0-2 are long gone, but librdkafka takes a broker that does not name them for one that cannot compress; so
    // Kafka names them (KAFKA-18659), and so do we.
    let min = if row.key == ApiKey::Produce as i16 {
        0
    } else {
        *versions.start()
    };
    Some(
        ApiVersion::default()
            .with_api_key(row.key)
            .with_min_version(min)
            .with_max_version(*versions.end()),
    )
}

/// Before version 4 clients do not understand a feature whose lowest level is 0 (KAFKA-17011).
fn supported_features(version: i16) -> Vec<SupportedFeatureKey> {
    features::SUPPORTED
        .iter()
        .filter(|feature| version >= 4 || feature.min > 0)
        .map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(feature.name))
                .with_min_version(feature.min)
                .with_max_version(feature.max)
        })
        .collect()
}

fn finalized_features(image: &Image) -> Vec<FinalizedFeatureKey> {
    let kraft = (features::KRAFT_VERSION, image.features.kraft_version);
    image
        .features
        .iter()
        .chain((kraft.1 > 0).then_some(kraft))
        .map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_min_version_level(level)
                .with_max_version_level(level)
        })
        .collect()
}

/// Letters, digits, dots and hyphens, beginning and ending with a letter or a digit.
fn is_software_name(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_edge(text.chars().next())
        && is_edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use ottla_base::config::SecurityProtocol;

    use super::*;

    fn listener(is_controller: bool) -> Listener {
        Listener {
            name: "PLAINTEXT".to_owned(),
            protocol: SecurityProtocol::Plaintext,
            host: String::new(),
            port: 9092,
            advertised: None,
            is_controller,
        }
    }

    #[test]
    fn a_listener_advertises_what_it_serves() {
        let has = |is_controller, key| {
            advertised(&listener(is_controller))
                .iter()
                .any(|api| api.api_key == key)
        };
        let (metadata, create_topics) = (ApiKey::Metadata as i16, ApiKey::CreateTopics as i16);
        assert!(has(false, metadata) && has(false, create_topics));
        assert!(!has(true, metadata) && has(true, create_topics));
    }

    #[test]
    fn every_version_of_the_answer_encodes() {
        let mut image = Image::empty();
        image.offset = 128;
        let listener = listener(false);
        for version in 0..=4 {
            let body = wire::encode(18, version, response(&image, &listener, version));
            assert!(body.is_ok_and(|body| !body.is_empty()), "version {version}");
        }
    }

    #[test]
    fn a_newer_version_gets_the_range_in_the_form_of_version_0() {
        let body = unsupported_version(18).unwrap().unwrap();
        let [wire::Chunk::Bytes(bytes)] = body.chunks() else {
            panic!("{body:?}")
        };
        // As Apache Kafka 4.3.1 answers it.
        assert_eq!(&bytes[..], [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
        assert!(unsupported_version(3).is_none());
    }

    #[test]
    fn old_clients_see_no_feature_that_begins_at_level_0() {
        let names = |version| -> Vec<String> {
            let features = supported_features(version);
            features.iter().map(|feature| feature.name.to_string()).collect()
        };
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4).len(), 7);
    }

    #[test]
    fn software_names_are_those_of_libraries() {
        for good in ["apache-kafka-java", "librdkafka", "4.3.1", "a"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a\n", "\u{e4}", "."] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
