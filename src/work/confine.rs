//! What a worker process denies itself before it reads its first byte: memory, files, sockets, other processes.
//!
//! The resource limits always hold; Landlock and seccomp where the kernel has them. Nothing here needs privileges, and
//! nothing can be taken back.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use cpu_time::ProcessTime;
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

/// How far a worker steps back behind the server, which answers what needs no reading.
const NICER: i32 = 10;

/// What holds in a worker besides its resource limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Landlock: no files, no TCP, no sockets or signals of others.
    pub landlock: Landlock,
    /// seccomp: a short list of system calls.
    pub seccomp: bool,
}

/// How much of Landlock the kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Landlock {
    /// Nothing.
    #[default]
    Absent,
    /// An older version: files are out of reach, sockets may not be.
    Partial,
    /// All that is asked for.
    Full,
}

impl Confinement {
    /// As a byte.
    pub(super) fn bits(self) -> u8 {
        let landlock = match self.landlock {
            Landlock::Absent => 0,
            Landlock::Partial => 1,
            Landlock::Full => 2,
        };
        landlock << 1 | u8::from(self.seccomp)
    }

    /// From a byte; what it does not say does not hold.
    pub(super) fn from_bits(bits: u8) -> Self {
        let landlock = match bits >> 1 {
            2 => Landlock::Full,
            1 => Landlock::Partial,
            _ => Landlock::Absent,
        };
        Self { landlock, seccomp: bits & 1 != 0 }
    }

    /// Whether all of it holds.
    pub fn is_full(self) -> bool {
        self == Self { landlock: Landlock::Full, seccomp: true }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock = match self.landlock {
            Landlock::Absent => "without Landlock",
            Landlock::Partial => "part of Landlock",
            Landlock::Full => "Landlock",
        };
        let seccomp = if self.seccomp { "seccomp" } else { "without seccomp" };
        write!(f, "resource limits, {landlock}, {seccomp}")
    }
}

/// Confines this process to `memory_mib` more MiB than it has, to talking on `socket`, and to computing.
///
/// # Errors
/// Where a resource limit cannot be set. A kernel without Landlock or seccomp is no error.
pub(super) fn confine(memory_mib: u64, socket: BorrowedFd<'_>) -> io::Result<Confinement> {
    // Whoever starts us may have stepped back as far as one can.
    let _ = nice(NICER);
    let memory = address_space().saturating_add(memory_mib << 20);
    for (resource, most) in [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nproc, 0), (Resource::As, memory)] {
        limit(resource, most)?;
    }
    let landlock = kernel::landlock();
    // After Landlock, which needs a file descriptor of its own for a moment.
    limit(Resource::Nofile, 0)?;
    Ok(Confinement { landlock, seccomp: kernel::seccomp(socket.as_raw_fd()) })
}

