use proptest::prelude::*;

use super::stage::{Image, elf, strings};
use crate::init::{Direct, Strategy};

fn check(image: Image, expected: Result<(), &str>) {
    let direct =
        Direct { program: elf(62, None), hostname: None, memory: Vec::new(), stop_seconds: None };
    let strategy = Strategy::Direct(direct);
    match expected {
        Ok(()) => {
            let mut image = image;
            image.install(&strategy).unwrap();
        }
        Err(reason) => {
            let refused = image.refused(&strategy);
            let refused = refused.strip_prefix("the image's command cannot be run: ");
            assert_eq!(refused, Some(reason));
        }
    }
}

#[test]
fn a_program_is_found_as_docker_finds_it() {
    check(Image::new(&["app"]), Ok(()));
    let srv = |command: &str| {
        let image = Image::new(&[command]).file("/srv/bin/tool", 0o755, elf(62, None));
        image.with(|it| it.working_directory = "/srv".into())
    };
    check(srv("bin/tool"), Ok(()));
    check(srv("./bin/../bin/tool"), Ok(()));
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let missing = format!("\"tool\" is in none of the directories of PATH ({path})");
    check(srv("tool"), Err(&missing));
    let with_path =
        |path: &str| srv("tool").with(|it| it.environment = vec![format!("PATH={path}")]);
    check(with_path("/x:/srv/bin"), Ok(()));
    check(with_path("bin"), Err("\"tool\" is in none of the directories of PATH (bin)"));
    check(
        srv("tool").with(|it| it.environment = strings(&["PATH"])),
        Err("\"tool\" is in none of the directories of PATH ()"),
    );
}

#[test]
fn what_is_passed_over_is_not_run() {
    let image = Image::new(&["tool"])
        .directory("/usr/local/bin/tool")
        .link("/usr/sbin/tool", "/nowhere")
        .file("/usr/bin/tool", 0o644, "plain");
    check(image.file("/sbin/tool", 0o755, elf(62, None)), Ok(()));
    // The first that may be executed is the one, whatever it is.
    let image = Image::new(&["tool"]).file("/usr/bin/tool", 0o755, "plain");
    check(
        image.file("/sbin/tool", 0o755, elf(62, None)),
        Err("\"/usr/bin/tool\" is neither a binary nor a script that starts with #!"),
    );
}

#[test]
fn what_is_no_file_cannot_run() {
    check(Image::new(&["/gone"]), Err("there is no \"/gone\" in the image"));
    check(Image::new(&["/bin/app/x"]), Err("there is no \"/bin/app/x\" in the image"));
    check(Image::new(&["/l"]).link("/l", "l"), Err("there is no \"/l\" in the image"));
    check(Image::new(&["/bin"]), Err("\"/bin\" is not a file"));
}

#[test]
fn the_user_has_to_be_allowed_to() {
    let image = |mode: u16, user: &str| {
        let image = Image::new(&["/tool"]).users().file("/tool", mode, elf(62, None));
        image.owned("/tool", 1001, 4).with(|it| user.clone_into(&mut it.user))
    };
    let refused = |user: u32, mode: u16| {
        format!("user {user} may not execute \"/tool\", whose mode is {mode:o}")
    };
    check(image(0o100, ""), Ok(()));
    check(image(0o666, ""), Err(&refused(0, 0o666)));
    check(image(0o100, "many"), Ok(()));
    check(image(0o677, "many"), Err(&refused(1001, 0o677)));
    check(image(0o010, "app:adm"), Ok(()));
    check(image(0o010, "5:4"), Ok(()));
    check(image(0o701, "5:4"), Err(&refused(5, 0o701)));
    check(image(0o001, "app"), Ok(()));
    check(image(0o776, "app"), Err(&refused(1000, 0o776)));
}

#[test]
fn a_list_of_access_is_left_to_the_kernel() {
    let mut image = Image::new(&["/tool"]).users().file("/tool", 0o710, elf(62, None));
    image.config.user = "app".to_owned();
    let node = crate::init::place::find(&image.tree, "/tool").unwrap();
    let attributes = &mut image.tree.node_mut(node).metadata.attributes;
    attributes.insert((*b"system.posix_acl_access").into(), (*b"\x02\0\0\0").into());
    check(image, Ok(()));
}

#[test]
fn a_binary_has_to_be_of_the_images_architecture() {
    let image = |machine: u16, architecture: &str| {
        let image = Image::new(&["/tool"]).file("/tool", 0o755, elf(machine, None));
        image.with(|it| architecture.clone_into(&mut it.architecture))
    };
    check(image(62, "amd64"), Ok(()));
    check(image(183, "amd64"), Err("\"/tool\" is a binary for arm64, and the image is for amd64"));
    check(
        image(8, "amd64"),
        Err("\"/tool\" is a binary for machine 8, and the image is for amd64"),
    );
    // 32 bits run under the same kernel.
    let mut narrow = vec![0; 84];
    narrow[..6].copy_from_slice(b"\x7fELF\x01\x01");
    narrow[16..20].copy_from_slice(&[2, 0, 3, 0]);
    narrow[28] = 52;
    narrow[42..46].copy_from_slice(&[32, 0, 1, 0]);
    check(Image::new(&["/tool"]).file("/tool", 0o755, narrow), Ok(()));
}

