import { handle, type RouteFactory } from '../route.ts';
import { clientStreams, streamType } from '../streams.ts';
import { sizeOf } from './containers.ts';

const create = handle('ContainerExec', async ({ params, body, services, exchange }) => {
  const id = await services.containers.createExec(params.id, {
    attachStdin: body.AttachStdin ?? false,
    attachStdout: body.AttachStdout ?? false,
    attachStderr: body.AttachStderr ?? false,
    tty: body.Tty ?? false,
    env: body.Env ?? [],
    cmd: body.Cmd ?? [],
    privileged: body.Privileged ?? false,
    user: body.User ?? '',
    workingDir: body.WorkingDir ?? '',
    consoleSize: body.ConsoleSize ?? null,
    ...(body.DetachKeys ? { detachKeys: body.DetachKeys } : {}),
  });
  await exchange.reply.json(201, { Id: id });
});

const start = handle('ExecStart', async ({ params, body, services, exchange, version, signal }) => {
  const detach = body.Detach ?? false;
  const started = await services.containers.startExec(params.id, {
    detach,
    consoleSize: body.ConsoleSize ?? null,
    signal,
  });
  if (detach) {
    await exchange.reply.empty(200);
    return;
  }
  // As dockerd, by what this request says, whatever the process has: clients read the stream by it.
  const raw = body.Tty ?? false;
  const socket = await exchange.hijack({ contentType: streamType(exchange.headers, raw, version) });
  const client = clientStreams(socket, raw, { atOnce: true, headers: exchange.headers });
  try {
    await started.run(client, { signal });
  } finally {
    client.end();
  }
});

const resize = handle('ExecResize', async ({ params, services, exchange }) => {
  await services.containers.resizeExec(params.id, sizeOf(exchange.query));
  await exchange.reply.empty(200);
});

const inspect = handle('ExecInspect', async ({ params, services, exchange }) => {
  const exec = services.containers.getExec(params.id);
  const { settings } = exec;
  const [entrypoint = '', ...args] = settings.cmd;
  await exchange.reply.json(200, {
    ID: exec.id,
    Running: exec.running,
    ExitCode: exec.exitCode ?? null,
    ProcessConfig: {
      tty: settings.tty,
      entrypoint,
      arguments: args,
      privileged: settings.privileged,
      ...(settings.user ? { user: settings.user } : {}),
    },
    OpenStdin: settings.attachStdin,
    OpenStderr: settings.attachStderr,
    OpenStdout: settings.attachStdout,
    CanRemove: exec.exitCode !== undefined,
    ContainerID: exec.containerId,
    DetachKeys: settings.detachKeys ?? '',
    Pid: exec.pid,
  });
});

export const EXEC_ROUTES: readonly RouteFactory[] = [create, start, resize, inspect];
