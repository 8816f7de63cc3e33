//! All that a file system follows from, as bytes that mean one thing.
//!
//! Each field is a name and a value behind its length, so no two recipes run into the same bytes. What has
//! no effect on the file system is left out: where the image was looked for, and what would have been
//! refused or how the file is packed.

use std::collections::BTreeSet;

use kiln_digest::{Digest, Hasher};

use super::{Format, Recipe};
use crate::{
    ext4::{Free, Size},
    harden::{Devices, Policy, Rule},
    init::{Custom, Direct, Memory, Strategy},
    optimise,
};

/// Of another rule, other bytes come.
const RULE: &[u8] = b"kiln-rootfs 1";

pub(super) fn digest(config: &Digest, recipe: &Recipe) -> Digest {
    let Recipe { wanted: _, limits: _, optimise, harden, init, format, packing: _ } = recipe;
    let mut fields = Fields(Hasher::default());
    fields.put("rule", RULE);
    fields.put("config", config.bytes());
    if let Some(options) = optimise {
        fields.optimise(options);
    }
    if let Some(policy) = harden {
        fields.harden(policy);
    }
    if let Some(strategy) = init {
        fields.init(strategy);
    }
    fields.format(format);
    fields.0.finish()
}

struct Fields(Hasher);

impl Fields {
    fn put(&mut self, name: &str, value: &[u8]) {
        for bytes in [name.as_bytes(), value] {
            self.0.update(&(bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.put(name, &value.to_le_bytes());
    }

    /// Order and repetition mean nothing.
    fn set<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a [u8]>) {
        let values: BTreeSet<_> = values.into_iter().collect();
        self.number(name, values.len() as u64);
        for value in values {
            self.put(name, value);
        }
    }

    fn optimise(&mut self, options: &optimise::Options) {
        let optimise::Options { excesses, kept_locales } = options;
        self.set("excess", excesses.iter().map(|excess| excess.name().as_bytes()));
        self.set("kept locale", kept_locales.iter().map(String::as_bytes));
    }

    fn harden(&mut self, policy: &Policy) {
        let Policy { kept, set_id, capabilities, world_writable, devices } = policy;
        self.set("kept path", kept.iter().map(Vec::as_slice));
        self.put("set-id", rule(*set_id));
        self.put("capabilities", rule(*capabilities));
        self.put("world-writable", rule(*world_writable));
        self.put(
            "devices",
            match devices {
                Devices::Keep => b"keep",
                Devices::Refuse => b"refuse",
            },
        );
    }

    fn init(&mut self, strategy: &Strategy) {
        match strategy {
            Strategy::Direct(Direct { program, hostname, memory, stop_seconds }) => {
                self.put("init", b"direct");
                self.put("program", Digest::of(program).bytes());
                if let Some(hostname) = hostname {
                    self.put("hostname", hostname.as_bytes());
                }
                for Memory { path, bytes } in memory {
                    self.put("memory", path.as_bytes());
                    if let Some(bytes) = bytes {
                        self.number("memory bytes", *bytes);
                    }
                }
                if let Some(seconds) = stop_seconds {
                    self.number("stop seconds", u64::from(*seconds));
                }
            }
            Strategy::Systemd => self.put("init", b"systemd"),
            Strategy::Custom(Custom { program }) => {
                self.put("init", b"custom");
                self.put("program", program.as_bytes());
            }
        }
    }

    fn format(&mut self, format: &Format) {
        match format {
            Format::Ext4 { label, size, limit: _ } => {
                self.put("format", b"ext4");
                self.put("label", label.as_bytes());
                match size {
                    Size::Exact(bytes) => self.number("size", *bytes),
                    Size::Fitted(Free::Bytes(bytes)) => self.number("free", *bytes),
                    Size::Fitted(Free::Percent(percent)) => {
                        self.number("free percent", u64::from(*percent));
                    }
                }
            }
            Format::Tar => self.put("format", b"tar"),
        }
    }
}

fn rule(rule: Rule) -> &'static [u8] {
    match rule {
        Rule::Report => b"report",
        Rule::Strip => b"strip",
        Rule::Refuse => b"refuse",
    }
}

#[cfg(test)]
mod tests;
