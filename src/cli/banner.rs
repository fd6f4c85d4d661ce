//! What a node says on standard output when it is ready: what listens where, where the data lies, what to try next.

use std::net::SocketAddr;
use std::path::Path;

use ottla_base::config::BrokerConfig;

/// `bound` are the addresses that are really listened to, by listener name.
pub(super) fn text(config: &BrokerConfig, cluster_id: &str, bound: &[(String, SocketAddr)]) -> String {
    let mut lines = vec![format!(
        "Ottla {} is ready: node {} of cluster {cluster_id}, for clients of Apache Kafka 4.3",
        env!("CARGO_PKG_VERSION"),
        config.node_id
    )];
    for listener in &config.listeners.all {
        let role = if listener.is_controller {
            "controller"
        } else {
            "clients"
        };
        let addresses: Vec<String> = bound
            .iter()
            .filter(|(name, _)| *name == listener.name)
            .map(|(_, at)| at.to_string())
            .collect();
        if addresses.is_empty() {
            continue;
        }
        let protocol = listener.protocol.name();
        let advertised = listener
            .advertised
            .as_ref()
            .map(|at| format!(", known as {at}"))
            .unwrap_or_default();
        lines.push(format!(
            "  {role:<11}{} on {} ({protocol}{advertised})",
            listener.name,
            addresses.join(" and ")
        ));
    }
    let dirs: Vec<String> = config.log_dirs.iter().map(|dir| absolute(dir)).collect();
    lines.push(format!("  {:<11}{}", "data in", dirs.join(", ")));
    if let Some(server) = bootstrap(config, bound) {
        lines.push(format!(
            "  {:<11}kafka-topics.sh --bootstrap-server {server} --create --topic hello",
            "try"
        ));
        lines.push(format!(
            "  {:<11}kafka-console-producer.sh --bootstrap-server {server} --topic hello",
            ""
        ));
    }
    lines.push(format!(
        "  {:<11}Ctrl-C, or SIGTERM: everything is flushed first",
        "stop"
    ));
    lines.join("\n")
}

/// The address a client on this machine would use.
fn bootstrap(config: &BrokerConfig, bound: &[(String, SocketAddr)]) -> Option<String> {
    let listener = config.listeners.broker().next()?;
    if let Some(advertised) = &listener.advertised {
        return Some(advertised.to_string());
    }
    let (_, at) = bound.iter().find(|(name, _)| *name == listener.name)?;
    match at.ip().is_loopback() || at.ip().is_unspecified() {
        true => Some(format!("localhost:{}", at.port())),
        false => Some(at.to_string()),
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::*;

    #[test]
    fn it_says_where_clients_go() {
        let overrides = [("log.dirs".to_owned(), "/var/lib/ottla".to_owned())];
        let config = config::load(None, &overrides).expect("the defaults");
        let at = |text: &str| text.parse().expect("an address");
        let bound = [
            ("PLAINTEXT".to_owned(), at("127.0.0.1:9092")),
            ("PLAINTEXT".to_owned(), at("[::1]:9092")),
            ("CONTROLLER".to_owned(), at("127.0.0.1:9093")),
        ];
        let text = text(&config, "MkU3OEVBNTcwNTJENDM2Qg", &bound);
        assert!(
            text.contains("clients    PLAINTEXT on 127.0.0.1:9092 and [::1]:9092 (PLAINTEXT)"),
            "{text}"
        );
        assert!(text.contains("data in    /var/lib/ottla"), "{text}");
        assert!(text.contains("--bootstrap-server localhost:9092"), "{text}");
    }
}
