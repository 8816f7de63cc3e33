mod bombs;
mod keys;
mod links;
mod packages;
mod rights;
mod tokens;

use proptest::prelude::*;

use super::*;
use crate::{sample::Sample, tree::Tree};

fn hardened(sample: &mut Sample) -> Report {
    hardened_by(sample, &Policy::default())
}

fn hardened_by(sample: &mut Sample, policy: &Policy) -> Report {
    harden(&mut sample.tree, &sample.store, policy).unwrap()
}

/// What becomes of a file that says this, at a place that tells nothing.
#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: Option<Secret>) {
    let bytes = bytes.as_ref();
    let mut sample = Sample::new();
    sample.put_file("app/file", bytes);
    let report = hardened(&mut sample);
    let found = report.removed.first().map(|removed| removed.secret);
    assert_eq!(found, expected, "{}", bytes.escape_ascii());
    assert_eq!(sample.names().contains(&"app/file".to_owned()), expected.is_none());
}

/// Characters that look random and are the same every time.
fn random(alphabet: &[u8], length: usize, seed: u32) -> String {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()])
    };
    (0..length).map(|_| next()).collect()
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[test]
fn histories_identities_and_seeds_go_and_the_machine_id_is_emptied() {
    let mut sample = Sample::new();
    let id = sample.put_file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let removed = [
        "var/lib/dbus/machine-id",
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_ed25519_key.pub",
        "var/lib/systemd/random-seed",
        "root/.bash_history",
        "home/user/.local/share/fish/fish_history",
        "run/secrets/below/token",
    ];
    let kept = ["etc/ssh/sshd_config", "root/.bashrc", "etc/ssh/moduli"];
    for path in removed.iter().chain(&kept) {
        sample.put_file(path, "anything");
    }
    let report = hardened(&mut sample);
    let names = sample.names();
    assert!(removed.iter().all(|path| !names.contains(&(*path).to_owned())), "{names:?}");
    assert!(kept.iter().all(|path| names.contains(&(*path).to_owned())), "{names:?}");
    assert_eq!(sample.tree.node(id).kind, crate::tree::Kind::File(crate::tree::Content::default()));
    assert_eq!(report.removed.len(), removed.len() + 1);
    let emptied: Vec<_> =
        report.removed.iter().filter(|one| one.action == Action::Emptied).collect();
    assert_eq!(emptied.len(), 1);
    assert_eq!(emptied[0].paths, [b"etc/machine-id".to_vec()]);
    assert_eq!(emptied[0].secret, Secret::MachineId);

    let again = hardened(&mut sample);
    assert_eq!(again.removed, []);
}

#[test]
fn an_identity_that_is_yet_to_be_made_stays() {
    let mut sample = Sample::new();
    sample.put_file("etc/machine-id", "uninitialized\n");
    sample.put_file("root/.bash_history", "");
    assert_eq!(hardened(&mut sample).removed, []);
}

