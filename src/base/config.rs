//! Configuration. (Its owner replaces this page.)

pub struct BrokerConfig;

pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
}
