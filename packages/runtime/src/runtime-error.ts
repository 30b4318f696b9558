import { EngineError } from '@berth/base';

export type RuntimeOperation = 'create' | 'exec';

const LOGFMT = /level=(?:error|fatal) msg=("(?:[^"\\]|\\.)*"|\S+)/g;

const unquote = (text: string): string => {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text.slice(1, -1).replaceAll('\\"', '"');
  }
};

/** The complaint in what a runtime wrote to stderr: runc logs `key=value` lines, crun `time: message` or plain text. */
export function complaintOf(stderr: string): string {
  const logged = [...stderr.matchAll(LOGFMT)].map((match) => unquote(match[1] ?? ''));
  if (logged.length > 0) return (logged.at(-1) ?? '').trim();
  const lines = stderr.split('\n').map((line) => line.replace(/^\d{4}-\d\d-\d\dT[0-9:.]+Z?: /, '').trim());
  return lines.filter(Boolean).join('; ');
}

interface Translation {
  /** Said before the runtime has begun to start the process. */
  readonly early?: true;
  readonly pattern: RegExp;
  readonly text: (found: RegExpExecArray, command: string) => string;
}

/** `RLIMIT_*` by number (asm-generic/resource.h). */
const RLIMITS =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'.split(' ');

/** crun's wording of the failures clients look for, in runc's, from which the docker CLI takes exit codes. */
const TRANSLATIONS: readonly Translation[] = [
  {
    pattern: /executable file [`']([^`']*)[`'] not found in \$PATH/,
    text: ([, name = '']) =>
      name.includes('/')
        ? `exec: "${name}": stat ${name}: no such file or directory`
        : `exec: "${name}": executable file not found in $PATH`,
  },
  {
    early: true,
    pattern: /^the sysctl [`']([^`']*)[`'] requires a new IPC namespace/,
    text: ([, name = '']) => `sysctl "${name}" is not allowed in the hosts ipc namespace`,
  },
  {
    early: true,
    pattern: /^the sysctl [`']([^`']*)[`'] requires a new network namespace/,
    text: ([, name = '']) => `sysctl "${name}" not allowed in host network namespace`,
  },
  {
    early: true,
    pattern: /^the sysctl [`']([^`']*)[`'] is not namespaced/,
    text: ([, name = '']) => `sysctl "${name}" is not in a separate kernel namespace`,
  },
  {
    // the profile is not there
    pattern: /^write file [`']\/proc\/[^`']*\/attr\/[^`']*exec[`']: (.+)$/,
    text: ([, why = '']) =>
      `error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: ${why.toLowerCase()}`,
  },
  {
    pattern: /^setrlimit [`']RLIMIT_([A-Z]+)[`']: (.+)$/,
    text: ([, name = '', why = '']) =>
      `error during container init: error setting rlimits for ready process: error setting rlimit type ${RLIMITS.indexOf(name)}: ${why.toLowerCase()}`,
  },
  {
    pattern: /^chdir [`']([^`']*)[`']: (.+)$/,
    text: ([, path = '', why = '']) => `chdir to cwd ("${path}") set in config.json failed: ${why.toLowerCase()}`,
  },
  {
    pattern: /^(?:open executable|exec failed|exec(?: container process)? .*): (.+)$/i,
    // a directory is EPERM to crun, EACCES to runc
    text: ([, why = ''], command) =>
      `exec: "${command}": ${why.toLowerCase().replace('operation not permitted', 'permission denied')}`,
  },
];

const inRuncWords = (complaint: string, operation: RuntimeOperation, command: string): string => {
  for (const { pattern, text, early } of TRANSLATIONS) {
    const found = pattern.exec(complaint);
    if (found === null || complaint.includes('start container process')) continue;
    const lead = operation === 'create' ? 'runc create failed' : 'exec failed';
    return `${lead}: ${early ? '' : 'unable to start container process: '}${text(found, command)}`;
  }
  return complaint;
};

const NOT_FOUND = /executable file not found|no such file or directory|system cannot find the file specified/i;
const NOT_EXECUTABLE = /permission denied|is a directory|exec format error/i;

/** As dockerd sets the container's exit code when the process could not be started. */
const exitCodeOf = (message: string): number => {
  if (!/exec: |exec failed|start container process/.test(message)) return 128;
  if (NOT_FOUND.test(message)) return 127;
  return NOT_EXECUTABLE.test(message) ? 126 : 128;
};

/**
 * What a runtime's refusal means to the user. Kind `invalid` when the command is to blame (`details.exitCode` 126 or
 * 127), else `internal` (128). `details.raw` is what the runtime said.
 */
export function runtimeError(stderr: string, operation: RuntimeOperation, command: string): EngineError {
  const complaint = inRuncWords(complaintOf(stderr), operation, command);
  const exitCode = exitCodeOf(complaint);
  const lead =
    operation === 'create'
      ? 'failed to create task for container: failed to create shim task: OCI runtime create failed'
      : 'OCI runtime exec failed';
  return new EngineError(exitCode === 128 ? 'internal' : 'invalid', `${lead}: ${complaint}: unknown`, {
    details: { exitCode, raw: stderr },
  });
}
