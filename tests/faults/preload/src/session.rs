//! The plan of this process, read once.

use std::{
    env,
    ffi::{CStr, CString, c_int},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use kiln_faults::{PLAN_VARIABLE, Plan, Rule};

use crate::system;

pub(crate) struct Session {
    pub(crate) directory: Vec<u8>,
    pub(crate) record: bool,
    pub(crate) log: c_int,
    pub(crate) rules: Vec<Armed>,
    /// One call at a time: the order of the records is that of the calls.
    pub(crate) turn: Mutex<()>,
}

/// A rule and what it has counted.
pub(crate) struct Armed {
    pub(crate) rule: Rule,
    pub(crate) after: Option<CString>,
    pub(crate) until: Option<CString>,
    pub(crate) seen: AtomicU64,
}

static SESSION: OnceLock<Option<Session>> = OnceLock::new();
static STARTING: AtomicBool = AtomicBool::new(false);

/// `None` in a process that no plan is for.
pub(crate) fn session() -> Option<&'static Session> {
    if let Some(session) = SESSION.get() {
        return session.as_ref();
    }
    // What starts a session calls nothing of ours, but an allocator of the program's might.
    if STARTING.swap(true, Ordering::AcqRel) {
        return None;
    }
    SESSION.get_or_init(start).as_ref()
}

/// Before the program's first thread.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        session();
    }
    at_load
};

fn start() -> Option<Session> {
    let file = CString::new(env::var_os(PLAN_VARIABLE)?.as_bytes()).ok()?;
    let text = system::read_file(&file)?;
    let Ok(plan) = Plan::parse(&String::from_utf8_lossy(&text)) else {
        complain("this plan cannot be read");
    };
    let own = env::current_exe().ok()?;
    if own.file_name() != Some(plan.program.as_ref()) {
        return None;
    }
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND;
    let log = system::open(&terminated(&plan.log)?, flags);
    if log < 0 {
        complain("the log cannot be written");
    }
    let armed = |rule: Rule| Armed {
        after: rule.after.as_deref().and_then(terminated),
        until: rule.until.as_deref().and_then(terminated),
        rule,
        seen: AtomicU64::new(0),
    };
    Some(Session {
        directory: plan.directory.as_os_str().as_bytes().to_vec(),
        record: plan.record,
        log,
        rules: plan.rules.into_iter().map(armed).collect(),
        turn: Mutex::new(()),
    })
}

fn terminated(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// A test whose faults do not happen would pass for the wrong reason.
fn complain(what: &str) -> ! {
    system::write_all(2, b"kiln-faults: ");
    system::write_all(2, what.as_bytes());
    system::write_all(2, b"\n");
    system::kill_self()
}

impl Armed {
    pub(crate) fn is_armed(&self) -> bool {
        let there = |flag: &Option<CString>| flag.as_deref().map(CStr::to_owned);
        there(&self.after).is_none_or(|flag| system::exists(&flag))
            && there(&self.until).is_none_or(|flag| !system::exists(&flag))
    }
}
