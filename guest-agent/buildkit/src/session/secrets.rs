//! Secrets, each read from its file when a step wants it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

use bollard_buildkit_proto::moby::buildkit::secrets::v1::{
    GetSecretRequest, GetSecretResponse, secrets_server,
};
use tonic::{Request, Response, Status, async_trait};

/// As `docker buildx` has it.
const MAX_BYTES: u64 = 500 << 10;

/// Files by what they are asked for as.
#[derive(Debug, Default)]
pub(crate) struct Secrets(pub(crate) HashMap<String, PathBuf>);

#[async_trait]
impl secrets_server::Secrets for Secrets {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let GetSecretRequest { id, .. } = request.into_inner();
        let path = self.0.get(&id).ok_or_else(|| Status::not_found("not found"))?;
        let mut data = Vec::new();
        let mut read = |path: &PathBuf| -> io::Result<u64> {
            File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut data).map(|length| length as u64)
        };
        match read(path) {
            Ok(length) if length > MAX_BYTES => {
                let words = format!("secret {id} is longer than {MAX_BYTES} bytes");
                Err(Status::resource_exhausted(words))
            }
            Ok(_) => Ok(Response::new(GetSecretResponse { data })),
            Err(error) => Err(Status::unknown(format!("secret {id} cannot be read: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tonic::Code;

    use super::{secrets_server::Secrets as _, *};

    #[tokio::test]
    async fn secrets_are_read_when_they_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["text", "large", "gone"];
        let paths = names.map(|name| (name.to_owned(), directory.path().join(name)));
        let secrets = Secrets(HashMap::from(paths));
        let ask = async |id: &str| {
            let request = GetSecretRequest { id: id.into(), ..Default::default() };
            let answer = secrets.get_secret(Request::new(request)).await;
            answer.map(|answer| answer.into_inner().data).map_err(|status| status.code())
        };
        fs::write(directory.path().join("text"), b"\0one\n").unwrap();
        let mut large = vec![7; 500 << 10];
        fs::write(directory.path().join("large"), &large).unwrap();
        assert_eq!(ask("text").await.unwrap(), b"\0one\n");
        assert_eq!(ask("large").await.unwrap(), large);
        large.push(7);
        fs::write(directory.path().join("large"), &large).unwrap();
        assert_eq!(ask("large").await.unwrap_err(), Code::ResourceExhausted);
        assert_eq!(ask("gone").await.unwrap_err(), Code::Unknown);
        // Only this one is as if it had never been given, which a step may be content with.
        assert_eq!(ask("other").await.unwrap_err(), Code::NotFound);
    }
}
