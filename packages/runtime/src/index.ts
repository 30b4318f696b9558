export { type CliRuntimeOptions, createCliRuntime } from './cli-runtime.ts';
export { type ConmonMonitor, type ConmonMonitorOptions, createConmonMonitor } from './conmon/conmon-monitor.ts';
export { killProcessesNaming } from './conmon/process-identity.ts';
export { listRuntimeContainers } from './list-containers.ts';
export * from './monitor.ts';
export * from './oci-runtime.ts';
export { flavourOf, runtimeRoot } from './runtime-flavour.ts';
export { type SelectedRuntime, selectRuntime } from './select-runtime.ts';
export {
  apparmorProfileOf,
  DEFAULT_APPARMOR_POLICY,
  DEFAULT_APPARMOR_PROFILE,
  ensureApparmorProfile,
} from './spec/apparmor.ts';
export * from './spec/build-runtime-spec.ts';
export {
  ALL_CAPABILITIES,
  DEFAULT_CAPABILITIES,
  normalizeCapability,
  resolveCapabilities,
} from './spec/capabilities.ts';
export { deviceNumbers } from './spec/devices.ts';
export { encodeSpec } from './spec/encode-spec.ts';
export * from './spec/host-facts.ts';
export { buildExecProcess, type ExecProcessInput } from './spec/process-spec.ts';
export { type ResolvedUser, resolveUser } from './spec/resolve-user.ts';
export { buildResources } from './spec/resources.ts';
export type * from './spec/spec-input.ts';
export { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './spec/system-paths.ts';
