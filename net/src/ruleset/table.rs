//! A table: sets, counters, chains.

use std::fmt::Write as _;

use super::{
    canonical::{self, Canonical},
    ranges::Ranges,
    statement::Statement,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(super) family: &'static str,
    pub(super) name: String,
    pub(super) sets: Vec<Set>,
    pub(super) counters: Vec<&'static str>,
    pub(super) chains: Vec<Chain>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) name: String,
    /// The types of its key.
    pub(super) key: Vec<&'static str>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Blocks, fixed.
    Blocks(Ranges),
    /// Addresses, replaced as a whole from time to time.
    Addresses(Vec<std::net::IpAddr>),
    /// Names of links, replaced with the table.
    Links(Vec<String>),
    /// Filled by us, each element for its own time.
    Admitted { size: u32 },
    /// Filled by rules.
    Noted { size: u32, seconds: Option<u32>, counted: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) hook: Option<Hook>,
    pub(super) rules: Vec<Vec<Statement>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hook {
    pub(super) kind: &'static str,
    pub(super) point: &'static str,
    pub(super) device: Option<&'static str>,
    pub(super) priority: i32,
    pub(super) policy: &'static str,
}

impl Table {
    pub(crate) fn family(&self) -> &'static str {
        self.family
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> String {
        let Self { family, name, sets, counters, chains } = self;
        let mut text = format!("table {family} {name}\ndelete table {family} {name}\n");
        let _ = writeln!(text, "table {family} {name} {{");
        for counter in counters {
            let _ = writeln!(text, "\tcounter {counter} {{ }}");
        }
        for set in sets {
            set.write(&mut text);
        }
        // A rule may go to a chain that stands further below only where that is known already.
        for chain in chains.iter().rev() {
            chain.write(&mut text);
        }
        text.push_str("}\n");
        text
    }

    pub(super) fn describe(&self, canonical: &mut Canonical) {
        let table = format!("{} {}", self.family, self.name);
        for counter in &self.counters {
            canonical.add(&table, "counter", counter, String::new());
        }
        for set in &self.sets {
            canonical.add(&table, "set", &set.name, set.properties());
            if let Some(elements) = set.elements() {
                canonical.add(&table, "elements", &set.name, elements);
            }
        }
        for chain in &self.chains {
            canonical.add(&table, "chain", chain.name, chain.properties());
            for (index, rule) in chain.rules.iter().enumerate() {
                canonical.add_rule(&table, chain.name, index, rule.iter().map(|one| &one.json));
            }
        }
    }
}

impl Set {
    fn write(&self, text: &mut String) {
        let _ = write!(text, "\tset {} {{ type {};", self.name, self.key.join(" . "));
        let _ = match &self.kind {
            Kind::Blocks(ranges) if ranges.is_empty() => write!(text, " flags interval;"),
            Kind::Blocks(ranges) => write!(text, " flags interval; elements = {{ {ranges} }};"),
            Kind::Addresses(addresses) if addresses.is_empty() => write!(text, ""),
            Kind::Addresses(addresses) => {
                let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(text, " elements = {{ {} }};", texts.join(", "))
            }
            Kind::Links(names) if names.is_empty() => write!(text, ""),
            Kind::Links(names) => {
                write!(text, " elements = {{ \"{}\" }};", names.join("\", \""))
            }
            Kind::Admitted { size } => write!(text, " flags timeout; size {size};"),
            Kind::Noted { size, seconds, counted } => {
                let flags = if seconds.is_some() { "dynamic, timeout" } else { "dynamic" };
                let _ = write!(text, " flags {flags}; size {size};");
                if let Some(seconds) = seconds {
                    let _ = write!(text, " timeout {seconds}s;");
                }
                write!(text, "{}", if *counted { " counter;" } else { "" })
            }
        };
        text.push_str(" }\n");
    }

    fn properties(&self) -> String {
        let (flags, size, seconds, counted) = match &self.kind {
            Kind::Blocks(_) => ("interval", None, None, false),
            Kind::Addresses(_) | Kind::Links(_) => ("", None, None, false),
            Kind::Admitted { size } => ("timeout", Some(*size), None, false),
            Kind::Noted { size, seconds, counted } => {
                (if seconds.is_some() { "timeout" } else { "" }, Some(*size), *seconds, *counted)
            }
        };
        Canonical::set_properties(&self.key, flags, size, seconds, counted)
    }

    fn elements(&self) -> Option<String> {
        match &self.kind {
            Kind::Blocks(ranges) => Some(ranges.to_string()),
            Kind::Addresses(addresses) => Some(Ranges::of_addresses(addresses).to_string()),
            Kind::Links(names) => Some(canonical::links(names.clone())),
            // They come and go by themselves.
            Kind::Admitted { .. } | Kind::Noted { .. } => None,
        }
    }
}

impl Chain {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\tchain {} {{", self.name);
        if let Some(Hook { kind, point, device, priority, policy }) = &self.hook {
            let device = device.map_or(String::new(), |device| format!(" device \"{device}\""));
            let _ = writeln!(
                text,
                "\t\ttype {kind} hook {point}{device} priority {priority}; policy {policy};"
            );
        }
        for rule in &self.rules {
            let texts: Vec<_> = rule.iter().map(|one| one.text.as_str()).collect();
            let _ = writeln!(text, "\t\t{}", texts.join(" "));
        }
        text.push_str("\t}\n");
    }

    fn properties(&self) -> String {
        self.hook.as_ref().map_or(String::new(), |hook| {
            let Hook { kind, point, priority, policy, .. } = hook;
            format!("{kind} {point} {priority} {policy}")
        })
    }
}
