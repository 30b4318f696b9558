import { type CallOptions, messageOf, unavailable } from '@berth/base';
import type { OciRuntime, RuntimeVersion } from './oci-runtime.ts';

export interface SelectedRuntime {
  readonly runtime: OciRuntime;
  readonly version: RuntimeVersion;
  /** Why those preferred to it were passed over, for the log. */
  readonly rejected: readonly { readonly name: string; readonly reason: string }[];
}

/** The first of the candidates (crun, then runc) whose probe passes. Throws `unavailable` with every reason. */
export async function selectRuntime(
  candidates: readonly OciRuntime[],
  options: CallOptions = {},
): Promise<SelectedRuntime> {
  const rejected: { name: string; reason: string }[] = [];
  for (const runtime of candidates) {
    try {
      return { runtime, version: await runtime.probe(options), rejected };
    } catch (error) {
      options.signal?.throwIfAborted();
      rejected.push({ name: runtime.name, reason: messageOf(error) });
    }
  }
  throw unavailable(`no OCI runtime works on this host: ${rejected.map(({ reason }) => reason).join('; ')}`);
}
