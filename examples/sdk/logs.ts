/** Follows a container's log until it ends, or for SECONDS: `node examples/sdk/logs.ts CONTAINER [SECONDS]` */
import { createClient, demultiplex } from '@berth/client';

const [container = '', seconds] = process.argv.slice(2);
const signal = seconds === undefined ? undefined : AbortSignal.timeout(Number(seconds) * 1000);

await using client = await createClient();
try {
  const log = await client.containers.logs(
    container,
    { follow: true, stdout: true, stderr: true, timestamps: true },
    signal === undefined ? {} : { signal },
  );
  await demultiplex(log, process);
} catch (error) {
  if (!signal?.aborted) throw error;
}
