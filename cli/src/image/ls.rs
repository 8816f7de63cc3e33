//! `kiln image ls`: a line per name, printed page by page.

use std::fmt::Write;

use crate::{
    args::ListImagesArguments,
    daemon::Daemon,
    display::{age, printable, size},
    output,
    record::{Image, Time},
};

/// Of a digest, where it is cut: as many digits as docker shows.
const SHORT: usize = 12;
const NO_TAG: &str = "<none>";

pub(super) async fn run(daemon: &Daemon, arguments: ListImagesArguments) -> anyhow::Result<u8> {
    let ListImagesArguments { name, all, quiet, no_trunc, json } = arguments;
    let mut token = String::new();
    let mut widths = None;
    loop {
        let page = daemon.images(&name, all, &token).await?;
        if json {
            for image in &page.images {
                output::print_json(image)?;
            }
        } else if quiet {
            for image in &page.images {
                output::print_line(&image.reference())?;
            }
        } else {
            let is_first = widths.is_none();
            let widths = widths.get_or_insert_with(|| Widths::of(&page.images, no_trunc));
            output::print(table(&page.images, Time::now(), widths, is_first).as_bytes())?;
        }
        if page.next.is_empty() {
            return Ok(0);
        }
        token = page.next;
    }
}

/// Of columns, for the first page: later pages keep to them as far as they can.
#[derive(Debug)]
struct Widths {
    name: usize,
    tag: usize,
    digest: usize,
}

impl Widths {
    fn of(images: &[Image], whole: bool) -> Self {
        let widest = |width: fn(&Image) -> usize, least| {
            images.iter().map(width).max().unwrap_or_default().max(least)
        };
        Self {
            name: widest(|image| image.name.chars().count(), "REPOSITORY".len()),
            tag: widest(|image| image.tag.as_deref().unwrap_or(NO_TAG).len(), NO_TAG.len()),
            digest: if whole { "sha256:".len() + 64 } else { SHORT },
        }
    }
}

fn table(images: &[Image], now: Time, widths: &Widths, with_header: bool) -> String {
    let mut table = String::new();
    let mut line = |cells: [&str; 5]| {
        let [name, tag, digest, size, created] = cells;
        let Widths { name: name_width, tag: tag_width, digest: digest_width } = widths;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{name:<name_width$}  {tag:<tag_width$}  {digest:<digest_width$}  {size:<10}  {created}"
        );
    };
    if with_header {
        line(["REPOSITORY", "TAG", "DIGEST", "SIZE", "CREATED"]);
    }
    for image in images {
        let Image { name, tag, digest, size_bytes, created_at, incomplete, .. } = image;
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let digest = if widths.digest == SHORT { hex.get(..SHORT).unwrap_or(hex) } else { digest };
        let created = created_at.map_or_else(|| "-".to_owned(), |at| age(now.since(at)));
        let created = if *incomplete { format!("{created} (a part)") } else { created };
        let tag = tag.as_deref().unwrap_or(NO_TAG);
        line([&printable(name), &printable(tag), &printable(digest), &size(*size_bytes), &created]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn time(seconds: u64) -> Time {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        prost_types::Timestamp::from(time).into()
    }

    fn images() -> Vec<Image> {
        let image = |name: &str, tag: Option<&str>, incomplete| Image {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: format!("sha256:{}", "0123456789abcdef".repeat(4)),
            size_bytes: 3 << 20,
            created_at: Some(time(100)),
            incomplete,
            ..Image::default()
        };
        vec![image("docker.io/library/debian", Some("12"), false), image("local/app", None, true)]
    }

    #[test]
    fn a_table_lines_up() {
        let images = images();
        let shown = table(&images, time(3700), &Widths::of(&images, false), true);
        let expected = "\
REPOSITORY                TAG     DIGEST        SIZE        CREATED
docker.io/library/debian  12      0123456789ab  3 MiB       1h
local/app                 <none>  0123456789ab  3 MiB       1h (a part)
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn digests_are_whole_on_request() {
        let images = images();
        let shown = table(&images, time(3700), &Widths::of(&images, true), false);
        assert_eq!(shown.matches(&images[0].digest).count(), 2, "{shown}");
    }
}
