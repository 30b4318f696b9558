export type { LogStream } from './line-format.ts';
export { LOG_DRIVERS, type LogConfig, parseLogConfig } from './log-drivers.ts';
export { logFiles, logSize } from './log-files.ts';
export type { ReadLogOptions } from './log-options.ts';
export { createLogRotator, type LogRotator } from './log-rotator.ts';
export { type ReadFramesOptions, readLogFrames } from './read-log-frames.ts';
export { type LogEntry, readLogs } from './read-logs.ts';
export { removeLog } from './remove-log.ts';
export { DEFAULT_LOG_LIMITS, type LogLimits, rotateLog } from './rotate.ts';
