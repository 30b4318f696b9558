import type { CallOptions, Logger } from '@berth/base';
import type { ParallelRanges } from './parallel-ranges.ts';
import type { ProxySettings } from './proxies.ts';

/** What a user logged in with; structurally the image service's credential. */
export interface RegistryCredential {
  readonly username?: string;
  readonly password?: string;
  /** OAuth2 refresh token from an earlier login. */
  readonly identityToken?: string;
  /** Bearer token to send as it is. */
  readonly registryToken?: string;
}

/** Looks up what to authenticate with at a registry (`docker.io`, `host:5000`). */
export type FindCredential = (domain: string, options?: CallOptions) => Promise<RegistryCredential | undefined>;

export interface TransferLimits {
  /** Longest silence on a connection, milliseconds. */
  readonly stallMs: number;
  readonly connectMs: number;
  /** Tries for one request, and reconnects without progress of one blob. */
  readonly attempts: number;
  /** First pause between tries, doubled each time, with jitter, milliseconds. */
  readonly backoffMs: number;
  /** Longest pause, milliseconds. When the registry asks for a longer one, its refusal is final. */
  readonly maxBackoffMs: number;
  /** Slowest blob that is waited for, bytes a second, averaged over `stallMs`. */
  readonly minBytesPerSecond: number;
}

export const DEFAULT_TRANSFER_LIMITS: TransferLimits = {
  stallMs: 30_000,
  connectMs: 15_000,
  attempts: 5,
  backoffMs: 250,
  maxBackoffMs: 20_000,
  minBytesPerSecond: 256,
};

/** What the operator says about one registry (`registries` in daemon.json). */
export interface RegistrySettings {
  /**
   * Base URLs tried first for pulls. `https://cache/v2/quay-proxy` puts `quay-proxy/` before repository names; any other
   * path goes before `/v2/`.
   */
  readonly mirrors?: readonly string[];
  /** Connections for one big blob, 1 to 8. */
  readonly parallelRanges?: number;
}

export interface RegistryClientOptions {
  readonly credentials?: FindCredential;
  /** `host[:port]` or CIDR: TLS certificates are not verified and plain HTTP is tried too. Loopback always is. */
  readonly insecureRegistries?: readonly string[];
  /** Base URLs tried first for pulls from docker.io. */
  readonly mirrors?: readonly string[];
  /** By `host[:port]` as in image names; `docker.io` for Docker Hub. */
  readonly registries?: Readonly<Record<string, RegistrySettings>>;
  /** None by default; see `proxiesFromEnvironment`. Their credentials appear in no log and no error. */
  readonly proxies?: ProxySettings;
  /** Directories with `<host[:port]>/{*.crt,*.cert,*.key}`, default `/etc/berth/certs.d`, `/etc/docker/certs.d`. */
  readonly certificateDirectories?: readonly string[];
  /** How big blobs are fetched from registries that `registries` says nothing about; one connection by default. */
  readonly parallel?: Partial<ParallelRanges>;
  readonly userAgent?: string;
  readonly logger?: Logger;
  readonly limits?: Partial<TransferLimits>;
}
