//! What changes a file system's identity, and what does not.

use std::collections::BTreeMap;

use crate::{
    convert::Packing,
    image::{Platform, Wanted},
    layers::Limits,
    optimise::Excess,
};

use super::*;

fn recipe() -> Recipe {
    let platform =
        Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None };
    Recipe {
        wanted: Wanted { platform, name: None },
        limits: Limits::default(),
        optimise: Some(optimise::Options::default()),
        harden: Some(Policy::default()),
        init: Some(Strategy::Direct(direct())),
        format: ext4("", Size::Fitted(Free::Percent(10)), None),
        packing: Packing::None,
    }
}

fn direct() -> Direct {
    Direct { program: b"an init".to_vec(), hostname: None, memory: Vec::new(), stop_seconds: None }
}

fn ext4(label: &str, size: Size, limit: Option<u64>) -> Format {
    Format::Ext4 { label: label.to_owned(), size, limit }
}

fn of(change: impl FnOnce(&mut Recipe)) -> Digest {
    let mut recipe = recipe();
    change(&mut recipe);
    digest(&Digest::of(b"config"), &recipe)
}

#[test]
fn what_has_no_effect_changes_nothing() {
    let expected = of(|_| ());
    let check = |what: &str, change: fn(&mut Recipe)| assert_eq!(of(change), expected, "{what}");
    check("the limit", |recipe| {
        recipe.format = ext4("", Size::Fitted(Free::Percent(10)), Some(1 << 30));
    });
    check("the packing", |recipe| recipe.packing = Packing::Zstd);
    check("the name that was asked for", |recipe| recipe.wanted.name = Some("app:1".to_owned()));
    check("the platform that was asked for", |recipe| {
        recipe.wanted.platform.variant = Some("v3".to_owned());
    });
    check("limits", |recipe| recipe.limits.entries = 1);
    let locales = |all: &[&str]| {
        let kept_locales = all.iter().map(|&one| one.to_owned()).collect();
        of(|recipe| {
            recipe.optimise = Some(optimise::Options { kept_locales, ..Default::default() });
        })
    };
    assert_eq!(locales(&["de", "fr", "de"]), locales(&["fr", "de"]));
}

/// Everything else, each by itself.
#[test]
fn all_else_changes_it() {
    type Change = fn(&mut Recipe);
    fn with_direct(recipe: &mut Recipe, change: impl FnOnce(&mut Direct)) {
        let mut direct = direct();
        change(&mut direct);
        recipe.init = Some(Strategy::Direct(direct));
    }
    fn policy(recipe: &mut Recipe) -> &mut Policy {
        recipe.harden.get_or_insert_default()
    }
    fn options(recipe: &mut Recipe) -> &mut optimise::Options {
        recipe.optimise.get_or_insert_default()
    }
    fn memory(bytes: Option<u64>) -> Memory {
        Memory { path: "/run".to_owned(), bytes }
    }
    let changes: [(&str, Change); 35] = [
        ("nothing", |_| ()),
        ("no optimising", |recipe| recipe.optimise = None),
        ("optimising of nothing", |recipe| options(recipe).excesses.clear()),
        ("one excess less", |recipe| options(recipe).excesses.retain(|one| *one != Excess::Pip)),
        ("another locale", |recipe| options(recipe).kept_locales.push("de".to_owned())),
        ("no locale", |recipe| options(recipe).kept_locales.clear()),
        ("no hardening", |recipe| recipe.harden = None),
        ("a kept path", |recipe| policy(recipe).kept.push(b"etc/ssh".to_vec())),
        ("the root kept", |recipe| policy(recipe).kept.push(Vec::new())),
        ("two kept paths", |recipe| policy(recipe).kept.extend([b"etc".to_vec(), b"ssh".to_vec()])),
        ("no set-id", |recipe| policy(recipe).set_id = Rule::Strip),
        ("set-id refused", |recipe| policy(recipe).set_id = Rule::Refuse),
        ("no capabilities", |recipe| policy(recipe).capabilities = Rule::Strip),
        ("capabilities refused", |recipe| policy(recipe).capabilities = Rule::Refuse),
        ("nothing world-writable", |recipe| policy(recipe).world_writable = Rule::Strip),
        ("world-writable refused", |recipe| policy(recipe).world_writable = Rule::Refuse),
        ("devices refused", |recipe| policy(recipe).devices = Devices::Refuse),
        ("no init", |recipe| recipe.init = None),
        ("systemd", |recipe| recipe.init = Some(Strategy::Systemd)),
        ("custom", |recipe| {
            recipe.init = Some(Strategy::Custom(Custom { program: "/init".to_owned() }));
        }),
        ("another custom", |recipe| {
            recipe.init = Some(Strategy::Custom(Custom { program: "/sbin/init".to_owned() }));
        }),
        ("another program", |recipe| with_direct(recipe, |direct| direct.program.push(b'!'))),
        ("a name", |recipe| {
            with_direct(recipe, |direct| direct.hostname = Some("app".to_owned()));
        }),
        ("another name", |recipe| {
            with_direct(recipe, |direct| direct.hostname = Some("app2".to_owned()));
        }),
        ("memory", |recipe| {
            with_direct(recipe, |direct| direct.memory.push(memory(None)));
        }),
        ("memory of a size", |recipe| {
            with_direct(recipe, |direct| direct.memory.push(memory(Some(1 << 20))));
        }),
        ("more memory", |recipe| {
            with_direct(recipe, |direct| direct.memory.extend([memory(None), memory(None)]));
        }),
        ("a time to stop", |recipe| with_direct(recipe, |direct| direct.stop_seconds = Some(0))),
        ("more time", |recipe| with_direct(recipe, |direct| direct.stop_seconds = Some(10))),
        ("a tar", |recipe| recipe.format = Format::Tar),
        ("a label", |recipe| recipe.format = ext4("a", Size::Fitted(Free::Percent(10)), None)),
        ("a size", |recipe| recipe.format = ext4("", Size::Exact(10), None)),
        ("free bytes", |recipe| recipe.format = ext4("", Size::Fitted(Free::Bytes(10)), None)),
        ("free percent", |recipe| recipe.format = ext4("", Size::Fitted(Free::Percent(11)), None)),
        ("a label as long as a size", |recipe| recipe.format = ext4("size", Size::Exact(10), None)),
    ];
    let mut seen = BTreeMap::new();
    for (what, change) in changes {
        assert_eq!(seen.insert(of(change), what), None, "{what}");
    }
    let other = digest(&Digest::of(b"another config"), &recipe());
    assert_eq!(seen.insert(other, "config"), None);
}

/// Who changes what is hashed changes what everyone gets.
#[test]
fn it_is_the_same_everywhere() {
    assert_eq!(of(|_| ()).uuid().to_string(), "addc2b26-f7e5-8b7f-b223-6c366ef37bd1");
}
