//! What was added to a machine, and what its guest says of it.

use kiln_proto::agent::v1::OnlineResponse;
use tonic::Status;

use super::*;

async fn asked(answer: Result<OnlineResponse, Status>) -> Result<Online, GuestError> {
    let (stream, _heard) = talk(Script { online: answer, ..Script::default() });
    let (guest, _) = Connection::over(stream).await?.hello(hello()).await?;
    guest.online(PATIENCE).await
}

#[tokio::test]
async fn a_guest_says_what_it_uses() {
    let answer = OnlineResponse { cpus: 2, memory_blocks: 4, memory_block_bytes: 128 << 20 };
    let online = asked(Ok(answer)).await.unwrap();
    assert_eq!(online, Online { cpus: 2, memory_bytes: 512 << 20 });
}

#[tokio::test]
async fn what_cannot_be_is_a_breach_and_what_fails_has_its_code() {
    let endless = OnlineResponse { cpus: 1, memory_blocks: u32::MAX, memory_block_bytes: u64::MAX };
    for (answer, expected) in [
        (Ok(OnlineResponse::default()), "broke its protocol: an agent that runs on no CPU"),
        (Ok(endless), "broke its protocol: more memory than"),
        (Err(Status::internal("cpu1 does not come up")), "cpu1 does not come up"),
    ] {
        let error = asked(answer).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let full = asked(Err(Status::resource_exhausted("memory7"))).await.unwrap_err();
    assert!(matches!(full, GuestError::Agent { code: AgentCode::ResourceExhausted, .. }));
}