#[test]
fn what_is_cut_off_or_garbled_is_no_binary() {
    let whole = elf(62, Some("/lib/ld"));
    let format = Err("\"/tool\" is neither a binary nor a script that starts with #!");
    let image = |bytes: &[u8]| {
        let image = Image::new(&["/tool"]).file("/tool", 0o755, bytes);
        image.file("/lib/ld", 0o755, elf(62, None))
    };
    check(image(&whole), Ok(()));
    for length in [0, 1, 4, 6, 20, 63, 64, 119] {
        check(image(&whole[..length]), format);
    }
    for (at, byte) in [(0, 0), (4, 3), (5, 0), (16, 1), (54, 55), (56, 0), (39, 0xff), (103, 1)] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        check(image(&bytes), format);
    }
}

#[test]
fn interpreters_have_to_be_there_too() {
    let script = |first: &str| Image::new(&["/tool"]).file("/tool", 0o755, format!("{first}\nx\n"));
    check(script("#!/bin/app -x"), Ok(()));
    check(script("#! bin/app"), Ok(()));
    let needs =
        |interpreter: &str, why: &str| format!("\"/tool\" needs {interpreter:?} to run it: {why}");
    let missing = needs("/bin/bash", "there is no \"/bin/bash\" in the image");
    check(script("#!/bin/bash"), Err(&missing));
    let windows = needs("/bin/app\r", "there is no \"/bin/app\\r\" in the image");
    check(script("#!/bin/app\r"), Err(&windows));
    check(script("echo"), Err("\"/tool\" is neither a binary nor a script that starts with #!"));
    let foreign = script("#!/lib/python").file("/lib/python", 0o755, elf(183, None));
    let why = "\"/lib/python\" is a binary for arm64, and the image is for amd64";
    check(foreign, Err(&needs("/lib/python", why)));
    let plain = script("#!/lib/python").file("/lib/python", 0o644, elf(62, None));
    let why = "user 0 may not execute \"/lib/python\", whose mode is 644";
    check(plain, Err(&needs("/lib/python", why)));
    let loader =
        |interpreter: &str| Image::new(&["/tool"]).file("/tool", 0o755, elf(62, Some(interpreter)));
    check(loader("/bin/app"), Ok(()));
    let musl = "/lib/ld-musl-x86_64.so.1";
    let why = format!("there is no {musl:?} in the image");
    check(loader(musl), Err(&needs(musl, &why)));
}

#[test]
fn scripts_of_scripts_end_where_the_kernel_ends() {
    let chain = |length: u32| {
        (1..=length).fold(Image::new(&["/s1"]), |image, number| {
            let next =
                if number == length { "/bin/app".into() } else { format!("/s{}", number + 1) };
            image.file(&format!("/s{number}"), 0o755, format!("#!{next}\n"))
        })
    };
    check(chain(5), Ok(()));
    check(chain(6), Err("\"/s6\" is run by scripts that are run by scripts without an end"));
    let own = Image::new(&["/s"]).file("/s", 0o755, "#!/s\n");
    check(own, Err("\"/s\" is run by scripts that are run by scripts without an end"));
}

#[test]
fn real_binaries_are_read() {
    let own = std::fs::read("/proc/self/exe").unwrap();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let image = || {
        let image = Image::new(&["/own"]).file("/own", 0o755, own.clone());
        image.with(|it| architecture.clone_into(&mut it.architecture))
    };
    let header = crate::init::elf::Header::parse(&own).unwrap();
    let start = usize::try_from(header.table).unwrap();
    let end = start + usize::try_from(header.table_bytes()).unwrap();
    let (at, length) = header.interpreter(&own[start..end]).unwrap();
    let (at, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap());
    let loader = std::str::from_utf8(&own[at..at + length - 1]).unwrap();
    check(image().file(loader, 0o755, std::fs::read(loader).unwrap()), Ok(()));
    let why = format!("\"/own\" needs {loader:?} to run it: there is no {loader:?} in the image");
    check(image(), Err(&why));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_program_says_there_is_an_answer(
        changes in prop::collection::vec((0..140_usize, any::<u8>()), 0..6),
        length in 0..140_usize,
        script in any::<bool>(),
    ) {
        let mut bytes = if script { b"#!/bin/app -x\nx".to_vec() } else { elf(62, Some("/bin/app")) };
        bytes.truncate(length);
        for (at, byte) in changes {
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        let mut image = Image::new(&["/tool"]).file("/tool", 0o755, bytes);
        let program = elf(62, None);
        let direct = Direct { program, hostname: None, memory: Vec::new(), stop_seconds: None };
        // It ends, and says why when it is no.
        if let Err(error) = image.install(&Strategy::Direct(direct)) {
            prop_assert_eq!(error.to_string(), "the image's command cannot be run");
        }
    }
}