#[test]
fn settings_go_only_with_a_secret_in_them() {
    let cases = [
        (".npmrc", "//r.example/:_authToken=npm-abc", "registry=https://r.example/"),
        (".docker/config.json", r#"{"auths":{"a":{"auth":"dTpw"}}}"#, r#"{"credsStore":"x"}"#),
        (".config/pip/pip.conf", "index-url=https://u:p@h/", "index-url=https://h/"),
        (".kube/config", "users:\n- user:\n    token: abc", "clusters: []\n"),
        (".gitconfig", "[url \"https://u:p@h/\"]", "[user]\nname = A\n"),
        (".m2/settings.xml", "<password>abc</password>", "<password>${env.P}</password>"),
        (".aws/config", "aws_secret_access_key = abc", "region = eu-central-1"),
    ];
    for (name, secret, harmless) in cases {
        for home in ["root", "home/user", "srv/app/deep"] {
            let mut sample = Sample::new();
            sample.put_file(&format!("{home}/{name}"), secret);
            let report = hardened(&mut sample);
            assert!(matches!(report.removed[0].secret, Secret::Credentials(_)), "{name}");
            let mut sample = Sample::new();
            sample.put_file(&format!("{home}/{name}"), harmless);
            assert_eq!(hardened(&mut sample).removed, [], "{name}");
        }
    }
}

#[test]
fn what_the_policy_keeps_stays_and_is_told() {
    let mut sample = Sample::new();
    sample.put_file("app/keys/.netrc", "machine h login l password p");
    sample.put_file("app/keys-too/.netrc", "machine h login l password p");
    let policy = Policy { kept: vec![b"app/keys".to_vec()], ..Policy::default() };
    let report = hardened_by(&mut sample, &policy);
    assert_eq!(report.removed.len(), 1);
    assert_eq!(report.removed[0].paths, [b"app/keys-too/.netrc".to_vec()]);
    assert_eq!(report.spared[0].paths, [b"app/keys/.netrc".to_vec()]);
    assert_eq!(report.spared[0].because, SparedBecause::Kept);
}

#[test]
fn long_files_are_counted_and_not_looked_into() {
    let key = format!("ghp_{}", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
    let with = |length: usize| {
        let mut bytes = vec![b' '; length - key.len()];
        bytes.extend_from_slice(key.as_bytes());
        let mut sample = Sample::new();
        sample.put_file("app/file", &bytes);
        let report = hardened(&mut sample);
        (report.removed.len(), report.unread)
    };
    assert_eq!(with(1 << 20), (1, 0));
    assert_eq!(with((1 << 20) + 1), (0, 1));
}

#[test]
fn bytes_that_cannot_be_read_are_an_error() {
    let mut sample = Sample::new();
    let store = sample.store.add_bytes(*b"short");
    let piece = crate::store::Piece { at: 0, length: 600, store, offset: 0 };
    let content = crate::tree::Content { size: 600, pieces: vec![piece] };
    sample.put("app/file", crate::tree::Kind::File(content));
    let error = harden(&mut sample.tree, &sample.store, &Policy::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /app/file");
}

proptest! {
    /// Wherever secrets stand and by whatever names: they go, all else stays as it is.
    #[test]
    fn secrets_go_and_nothing_else(
        files in proptest::collection::vec((0..SECRETS.len() + 2, 0..6_usize, any::<bool>()), 0..12),
    ) {
        let mut sample = Sample::new();
        let (mut secrets, mut linked) = (0, 0);
        for (number, (kind, depth, has_link)) in files.into_iter().enumerate() {
            let directory = format!("d{number}/{}", "below/".repeat(depth));
            let (name, text) = SECRETS.get(kind).copied().unwrap_or(("config", "of no interest"));
            let file = sample.put_file(&format!("{directory}{name}"), text);
            secrets += usize::from(kind < SECRETS.len());
            if has_link {
                linked += usize::from(kind < SECRETS.len());
                sample.tree.link(Tree::ROOT, format!("link{number}").into_bytes().into(), file);
            }
        }
        let before = sample.tree.clone();
        let report = hardened(&mut sample);
        prop_assert_eq!(report.removed.len(), secrets);
        let paths: Vec<_> = report.removed.iter().flat_map(|removed| &removed.paths).collect();
        prop_assert_eq!(paths.len(), secrets + linked);
        let left: Vec<_> = before.walk().filter(|(path, _)| !paths.contains(&path)).collect();
        prop_assert_eq!(&sample.tree.walk().collect::<Vec<_>>(), &left);
        for (_, id) in left.iter().filter(|(_, id)| before.links().contains_key(id)) {
            prop_assert_eq!(&before.node(*id).metadata, &sample.tree.node(*id).metadata);
        }
    }
}

const SECRETS: &[(&str, &str)] = &[
    (".netrc", "machine h login l password p"),
    (".bash_history", "ls"),
    (".docker/config.json", r#"{"auths":{"a":{"auth":"dTpw"}}}"#),
    ("settings", concat!("token = ghp", "_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")),
];
