import { type CallOptions, isKind } from '@berth/base';
import type { ImageConfigDocument, ImageHandle, ImageRunConfig } from '@berth/images';
import type { Digest } from '@berth/oci';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { healthcheckOf, mergeImageConfig } from './merge-image.ts';
import { runtimeOf } from './pause.ts';
import { type ContainerSettings, EMPTY_SETTINGS } from './types.ts';

export interface CommitOptions extends CallOptions {
  readonly reference?: string;
  readonly author?: string;
  readonly comment?: string;
  /** Freeze the processes while the changes are read; default true. */
  readonly pause?: boolean;
  /** Settings of the image; the container's own complete them as an image's complete a container's. */
  readonly config?: ImageRunConfig;
  /** Applied to {@link config}, or else to the container's settings, before they are completed. */
  readonly changeConfig?: (config: ImageRunConfig) => ImageRunConfig;
}

/** Makes an image of the container's image and its own changes. */
export async function commit(deps: ContainerDeps, nameOrId: string, options: CommitOptions = {}): Promise<ImageHandle> {
  const container = deps.store.get(nameOrId);
  const base = await deps.images.resolve(container.record.image.id, options);
  const written = await paused(deps, container, options.pause ?? true, () =>
    deps.images.writeLayer(container.id, {
      commit: false,
      ...(base.chainIds.length > 0 ? { parentChainId: base.chainIds.at(-1) as Digest } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    }),
  );
  const created = deps.clock.now().toISOString();
  const config: ImageConfigDocument = {
    ...base.config,
    created,
    ...(options.author ? { author: options.author } : {}),
    config: completed(options, runConfigOf(container.record.settings)),
    rootfs: { type: 'layers', diff_ids: [...base.diffIds, ...(written.layer ? [written.layer.diffId] : [])] },
    history: [
      ...(base.config.history ?? []),
      {
        created,
        created_by: (container.record.settings.cmd ?? []).join(' '),
        ...(options.author ? { author: options.author } : {}),
        ...(options.comment ? { comment: options.comment } : {}),
        ...(written.layer ? {} : { empty_layer: true }),
      },
    ],
  };
  const image = await deps.images.create(
    {
      config,
      layers: [...base.layers, ...(written.layer ? [written.layer.descriptor] : [])],
      parent: base.id,
      ...(options.reference ? { names: [options.reference] } : {}),
    },
    options,
  );
  emitContainer(deps, container, 'commit', {
    comment: options.comment ?? '',
    imageID: image.id,
    imageRef: options.reference ?? '',
  });
  return image;
}

function completed({ config, changeConfig = (given) => given }: CommitOptions, own: ImageRunConfig): ImageRunConfig {
  return runConfigOf(mergeImageConfig(settingsOf(changeConfig(config ?? own)), own));
}

async function paused<T>(
  deps: ContainerDeps,
  container: Container,
  wanted: boolean,
  work: () => Promise<T>,
): Promise<T> {
  if (!wanted || !container.is('running')) return await work();
  using _held = await deps.lock.acquire(container.id);
  if (!container.is('running')) return await work();
  if (!(await frozen(deps, container))) return await work();
  try {
    return await work();
  } finally {
    await resume(deps, container);
  }
}

/** False when the processes have ended meanwhile: then nothing changes their files any more. */
async function frozen(deps: ContainerDeps, container: Container): Promise<boolean> {
  try {
    await runtimeOf(deps, container).pause(container.id);
  } catch (error) {
    if (!isKind(error, 'notFound', 'conflict')) throw error;
    return false;
  }
  emitContainer(deps, container, 'pause');
  return true;
}

async function resume(deps: ContainerDeps, container: Container): Promise<void> {
  try {
    await runtimeOf(deps, container).resume(container.id);
    emitContainer(deps, container, 'unpause');
  } catch (error) {
    // It may have been killed meanwhile.
    if (!isKind(error, 'notFound', 'conflict')) throw error;
  }
}

function settingsOf(run: ImageRunConfig): ContainerSettings {
  return {
    ...EMPTY_SETTINGS,
    user: run.User ?? '',
    exposedPorts: run.ExposedPorts ?? {},
    env: run.Env ?? [],
    cmd: run.Cmd ?? null,
    entrypoint: run.Entrypoint ?? null,
    volumes: run.Volumes ?? {},
    workingDir: run.WorkingDir ?? '',
    labels: run.Labels ?? {},
    onBuild: run.OnBuild ?? null,
    ...(run.StopSignal === undefined ? {} : { stopSignal: run.StopSignal }),
    ...(run.StopTimeout === undefined ? {} : { stopTimeout: run.StopTimeout }),
    ...(run.Shell ? { shell: run.Shell } : {}),
    ...(run.Healthcheck ? { healthcheck: healthcheckOf(run.Healthcheck) } : {}),
  };
}

/** A container's settings as an image's: what belongs to one container only is left out. */
export function runConfigOf(settings: ContainerSettings): ImageRunConfig {
  const { healthcheck } = settings;
  return {
    ...(settings.user ? { User: settings.user } : {}),
    ...(Object.keys(settings.exposedPorts).length > 0 ? { ExposedPorts: settings.exposedPorts } : {}),
    Env: settings.env,
    Cmd: settings.cmd,
    ...(settings.entrypoint ? { Entrypoint: settings.entrypoint } : {}),
    ...(Object.keys(settings.volumes).length > 0 ? { Volumes: settings.volumes } : {}),
    WorkingDir: settings.workingDir,
    Labels: settings.labels,
    ...(settings.stopSignal ? { StopSignal: settings.stopSignal } : {}),
    ...(settings.stopTimeout === undefined ? {} : { StopTimeout: settings.stopTimeout }),
    ...(settings.shell ? { Shell: settings.shell } : {}),
    ...(settings.onBuild ? { OnBuild: settings.onBuild } : {}),
    ...(healthcheck
      ? {
          Healthcheck: {
            ...(healthcheck.test ? { Test: healthcheck.test } : {}),
            ...(healthcheck.interval ? { Interval: healthcheck.interval } : {}),
            ...(healthcheck.timeout ? { Timeout: healthcheck.timeout } : {}),
            ...(healthcheck.startPeriod ? { StartPeriod: healthcheck.startPeriod } : {}),
            ...(healthcheck.startInterval ? { StartInterval: healthcheck.startInterval } : {}),
            ...(healthcheck.retries ? { Retries: healthcheck.retries } : {}),
          },
        }
      : {}),
  };
}
