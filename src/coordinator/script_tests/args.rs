//! A script's line: a verb, names, and `key=value` arguments.

pub struct Args<'a> {
    pub verb: &'a str,
    pub names: Vec<&'a str>,
    values: Vec<(&'a str, &'a str)>,
}

impl<'a> Args<'a> {
    pub fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let (values, names): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('='));
        let values = values
            .into_iter()
            .map(|word| word.split_once('=').expect("has a ="))
            .collect();
        Self { verb, names, values }
    }

    pub fn name(&self) -> &'a str {
        self.names.first().copied().unwrap_or_default()
    }

    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.values
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    pub fn text(&self, key: &str, default: &str) -> String {
        self.get(key).unwrap_or(default).to_owned()
    }

    pub fn number<N: std::str::FromStr>(&self, key: &str, default: N) -> N {
        self.get(key).map_or(default, |value| {
            value.parse().ok().unwrap_or_else(|| panic!("{key}={value}"))
        })
    }

    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.get(key)
            .into_iter()
            .flat_map(|value| value.split(','))
            .filter(|item| !item.is_empty())
            .collect()
    }
}
