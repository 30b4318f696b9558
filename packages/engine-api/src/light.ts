/**
 * The parts of this package that load neither the schema library nor `@berth/base`, for programs whose start time
 * matters.
 */
export * from './registry-auth.ts';
export * from './routes.ts';
export * from './version.ts';
