//! `kiln image export`: nothing is at FILE before all of it is.

use kiln_proto::v1;

use crate::{
    args::{Destination, ExportArguments},
    daemon::Daemon,
    display::{printable, size},
    download::{Place, Sink},
    progress::Progress,
};

pub(super) async fn run(daemon: &Daemon, arguments: ExportArguments) -> anyhow::Result<u8> {
    let ExportArguments { name, output, platform, quiet } = arguments;
    let place = Place::check(&Destination::of_file(&output))?;
    let progress = Progress::start(quiet || place == Place::Stdout);
    let request =
        v1::ExportImageRequest { reference: name, platform: platform.unwrap_or_default() };
    tokio::select! {
        exported = export(daemon, request, &place, &progress) => exported?,
        // Leaving this function removes what is not whole.
        interrupted = crate::run::interrupted() => return interrupted,
    }
    progress.clear();
    Ok(0)
}

async fn export(
    daemon: &Daemon,
    request: v1::ExportImageRequest,
    place: &Place,
    progress: &Progress,
) -> anyhow::Result<()> {
    let name = printable(&request.reference).into_owned();
    // Before the file is made: what is refused leaves no trace.
    let mut answers = daemon.export_image(request).await?;
    let mut sink = None;
    let mut written = 0;
    // The end of the stream is kilnd's word that this is all; what breaks has an error.
    while let Some(answer) = answers.message().await.map_err(|status| daemon.error(&status))? {
        let v1::ExportImageResponse { data } = answer;
        written += data.len() as u64;
        // An empty chunk would be the end's mark.
        if !data.is_empty() {
            if sink.is_none() {
                sink = Some(Sink::start(place, 0, progress)?);
            }
            if let Some(sink) = &mut sink {
                sink.write(data).await?;
            }
        }
        progress.say(format!("exporting {name}: {}", size(written)));
    }
    let sink = sink.ok_or_else(|| daemon.cut_short("the export"))?;
    Ok(sink.finish().await?)
}
