/** Every command by the words that call it, and the file that holds it. Nothing is loaded until it is called. */
import type { Command } from './command.ts';

export interface Entry {
  readonly summary: string;
  readonly load: () => Promise<{ readonly default?: never; readonly command: Command<never> }>;
}

// A file's command has flags of its own; the table forgets them, the file keeps them.
type Loader = () => Promise<{ readonly command: unknown }>;
const entry = (summary: string, load: Loader): Entry => ({ summary, load: load as Entry['load'] });

const run = entry('Create and run a new container from an image', () => import('./commands/run.ts'));
const create = entry('Create a new container', () => import('./commands/create.ts'));
const start = entry('Start one or more stopped containers', () => import('./commands/start.ts'));
const stop = entry('Stop one or more running containers', () => import('./commands/stop.ts'));
const restart = entry('Restart one or more containers', () => import('./commands/restart.ts'));
const kill = entry('Kill one or more running containers', () => import('./commands/kill.ts'));
const rm = entry('Remove one or more containers', () => import('./commands/rm.ts'));
const ps = entry('List containers', () => import('./commands/ps.ts'));
const logs = entry('Fetch the logs of a container', () => import('./commands/logs.ts'));
const exec = entry('Execute a command in a running container', () => import('./commands/exec.ts'));
const attach = entry('Attach local streams to a running container', () => import('./commands/attach.ts'));
const top = entry('Display the running processes of a container', () => import('./commands/top.ts'));
const stats = entry('Display a live stream of container resource usage', () => import('./commands/stats.ts'));
const diff = entry("Inspect changes to files on a container's filesystem", () => import('./commands/diff.ts'));
const cp = entry('Copy files between a container and the local filesystem', () => import('./commands/cp.ts'));
const rename = entry('Rename a container', () => import('./commands/rename.ts'));
const pause = entry('Pause all processes within one or more containers', () => import('./commands/pause.ts'));
const unpause = entry('Unpause all processes within one or more containers', () => import('./commands/unpause.ts'));
const wait = entry('Block until containers stop, then print their exit codes', () => import('./commands/wait.ts'));
const port = entry('List port mappings for the container', () => import('./commands/port.ts'));
const update = entry('Update configuration of one or more containers', () => import('./commands/update.ts'));
const commit = entry("Create a new image from a container's changes", () => import('./commands/commit.ts'));
const exportTar = entry("Export a container's filesystem as a tar archive", () => import('./commands/export.ts'));
const images = entry('List images', () => import('./commands/images.ts'));
const pull = entry('Download an image from a registry', () => import('./commands/pull.ts'));
const push = entry('Upload an image to a registry', () => import('./commands/push.ts'));
const build = entry('Build an image from a Dockerfile', () => import('./commands/build.ts'));
const tag = entry('Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE', () => import('./commands/tag.ts'));
const rmi = entry('Remove one or more images', () => import('./commands/rmi.ts'));
const save = entry('Save one or more images to a tar archive', () => import('./commands/save.ts'));
const load = entry('Load images from a tar archive or standard input', () => import('./commands/load.ts'));
const importTar = entry('Import the contents of a tarball as an image', () => import('./commands/import.ts'));
const history = entry('Show the history of an image', () => import('./commands/history.ts'));
const referrers = entry(
  'List what is stored about an image: signatures and such',
  () => import('./commands/referrers.ts'),
);
const info = entry('Display system-wide information', () => import('./commands/info.ts'));
const events = entry('Get real time events from the daemon', () => import('./commands/events.ts'));

/** `berth NAME`. */
export const TOP: Readonly<Record<string, Entry>> = {
  run,
  exec,
  ps,
  build,
  pull,
  push,
  images,
  login: entry('Authenticate to a registry', () => import('./commands/login.ts')),
  logout: entry('Log out from a registry', () => import('./commands/logout.ts')),
  referrers,
  search: entry('Search Docker Hub for images', () => import('./commands/search.ts')),
  version: entry('Show the version of client and daemon', () => import('./commands/version.ts')),
  info,
  inspect: entry('Return low-level information on objects', () => import('./commands/inspect.ts')),
  create,
  start,
  stop,
  restart,
  kill,
  rm,
  logs,
  attach,
  top,
  stats,
  diff,
  cp,
  rename,
  pause,
  unpause,
  wait,
  port,
  update,
  commit,
  export: exportTar,
  tag,
  rmi,
  save,
  load,
  import: importTar,
  history,
  events,
};

/** `berth GROUP NAME`. */
export const GROUPS: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  container: {
    attach,
    commit,
    cp,
    create,
    diff,
    exec,
    export: exportTar,
    inspect: entry('Display detailed information on containers', () => import('./commands/container-inspect.ts')),
    kill,
    logs,
    ls: ps,
    pause,
    port,
    prune: entry('Remove all stopped containers', () => import('./commands/container-prune.ts')),
    rename,
    restart,
    rm,
    run,
    start,
    stats,
    stop,
    top,
    unpause,
    update,
    wait,
  },
  image: {
    build,
    history,
    import: importTar,
    inspect: entry('Display detailed information on images', () => import('./commands/image-inspect.ts')),
    load,
    ls: images,
    prune: entry('Remove unused images', () => import('./commands/image-prune.ts')),
    pull,
    push,
    referrers,
    rm: rmi,
    save,
    tag,
  },
  network: {
    connect: entry('Connect a container to a network', () => import('./commands/network-connect.ts')),
    create: entry('Create a network', () => import('./commands/network-create.ts')),
    disconnect: entry('Disconnect a container from a network', () => import('./commands/network-disconnect.ts')),
    inspect: entry('Display detailed information on networks', () => import('./commands/network-inspect.ts')),
    ls: entry('List networks', () => import('./commands/network-ls.ts')),
    prune: entry('Remove all unused networks', () => import('./commands/network-prune.ts')),
    rm: entry('Remove one or more networks', () => import('./commands/network-rm.ts')),
  },
  volume: {
    create: entry('Create a volume', () => import('./commands/volume-create.ts')),
    inspect: entry('Display detailed information on volumes', () => import('./commands/volume-inspect.ts')),
    ls: entry('List volumes', () => import('./commands/volume-ls.ts')),
    prune: entry('Remove unused volumes', () => import('./commands/volume-prune.ts')),
    rm: entry('Remove one or more volumes', () => import('./commands/volume-rm.ts')),
    update: entry('Update a volume (cluster volumes only)', () => import('./commands/volume-update.ts')),
  },
  system: {
    df: entry('Show disk usage', () => import('./commands/system-df.ts')),
    events,
    fsck: entry('Check that every byte of the data root has a record', () => import('./commands/system-fsck.ts')),
    gc: entry('Remove images that nothing uses, the longest unused first', () => import('./commands/system-gc.ts')),
    info,
    prune: entry('Remove unused data', () => import('./commands/system-prune.ts')),
    'dial-stdio': entry(
      'Carry the connection to the daemon over standard input and output',
      () => import('./commands/system-dial-stdio.ts'),
    ),
  },
  builder: {
    build,
    prune: entry('Remove build cache', () => import('./commands/builder-prune.ts')),
  },
};

/** Further names of commands and groups' commands. */
export const ALIASES: Readonly<Record<string, string>> = { list: 'ls', ps: 'ls', remove: 'rm' };
