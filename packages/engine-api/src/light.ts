/** The parts of this package that load no schema library, for programs whose start time matters. */
export * from './registry-auth.ts';
export * from './routes.ts';
export * from './stream/frames.ts';
export * from './stream/json-lines.ts';
export * from './version.ts';
