import type { LogMessage } from './log-sink.ts';

export type SyslogFormat = '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro';

export interface SyslogFields {
  readonly format: SyslogFormat;
  /** 0 to 23. */
  readonly facility: number;
  readonly hostname: string;
  readonly tag: string;
  readonly pid: number;
}

const LINE_FEED = 0x0a;
const ERROR = 3;
const INFORMATIONAL = 6;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');

/** `Jan  2 15:04:05` in the daemon's time zone, which is what RFC 3164 means. */
const stamp = (date: Date): string =>
  `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

const isoTime = (nanoseconds: bigint, micro: boolean): string => {
  const whole = new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = String((nanoseconds % 1_000_000_000n) / 1000n).padStart(6, '0');
  return micro ? `${whole}.${fraction}Z` : `${whole}Z`;
};

/**
 * One message as a line for a syslog receiver, closed by a line feed. Without a format it is the local form, which has
 * no host name. See RFC 3164 section 4 and RFC 5424 section 6.
 */
export function formatSyslog(fields: SyslogFields, message: LogMessage): Buffer {
  const { format, hostname, tag, pid } = fields;
  const priority = fields.facility * 8 + (message.stream === 'stderr' ? ERROR : INFORMATIONAL);
  const date = (): string => stamp(new Date(Number(message.time / 1_000_000n)));
  const head =
    format === ''
      ? `<${priority}>${date()} ${tag}[${pid}]: `
      : format === 'rfc3164'
        ? `<${priority}>${date()} ${hostname} ${tag}[${pid}]: `
        : `<${priority}>1 ${isoTime(message.time, format === 'rfc5424micro')} ${hostname} ${tag} ${pid} ${tag} - `;
  const lead = Buffer.byteLength(head);
  const out = Buffer.allocUnsafe(lead + message.line.length + 1);
  out.write(head);
  message.line.copy(out, lead);
  out[out.length - 1] = LINE_FEED;
  return out;
}
