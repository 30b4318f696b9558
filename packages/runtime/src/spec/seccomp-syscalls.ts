/**
 * What the default seccomp profile lets through, by theme. Everything not named fails with EPERM.
 *
 * Kept out on purpose: loading kernel modules, kexec, swap, keyrings, NUMA policy, io_uring, userfaultfd, and whatever
 * creates namespaces or mounts without the capability for it.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const ALWAYS_ALLOWED: readonly string[] = [
  // files: open, read, write, position
  ...words(`open openat openat2 creat close close_range read write readv writev pread64 pwrite64 preadv pwritev preadv2
    pwritev2 lseek _llseek truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 readahead sendfile
    sendfile64 splice tee vmsplice copy_file_range sync syncfs fsync fdatasync sync_file_range cachestat dup dup2 dup3
    fcntl fcntl64 flock ioctl umask`),
  // files: names, metadata, attributes
  ...words(`access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown
    lchown32 link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat
    readlink readlinkat stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs
    fstatfs64 getdents getdents64 getcwd chdir fchdir utime utimes utimensat utimensat_time64 futimesat
    name_to_handle_at getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr
    llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat`),
  // waiting for events
  ...words(`poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl
    epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 inotify_init inotify_init1 inotify_add_watch
    inotify_rm_watch fanotify_mark io_setup io_submit io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64`),
  // memory
  ...words(`brk mmap mmap2 munmap mremap mprotect msync madvise mincore mlock mlock2 mlockall munlock munlockall
    membarrier memfd_create memfd_secret remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack mseal`),
  // processes and threads
  ...words(`fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp setpgid
    getsid setsid pidfd_open pidfd_send_signal process_mrelease prctl arch_prctl get_thread_area set_thread_area
    set_tid_address get_robust_list set_robust_list futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue
    rseq restart_syscall seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self getrusage getrlimit
    ugetrlimit setrlimit prlimit64 getpriority setpriority ioprio_get ioprio_set getcpu uname sysinfo times`),
  // scheduling
  ...words(`sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
    sched_get_priority_max sched_get_priority_min sched_getscheduler sched_setscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_yield`),
  // signals
  ...words(`kill tkill tgkill pause alarm sigaltstack sigprocmask sigreturn rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo`),
  // identity
  ...words(`getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32 getresuid
    getresuid32 getresgid getresgid32 setuid setuid32 setgid setgid32 setgroups setgroups32 setreuid setreuid32 setregid
    setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 capget capset`),
  // time
  ...words(`time gettimeofday nanosleep clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
    clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex getitimer setitimer timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 getrandom`),
  // sockets and pipes (socket itself is conditional)
  ...words(`pipe pipe2 socketpair socketcall bind listen accept accept4 connect getsockname getpeername getsockopt
    setsockopt shutdown send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64`),
  // System V and POSIX IPC
  ...words(`ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
    mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64`),
  // tracing one's own children; safe since Linux 4.8, older kernels are not supported
  ...words('ptrace process_vm_readv process_vm_writev'),
];

/** Extra calls a machine architecture needs; keys are GOARCH names. */
export const BY_ARCHITECTURE: Readonly<Record<string, readonly string[]>> = {
  amd64: words('arch_prctl modify_ldt'),
  '386': words('modify_ldt'),
  arm64: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  arm: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
  ppc64le: words('sync_file_range2 swapcontext'),
  s390x: words('s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr'),
  riscv64: words('riscv_flush_icache'),
};

/** Extra calls unlocked by a capability in the container's bounding set. */
export const BY_CAPABILITY: Readonly<Record<string, readonly string[]>> = {
  CAP_DAC_READ_SEARCH: words('open_by_handle_at'),
  CAP_SYS_ADMIN: words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie listmount mount
    mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns statmount
    syslog umount umount2 unshare`),
  CAP_SYS_BOOT: words('reboot'),
  CAP_SYS_CHROOT: words('chroot'),
  CAP_SYS_MODULE: words('delete_module init_module finit_module'),
  CAP_SYS_PACCT: words('acct'),
  CAP_SYS_PTRACE: words('kcmp pidfd_getfd process_madvise'),
  CAP_SYS_RAWIO: words('iopl ioperm'),
  CAP_SYS_TIME: words('settimeofday stime clock_settime clock_settime64'),
  CAP_SYS_TTY_CONFIG: words('vhangup'),
  CAP_SYS_NICE: words('get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
  CAP_SYSLOG: words('syslog'),
  CAP_BPF: words('bpf'),
  CAP_PERFMON: words('perf_event_open'),
};

/**
 * libseccomp's architecture token and those of the ABIs the same kernel also runs. x32 is left out: distributions'
 * kernels do not run it, and each architecture costs every start and exec about 3 ms of libseccomp's time.
 */
export const SECCOMP_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  '386': ['SCMP_ARCH_X86'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  arm: ['SCMP_ARCH_ARM'],
  ppc64le: ['SCMP_ARCH_PPC64LE'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  riscv64: ['SCMP_ARCH_RISCV64'],
};
