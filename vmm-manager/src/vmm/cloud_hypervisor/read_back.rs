//! What really runs, compared with what was asked. A machine that was misunderstood is not booted.
//!
//! Every field that was asked for must come back as it was asked. Fields that were not asked for
//! are a newer release's own matter, but for those that would add a device, or open one up.

use serde_json::Value;

use crate::vmm::VmmError;

/// What must not be there unless it was asked for. A star stands for each element of a list.
const UNWANTED: &[&[&str]] = &[
    &["balloon"],
    &["devices"],
    &["fs"],
    &["gdb"],
    &["generic_vhost_user"],
    &["ivshmem"],
    &["net"],
    &["numa"],
    &["pci_segments"],
    &["platform"],
    &["pmem"],
    &["pvmemcontrol"],
    &["rate_limit_groups"],
    &["rtc"],
    &["sgx_epc"],
    &["tpm"],
    &["user_devices"],
    &["vdpa"],
    &["cpus", "affinity"],
    &["cpus", "topology"],
    &["memory", "hugepage_size"],
    &["memory", "zones"],
    &["payload", "firmware"],
    &["payload", "fw_cfg_config"],
    &["payload", "igvm"],
    &["console", "file"],
    &["console", "socket"],
    &["debug_console", "file"],
    &["serial", "file"],
    &["serial", "socket"],
    &["rng", "iommu"],
    &["vsock", "iommu"],
    &["disks", "*", "iommu"],
    &["disks", "*", "vhost_socket"],
    &["disks", "*", "rate_limit_group"],
    &["disks", "*", "rate_limiter_config"],
    &["net", "*", "iommu"],
    &["net", "*", "tap"],
    &["net", "*", "ip"],
    &["net", "*", "mtu"],
    &["net", "*", "vhost_socket"],
    &["net", "*", "rate_limiter_config"],
];

/// Compares what was `asked` with what `vm.info` answered; its guest must be `state`.
pub(super) fn compare(asked: &Value, info: &Value, state: &str) -> Result<(), VmmError> {
    same("state", &Value::from(state), &info["state"])?;
    config(asked, &info["config"])
}

/// [`compare`], whatever the machine does at the moment.
pub(super) fn config(asked: &Value, config: &Value) -> Result<(), VmmError> {
    each(&mut Vec::new(), asked, config)?;
    UNWANTED.iter().try_for_each(|path| unwanted(&mut Vec::new(), path, asked, config))
}

fn each(path: &mut Vec<String>, asked: &Value, actual: &Value) -> Result<(), VmmError> {
    match asked {
        Value::Object(fields) => fields.iter().try_for_each(|(name, asked)| {
            path.push(name.clone());
            each(path, asked, &actual[name])?;
            path.pop();
            Ok(())
        }),
        Value::Array(elements) => {
            let length = actual.as_array().map_or(0, Vec::len);
            let name = format!("the number of {}", path.join("."));
            same(&name, &elements.len().into(), &length.into())?;
            elements.iter().enumerate().try_for_each(|(index, asked)| {
                path.push(index.to_string());
                each(path, asked, &actual[index])?;
                path.pop();
                Ok(())
            })
        }
        _ => same(&path.join("."), asked, actual),
    }
}

fn unwanted(
    at: &mut Vec<String>,
    path: &[&str],
    asked: &Value,
    actual: &Value,
) -> Result<(), VmmError> {
    let Some((step, rest)) = path.split_first() else {
        let anything = !matches!(actual, Value::Null | Value::Bool(false));
        let elements = actual.as_array().is_none_or(|elements| !elements.is_empty());
        if anything && elements && asked.is_null() {
            return same(&at.join("."), &Value::Null, actual);
        }
        return Ok(());
    };
    if *step == "*" {
        let elements = actual.as_array().map(Vec::as_slice).unwrap_or_default();
        return elements.iter().enumerate().try_for_each(|(index, actual)| {
            at.push(index.to_string());
            unwanted(at, rest, &asked[index], actual)?;
            at.pop();
            Ok(())
        });
    }
    at.push((*step).to_owned());
    unwanted(at, rest, &asked[*step], &actual[*step])?;
    at.pop();
    Ok(())
}

fn same(field: &str, asked: &Value, actual: &Value) -> Result<(), VmmError> {
    if asked == actual {
        return Ok(());
    }
    let shown = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => crate::guest::text::printable(text),
        value => crate::guest::text::printable(&value.to_string()),
    };
    let (asked, actual) = (shown(asked), shown(actual));
    Err(VmmError::ReadBack { field: field.to_owned(), asked, actual })
}

#[cfg(test)]
mod tests;
