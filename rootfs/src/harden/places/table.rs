//! Where secrets stand: from the root if a pattern begins with `/`, else below any directory.

use super::proof::Proof::{self, AddressOrValue, Identity, Presence, Value};
use crate::harden::secret::Secret;

pub(super) struct Known {
    pub(super) pattern: &'static str,
    pub(super) secret: Secret,
    pub(super) proof: Proof,
}

const fn known(pattern: &'static str, secret: Secret, proof: Proof) -> Known {
    Known { pattern, secret, proof }
}

const fn of(pattern: &'static str, whose: &'static str, proof: Proof) -> Known {
    known(pattern, Secret::Credentials(whose), proof)
}

const fn history(pattern: &'static str) -> Known {
    known(pattern, Secret::History, Presence)
}

const fn seed(pattern: &'static str) -> Known {
    known(pattern, Secret::Seed, Presence)
}

pub(super) const TABLE: &[Known] = &[
    known("/etc/machine-id", Secret::MachineId, Identity),
    // dbus reads `/etc/machine-id` where this is missing, and refuses one that is empty.
    known("/var/lib/dbus/machine-id", Secret::HostIdentity, Identity),
    known("/etc/ssh/ssh_host_*_key", Secret::HostKey, Presence),
    known("/etc/ssh/ssh_host_*_key.pub", Secret::HostKey, Presence),
    known("/etc/ssh/ssh_host_*_key-cert.pub", Secret::HostKey, Presence),
    known("/etc/dropbear/dropbear_*_host_key", Secret::HostKey, Presence),
    known("/etc/hostid", Secret::HostIdentity, Presence),
    known("/etc/nvme/hostid", Secret::HostIdentity, Presence),
    known("/etc/nvme/hostnqn", Secret::HostIdentity, Presence),
    known("/etc/iscsi/initiatorname.iscsi", Secret::HostIdentity, Value(&["InitiatorName"])),
    seed("/var/lib/systemd/random-seed"),
    seed("/var/lib/systemd/credential.secret"),
    seed("/var/lib/urandom/random-seed"),
    seed("/var/lib/random-seed"),
    seed("/var/lib/NetworkManager/secret_key"),
    seed("/var/lib/seedrng/**"),
    seed("/boot/loader/random-seed"),
    seed("/boot/efi/loader/random-seed"),
    of("/etc/krb5.keytab", "Kerberos", Presence),
    of("/etc/apt/auth.conf", "apt", Presence),
    of("/etc/apt/auth.conf.d/*", "apt", Presence),
    of("/etc/wireguard/*.conf", "WireGuard", Value(&["PrivateKey", "PresharedKey"])),
    of("/etc/NetworkManager/system-connections/*", "a network", Value(NETWORK)),
    of("/etc/wpa_supplicant/*.conf", "a network", Value(NETWORK)),
    of("/etc/rancher/k3s/k3s.yaml", "Kubernetes", Presence),
    of("/etc/kubernetes/*.conf", "Kubernetes", Value(KUBERNETES)),
    of("/var/run/secrets/**", "a build or a cluster", Presence),
    of("/run/secrets/**", "a build or a cluster", Presence),
    of(".aws/credentials", "AWS", Presence),
    of(".aws/config", "AWS", Value(&["aws_secret_access_key", "aws_session_token"])),
    of(".aws/sso/cache/*", "AWS", Presence),
    of(".aws/cli/cache/*", "AWS", Presence),
    of(".boto", "AWS", Value(&["aws_secret_access_key", "gs_secret_access_key"])),
    of(".s3cfg", "S3", Value(&["secret_key", "access_token"])),
    of(".azure/accessTokens.json", "Azure", Presence),
    of(".azure/msal_token_cache.json", "Azure", Presence),
    of(".azure/msal_token_cache.bin", "Azure", Presence),
    of(".azure/service_principal_entries.json", "Azure", Presence),
    of(".config/gcloud/access_tokens.db", "Google Cloud", Presence),
    of(".config/gcloud/credentials.db", "Google Cloud", Presence),
    of(".config/gcloud/application_default_credentials.json", "Google Cloud", Presence),
    of(".config/gcloud/legacy_credentials/**", "Google Cloud", Presence),
    of(".config/doctl/config.yaml", "DigitalOcean", Value(&["access-token"])),
    of(".config/hcloud/cli.toml", "Hetzner Cloud", Value(&["token"])),
    of(".config/rclone/rclone.conf", "rclone", Value(&["pass", "token", "secret_access_key"])),
    of(".docker/config.json", "a registry", Value(REGISTRY)),
    of(".config/containers/auth.json", "a registry", Value(REGISTRY)),
    of("/run/containers/0/auth.json", "a registry", Value(REGISTRY)),
    of(".dockercfg", "a registry", Value(REGISTRY)),
    of(".kube/config", "Kubernetes", Value(KUBERNETES)),
    of(".npmrc", "npm", AddressOrValue(&["_authToken", "_auth", "_password"])),
    of("/etc/npmrc", "npm", AddressOrValue(&["_authToken", "_auth", "_password"])),
    of("/usr/etc/npmrc", "npm", AddressOrValue(&["_authToken", "_auth", "_password"])),
    of("/usr/local/etc/npmrc", "npm", AddressOrValue(&["_authToken", "_auth", "_password"])),
    of(".yarnrc.yml", "npm", Value(&["npmAuthToken", "npmAuthIdent"])),
    of(".yarnrc", "npm", AddressOrValue(&["_authToken"])),
    of(".pypirc", "PyPI", AddressOrValue(&["password"])),
    of(".config/pip/pip.conf", "pip", AddressOrValue(&[])),
    of(".pip/pip.conf", "pip", AddressOrValue(&[])),
    of("/etc/pip.conf", "pip", AddressOrValue(&[])),
    of(".config/pypoetry/auth.toml", "Poetry", Presence),
    of(".cargo/credentials", "Cargo", Value(&["token"])),
    of(".cargo/credentials.toml", "Cargo", Value(&["token"])),
    of("/usr/local/cargo/credentials.toml", "Cargo", Value(&["token"])),
    of(".gem/credentials", "RubyGems", Presence),
    of(".composer/auth.json", "Composer", Presence),
    of(".config/composer/auth.json", "Composer", Presence),
    of(".m2/settings.xml", "Maven", Value(&["password", "passphrase"])),
    of(".m2/settings-security.xml", "Maven", Value(&["master"])),
    of(".nuget/NuGet/NuGet.Config", "NuGet", Value(&["ClearTextPassword"])),
    of(".netrc", "a server (netrc)", Presence),
    of("_netrc", "a server (netrc)", Presence),
    of(".git-credentials", "Git", Presence),
    of(".config/git/credentials", "Git", Presence),
    of(".gitconfig", "Git", AddressOrValue(&["extraheader", "extraHeader"])),
    of(".git/config", "Git", AddressOrValue(&["extraheader", "extraHeader"])),
    of(".config/gh/hosts.yml", "GitHub", Value(&["oauth_token"])),
    of(".config/hub", "GitHub", Value(&["oauth_token"])),
    of(".config/glab-cli/config.yml", "GitLab", Value(&["token"])),
    of(".subversion/auth/svn.simple/*", "Subversion", Presence),
    of(".vault-token", "Vault", Presence),
    of(".terraformrc", "Terraform", Value(&["token"])),
    of(".terraform.d/credentials.tfrc.json", "Terraform", Presence),
    of(".pgpass", "PostgreSQL", Presence),
    of(".my.cnf", "MySQL", Value(&["password"])),
    of(".mylogin.cnf", "MySQL", Presence),
    of(".gnupg/private-keys-v1.d/*", "GnuPG", Presence),
    of(".gnupg/secring.gpg", "GnuPG", Presence),
    of(".local/share/keyrings/*", "a keyring", Presence),
    history(".bash_history"),
    history(".zsh_history"),
    history(".zhistory"),
    history(".ash_history"),
    history(".sh_history"),
    history(".ksh_history"),
    history(".histfile"),
    history(".local/share/fish/fish_history"),
    history(".python_history"),
    history(".local/state/python_history"),
    history(".ipython/profile_default/history.sqlite"),
    history(".node_repl_history"),
    history(".irb_history"),
    history(".pry_history"),
    history(".php_history"),
    history(".Rhistory"),
    history(".mysql_history"),
    history(".mariadb_history"),
    history(".psql_history"),
    history(".sqlite_history"),
    history(".rediscli_history"),
    history(".dbshell"),
    history(".mongodb/mongosh/mongosh_repl_history"),
    history(".lesshst"),
    history(".viminfo"),
    history(".gdb_history"),
];

const NETWORK: &[&str] = &["psk", "password", "private-key", "wep-key0", "sae_password"];
const REGISTRY: &[&str] = &["auth", "identitytoken", "registrytoken", "password"];
const KUBERNETES: &[&str] =
    &["token", "client-key-data", "password", "id-token", "refresh-token", "client-secret"];
