//! Builds.

use kiln_proto::v1;
use tokio_stream::Stream;
use tonic::{Response, Streaming};

use super::{Daemon, DaemonError};

impl Daemon {
    /// `request` has an idempotency key, so asking twice makes no second build.
    pub(crate) async fn create_build(
        &self,
        request: v1::CreateBuildRequest,
    ) -> Result<v1::Build, DaemonError> {
        let call = async || self.answer(self.builds.clone().create_build(request.clone())).await;
        let v1::CreateBuildResponse { build } = self.persist(call).await?;
        build.ok_or_else(|| self.malformed("build"))
    }

    pub(crate) async fn build(&self, id: &str) -> Result<v1::Build, DaemonError> {
        let request = v1::GetBuildRequest { id: id.to_owned() };
        let call = async || self.answer(self.builds.clone().get_build(request.clone())).await;
        let v1::GetBuildResponse { build } = self.persist(call).await?;
        build.ok_or_else(|| self.malformed("build"))
    }

    pub(crate) async fn read_build_log(
        &self,
        request: v1::ReadBuildLogRequest,
    ) -> Result<Streaming<v1::ReadBuildLogResponse>, DaemonError> {
        self.answer(self.builds.clone().read_build_log(request)).await
    }

    /// Without a limit: it lasts as long as the build does.
    pub(crate) async fn serve_ssh(
        &self,
        requests: impl Stream<Item = v1::ServeSshRequest> + Send + 'static,
    ) -> Result<Streaming<v1::ServeSshResponse>, DaemonError> {
        let answer = self.builds.clone().serve_ssh(requests).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }
}
