//! What is in a ruleset, in a form in which what was rendered and what the kernel lists are equal
//! when they mean the same, whichever `nft` lists it.

use std::{collections::BTreeMap, net::Ipv6Addr};

use serde_json::{Value, json};

/// Each object by what it is called, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Canonical(BTreeMap<String, String>);

/// An object that is not as it was rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("{0} is missing")]
    Missing(String),
    #[error("{0} is not ours")]
    Foreign(String),
    #[error("{object} is {found:?} and should be {expected:?}")]
    Other { object: String, expected: String, found: String },
}

impl Canonical {
    pub(crate) fn add(&mut self, table: &str, kind: &str, name: &str, content: String) {
        self.0.insert(format!("{kind} {name} of {table}"), content);
    }

    pub(crate) fn add_rule<'a>(
        &mut self,
        table: &str,
        chain: &str,
        index: usize,
        statements: impl IntoIterator<Item = &'a Value>,
    ) {
        let mut statements: Vec<Value> = statements.into_iter().filter_map(statement).collect();
        name_transport(&mut statements);
        let statements: Vec<_> = statements.iter().map(Value::to_string).collect();
        self.0.insert(format!("rule {index:03} of chain {chain} of {table}"), statements.join(" "));
    }

    pub(crate) fn set_properties(
        key: &[&str],
        flags: &str,
        size: Option<u32>,
        seconds: Option<u32>,
        counted: bool,
    ) -> String {
        format!("{} {flags} {size:?} {seconds:?} {counted}", key.join(" . "))
    }

    /// The first of each kind of difference is told; one is enough to stop.
    pub(crate) fn compare(&self, found: &Self) -> Result<(), Difference> {
        for (object, expected) in &self.0 {
            match found.0.get(object) {
                None => return Err(Difference::Missing(object.clone())),
                Some(found) if found != expected => {
                    let [expected, found] = apart(expected, found);
                    return Err(Difference::Other { object: object.clone(), expected, found });
                }
                Some(_) => {}
            }
        }
        match found.0.keys().find(|object| !self.0.contains_key(*object)) {
            Some(object) => Err(Difference::Foreign(object.clone())),
            None => Ok(()),
        }
    }
}

/// Names of links, in order.
pub(crate) fn links(mut names: Vec<String>) -> String {
    names.sort_unstable();
    names.join(", ")
}

/// From where they differ, and a little of what is before.
fn apart(one: &str, other: &str) -> [String; 2] {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let rest = |text: &str| text.chars().skip(same.saturating_sub(CONTEXT)).take(SHOWN).collect();
    [rest(one), rest(other)]
}

const CONTEXT: usize = 80;
const SHOWN: usize = 240;

/// `None` where one `nft` says it and the other knows that it follows.
fn statement(value: &Value) -> Option<Value> {
    let mut value = value.clone();
    if let Some(limit) = value.get_mut("limit") {
        scale(limit, "rate", "rate_unit");
        scale(limit, "burst", "burst_unit");
    }
    let left = value.pointer("/match/left");
    if left.is_some_and(|left| is_dependency(left, value.pointer("/match/right"))) {
        return None;
    }
    name_target(&mut value);
    if let Some(right) = value.pointer_mut("/match/right") {
        *right = operand(right);
    }
    Some(value)
}

/// A port of a transport that the rule has named is listed as that transport's, and the name is not.
fn name_transport(statements: &mut Vec<Value>) {
    let named = statements.iter().position(|one| {
        one.pointer("/match/left/meta/key").and_then(Value::as_str) == Some("l4proto")
            && matches!(one.pointer("/match/right").and_then(Value::as_str), Some("tcp" | "udp"))
    });
    let Some(named) = named else { return };
    let Some(name) = statements[named].pointer("/match/right").cloned() else { return };
    if statements.iter_mut().map(|one| rename_header(one, &name)).fold(false, |any, one| any | one)
    {
        statements.remove(named);
    }
}

fn rename_header(value: &mut Value, name: &Value) -> bool {
    match value {
        Value::Object(object) => {
            let mut renamed = false;
            for (key, value) in object.iter_mut() {
                if key == "protocol" && value == "th" {
                    *value = name.clone();
                    renamed = true;
                } else {
                    renamed |= rename_header(value, name);
                }
            }
            renamed
        }
        Value::Array(values) => {
            values.iter_mut().fold(false, |renamed, value| rename_header(value, name) | renamed)
        }
        _ => false,
    }
}

/// That a header is there at all: `nft` leaves it out where a later match on the header implies it.
fn is_dependency(left: &Value, right: Option<&Value>) -> bool {
    let of_one = right.is_some_and(Value::is_string);
    let field = left.pointer("/payload/field").and_then(Value::as_str);
    let ethernet = left.pointer("/payload/protocol").and_then(Value::as_str) == Some("ether");
    let next = left.pointer("/payload/protocol").and_then(Value::as_str) == Some("ip6");
    of_one && ((ethernet && field == Some("type")) || (next && field == Some("nexthdr")))
}

/// The address that a message of neighbour discovery is about: a field with a name since 1.0.8.
fn name_target(value: &mut Value) {
    let bits = json!({"payload": {"base": "th", "offset": 64, "len": 128}});
    if value.pointer("/match/left") != Some(&bits) {
        return;
    }
    if let Some(left) = value.pointer_mut("/match/left") {
        *left = json!({"payload": {"protocol": "icmpv6", "field": "taddr"}});
    }
    let address = |value: &mut Value| {
        let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
        if let Some(bits) = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
            *value = Ipv6Addr::from(bits).to_string().into();
        }
    };
    if let Some(listed) = value.pointer_mut("/match/right/set").and_then(Value::as_array_mut) {
        listed.iter_mut().for_each(address);
    } else if let Some(right) = value.pointer_mut("/match/right") {
        address(right);
    }
}

/// Bytes, whatever the unit.
fn scale(limit: &mut Value, what: &str, unit: &str) {
    let factor = match limit.get(unit).and_then(Value::as_str) {
        Some("kbytes") => 1 << 10,
        Some("mbytes") => 1 << 20,
        _ => 1u64,
    };
    if let (Some(number), Some(limit)) =
        (limit.get(what).and_then(Value::as_u64), limit.as_object_mut())
    {
        limit.insert(what.to_owned(), (number.saturating_mul(factor)).into());
        limit.remove(unit);
    }
}

/// A list without its order.
fn operand(value: &Value) -> Value {
    let list = value.get("set").and_then(Value::as_array).or_else(|| value.as_array());
    let Some(list) = list else {
        return value.clone();
    };
    let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
    list.sort_unstable();
    list.into_iter().map(Value::from).collect()
}
