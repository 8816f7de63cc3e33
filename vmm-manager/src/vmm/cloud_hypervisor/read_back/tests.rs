use serde_json::json;

use super::{Value, VmmError, compare};

fn check(asked: &Value, info: &Value, expected: Option<&str>) {
    let field = match compare(asked, info, "Created") {
        Ok(()) => None,
        Err(VmmError::ReadBack { field, .. }) => Some(field),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(field.as_deref(), expected, "{info}");
}

#[test]
fn a_machine_that_differs_is_not_booted() {
    let asked = json!({
        "cpus": {"nested": false},
        "disks": [{"id": "a", "image_type": "Raw"}, {"id": "b", "image_type": "Raw"}],
        "watchdog": false,
        "landlock_rules": [],
    });
    let config = json!({
        "cpus": {"nested": false, "profile": "Host"},
        "disks": [
            {"id": "a", "image_type": "Raw", "direct": false},
            {"id": "b", "image_type": "Raw"}
        ],
        "watchdog": false,
        "landlock_rules": [],
        "net": null,
        "fs": [],
        "iommu": true,
        "of a later release": {"on": true},
    });
    let with = |pointer: &str, value: Value| {
        let mut info = json!({"state": "Created", "config": config});
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match info.pointer_mut(parent).unwrap() {
            Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
            fields => fields[name] = value,
        }
        info
    };
    check(&asked, &with("/state", json!("Created")), None);
    check(&asked, &with("/state", json!("Running")), Some("state"));
    check(&asked, &with("/state", Value::Null), Some("state"));
    check(&asked, &with("/config", Value::Null), Some("cpus.nested"));
    check(&asked, &with("/config", json!("no object")), Some("cpus.nested"));
    check(&asked, &with("/config/cpus/nested", json!(true)), Some("cpus.nested"));
    check(&asked, &with("/config/cpus/nested", json!("false")), Some("cpus.nested"));
    check(&asked, &with("/config/disks/1/image_type", json!("Qcow2")), Some("disks.1.image_type"));
    check(&asked, &with("/config/disks/0", Value::Null), Some("disks.0.id"));
    check(&asked, &with("/config/disks", json!([{"id": "a"}])), Some("the number of disks"));
    check(&asked, &with("/config/disks", json!({})), Some("the number of disks"));
    check(
        &asked,
        &with("/config/landlock_rules", json!([{}])),
        Some("the number of landlock_rules"),
    );
    check(&asked, &with("/config/net", json!([{"id": "n"}])), Some("net"));
    check(&asked, &with("/config/balloon", json!({"size": 0})), Some("balloon"));
    check(&asked, &with("/config/gdb", json!(true)), Some("gdb"));
    check(&asked, &with("/config/disks/1/iommu", json!(true)), Some("disks.1.iommu"));
    check(&asked, &with("/config/cpus/affinity", json!([{}])), Some("cpus.affinity"));
    check(&asked, &with("/config/cpus/affinity", json!([])), None);
}

#[test]
fn what_a_difference_says_cannot_steer_a_terminal() {
    let asked = json!({"payload": {"kernel": "/k"}});
    let info = json!({"state": "Created", "config": {"payload": {"kernel": "\u{1b}[2J"}}});
    let error = compare(&asked, &info, "Created").unwrap_err().to_string();
    assert_eq!(error, "the machine runs with payload.kernel = \u{fffd}[2J, not /k as asked");
}
