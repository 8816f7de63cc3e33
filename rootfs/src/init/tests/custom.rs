use super::stage::{Image, elf};
use crate::init::{Custom, Strategy};

fn custom(program: &str) -> Strategy {
    Strategy::Custom(Custom { program: program.to_owned() })
}

#[test]
fn a_script_of_the_images_is_process_1() {
    // The image needs no command of its own.
    let mut image = Image::new(&[]).file("/opt/start", 0o755, "#!/bin/app\n");
    let installed = image.install(&custom("/opt/start")).unwrap();
    assert_eq!((&*installed.program, installed.found_by_default), ("/opt/start", true));
    assert_eq!(image.target("/sbin/init"), "/opt/start");
    assert_eq!(installed.made, ["/dev", "/proc", "/sys", "/sbin", "/sbin/init"]);
}

#[test]
fn the_images_own_init_is_found_without_a_word() {
    let mut image =
        Image::new(&[]).file("/lib/init", 0o755, elf(62, None)).link("/sbin/init", "../lib/init");
    assert!(image.install(&custom("/lib/init")).unwrap().found_by_default);
    assert!(image.install(&custom("/sbin/init")).unwrap().found_by_default);
    assert!(!image.install(&custom("/bin/app")).unwrap().found_by_default);
    assert_eq!(image.target("/sbin/init"), "../lib/init");
}

#[test]
fn one_that_the_kernel_would_not_start_is_refused() {
    let check = |image: Image, program: &str, reason: &str| {
        assert_eq!(image.refused(&custom(program)), reason);
    };
    check(
        Image::new(&[]),
        "/start",
        "process 1 cannot be /start: there is no \"/start\" in the image",
    );
    check(Image::new(&[]), "bin/app", "process 1 cannot be \"bin/app\", which is not absolute");
    check(
        Image::new(&[]).file("/start", 0o644, "#!/bin/app\n"),
        "/start",
        "process 1 cannot be /start: user 0 may not execute \"/start\", whose mode is 644",
    );
    check(
        Image::new(&[]).file("/start", 0o755, "#!/bin/sh\n"),
        "/start",
        "process 1 cannot be /start: \"/start\" needs \"/bin/sh\" to run it: \
         there is no \"/bin/sh\" in the image",
    );
}
