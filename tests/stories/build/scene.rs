//! A kilnd in a world with a registry that has a base image, and contexts to build.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use kiln_tests::{
    Finished, Host, HostSetup, Kiln, Stage, World,
    world::{
        Upstream,
        upstream::{ADDRESS, NAME, PORT},
    },
};
use serde_json::Value;

/// The registry outside, and nothing else.
pub(crate) const POLICY: &str = "allow=registry.test:5443";
/// For an engine and what its steps need.
const MEMORY: &str = "1536M";

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) upstream: Upstream,
    pub(crate) host: Host,
    directory: PathBuf,
}

impl Scene {
    pub(crate) async fn set(stage: &Stage) -> anyhow::Result<Self> {
        Self::set_with(stage, |setup| setup).await
    }

    pub(crate) async fn set_with<'a>(
        stage: &'a Stage,
        change: impl FnOnce(HostSetup<'a>) -> HostSetup<'a>,
    ) -> anyhow::Result<Self> {
        let mut world = World::around(stage).await?;
        let upstream = world.upstream(stage).await?;
        upstream.publish_base("team/base:1")?;
        let host = change(setup(stage, &upstream)).start().await?;
        Ok(Self { world, upstream, host, directory: stage.directory().to_owned() })
    }

    /// A place of the story's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A directory with these files. `BASE` in a Dockerfile is the image that is there to build from.
    pub(crate) fn context(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let context = self.path(name);
        std::fs::create_dir_all(&context)?;
        for (file, text) in files {
            let file = context.join(file);
            std::fs::create_dir_all(file.parent().unwrap_or(&context))?;
            std::fs::write(file, based(text))?;
        }
        Ok(context)
    }

    /// `kiln build` with these words before the context.
    pub(crate) fn build(&self, context: &Path, arguments: &[&str]) -> Kiln {
        self.build_under(POLICY, context, arguments)
    }

    pub(crate) fn build_under(&self, policy: &str, context: &Path, arguments: &[&str]) -> Kiln {
        let own = ["build", "--memory", MEMORY, "--progress", "plain", "--egress", policy];
        let kiln = self.host.kiln(own).arguments(arguments).argument(context);
        // What a caller's docker knows is not to be known here.
        kiln.own_variable("HOME", &self.directory).without_variable("DOCKER_CONFIG")
    }

    /// As `kiln job get` has the newest job.
    pub(crate) async fn record(&self) -> anyhow::Result<Value> {
        let job = self.host.newest_job().await?;
        let shown = self.host.kiln(["job", "get", "--json", &job.id]).run().await?;
        ensure!(shown.code == Some(0), "{shown}");
        shown.json()
    }

    /// Nothing has arrived anywhere but at the registry outside.
    pub(crate) async fn ends(mut self) -> anyhow::Result<()> {
        self.host.vms_are_gone().await?;
        let strays = self.world.strays(&[(ADDRESS.into(), PORT)]);
        ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
        self.upstream.stop().await?;
        self.host.stop().await
    }
}

/// Of a kilnd that is told of the registry and has its password.
pub(crate) fn setup<'a>(stage: &'a Stage, upstream: &Upstream) -> HostSetup<'a> {
    stage.host().flag("--registries", upstream.registries().display())
}

/// With the base's name where `BASE` stands.
pub(crate) fn based(text: &str) -> String {
    text.replace("BASE", &format!("{NAME}/team/base:1"))
}

pub(crate) fn went_well(ended: &Finished) -> anyhow::Result<()> {
    ensure!(ended.code == Some(0), "{ended}");
    Ok(())
}
