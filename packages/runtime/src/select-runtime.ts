import { type CallOptions, messageOf, unavailable } from '@berth/base';
import type { OciRuntime, RuntimeVersion } from './oci-runtime.ts';

export interface SelectedRuntime {
  readonly runtime: OciRuntime;
  readonly version: RuntimeVersion;
  /** Why those preferred to it were passed over, for the log. */
  readonly rejected: readonly { readonly name: string; readonly reason: string }[];
}

export interface SelectOptions extends CallOptions {
  /** In place of each runtime's own probe, which runs a container: to remember what is known. */
  readonly probe?: (runtime: OciRuntime, options: CallOptions) => Promise<RuntimeVersion>;
}

/** The first of the candidates (crun, then runc) whose probe passes. Throws `unavailable` with every reason. */
export async function selectRuntime(
  candidates: readonly OciRuntime[],
  options: SelectOptions = {},
): Promise<SelectedRuntime> {
  const { probe = (runtime: OciRuntime, call: CallOptions) => runtime.probe(call) } = options;
  const rejected: { name: string; reason: string }[] = [];
  for (const runtime of candidates) {
    try {
      return { runtime, version: await probe(runtime, options), rejected };
    } catch (error) {
      options.signal?.throwIfAborted();
      rejected.push({ name: runtime.name, reason: messageOf(error) });
    }
  }
  throw unavailable(`no OCI runtime works on this host: ${rejected.map(({ reason }) => reason).join('; ')}`);
}
