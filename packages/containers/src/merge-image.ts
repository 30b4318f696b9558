import type { ImageRunConfig } from '@berth/images';
import type { ContainerSettings, HealthcheckSettings } from './types.ts';

/** Completes a user's settings with those of the image, by dockerd's rules. */
export function mergeImageConfig(settings: ContainerSettings, image: ImageRunConfig): ContainerSettings {
  const entrypoint = settings.entrypoint;
  // An entrypoint given by the user also drops the image's command; `['']` clears the image's entrypoint.
  const inheritsCommand =
    (settings.cmd === null || settings.cmd.length === 0) && (entrypoint === null || entrypoint.length === 0);
  const cleared = entrypoint?.length === 1 && entrypoint[0] === '';
  const healthcheck = mergeHealthcheck(settings.healthcheck, image.Healthcheck);
  const stopSignal = settings.stopSignal || image.StopSignal;
  const stopTimeout = settings.stopTimeout ?? image.StopTimeout;
  const shell = settings.shell ?? image.Shell;
  return {
    ...settings,
    user: settings.user || (image.User ?? ''),
    exposedPorts: { ...image.ExposedPorts, ...settings.exposedPorts },
    env: mergeEnv(settings.env, image.Env ?? []),
    labels: { ...image.Labels, ...settings.labels },
    cmd: inheritsCommand ? (image.Cmd ?? null) : settings.cmd,
    entrypoint: cleared
      ? null
      : entrypoint === null || entrypoint.length === 0
        ? (image.Entrypoint ?? null)
        : entrypoint,
    volumes: { ...image.Volumes, ...settings.volumes },
    workingDir: settings.workingDir || (image.WorkingDir ?? ''),
    ...(healthcheck ? { healthcheck } : {}),
    ...(stopSignal ? { stopSignal } : {}),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
    ...(shell ? { shell } : {}),
  };
}

/** The image's variables that the user did not set come after the user's, as dockerd orders them. */
function mergeEnv(own: readonly string[], image: readonly string[]): readonly string[] {
  const names = new Set(own.map(nameOf));
  return [...own, ...image.filter((entry) => !names.has(nameOf(entry)))];
}

function nameOf(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}

function mergeHealthcheck(
  own: HealthcheckSettings | undefined,
  image: ImageRunConfig['Healthcheck'],
): HealthcheckSettings | undefined {
  if (!image) return own;
  const inherited = healthcheckOf(image);
  if (!own) return inherited;
  const given = Object.fromEntries(
    Object.entries(own).filter(([key, value]) => (key === 'test' ? own.test?.length : value)),
  );
  return { ...inherited, ...given };
}

/** An image's health check as a container's. */
export const healthcheckOf = (image: NonNullable<ImageRunConfig['Healthcheck']>): HealthcheckSettings => ({
  ...(image.Test ? { test: image.Test } : {}),
  ...(image.Interval ? { interval: image.Interval } : {}),
  ...(image.Timeout ? { timeout: image.Timeout } : {}),
  ...(image.StartPeriod ? { startPeriod: image.StartPeriod } : {}),
  ...(image.StartInterval ? { startInterval: image.StartInterval } : {}),
  ...(image.Retries ? { retries: image.Retries } : {}),
});
