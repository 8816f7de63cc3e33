//! What `nft -j` lists of tables of ours, of 1.0.6 as of 1.1.

use std::{collections::HashMap, net::IpAddr};

use serde_json::Value;

use super::{NftError, command::call};
use crate::{
    plan::Cidr,
    ruleset::{Canonical, Ranges, bounds, links},
};

/// Its objects, in the order in which they were listed.
#[derive(Clone, Debug)]
pub(crate) struct Listing(Vec<Value>);

/// `tables` are family and name; one that is missing is an error.
pub(crate) fn list(tables: &[(&str, &str)]) -> Result<Listing, NftError> {
    let mut objects = Vec::new();
    for (family, name) in tables {
        // By numbers, but for what has no other name in the listing.
        let printed = call(&["-j", "list", "table", family, name], None)?;
        let mut listing: Value = serde_json::from_slice(&printed)
            .map_err(|error| NftError::Listing(error.to_string()))?;
        match listing.get_mut("nftables").map(Value::take) {
            Some(Value::Array(listed)) => objects.extend(listed),
            _ => return Err(NftError::Listing("no list of objects".into())),
        }
    }
    Ok(Listing(objects))
}

impl Listing {
    pub(crate) fn canonical(&self) -> Canonical {
        let mut canonical = Canonical::default();
        let mut rules: HashMap<(String, String), usize> = HashMap::new();
        for (kind, object) in self.objects() {
            let text = |field: &str| text(object, field);
            let table = format!("{} {}", text("family"), text("table"));
            match kind {
                "metainfo" | "table" => {}
                "chain" => {
                    let hooked = object.get("hook").is_some();
                    let priority = object.get("prio").and_then(Value::as_i64).unwrap_or_default();
                    let properties = if hooked {
                        format!("{} {} {priority} {}", text("type"), text("hook"), text("policy"))
                    } else {
                        String::new()
                    };
                    canonical.add(&table, kind, &text("name"), properties);
                }
                "rule" => {
                    let chain = text("chain");
                    let index = rules.entry((table.clone(), chain.clone())).or_default();
                    let statements = object.get("expr").and_then(Value::as_array);
                    canonical.add_rule(&table, &chain, *index, statements.into_iter().flatten());
                    *index += 1;
                }
                "set" => set(&mut canonical, &table, object),
                _ => canonical.add(&table, kind, &text("name"), String::new()),
            }
        }
        canonical
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .iter()
            .filter_map(Value::as_object)
            .flat_map(|object| object.iter().map(|(kind, object)| (kind.as_str(), object)))
    }

    /// The elements of a set of the `inet` table.
    pub(crate) fn elements(&self, set: &str) -> &[Value] {
        self.objects()
            .find(|(kind, object)| *kind == "set" && text(object, "name") == set)
            .and_then(|(_, object)| object.get("elem")?.as_array())
            .map_or(&[], Vec::as_slice)
    }

    /// Packets that a counter has seen, in all tables that are listed.
    pub(crate) fn packets(&self, counter: &str) -> u64 {
        self.objects()
            .filter(|(kind, object)| *kind == "counter" && text(object, "name") == counter)
            .filter_map(|(_, object)| object.get("packets")?.as_u64())
            .sum()
    }
}

fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn set(canonical: &mut Canonical, table: &str, object: &Value) {
    let name = text(object, "name");
    let words = |field: &str| match object.get(field) {
        Some(Value::String(word)) => vec![word.as_str()],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let number = |field: &str| object.get(field)?.as_u64()?.try_into().ok();
    // 1.0.6 does not list it.
    let flags: Vec<_> = words("flags").into_iter().filter(|flag| *flag != "dynamic").collect();
    let flags = flags.join(",");
    let counted = object.get("stmt").is_some();
    let properties = Canonical::set_properties(
        &words("type"),
        &flags,
        number("size"),
        number("timeout"),
        counted,
    );
    canonical.add(table, "set", &name, properties);
    let fixed = object.get("size").is_none();
    if fixed {
        let elements = object.get("elem").and_then(Value::as_array);
        let elements = elements.into_iter().flatten();
        let content = if words("type") == ["ifname"] {
            let names = elements.map(|name| Some(name.as_str()?.to_owned()));
            names.collect::<Option<Vec<_>>>().map(links)
        } else {
            let ranges = elements.map(range).collect::<Option<Vec<_>>>();
            ranges.map(|ranges| Ranges::new(ranges).to_string())
        };
        let content = content.unwrap_or("unreadable".into());
        canonical.add(table, "elements", &name, content);
    }
}

/// An address, a block or a range.
fn range(element: &Value) -> Option<(IpAddr, IpAddr)> {
    let address = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    if let Some(prefix) = element.get("prefix") {
        let length = prefix.get("len")?.as_u64()?.try_into().ok()?;
        return Some(bounds(&Cidr::new(address(prefix.get("addr")?)?, length).ok()?));
    }
    if let Some([first, last]) = element.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return Some((address(first)?, address(last)?));
    }
    address(element).map(|address| (address, address))
}
