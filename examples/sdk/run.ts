/** Runs a container, shows what it prints as it prints it, and ends with its exit code: `node examples/sdk/run.ts IMAGE COMMAND...` */
import { createClient, demultiplex } from '@berth/client';

const [image = 'busybox', ...command] = process.argv.slice(2);

await using client = await createClient();
const { Id } = await client.containers.create({ Image: image, Cmd: command, HostConfig: { NetworkMode: 'none' } });
try {
  const attached = await client.containers.attach(Id, { stream: true, stdout: true, stderr: true });
  // Asked for before the start: a container may end before the next line of this program.
  const ended = client.containers.wait(Id, 'next-exit');
  await client.containers.start(Id);
  await demultiplex(attached.duplex, process);
  process.exitCode = (await ended).StatusCode;
} finally {
  await client.containers.remove(Id, { force: true, v: true });
}