/// Lets this process die once it has taken `allowance` more CPU time: the net for a worker whose server has gone. The
/// system counts whole seconds, so it lives up to two longer.
pub(super) fn allow_cpu(allowance: Duration) -> io::Result<()> {
    let until = ProcessTime::now().as_duration() + allowance;
    let Rlimit { maximum, .. } = getrlimit(Resource::Cpu);
    let current = until.as_secs() + 2;
    let current = Some(maximum.map_or(current, |most| most.min(current)));
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    // What the process was started with may be less.
    let Rlimit { maximum, .. } = getrlimit(resource);
    let most = maximum.map_or(most, |maximum| maximum.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Bytes of address space that this process has: its code, libraries and stack, before any picture.
fn address_space() -> u64 {
    const GUESS: u64 = 256 << 20;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_ascii_whitespace().next().and_then(|pages| pages.parse::<u64>().ok());
    pages.map_or(GUESS, |pages| pages * rustix::param::page_size() as u64)
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::collections::BTreeMap;
    use std::os::fd::RawFd;

    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope};
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    use super::Landlock;

    /// Denies all that Landlock can deny.
    pub(super) fn landlock() -> Landlock {
        let restricted = || -> Result<RulesetStatus, RulesetError> {
            let abi = ABI::V6;
            let rules = Ruleset::default()
                .handle_access(AccessFs::from_all(abi))?
                .handle_access(AccessNet::from_all(abi))?
                .scope(Scope::from_all(abi))?;
            Ok(rules.create()?.restrict_self()?.ruleset)
        };
        match restricted() {
            Ok(RulesetStatus::FullyEnforced) => Landlock::Full,
            Ok(RulesetStatus::PartiallyEnforced) => Landlock::Partial,
            Ok(RulesetStatus::NotEnforced) | Err(_) => Landlock::Absent,
        }
    }

    /// Lets only those system calls through that computing and the socket need; all others fail.
    pub(super) fn seccomp(socket: RawFd) -> bool {
        let install = || -> Result<(), Box<dyn std::error::Error>> {
            let filter = SeccompFilter::new(
                rules(socket.try_into()?)?,
                SeccompAction::Errno(libc::EPERM as u32),
                SeccompAction::Allow,
                std::env::consts::ARCH.try_into()?,
            )?;
            let program: BpfProgram = filter.try_into()?;
            Ok(seccompiler::apply_filter(&program)?)
        };
        install().is_ok()
    }

    fn rules(socket: u64) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
        /// Of the socket alone: whoever started the server may have left it files and sockets, which come down to us.
        const TALKING: [i64; 6] = [
            libc::SYS_read,
            libc::SYS_readv,
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
        ];
        /// Also to standard error: the words of the runtime before it aborts.
        const WRITING: [i64; 2] = [libc::SYS_write, libc::SYS_writev];
        /// Whatever their arguments.
        const CALLS: [i64; 22] = [
            libc::SYS_close,
            // Memory.
            libc::SYS_brk,
            libc::SYS_madvise,
            libc::SYS_mremap,
            libc::SYS_munmap,
            // Locks and time; clocks of CPU time are no vDSO's.
            libc::SYS_futex,
            libc::SYS_sched_yield,
            libc::SYS_clock_gettime,
            libc::SYS_clock_getres,
            libc::SYS_gettimeofday,
            // Seeds of hash tables.
            libc::SYS_getrandom,
            // Signals, and the end.
            libc::SYS_rt_sigaction,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_restart_syscall,
            libc::SYS_sigaltstack,
            libc::SYS_getpid,
            libc::SYS_gettid,
            libc::SYS_tgkill,
            libc::SYS_tkill,
            libc::SYS_exit,
            libc::SYS_exit_group,
        ];
        let when = |conditions: &[(u8, SeccompCmpOp, u64)]| {
            let conditions = conditions.iter().map(|(argument, operation, value)| {
                SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operation.clone(), *value)
            });
            SeccompRule::new(conditions.collect::<Result<_, _>>()?)
        };
        let mut rules: BTreeMap<_, _> = CALLS.into_iter().map(|call| (call, Vec::new())).collect();
        let on = |descriptor| when(&[(0, SeccompCmpOp::Eq, descriptor)]);
        for call in TALKING {
            rules.insert(call, vec![on(socket)?]);
        }
        for call in WRITING {
            rules.insert(call, vec![on(socket)?, on(libc::STDERR_FILENO as u64)?]);
        }
        // Memory that can be run is made by the loader alone, which is done.
        let not_executable = [(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)];
        rules.insert(libc::SYS_mmap, vec![when(&not_executable)?]);
        rules.insert(libc::SYS_mprotect, vec![when(&not_executable)?]);
        // `allow_cpu`, of this process alone.
        let own_cpu = [(0, SeccompCmpOp::Eq, 0), (1, SeccompCmpOp::Eq, u64::from(libc::RLIMIT_CPU))];
        rules.insert(libc::SYS_prlimit64, vec![when(&own_cpu)?]);
        Ok(rules)
    }
}

/// Elsewhere the resource limits are all there is.
#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::os::fd::RawFd;

    use super::Landlock;

    pub(super) fn landlock() -> Landlock {
        Landlock::Absent
    }

    pub(super) fn seccomp(_: RawFd) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_holds() {
        let full = Confinement { landlock: Landlock::Full, seccomp: true };
        assert_eq!(full.to_string(), "resource limits, Landlock, seccomp");
        assert!(full.is_full());
        let none = Confinement::default();
        assert_eq!(none.to_string(), "resource limits, without Landlock, without seccomp");
        assert!(!none.is_full());
    }
}
