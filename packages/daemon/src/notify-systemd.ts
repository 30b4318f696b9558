import { type Logger, messageOf } from '@berth/base';
import { connectUnixDatagram } from '@berth/linux';

/** Tells the service manager how far the daemon is (sd_notify(3)). Never throws: nobody but that manager minds. */
export type NotifySystemd = (state: 'READY=1' | 'STOPPING=1') => Promise<void>;

const SEND_MS = 2000;

/**
 * Takes `NOTIFY_SOCKET` out of the environment, which a unit of `Type=notify` has: an OCI runtime that inherits it would
 * speak in the daemon's name, and hand the socket to the container. Without one, what it returns does nothing.
 */
export function takeNotifySocket(env: NodeJS.ProcessEnv, logger: Pick<Logger, 'warn'>): NotifySystemd {
  const { NOTIFY_SOCKET: path } = env;
  delete env['NOTIFY_SOCKET'];
  if (path === undefined || !path.startsWith('/')) return async () => undefined;
  return async (state) => {
    try {
      using socket = connectUnixDatagram(path);
      await socket.send(Buffer.from(state), { signal: AbortSignal.timeout(SEND_MS) });
    } catch (error) {
      logger.warn(`systemd was not told ${state}: ${messageOf(error)}`);
    }
  };
}
