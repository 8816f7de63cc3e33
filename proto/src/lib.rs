//! The wire types of Kiln. Only this crate knows prost; everyone else converts at the edge.

mod secret;

/// The public API of `kilnd`.
pub mod v1 {
    #![expect(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        unused_qualifications,
        reason = "generated"
    )]
    tonic::include_proto!("kiln.v1");
}

/// What the host and the agent in a guest say to each other.
pub mod agent {
    pub mod event;

    /// Protocol version 1 of the agent.
    pub mod v1 {
        #![expect(
            clippy::all,
            clippy::pedantic,
            clippy::allow_attributes,
            clippy::allow_attributes_without_reason,
            unused_qualifications,
            reason = "generated"
        )]
        tonic::include_proto!("kiln.agent.v1");
    }

    /// The version both sides must name in the hello.
    pub const PROTOCOL_VERSION: u32 = 2;
    /// The vsock port on which the agent listens in the guest.
    pub const PORT: u32 = 1024;
    /// The largest message either side sends or accepts; larger ones end the connection.
    pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
    /// How much output an agent keeps for a host that may come back: what a command with an id writes
    /// beyond it waits in the command's own pipes.
    pub const OUTPUT_WINDOW_BYTES: u64 = 1 << 20;
    /// A host that has no more stdin on its way than this, beyond what the agent has told to be taken,
    /// is always listened to: what it says beside stdin never waits behind a command that does not
    /// read.
    pub const STDIN_WINDOW_BYTES: u64 = 128 * 1024;
    /// The longest event of a build, without its length.
    pub const MAX_BUILD_EVENT_BYTES: usize = 32 * 1024;
    /// The longest piece of a step's output in one event.
    pub const MAX_BUILD_LOG_BYTES: usize = 16 * 1024;
    /// The longest name in an event: of a step, of its part, of a file; a URL.
    pub const MAX_BUILD_NAME_BYTES: usize = 2 * 1024;
    /// The longest text in an event: an error, a warning, an excerpt. A warning's lines, all together.
    pub const MAX_BUILD_TEXT_BYTES: usize = 8 * 1024;
    /// The longest that the engine's metadata may be to be told.
    pub const MAX_BUILD_METADATA_BYTES: usize = 16 * 1024;
    /// More warnings of one build than these are counted and not kept.
    pub const MAX_BUILD_WARNINGS: usize = 256;
    /// More steps of one build than these are counted and not told of.
    pub const MAX_BUILD_STEPS: usize = 4096;
    /// What goes before a build and is not kept with it: one part, and all of them together.
    pub const MAX_BUILD_PART_BYTES: usize = 128 * 1024;
    /// All parts of one build together.
    pub const MAX_BUILD_PARTS_BYTES: usize = 4 << 20;
    /// How many bytes of a stream go into one frame.
    pub const MAX_CHUNK_BYTES: usize = 64 * 1024;
}
