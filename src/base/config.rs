//! Configuration. (Its owner replaces this page.)

pub struct BrokerConfig;

pub struct Listener;
