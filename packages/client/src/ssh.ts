import { spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { Address } from './host.ts';

/** On the far side, whichever engine is there carries its socket over standard input and output. */
const REMOTE =
  'if command -v berth >/dev/null 2>&1; then exec berth system dial-stdio; else exec docker system dial-stdio; fi';

/** A connection through `ssh`; the process ends with the stream. What ssh says on stderr goes to ours. */
export function sshConnection(address: Address & { kind: 'ssh' }, program = 'ssh'): Duplex {
  const options = [
    '-T',
    '-o',
    'ConnectTimeout=30',
    ...(address.port === undefined ? [] : ['-p', String(address.port)]),
  ];
  const target = address.user === undefined ? address.hostname : `${address.user}@${address.hostname}`;
  const child = spawn(program, [...options, '--', target, REMOTE], { stdio: ['pipe', 'pipe', 'inherit'] });
  const duplex = pair(child.stdout, child.stdin);
  child.on('error', (error) => duplex.destroy(error));
  duplex.on('close', () => child.kill());
  // node:http talks to sockets and calls these on its connections.
  const nothing = (): unknown => duplex;
  return Object.assign(duplex, {
    setNoDelay: nothing,
    setKeepAlive: nothing,
    setTimeout: nothing,
    ref: nothing,
    unref: nothing,
  });
}

function pair(readable: Readable, writable: Writable): Duplex {
  const duplex = new Duplex({
    read() {
      readable.resume();
    },
    write(chunk, _encoding, done) {
      writable.write(chunk, done);
    },
    final(done) {
      writable.end(done);
    },
    destroy(error, done) {
      readable.destroy();
      writable.destroy();
      done(error);
    },
  });
  readable.on('data', (chunk) => {
    if (!duplex.push(chunk)) readable.pause();
  });
  readable.on('end', () => duplex.push(null));
  readable.on('error', (error) => duplex.destroy(error));
  writable.on('error', (error) => duplex.destroy(error));
  return duplex;
}
