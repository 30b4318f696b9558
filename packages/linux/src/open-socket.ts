import { closeSync } from 'node:fs';
import { libc } from './libc.ts';
import { inNetns } from './netns.ts';
import { AF, inetAddress } from './socket-address.ts';
import { check } from './syscall-error.ts';

const SOCK = { stream: 1, dgram: 2, nonblock: 0o4000, cloexec: 0o2000000 } as const;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPPROTO_SCTP = 132;
const IPV6_V6ONLY = 26;

export interface SocketSpec {
  readonly type: 'udp' | 'tcp' | 'sctp';
  /** IPv4 or IPv6 address to bind. */
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  readonly backlog?: number;
}

const open = (spec: SocketSpec): number => {
  const c = libc();
  const { family, bytes } = inetAddress(spec.address, spec.port);
  const subject = `${spec.type} ${spec.address}:${spec.port}`;
  const type = (spec.type === 'udp' ? SOCK.dgram : SOCK.stream) | SOCK.nonblock | SOCK.cloexec;
  const protocol = spec.type === 'sctp' ? IPPROTO_SCTP : 0;
  const fd = check(c.socket(family, type, protocol), 'socket', subject);
  try {
    const on = new Int32Array([1]);
    if (spec.type === 'tcp') check(c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, 4), 'setsockopt', subject);
    if (family === AF.inet6) check(c.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on, 4), 'setsockopt', subject);
    check(c.bind(fd, bytes, bytes.length), 'bind', subject);
    if (spec.type === 'tcp') check(c.listen(fd, spec.backlog ?? 128), 'listen', subject);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

/**
 * A bound (for TCP, listening) non-blocking socket inside the network namespace at `netns`, or in this process's own
 * when undefined. Use it as `dgram` `socket.bind({ fd })` or `net` `server.listen({ fd })`, which then own it.
 * Throws {@link SyscallError}, `EADDRINUSE` for instance.
 */
export function openSocketIn(netns: string | undefined, spec: SocketSpec): number {
  return netns === undefined ? open(spec) : inNetns(netns, () => open(spec));
}
