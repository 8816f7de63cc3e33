//! The documented shape of the report: its example in docs/cli.md.

use anyhow::{Context as _, ensure};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/cli.md");
const HEADING: &str = "### A doctor's report";

/// Every key of the example is there, and no other.
pub(crate) fn check(report: &Value) -> anyhow::Result<()> {
    same("", &example()?, report)
}

fn example() -> anyhow::Result<Value> {
    let (_, section) = DOCUMENT.split_once(HEADING).context("the report is not documented")?;
    let (_, example) = section.split_once("```json\n").context("there is no example")?;
    let (example, _) = example.split_once("```").context("the example has no end")?;
    serde_json::from_str(example).context("the example is no JSON")
}

fn same(place: &str, documented: &Value, found: &Value) -> anyhow::Result<()> {
    match (documented, found) {
        // What does not apply.
        (Value::Null, _) | (_, Value::Null) => Ok(()),
        (Value::Object(documented), Value::Object(found)) => {
            let keys = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<Vec<_>>()
            };
            ensure!(keys(documented) == keys(found), "{place}: {found:?}, not {documented:?}");
            documented
                .iter()
                .try_for_each(|(key, value)| same(&format!("{place}.{key}"), value, &found[key]))
        }
        (Value::Array(documented), Value::Array(found)) => {
            let documented = documented.first().context("an empty example")?;
            found.iter().try_for_each(|value| same(&format!("{place}[]"), documented, value))
        }
        _ => {
            let kind = |value: &Value| std::mem::discriminant(value);
            ensure!(kind(documented) == kind(found), "{place}: {found}, not like {documented}");
            Ok(())
        }
    }
}
